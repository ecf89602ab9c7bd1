"""Install what lessons and pages call, where that is allowed without asking anybody."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

from s3_mounts.errors import SetupError
from s3_mounts.program import FUSE_DEVICE, INSTALL_COMMANDS, install_command, same_name

_AS_MADE = (0o600, 0, 0)
"""Mode, user and group of the device where nobody has changed them: else it is left alone."""

_UDEV = Path("/run/udev/control")


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
            f" {same_name() if 's3fs' in missing else ''}Install: {command}"
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
