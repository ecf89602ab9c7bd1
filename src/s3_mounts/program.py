"""The programs that are needed, and FUSE: are they on this machine, and how to get them."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from s3_mounts.errors import SetupError

FUSE_DEVICE = Path("/dev/fuse")
_CAP_SYS_ADMIN = 21

VERSION_LIMIT = 20  # seconds for a program to tell its version

SHOWN = ("curl", "findmnt", "fuser", "git", "lsof", "pgrep", "rsync", "unshare")
"""What lessons and pages call besides ``s3fs``, and a minimal system may not have."""

INSTALL_COMMANDS = {
    "apt-get": "apt-get update && apt-get install -y",
    "dnf": "dnf install -y",
    "zypper": "zypper --non-interactive install",
    "pacman": "pacman -Sy --noconfirm",
}
"""How each package manager installs a package."""

_PACKAGES = {
    "s3fs": {"dnf": "s3fs-fuse", "pacman": "s3fs-fuse"},
    "findmnt": dict.fromkeys(INSTALL_COMMANDS, "util-linux"),
    "fuser": dict.fromkeys(INSTALL_COMMANDS, "psmisc"),
    "pgrep": dict.fromkeys(("apt-get", "zypper"), "procps")
    | dict.fromkeys(("dnf", "pacman"), "procps-ng"),
    "unshare": dict.fromkeys(INSTALL_COMMANDS, "util-linux"),
}
"""In which package of a manager a program is, where that has another name."""


def find_s3fs() -> Path:
    """Find the ``s3fs`` program on ``PATH``."""
    if found := shutil.which("s3fs"):
        return Path(found)
    raise SetupError(
        "expected the program s3fs (from the project s3fs-fuse) on PATH, found none."
        f" {same_name()}Install it: {install_command()}"
    )


def same_name() -> str:
    """Warn of the Python package, which some install in place of the program."""
    if not importlib.util.find_spec("s3fs"):
        return ""
    return (
        "The Python package s3fs is installed, but that is something else of the same name: it has"
        " no such program. "
    )


def s3fs_version(program: Path) -> tuple[int, int]:
    """Ask a program for its version."""
    command = [str(program), "--version"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=VERSION_LIMIT, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        answer = str(error)
    match = re.search(r"Amazon Simple Storage Service File System V(\d+)\.(\d+)", answer)
    if not match:
        first_line = (answer.splitlines() or ["nothing"])[0]
        raise SetupError(
            f"expected {program} to be the program of s3fs-fuse, but to --version it answers"
            f" {first_line!r}. Put the right one first on PATH, or install it:"
            f" {install_command()}"
        )
    return int(match[1]), int(match[2])


def kernel_problem() -> str | None:
    """Find out whether this machine's kernel lets anybody mount with FUSE."""
    container = "in a container start it with --device /dev/fuse --cap-add SYS_ADMIN."
    problem = "a machine on which one may mount, found one without the capability SYS_ADMIN"
    try:
        os.close(os.open(FUSE_DEVICE, os.O_RDWR))
        if _may_ever_mount():
            return None
    except FileNotFoundError:
        problem = f"the device {FUSE_DEVICE}, found none. Load the kernel module (modprobe fuse)"
    except OSError as error:
        problem = f"to open {FUSE_DEVICE}, found: {error.strerror}. Ask for access to it"
    return f"expected {problem}; {container}"


def _may_ever_mount() -> bool:
    status = Path("/proc/self/status").read_text()
    bounding_set = re.search(r"^CapBnd:\s*([0-9a-f]+)", status, re.MULTILINE)
    return not bounding_set or bool(int(bounding_set[1], 16) >> _CAP_SYS_ADMIN & 1)


def fusermount() -> str | None:
    """Find the program with which an ordinary user mounts and unmounts."""
    return next(filter(shutil.which, ("fusermount3", "fusermount")), None)


def require_fuse() -> None:
    """Make sure that this user can mount with FUSE."""
    if problem := kernel_problem():
        raise SetupError(problem)
    if os.geteuid() and not fusermount():
        raise SetupError(
            "expected the program fusermount or fusermount3, with which an ordinary user mounts,"
            f" found neither. Install it: {install_command()}"
        )


def missing_programs() -> list[str]:
    """List what a mount needs, and what lessons and pages call, that is not on ``PATH``."""
    return [program for program in ("s3fs", *SHOWN) if not shutil.which(program)]


def install_command(programs: Sequence[str] = ("s3fs",)) -> str:
    """Tell how to install programs here."""
    for manager, command in INSTALL_COMMANDS.items():
        if shutil.which(manager):
            named = (_PACKAGES.get(program, {}).get(manager, program) for program in programs)
            command = f"{command} {' '.join(dict.fromkeys(named))}"
            if os.geteuid() == 0:
                return command
            return " && ".join(f"sudo {part}" for part in command.split(" && "))
    return "conda install -c conda-forge s3fs-fuse"
