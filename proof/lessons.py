"""The lessons, and which of them can be run here."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

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


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")[:2]))


RUN = [lesson for lesson in LESSONS if not too_new(lesson)]
"""The lessons that are run here."""
