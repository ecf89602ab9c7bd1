"""The lessons' data: real files from the package ``iris-sample-data``, and coastlines."""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from s3_mounts.errors import import_extra
from s3_sandbox.errors import SandboxError

if TYPE_CHECKING:
    from iris.cube import Cube

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
    folder = Path(import_extra("iris_sample_data", "sandbox").path)
    path = folder / name
    if path.is_file():
        return path
    known = [str(p.relative_to(folder)) for p in sorted(folder.rglob("*")) if p.is_file()]
    close = ", ".join(get_close_matches(name, known)) or "nothing similar"
    raise SandboxError(
        f"expected {name!r} among the files of iris-sample-data, found {close}."
        f" They are in {folder}."
    )


def fine_temperature(
    years: int = 240, latitude: int = 444, longitude: int = 588, *, skip: int = 0
) -> Cube:
    """Refine a real field to any size: air temperature over North America, scenario A1B.

    Parameters
    ----------
    years : int, default: 240
        How many yearly means; the source has 240, from 1860 on.
    latitude, longitude : int, default: 444, 588
        The number of grid points. The source has 37 and 49; between them it is interpolated.
    skip : int, default: 0
        How many years to leave out at the beginning, to make a long series piece by piece.

    Returns
    -------
    iris.cube.Cube
        In kelvin, as 4-byte numbers in memory, with the dimensions time, latitude and longitude.

    Raises
    ------
    ValueError
        If the source does not have that many years, or the grid is smaller than 2 by 2.

    Examples
    --------
    >>> print(fine_temperature(2, 100, 120).summary(shorten=True))
    air_temperature / (K)               (time: 2; latitude: 100; longitude: 120)
    """
    iris = import_extra("iris", "iris")
    import numpy as np

    if years < 1 or not 0 <= skip <= 240 - years or latitude < 2 or longitude < 2:
        raise ValueError(
            "expected 1 to 240 years with those that are skipped, and at least 2 latitudes and"
            f" longitudes, found {years} years after {skip}, {latitude} and {longitude}."
        )
    coarse = iris.load_cube(sample_path("A1B_north_america.nc"))
    coarse.coord("forecast_period").guess_bounds()  # Else each mean over time warns of it.
    coarse = coarse[skip : skip + years]
    # The points of the source are evenly spaced; each counts less, the further away it is.
    # Iris would compute the same, in more time and memory.
    grid = []
    weights = []
    for name, count in (("latitude", latitude), ("longitude", longitude)):
        points = coarse.coord(name).points
        grid.append(coarse.coord(name).copy(np.linspace(points[0], points[-1], count)))
        away = np.linspace(0, len(points) - 1, count) - np.arange(len(points))[:, np.newaxis]
        weights.append((1 - abs(away)).clip(0).astype("float32"))
    south_to_north, west_to_east = weights
    return iris.cube.Cube(
        south_to_north.T @ np.ma.getdata(coarse.data) @ west_to_east,
        dim_coords_and_dims=[
            (coord, position) for position, coord in enumerate([coarse.coord("time"), *grid])
        ],
        aux_coords_and_dims=[(coord, coarse.coord_dims(coord)) for coord in coarse.aux_coords],
        **coarse.metadata._asdict(),
    )


def use_packaged_coastlines() -> None:
    """Let cartopy draw 110 m coastlines without downloading them.

    A folder that the user has set with ``CARTOPY_DATA_DIR`` is left as it is.
    """
    os.environ.setdefault("CARTOPY_DATA_DIR", str(NATURAL_EARTH))
    cartopy = sys.modules.get("cartopy")
    if cartopy:
        cartopy.config["pre_existing_data_dir"] = Path(os.environ["CARTOPY_DATA_DIR"])
