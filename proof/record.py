"""What was run, when and with which versions: written by a run, shown by the site.

The record is a file of JSON. For each document it has a fingerprint of the files and versions on
which the result depends, the date of the run, and its blocks.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from proof.project import EXPECTED, ROOT, files
from s3_mounts.errors import SetupError
from s3_mounts.program import find_s3fs, fusermount, require_fuse, s3fs_version

USED = (
    "src",
    "proof",
    "tests",
    "benchmarks/faults",
    "tutorials",
    "nox",
    "noxfile.py",
    "pyproject.toml",
)
"""What the blocks of any document may use."""

PACKAGES = {
    "Iris": "scitools-iris",
    "Iris sample data": "iris-sample-data",
    "iris-grib": "iris-grib",
    "netCDF4": "netCDF4",
    "h5netcdf": "h5netcdf",
    "ncdata": "ncdata",
    "Dask": "dask",
    "distributed": "distributed",
    "NumPy": "numpy",
    "Matplotlib": "matplotlib",
    "Cartopy": "cartopy",
    "boto3": "boto3",
    "s3fs, the Python package": "s3fs",
    "moto": "moto",
}


def problem() -> str | None:
    """Say why nothing that mounts can be run here.

    Returns
    -------
    str or None
        The reason, or None where it can.
    """
    try:
        # First, since installing it brings what FUSE needs.
        s3fs_version(find_s3fs())
        require_fuse()
    except SetupError as error:
        return str(error)
    return None


@functools.cache
def versions() -> dict[str, str]:
    """List the versions on which the output of blocks and lessons depends.

    Returns
    -------
    dict of str to str
        From the name of a program or package to its version; for s3fs and FUSE, which may be
        missing, it may be ``"none"``.
    """
    try:
        s3fs = "{}.{}".format(*s3fs_version(find_s3fs()))
    except SetupError:
        s3fs = "none"
    return {
        "s3fs": s3fs,
        "FUSE": _fuse_version(),
        "Python": platform.python_version(),
        **{name: version(package) for name, package in PACKAGES.items()},
    }


def _fuse_version() -> str:
    program = fusermount()
    if not program:
        return "none"
    answer = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    found = re.search(r"[\d.]+$", answer.strip())
    return found[0] if found else "unknown"


def fingerprint(*names: str) -> str:
    """Name the state of what the result of a run depends on.

    Parameters
    ----------
    *names : str
        Files and folders of the project that count, except what lessons are expected to say.

    Returns
    -------
    str
        Another one after a change of these files, or of a version.
    """
    digest = hashlib.sha256()
    for path in (path for name in names for path in sorted(files(name))):
        if not path.is_relative_to(EXPECTED):
            digest.update(f"{path.relative_to(ROOT)}\n".encode())
            digest.update(path.read_bytes())
    lines = [f"{name} {found}" for name, found in versions().items()]
    return "\n".join([*lines, digest.hexdigest()])


def summary(blocks: int, with_reason: int) -> str:
    """Say how many blocks there are.

    Parameters
    ----------
    blocks : int
        All of them.
    with_reason : int
        Those that are not run, for a reason.

    Returns
    -------
    str
        The numbers, in words that tests and site share.

    Examples
    --------
    >>> summary(70, 4)
    '70 blocks: 66 run, 4 with a reason'
    """
    return f"{blocks} blocks: {blocks - with_reason} run, {with_reason} with a reason"


def read(path: Path) -> dict[str, Any]:
    """Read a record.

    Parameters
    ----------
    path : Path
        The file; it need not exist.

    Returns
    -------
    dict
        The record; without documents if there is none.
    """
    return json.loads(path.read_text()) if path.exists() else {"documents": {}}


def write(path: Path, documents: dict[str, Any]) -> None:
    """Write a record of documents that have just been run, beside those that are still true.

    Parameters
    ----------
    path : Path
        The file.
    documents : dict
        From the path of a document to its fingerprint, date and blocks.
    """
    kept = {name: entry for name, entry in read(path)["documents"].items() if is_true(name, entry)}
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {"documents": dict(sorted((kept | documents).items()))}
    path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")


def is_true(name: str, entry: dict[str, Any]) -> bool:
    """Find out whether nothing has changed since a document was run.

    Parameters
    ----------
    name : str
        The document.
    entry : dict
        Its part of a record.

    Returns
    -------
    bool
        Whether another run could be spared.
    """
    path = ROOT / name
    return path.exists() and entry["fingerprint"] == document_fingerprint(name)


def document_fingerprint(name: str) -> str:
    """Name the state of a document, and of the folders that any document may use.

    Parameters
    ----------
    name : str
        The document.

    Returns
    -------
    str
        See `fingerprint`.
    """
    return f"{_used()}\n{fingerprint(name)}"


@functools.cache
def _used() -> str:
    """Name the state of what any document may use, as this process has found it."""
    return fingerprint(*USED)
