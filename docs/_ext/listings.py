"""List all pages: in ``sitemap.xml`` for search engines, in ``llms.txt`` for language models.

sphinx-sitemap and sphinx-llms-txt know only of what a build has written: after a change of one page
the first lists that page alone, and the second has lost the site's description.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

FIRST_PARAGRAPH = "first paragraph"

logger = logging.getLogger(__name__)


def note_first_paragraph(app: Sphinx, doctree: nodes.document) -> None:
    """Keep how a page begins, for builds that do not read it again."""
    paragraph = next(filter(is_text, doctree.findall(nodes.paragraph)), None)
    if paragraph is None:
        logger.warning(
            "expected a paragraph after the title, which describes the page; found none",
            location=app.env.docname,
        )
    words = paragraph.astext().split() if paragraph else []
    app.env.metadata[app.env.docname][FIRST_PARAGRAPH] = " ".join(words)


def is_text(paragraph: nodes.paragraph) -> bool:
    """Tell a paragraph of the page from one in a note, a list or a table."""
    return isinstance(paragraph.parent, nodes.section)


def pages(env: BuildEnvironment, first: str) -> Iterator[str]:
    """Yield a page and those below it, as the tables of contents have them."""
    yield first
    for page in env.toctree_includes.get(first, []):
        yield from pages(env, page)


def write(app: Sphinx, error: Exception | None) -> None:
    """Write both lists."""
    if error or app.builder.format != "html":
        return
    home = app.config.root_doc
    addresses = {
        page: app.config.html_baseurl + app.builder.get_target_uri(page)
        for page in pages(app.env, home)
    }

    site = ElementTree.Element("urlset", xmlns="http://www.sitemaps.org/schemas/sitemap/0.9")
    for address in addresses.values():
        ElementTree.SubElement(ElementTree.SubElement(site, "url"), "loc").text = address
    ElementTree.indent(site)
    path = Path(app.outdir, "sitemap.xml")
    ElementTree.ElementTree(site).write(path, encoding="utf-8", xml_declaration=True)

    begin = {page: app.env.metadata[page][FIRST_PARAGRAPH] for page in addresses}
    listed = "".join(
        f"- [{app.env.titles[page].astext()}]({address}): {begin[page]}\n"
        for page, address in addresses.items()
    )
    text = f"# {app.config.project}\n\n> {begin[home]}\n\n## Pages\n\n{listed}"
    Path(app.outdir, "llms.txt").write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to the build."""
    app.connect("doctree-read", note_first_paragraph)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
