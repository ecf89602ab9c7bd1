"""The programs that are needed, and FUSE: are they on this machine, and how to get them."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

from s3_mounts.errors import SetupError

FUSE_DEVICE = Path("/dev/fuse")
_AS_MADE = (0o600, 0, 0)
"""Mode, user and group of the device where nobody has changed them: else it is left alone."""

_UDEV = Path("/run/udev/control")
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
    found = shutil.which("s3fs")
    if found:
        return Path(found)
    raise SetupError(
        "expected the program s3fs (from the project s3fs-fuse) on PATH, found none."
        f" {_same_name()}Install it: {install_command()}"
    )


def _same_name() -> str:
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
    if not FUSE_DEVICE.exists():
        return (
            f"expected the device {FUSE_DEVICE}, found none. Load the kernel module"
            f" (modprobe fuse); {container}"
        )
    try:
        os.close(os.open(FUSE_DEVICE, os.O_RDWR))
    except OSError as error:
        return (
            f"expected to open {FUSE_DEVICE}, found: {error.strerror}. Ask for access to it;"
            f" {container}"
        )
    if not _may_ever_mount():
        return (
            "expected a machine on which mounting is possible, found one without the capability"
            f" SYS_ADMIN; {container}"
        )
    return None


def _may_ever_mount() -> bool:
    status = Path("/proc/self/status")
    if not status.exists():
        return True
    bounding_set = re.search(r"^CapBnd:\s*([0-9a-f]+)", status.read_text(), re.MULTILINE)
    return not bounding_set or bool(int(bounding_set[1], 16) >> _CAP_SYS_ADMIN & 1)


def fusermount() -> str | None:
    """Find the program with which an ordinary user mounts and unmounts."""
    for name in ("fusermount3", "fusermount"):
        if shutil.which(name):
            return name
    return None


def require_fuse() -> None:
    """Make sure that this user can mount with FUSE."""
    problem = kernel_problem()
    if problem:
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


def may_install() -> bool:
    """Find out whether `install_command` would run without asking anybody."""
    if not any(map(shutil.which, INSTALL_COMMANDS)):
        return False
    if os.geteuid() == 0:
        return True
    if not shutil.which("sudo"):
        return False
    return not subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode


def install(programs: Sequence[str] = ("s3fs",)) -> str:
    """Install programs with the system's package manager, if they are missing."""
    missing = [program for program in programs if not shutil.which(program)]
    if not missing:
        return f"installed: {', '.join(programs)}"
    names = ", ".join(missing)
    command = install_command(missing)
    if not may_install():
        raise SetupError(
            f"expected on PATH, found none: {names}."
            f" {_same_name() if 's3fs' in missing else ''}Install: {command}"
        )
    print(f"missing: {names}. Installing: {command}", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    status = subprocess.run(command, shell=True, env=environment, check=False).returncode
    if status or not all(map(shutil.which, missing)):
        raise SetupError(
            f"expected '{command}' to install {names}, but it ended with exit status {status}."
            " What it said is above. Fix the cause and run it by hand."
        )
    return f"now installed: {names}"


def share_device() -> str | None:
    """Let every user open the FUSE device, as udev does by a rule, where no udev runs."""
    device = FUSE_DEVICE.stat()
    state = (stat.S_IMODE(device.st_mode), device.st_uid, device.st_gid)
    if os.geteuid() or state != _AS_MADE or _UDEV.exists():
        return None
    FUSE_DEVICE.chmod(0o666)
    return f"{FUSE_DEVICE} is now open to all users (chmod 666), as udev would have made it."
