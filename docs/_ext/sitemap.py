"""Write ``sitemap.xml``, the list of all pages, for search engines.

sphinx-sitemap lists only the pages that a build has written, so after a change of one page only
that one.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from sphinx.application import Sphinx


def write(app: Sphinx, error: Exception | None) -> None:
    """Write it, with the address of each page but the one of what is not found."""
    if error or app.builder.format != "html":
        return
    whole = ElementTree.Element("urlset", xmlns="http://www.sitemaps.org/schemas/sitemap/0.9")
    for docname in sorted(app.env.found_docs - {"404"}):
        address = app.config.html_baseurl + app.builder.get_target_uri(docname)
        ElementTree.SubElement(ElementTree.SubElement(whole, "url"), "loc").text = address
    ElementTree.indent(whole)
    path = Path(app.outdir, "sitemap.xml")
    ElementTree.ElementTree(whole).write(path, encoding="utf-8", xml_declaration=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to the build."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
