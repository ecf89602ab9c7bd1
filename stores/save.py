"""Save a cube to a bucket in one way, and see that a mount made anew shows the same.

Run as ``python -m stores.save WAY BUCKET [-o OPTION]``; the way is one of `WAYS`.
"""

from __future__ import annotations

import argparse
import contextlib
import filecmp
import shutil
import tempfile
from pathlib import Path

import iris
import numpy as np
from iris.cube import Cube

from s3_mounts import mount, save_cube
from s3_sandbox import sample_path

_FIELDS, _FIELD = 30, 2**20  # MiB of noise, which nothing can compress

WAYS = {
    "netCDF": "saved.nc",
    "PP": "saved.pp",
    "GRIB 2": "saved.grib2",
    "30 MiB": "large.nc",
    "30 MiB, copied": "copied.nc",
}
"""From each way to the name of the file."""


def _cube(name: str) -> Cube:
    if name.startswith("saved"):
        return iris.load_cube(sample_path("GloSea4/ensemble_001.pp"))[0]
    noise = np.random.default_rng(0).random((_FIELDS, _FIELD // 4), dtype="f4")
    return Cube(noise, long_name="noise")


def save(way: str, bucket: str, options: list[str]) -> None:
    """Save, compare, and remove what was saved.

    Raises
    ------
    SystemExit
        If a mount made anew does not have what was saved.
    """
    name = WAYS[way]
    cube = _cube(name)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        local = folder / name
        iris.save(cube, local)
        with mount(bucket, folder / "first", options) as mounted:
            if way.endswith("copied"):
                shutil.copyfile(local, mounted / name)
            else:
                save_cube(cube, mounted / name)
        with mount(bucket, folder / "second", options) as mounted:
            if way.endswith("copied"):
                same = filecmp.cmp(local, mounted / name, shallow=False)
            else:
                same = _same(local, mounted / name)
            (mounted / name).unlink()
    if not same:
        raise SystemExit(f"expected what was saved in {name}, found something else.")


def _same(local: Path, remote: Path) -> bool:
    ours, theirs = map(iris.load_cube, (local, remote))
    return bool(ours == theirs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("bucket")
    parser.add_argument("-o", dest="options", action="append", default=[])
    arguments = parser.parse_args()
    save(arguments.way, arguments.bucket, arguments.options)
