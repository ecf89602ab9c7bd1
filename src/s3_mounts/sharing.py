"""Share a mount among the processes of a machine: the first one mounts, the last one unmounts."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from s3_mounts import guardian, mount_table
from s3_mounts.errors import MountPointError, UnmountError
from s3_mounts.mounting import mount, unmount
from s3_mounts.options import endpoint_url, option_values, split_source, store_name

_ROOT = 0
BUSY_LIMIT = 5  # seconds to wait for a mount that is busy


@contextlib.contextmanager
def shared_mount(
    source: str, path: str | os.PathLike[str], options: Sequence[str] = ()
) -> Iterator[Path]:
    """Use a mount together with the other processes of this machine, in a ``with`` block.

    Whoever comes first mounts, and whoever leaves last unmounts. A process counts as long as it
    lives: the kernel tells when one was killed. What somebody has mounted there by other means is
    used, and left as it is. A mount whose ``s3fs`` has died is replaced.

    Parameters
    ----------
    source : str
        ``bucket``, or ``bucket:/prefix`` for a part of it.
    path : path-like
        The mount point. It is made where it does not exist. Beside it two small files, whose
        names begin with a dot, are made and left.
    options : sequence of str, optional
        Values for ``-o`` of s3fs. Those of the process that mounts take effect.

    Yields
    ------
    Path
        The mount point.

    Raises
    ------
    s3_mounts.MountPointError
        If something else is mounted there, or the directory around it is another user's. Also what
        `s3_mounts.mount` raises.
    s3_mounts.UnmountError
        If ``s3fs`` still runs after the last one has left: it may still be storing data.

    Examples
    --------
    >>> with shared_mount("climate-data", "shared") as folder:
    ...     print((folder / "air_temp.pp").stat().st_size)
    28304
    """
    mount_point = mount_table.absolute(path)
    mount_point.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _require_own(mount_point.parent)
    # The one who holds the gate may mount and unmount; all who use the mount share the other.
    with _opened(mount_point, "users") as users:
        with _opened(mount_point, "gate") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            _clear_dead(mount_point)
            if not _is_mounted(source, mount_point, options):
                mount(source, mount_point, options, keep=True)
                gate.truncate(0)
                gate.write(_server(mount_point))
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield mount_point
        finally:
            with _opened(mount_point, "gate") as gate:
                fcntl.flock(gate, fcntl.LOCK_EX)
                ours = gate.read()
                if _alone(users) and ours and ours == _server(mount_point):
                    _remove(mount_point)


def _opened(mount_point: Path, purpose: str) -> IO[str]:
    # The name of the machine counts where several share the directory.
    path = mount_point.with_name(f".{mount_point.name}.{platform.node()}.{purpose}")
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    try:
        return os.fdopen(os.open(path, flags, mode=0o600), "r+")
    except OSError as error:
        raise MountPointError(
            f"expected to write the file {path}, found: {error.strerror}. Choose a mount point in a"
            " directory of your own."
        ) from error


def _require_own(directory: Path) -> None:
    """Refuse a directory in which somebody else could exchange what we use."""
    owner = directory.stat().st_uid
    if owner not in (_ROOT, os.geteuid()):
        raise MountPointError(
            f"expected {directory} to be a directory of yours, found that of user {owner}. Choose"
            " a mount point in a directory of your own."
        )


def _alone(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _server(mount_point: Path) -> str:
    """Name the processes that serve a mount; empty where there is none."""
    return " ".join(str(process.pid) for process in mount_table.servers(mount_point))


def _clear_dead(mount_point: Path) -> None:
    """Take away a mount whose s3fs has died."""
    is_ours = mount_table.is_s3fs(mount_table.topmost(mount_point))
    # Without a process that we may see it may be another user's, which answers.
    look = ["stat", "--file-system", str(mount_point)]
    if is_ours and not _server(mount_point) and guardian.probe(look)[0]:
        mount_table.abandon(mount_point)


def _is_mounted(source: str, mount_point: Path, options: Sequence[str]) -> bool:
    if not mount_table.is_s3fs(mount_table.topmost(mount_point)):
        return False
    mounted = mount_table.mounted_source(mount_point)
    if mounted:
        found, url = mounted
        wanted = endpoint_url(option_values(options).get("url"))
        if split_source(found) != split_source(source) or store_name(url) != store_name(wanted):
            raise MountPointError(
                f"expected {source} at {wanted or 'Amazon S3'} to be mounted on {mount_point},"
                f" found another one: {found} at {url}. Unmount it, or choose another directory."
            )
    return True


def _remove(mount_point: Path) -> None:
    if not mount_table.is_s3fs(mount_table.topmost(mount_point)):
        return
    try:
        unmount(mount_point, timeout=BUSY_LIMIT)
    except UnmountError:
        if not mount_table.topmost(mount_point):
            raise
        unmount(mount_point, lazy=True)
