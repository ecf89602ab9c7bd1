"""The files of the project."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
LESSONS = sorted(ROOT.glob("tutorials/*/*.py"))
NEEDS_IRIS = {
    path: found[1]
    for path in LESSONS
    if (found := re.search(r"\*\*You need\*\* Iris ([\d.]+)", path.read_text()))
}
"""The lessons that need a newer Iris than the oldest one that is supported, and which."""

GALLERY = Path("docs", "tutorials")
"""Where sphinx-gallery puts the pages that it makes of the lessons."""

EXPECTED = ROOT / "proof" / "expected"
"""What the cells of lessons are expected to say."""

_GENERATED = (
    *(".git", ".nox*", ".venv", "build", "dist"),
    *("__pycache__", "*.egg-info", ".*_cache", ".hypothesis"),
)


def _generated(directory: str, names: list[str]) -> set[str]:
    ignored = shutil.ignore_patterns(*_GENERATED)(directory, names)
    return ignored | ({GALLERY.name} if Path(directory) == ROOT / GALLERY.parent else set())


def copy(folder: Path) -> Path:
    """Copy the project as a clone of it would be, with nothing that was generated.

    Parameters
    ----------
    folder : Path
        The copy, which must not exist yet.

    Returns
    -------
    Path
        The same.
    """
    return Path(shutil.copytree(ROOT, folder, ignore=_generated))


def files(folder: str = ".") -> Iterator[Path]:
    """List the files that a clone of the project has.

    Parameters
    ----------
    folder : str, default: "."
        The folder to look in, with all below it; or a single file.

    Yields
    ------
    Path
        A file.
    """
    if (ROOT / folder).is_file():
        yield ROOT / folder
    for directory, folders, names in os.walk(ROOT / folder):
        generated = _generated(directory, [*folders, *names])
        folders[:] = [name for name in folders if name not in generated]
        yield from (Path(directory, name) for name in names if name not in generated)


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
