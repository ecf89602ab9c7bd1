"""The files of the project."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
GALLERY = Path("docs", "tutorials")
"""Where sphinx-gallery puts the pages that it makes of the lessons."""

_GENERATED = (
    ".git", ".nox*", ".venv", "build", "__pycache__", "*.egg-info", ".*_cache"
)  # fmt: skip


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

    def generated(directory: str, names: list[str]) -> set[str]:
        ignored = shutil.ignore_patterns(*_GENERATED)(directory, names)
        return ignored | ({GALLERY.name} if Path(directory) == ROOT / GALLERY.parent else set())

    return Path(shutil.copytree(ROOT, folder, ignore=generated))
