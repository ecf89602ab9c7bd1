"""What was run, when and with which versions: written by a run, shown by the site.

The record is a file of JSON::

    {"documents": {"docs/index.rst": {"fingerprint": ..., "date": ..., "blocks": [...]}},
     "versions": {"s3fs": ...}}
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from proof.project import ROOT
from s3_mounts.errors import SetupError
from s3_mounts.program import find_s3fs, fusermount, s3fs_version

PACKAGES = {
    "Iris": "scitools-iris",
    "netCDF4": "netCDF4",
    "NumPy": "numpy",
    "Matplotlib": "matplotlib",
    "Cartopy": "cartopy",
    "boto3": "boto3",
    "moto": "moto",
}


def versions() -> dict[str, str]:
    """List the versions on which the output of blocks and lessons depends.

    Returns
    -------
    dict of str to str
        From the name of a program or package to its version, or ``"none"``.
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


def fingerprint(*folders: str, document: Path | None = None) -> str:
    """Name the state of what the result of a run depends on.

    Parameters
    ----------
    *folders : str
        Folders of the project, whose files count.
    document : Path, optional
        One more file that counts.

    Returns
    -------
    str
        Another one after a change of these files, or of a version.
    """
    digest = hashlib.sha256()
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*"))]
    for path in [*paths, *([document] if document else [])]:
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.read_bytes())
    lines = [f"{name} {found}" for name, found in versions().items()]
    return "\n".join([*lines, digest.hexdigest()])


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
    return json.loads(path.read_text()) if path.exists() else {"documents": {}, "versions": {}}


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
    whole = {"documents": dict(sorted((kept | documents).items())), "versions": versions()}
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
    return entry["fingerprint"] == document_fingerprint(name)


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
    return fingerprint("src", "proof", "tutorials", document=ROOT / name)
