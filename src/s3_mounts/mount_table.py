"""What the kernel says about mounts, and which processes serve or hold them.

Nothing here touches a mounted directory: where the ``s3fs`` process hangs, even a look at the
directory would hang the caller for ever.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from s3_mounts import guardian
from s3_mounts.errors import UnmountError

FILE_SYSTEM_TYPE = "fuse.s3fs"


@dataclass(frozen=True)
class Holder:
    """A process that keeps a mount busy.

    Attributes
    ----------
    pid : int
        The process.
    command : str
        Its command line.
    path : str
        What it holds: an open file, a memory-mapped file or its working directory.
    """

    pid: int
    command: str
    path: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command}) holds {self.path}"


def absolute(path: str | os.PathLike[str]) -> Path:
    """Find the path under which the kernel lists a mount point, without looking into it.

    Parameters
    ----------
    path : path-like
        A mount point.

    Returns
    -------
    Path
        The path as the kernel lists it.
    """
    path = Path(os.path.abspath(path))
    path = path.parent.resolve() / path.name
    # Unlike stat, readlink does not ask the file system that is mounted there.
    with contextlib.suppress(OSError):
        return Path(os.path.realpath(path.parent / os.readlink(path)))
    return path


def file_system_type(mount_point: Path) -> str | None:
    """Look up what is mounted on a directory.

    Parameters
    ----------
    mount_point : Path
        An absolute path.

    Returns
    -------
    str or None
        The type of the topmost file system, ``"fuse.s3fs"`` for s3fs; None where the directory
        is no mount point.
    """
    topmost = None
    for partition in psutil.disk_partitions(all=True):
        if partition.mountpoint == str(mount_point):
            topmost = partition.fstype
    return topmost


def containing(path: Path) -> tuple[Path, str, bool]:
    """Find the mount that a path is on, from the text of the path alone.

    Parameters
    ----------
    path : Path
        An absolute path without symbolic links.

    Returns
    -------
    mount_point : Path
        The innermost mount point around it.
    file_system_type : str
        The type of what is mounted there.
    writable : bool
        Whether it is mounted for writing.
    """
    found = Path("/"), "", True
    for partition in psutil.disk_partitions(all=True):
        mount_point = Path(partition.mountpoint)
        # Of several mounts on one directory the last one is on top.
        if path.is_relative_to(mount_point) and mount_point.is_relative_to(found[0]):
            found = mount_point, partition.fstype, "ro" not in partition.opts.split(",")
    return found


def mount_points() -> list[Path]:
    """List the mount points of s3fs on this machine.

    Returns
    -------
    list of Path
        The mount points, the oldest first.
    """
    return [
        Path(partition.mountpoint)
        for partition in psutil.disk_partitions(all=True)
        if partition.fstype == FILE_SYSTEM_TYPE
    ]


def servers(mount_point: Path) -> list[psutil.Process]:
    """Find the ``s3fs`` processes that serve a mount point.

    Parameters
    ----------
    mount_point : Path
        An absolute path.

    Returns
    -------
    list of psutil.Process
        Processes that this user may look at: normally one; none where it has died.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if "/dev/fuse" in _links(process):
                started_in = process.environ().get("PWD", "/")
                words = (os.path.join(started_in, word) for word in _command_line(process))
                if mount_point in map(absolute, words):
                    found.append(process)
    return found


def mounted_source(mount_point: Path) -> tuple[str, str] | None:
    """Find out which bucket is mounted, from the command line of the ``s3fs`` that serves it.

    Unlike `servers`, this also finds the process of another user.

    Parameters
    ----------
    mount_point : Path
        An absolute path.

    Returns
    -------
    tuple of str, or None
        What is mounted, ``bucket`` or ``bucket:/prefix``, and the address of its store.
        None where no process is seen that serves it, or more than one.
    """
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError, ValueError, IndexError):
            words = process.cmdline()
            if "s3fs" in (Path(word).name for word in words):
                source, place, url = _arguments(words)
                if mount_point == absolute(_started_in(process) / place):
                    found.add((source, url))
    return found.pop() if len(found) == 1 else None


def _started_in(process: psutil.Process) -> Path:
    # s3fs changes to the root directory; only the owner may see where it was before.
    with contextlib.suppress(psutil.Error):
        return Path(process.environ().get("PWD", "/"))
    return Path("/")


def _arguments(words: list[str]) -> tuple[str, str, str]:
    """Read bucket, mount point and address of the store from the command line of an s3fs."""
    names = []
    options = []
    rest = iter(words)
    for word in rest:
        if word.startswith("-o"):
            options += (word[2:] or next(rest, "")).split(",")
        elif not word.startswith("-"):
            names.append(word)
    values = dict(option.split("=", 1) for option in options if "=" in option)
    *before, place = names
    source = values.get("bucket") or before[-1]
    # s3fs cuts what it was given at the colon.
    if source.startswith("/"):
        source = f"{before[-2]}:{source}"
    return source, place, values.get("url", "https://s3.amazonaws.com")


def holders(mount_point: Path) -> list[Holder]:
    """Find the processes that keep a mount busy.

    Parameters
    ----------
    mount_point : Path
        An absolute path.

    Returns
    -------
    list of Holder
        One entry for each process that this user may look at.
    """
    found = []
    inside = f"{mount_point}/"
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            for path in (*_links(process), *_maps(process)):
                if f"{path}/".startswith(inside):
                    found.append(Holder(process.pid, " ".join(process.cmdline()), path))
                    break
    return found


def _command_line(process: psutil.Process) -> list[str]:
    """Read a command line as it is; psutil takes a carriage return in it for the end of a line."""
    content = Path("/proc", str(process.pid), "cmdline").read_bytes()
    return os.fsdecode(content).split("\0")[:-1]


def _links(process: psutil.Process) -> Iterator[str]:
    folder = Path("/proc", str(process.pid))
    for link in (folder / "cwd", folder / "root", *(folder / "fd").iterdir()):
        with contextlib.suppress(OSError):
            yield os.readlink(link)


def _maps(process: psutil.Process) -> Iterator[str]:
    maps = Path("/proc", str(process.pid), "maps").read_text(errors="surrogateescape")
    for line in maps.split("\n"):
        _, slash, path = line.partition("/")
        if slash:
            yield f"/{path}"


def detach(mount_point: Path, *, lazy: bool = False) -> subprocess.CompletedProcess[str]:
    """Ask the kernel once to drop a mount.

    Parameters
    ----------
    mount_point : Path
        An absolute path.
    lazy : bool, default: False
        Take the mount out of the tree now, whoever still uses it.

    Returns
    -------
    subprocess.CompletedProcess
        The command that was run, its exit status and what it said.
    """
    return subprocess.run(
        guardian.detach_command(mount_point, lazy=lazy),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def abandon(mount_point: Path) -> None:
    """Get rid of a mount at any price: end its ``s3fs`` processes, then detach it.

    What was not uploaded yet is lost.
    The processes go first, since a detached mount whose server hangs cannot be found again.

    Parameters
    ----------
    mount_point : Path
        An absolute path.
    """
    serving = servers(mount_point)
    for process in serving:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(serving, timeout=5)
    while file_system_type(mount_point) == FILE_SYSTEM_TYPE:
        if detach(mount_point, lazy=True).returncode:
            break


def abandon_below(directory: Path) -> None:
    """Get rid of every mount of s3fs below a directory at any price, see `abandon`.

    Parameters
    ----------
    directory : Path
        An absolute path.
    """
    for mount_point in reversed(mount_points()):
        if mount_point.is_relative_to(directory):
            abandon(mount_point)


def remove_folder(directory: Path) -> None:
    """Remove a directory, but never the objects of a bucket that is still mounted below it.

    Parameters
    ----------
    directory : Path
        An absolute path; it may be gone already.

    Raises
    ------
    UnmountError
        If anything is mounted below it. Nothing is removed then.
    """
    for partition in psutil.disk_partitions(all=True):
        if Path(partition.mountpoint).is_relative_to(directory):
            raise UnmountError(
                f"expected to remove {directory}, but {partition.mountpoint} is still mounted, and"
                " removing would delete what is in it. Unmount it, then remove the directory."
            )
    shutil.rmtree(directory, ignore_errors=True)
