"""Programs of Debian's packages, unpacked beside the system: nothing is installed or started."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from proof.project import ROOT
from stores.serving import NotTriedError

CACHE = ROOT / "build" / "stores"
PYTHON = Path("/usr/bin/python3")
"""Debian's own, for which its packages are made."""


def unpack(name: str, *packages: str) -> Path:
    """Download packages with what they need that is not installed, and unpack them.

    Parameters
    ----------
    name : str
        Of the folder. What is there already is used.
    *packages : str
        The packages.

    Returns
    -------
    Path
        The folder that has their ``usr``.

    Raises
    ------
    NotTriedError
        If this is no Debian, or apt does not know them.
    """
    root = CACHE / name
    if root.exists():
        return root
    if not all(map(shutil.which, ("apt-get", "dpkg-deb"))) or not PYTHON.exists():
        raise NotTriedError("it comes from Debian's packages, and this is no Debian with Python")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as made:
        archives = Path(made, "archives")
        (archives / "partial").mkdir(parents=True)
        command = [
            *("apt-get", "-qq", "--yes", "--no-install-recommends", "--reinstall"),
            *("-o", f"Dir::Cache::Archives={archives}", "-o", "APT::Sandbox::User="),
            *("-o", "Debug::NoLocking=1", "--download-only", "install", *packages),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:]
            raise NotTriedError(f"apt-get cannot download it: {''.join(said)}")
        for package in archives.glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, Path(made, "root")], check=True)
        Path(made, "root").rename(root)
    return root


def environment(root: Path) -> dict[str, str]:
    """Make an environment in which unpacked programs find each other."""
    libraries = [*root.glob("usr/lib/*-linux-gnu*"), *root.glob("lib/*-linux-gnu*")]
    libraries += [*root.glob("usr/lib/*-linux-gnu*/ceph"), root / "usr/lib"]
    return os.environ | {
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
        "PATH": f"{root}/usr/bin:{root}/usr/sbin:{os.environ['PATH']}",
        "PYTHONPATH": f"{root}/usr/lib/python3/dist-packages",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
