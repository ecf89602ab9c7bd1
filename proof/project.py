"""The files of the project."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
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
