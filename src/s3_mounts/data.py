"""The lessons' data: real files from the package ``iris-sample-data``, and coastlines."""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from pathlib import Path

import iris_sample_data

from s3_mounts.errors import SandboxError

NATURAL_EARTH = Path(__file__).parent / "natural_earth"
"""The 110 m coastline of Natural Earth, in the folders in which cartopy looks for it."""


def sample_path(name: str) -> Path:
    """Find a file of Iris's sample data.

    Parameters
    ----------
    name : str
        Its path within the sample data, such as ``"GloSea4/ensemble_001.pp"``.

    Returns
    -------
    Path
        The file on this machine.

    Raises
    ------
    SandboxError
        If there is no such file.

    Examples
    --------
    >>> sample_path("air_temp.pp").stat().st_size
    28304
    """
    folder = Path(iris_sample_data.path)
    path = folder / name
    if path.is_file():
        return path
    known = [str(p.relative_to(folder)) for p in sorted(folder.rglob("*")) if p.is_file()]
    close = ", ".join(get_close_matches(name, known)) or "nothing similar"
    raise SandboxError(
        f"expected {name!r} among the files of iris-sample-data, found {close}."
        f" They are in {folder}."
    )


def use_packaged_coastlines() -> None:
    """Let cartopy draw 110 m coastlines without downloading them.

    A folder that the user has set with ``CARTOPY_DATA_DIR`` is left as it is.
    """
    os.environ.setdefault("CARTOPY_DATA_DIR", str(NATURAL_EARTH))
    cartopy = sys.modules.get("cartopy")
    if cartopy:
        cartopy.config["pre_existing_data_dir"] = Path(os.environ["CARTOPY_DATA_DIR"])
