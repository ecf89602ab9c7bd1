"""Say what this machine needs before buckets can be mounted on it."""

from __future__ import annotations

import os
import platform
import shlex
from dataclasses import dataclass
from pathlib import Path

from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError

from s3_mounts import guardian, mount_table
from s3_mounts.credentials import find_credentials
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
from s3_mounts.store import send, way_out

FUSE_CONFIGURATION = Path("/etc/fuse.conf")


@dataclass(frozen=True)
class Result:
    """What came of one thing that was looked at, or tried.

    Attributes
    ----------
    verdict : str
        ``"ok"``; ``"note"`` for what one can do without; another word for what is wrong.
    subject, found : str
        What it was; what was found and, where it is a problem, what to do.
    required : bool, default: True
        Whether what is wrong matters.

    Examples
    --------
    >>> print(Result("ok", "fusermount", "fusermount3"))
    ok      fusermount: fusermount3
    """

    verdict: str
    subject: str
    found: str
    required: bool = True

    @property
    def passed(self) -> bool:
        """Whether it is as it should be, as far as it can be."""
        return self.verdict in ("ok", "note")

    def __str__(self) -> str:
        return f"{self.verdict:<8}{self.subject}: {self.found}"


def examine() -> list[Result]:
    """Look at everything that mounting a bucket depends on."""
    return [
        *(_program(), _fuse(), _fusermount(), _sharing(), _credentials(), *_stores()),
        *(_leftovers(), _other_programs()),
    ]


def _program() -> Result:
    try:
        program = find_s3fs()
        major, minor = s3fs_version(program)
    except SetupError as error:
        return Result("MISSING", "s3fs", str(error))
    return Result("ok", "s3fs", f"version {major}.{minor}, {program}")


def _fuse() -> Result:
    problem = kernel_problem()
    found = problem or f"the kernel ({platform.release()}) lets us mount"
    return Result("MISSING" if problem else "ok", "FUSE", found)


def _fusermount() -> Result:
    name, mtab = fusermount(), guardian.MTAB
    verdict, found = "ok", name or "none, but root can do without"
    if name and not os.path.exists(mtab):
        verdict = "note"
        found = (
            f"{name}, but without {mtab} it does not unmount for ordinary users, who need umount"
            f" then. To mend it, as root: ln -s /proc/self/mounts {mtab}"
        )
    elif not name and os.geteuid():
        verdict = "MISSING"
        found = f"none, and only root can mount without it. Install it: {install_command()}"
    return Result(verdict, "fusermount", found)


def _sharing() -> Result:
    file = FUSE_CONFIGURATION
    try:
        lines = file.read_text().splitlines() if file.exists() else []
    except OSError as error:
        found = f"{file} cannot be read: {error.strerror}. Ask who may use the option allow_other."
        return Result("note", "sharing", found)
    found = (
        "only you can look into your mounts. To use the option allow_other as an ordinary user,"
        f" root must write user_allow_other into {file}."
    )
    if "user_allow_other" in (line.strip() for line in lines):
        found = f"allowed: user_allow_other is set in {file}"
    return Result("ok", "sharing", found)


def _credentials() -> Result:
    try:
        where, _ = find_credentials(None, {})
    except StoreError as error:
        return Result("note", "credentials", f"{error} The sandbox brings its own.")
    return Result("ok", "credentials", f"s3fs finds them in {where}")


def _stores() -> list[Result]:
    found = "Amazon S3; set AWS_ENDPOINT_URL for another one (not contacted)"
    variables = {"store": "AWS_ENDPOINT_URL", "store of lessons": "S3_MOUNTS_ENDPOINT_URL"}
    given = {subject: os.environ.get(name) for subject, name in variables.items()}
    stores = [_store(subject, address) for subject, address in given.items() if address]
    return stores if given["store"] else [Result("ok", "store", found), *stores]


def _store(subject: str, address: str) -> Result:
    try:
        answer = send(AWSRequest("GET", endpoint_url(address)), timeout=5)
    except StoreError as error:
        return Result("note", subject, str(error))
    except BotoCoreError as error:
        found = f"{address} cannot be reached: {error}. {way_out(error)}"
        return Result("note", subject, found)
    return Result("ok", subject, f"{address} answers with status {answer.status_code}")


def _leftovers() -> Result:
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
    return Result("note" if dead else "ok", "mounts", found)


def _other_programs() -> Result:
    missing = [program for program in missing_programs() if program != "s3fs"]
    found = (
        f"{', '.join(missing)} cannot be found, which lessons or pages call; a mount does not need"
        f" them. To install them: {install_command(missing)}"
    )
    if not missing:
        found = "all that lessons and pages call"
    return Result("note" if missing else "ok", "programs", found)
