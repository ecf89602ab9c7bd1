"""Say what this machine needs before buckets can be mounted on it."""

from __future__ import annotations

import os
import platform
import shlex
from dataclasses import dataclass
from pathlib import Path

import botocore.session
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError

from s3_mounts import guardian, mount_table
from s3_mounts.credentials import s3fs_credentials
from s3_mounts.errors import SetupError, StoreError
from s3_mounts.options import endpoint_url
from s3_mounts.program import (
    find_s3fs,
    fusermount,
    install_command,
    kernel_problem,
    missing_programs,
    s3fs_version,
)
from s3_mounts.store import send


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    found: str
    ok: bool = True
    required: bool = False

    def __str__(self) -> str:
        mark = "ok" if self.ok else "MISSING" if self.required else "note"
        return f"{mark:<8}{self.subject}: {self.found}"


def examine() -> list[Finding]:
    """Look at everything that mounting a bucket depends on."""
    return [
        *(_program(), _fuse(), _fusermount(), _sharing(), _credentials(), _store(), _leftovers()),
        _other_programs(),
    ]


def _program() -> Finding:
    try:
        program = find_s3fs()
        major, minor = s3fs_version(program)
    except SetupError as error:
        return Finding("s3fs", str(error), ok=False, required=True)
    return Finding("s3fs", f"version {major}.{minor}, {program}")


def _fuse() -> Finding:
    problem = kernel_problem()
    if problem:
        return Finding("FUSE", problem, ok=False, required=True)
    return Finding("FUSE", f"the kernel ({platform.release()}) lets us mount")


def _fusermount() -> Finding:
    name = fusermount()
    if name and not os.path.exists(guardian.MTAB):
        return Finding(
            "fusermount",
            f"{name}, but without {guardian.MTAB} it does not unmount for ordinary users, who need"
            f" umount then. To mend it, as root: ln -s /proc/self/mounts {guardian.MTAB}",
            ok=False,
        )
    if name:
        return Finding("fusermount", name)
    if os.geteuid() == 0:
        return Finding("fusermount", "none, but root can do without")
    to_do = f"none, and only root can mount without it. Install it: {install_command()}"
    return Finding("fusermount", to_do, ok=False, required=True)


def _sharing() -> Finding:
    configuration = Path("/etc/fuse.conf")
    lines = configuration.read_text().splitlines() if configuration.exists() else []
    if "user_allow_other" in (line.strip() for line in lines):
        return Finding("sharing", f"allowed: user_allow_other is set in {configuration}")
    return Finding(
        "sharing",
        "only you can look into your mounts. To use the option allow_other as an ordinary user,"
        f" root must write user_allow_other into {configuration}.",
    )


def _credentials() -> Finding:
    try:
        credentials = botocore.session.Session().get_credentials()
    except BotoCoreError as error:
        return Finding("credentials", str(error), ok=False)
    if credentials:
        return Finding("credentials", f"found by the method {credentials.method}")
    try:
        s3fs_credentials("", {})
    except StoreError:
        return Finding(
            "credentials",
            "none found. The sandbox brings its own; for your own bucket put them in"
            " ~/.aws/credentials.",
            ok=False,
        )
    return Finding("credentials", "found in a password file of s3fs, which boto3 does not read")


def _store() -> Finding:
    try:
        endpoint = endpoint_url()
    except StoreError as error:
        return Finding("store", str(error), ok=False)
    if not endpoint:
        return Finding("store", "Amazon S3; set AWS_ENDPOINT_URL for another one (not contacted)")
    try:
        answer = send(AWSRequest("GET", endpoint), timeout=5)
    except BotoCoreError as error:
        return Finding("store", f"{endpoint} cannot be reached: {error}", ok=False)
    return Finding("store", f"{endpoint} answers with status {answer.status_code}")


def _leftovers() -> Finding:
    mounts = mount_table.mount_points()
    dead = [
        path
        for path in mounts
        if not mount_table.servers(path) and not mount_table.mounted_source(path)
    ]
    found = ", ".join(str(path) for path in mounts if path not in dead) or "none"
    if dead:
        program = fusermount()
        unmount = f"{program} -uz" if program else "umount --lazy"
        commands = "; ".join(f"{unmount} {shlex.quote(str(path))}" for path in dead)
        found += f". {len(dead)} without an s3fs process that you may see. Remove yours: {commands}"
    return Finding("mounts", found, ok=not dead)


def _other_programs() -> Finding:
    missing = [program for program in missing_programs() if program != "s3fs"]
    if not missing:
        return Finding("programs", "all that lessons and pages call")
    return Finding(
        "programs",
        f"{', '.join(missing)} cannot be found, which lessons or pages call; a mount does not need"
        f" them. To install them: {install_command(missing)}",
        ok=False,
    )
