"""Show a diagram in a layout of its own on a narrow screen, where there is one.

Beside ``NAME.svg`` lies ``NAME_narrow.svg``. The style sheet shows one of the two.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from docutils import nodes
from sphinx.application import Sphinx

from proof.project import ROOT


def add_narrow_layout(app: Sphinx, doctree: nodes.document) -> None:
    """Put the narrow layout of each diagram after the wide one."""
    for image in list(doctree.findall(nodes.image)):
        path = PurePosixPath(image["uri"])
        narrow = path.with_name(f"{path.stem}_narrow.svg")
        if path.suffix == ".svg" and (ROOT / "docs" / str(narrow).lstrip("/")).exists():
            copy = image.deepcopy()
            copy["uri"] = str(narrow)
            image["classes"].append("if-wide")
            copy["classes"].append("if-narrow")
            image.parent.insert(image.parent.index(image) + 1, copy)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to the build, before Sphinx collects the images."""
    app.connect("doctree-read", add_narrow_layout, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
