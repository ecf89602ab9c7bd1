"""The lessons, and which of them can be run here."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

from sphinx_gallery.py_source_parser import remove_config_comments, split_code_and_text_blocks

from proof.project import ROOT

LESSONS = sorted(ROOT.glob("tutorials/*/*.py"))
NEEDS_IRIS = {
    path: found[1]
    for path in LESSONS
    if (found := re.search(r"\*\*You need\*\* Iris ([\d.]+)", path.read_text()))
}
"""The lessons that need a newer Iris than the oldest one that is supported, and which."""


def too_new(lesson: Path) -> str:
    """Say why a lesson cannot be run here, or nothing.

    Parameters
    ----------
    lesson : Path
        The script.

    Returns
    -------
    str
        A sentence for readers; empty if it can be run.
    """
    if lesson not in NEEDS_IRIS:
        return ""
    here, needed = version("scitools-iris"), NEEDS_IRIS[lesson]
    if _numbers(here) >= _numbers(needed):
        return ""
    return f"It needs Iris {needed}, which needs Python 3.12; here is Iris {here}."


def code_cells(lesson: Path) -> list[str]:
    """Find the code that readers run cell by cell.

    Parameters
    ----------
    lesson : Path
        The script.

    Returns
    -------
    list of str
        Without the comments that are for sphinx-gallery.
    """
    blocks = split_code_and_text_blocks(lesson)[1]
    return [remove_config_comments(text).strip() for kind, text, _ in blocks if kind == "code"]


def figures(lesson: Path) -> int:
    """Count the pictures that a lesson is meant to draw: it draws one at least.

    Parameters
    ----------
    lesson : Path
        The script.

    Returns
    -------
    int
        How many.
    """
    count = lesson.read_text().count("plt.show()")
    assert count
    return count


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")[:2]))


RUN = [lesson for lesson in LESSONS if not too_new(lesson)]
"""The lessons that are run here."""
