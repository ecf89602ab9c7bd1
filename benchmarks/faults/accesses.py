"""How files are read, written, changed and found, by whom; each in a child that may hang.

A function is given the file on the mount and a local one that is as it should be. It returns
whether what it has read is right.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import iris
import netCDF4
import numpy as np
from iris.fileformats import netcdf, pp, um  # noqa: F401 (loaded before children are forked)

from s3_mounts import save_cube

VARIABLE = "air_temperature"
FILES = 3
"""How many files are in a folder of its own, for those who look for files."""

_REPLACED = b"new"
_PLACE = 3_000_000


# -- Reading ---------------------------------------------------------------------------------------


def read_bytes(path: Path, local: Path) -> bool:
    """Read all with plain `open`."""
    with open(path, "rb") as file:
        return file.read() == local.read_bytes()


def read_part(path: Path, local: Path) -> bool:
    """Read the first half with plain `open`."""
    size = local.stat().st_size // 2
    with open(path, "rb") as file, open(local, "rb") as truth:
        return file.read(size) == truth.read(size)


def read_variable(path: Path, local: Path) -> bool:
    """Read a variable with netCDF4."""
    return read_held_variable(path, local, lambda: None)


def read_held_variable(path: Path, local: Path, begin: Callable[[], None]) -> bool:
    """Open a dataset; when the fault has begun, read a variable."""
    with netCDF4.Dataset(path) as found, netCDF4.Dataset(local) as expected:
        begin()
        values, truth = found[VARIABLE][:], expected[VARIABLE][:]
    return np.ma.count_masked(values) == 0 and np.array_equal(values, truth)


def load(path: Path, local: Path) -> bool:
    """Load all with Iris."""
    return iris.load(path) == iris.load(local)


# -- Writing ---------------------------------------------------------------------------------------


def copy(path: Path, local: Path) -> bool:
    """Copy the local file."""
    shutil.copyfile(local, path)
    return True


def save(path: Path, local: Path) -> bool:
    """Save with Iris. This is not for netCDF, whose library does not survive a refused close."""
    iris.save(_in_memory(local), path)
    return True


def save_safely(path: Path, local: Path) -> bool:
    """Save with the helper."""
    save_cube(_in_memory(local), path)
    return True


def _in_memory(local: Path) -> iris.cube.Cube:
    cube = iris.load_cube(local)
    cube.data  # noqa: B018
    return cube


# -- Changing --------------------------------------------------------------------------------------


def overwrite(path: Path, local: Path) -> bool:
    """Overwrite some bytes with plain `open`."""
    with open(path, "r+b") as file:
        file.seek(_PLACE)
        file.write(_REPLACED)
    return True


def is_overwritten(path: Path, local: Path) -> bool:
    """Find all as it was, except for these bytes."""
    truth = bytearray(local.read_bytes())
    truth[_PLACE : _PLACE + len(_REPLACED)] = _REPLACED
    return path.read_bytes() == truth


def add_variable(path: Path, local: Path) -> bool:
    """Add a variable with netCDF4."""
    with netCDF4.Dataset(path, "a") as dataset:
        dataset.createVariable("more", "f8")[:] = 1
    return True


def has_more(path: Path, local: Path) -> bool:
    """Find the variable as it was, and the new one."""
    with netCDF4.Dataset(path) as found:
        return "more" in found.variables and read_variable(path, local)


# -- Finding ---------------------------------------------------------------------------------------


def list_folder(path: Path, local: Path) -> bool:
    """List a folder."""
    return len(os.listdir(path.with_suffix(""))) == FILES


def load_folder(path: Path, local: Path) -> bool:
    """Load all files of a folder with Iris, each with a time of its own."""
    cube = iris.load_cube(f"{path.with_suffix('')}/*.pp")
    return cube.coord("time").shape == (FILES,)


# -- In a child ------------------------------------------------------------------------------------


def attempt(
    access: Callable[..., bool], path: Path, local: Path, store: str, parent: Connection
) -> None:
    """Say that all is ready, wait for the fault, and send what came of the access.

    Parameters
    ----------
    access : callable
        One of the functions above.
    path, local : Path
        Its files.
    store : str
        The endpoint URL of the mount, for those who do without it.
    parent : Connection
        Gets the error, or ``"no error"``, and whether the data are right.
    """

    def begin() -> None:
        parent.send("ready")
        parent.recv()

    os.environ["AWS_ENDPOINT_URL"] = store
    warnings.simplefilter("ignore")
    iris.FUTURE.save_split_attrs = True
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        if access is read_held_variable:
            right = access(path, local, begin)
        else:
            begin()
            right = access(path, local)
    except Exception as error:
        words = getattr(error, "strerror", None) or (
            str(error) if str(error).startswith("NetCDF") else ""
        )
        parent.send((f"{type(error).__name__}: {words}" if words else type(error).__name__, False))
    else:
        parent.send(("no error", right))
