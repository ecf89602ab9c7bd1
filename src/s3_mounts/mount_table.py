"""What the kernel says about mounts, and which processes serve or hold them.

Nothing here touches a mounted directory: where the ``s3fs`` process hangs, even a look at the
directory would hang the caller for ever.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import psutil

from s3_mounts import guardian

FILE_SYSTEM_TYPE = "fuse.s3fs"  # what the kernel calls it, unless an option of s3fs says otherwise


@dataclass(frozen=True)
class Entry:
    """A line of the kernel's mount table."""

    device: int
    """The minor number of the file system, which is that of the connection to its process."""

    path: Path
    type: str
    writable: bool


@dataclass(frozen=True)
class Holder:
    """A process that keeps a mount busy, and the path that it holds."""

    pid: int
    command: str
    path: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command}) holds {self.path}"


def absolute(path: str | os.PathLike[str]) -> Path:
    """Find the path under which the kernel lists a mount point, without looking into it."""
    path = Path(os.path.abspath(path))
    path = path.parent.resolve() / path.name
    # Unlike stat, readlink does not ask the file system that is mounted there.
    with contextlib.suppress(OSError):
        path = path.parent / os.readlink(path)
        path = path.parent.resolve() / path.name
        # What is in a mount is not asked for: s3fs would remember that there is nothing.
        return path if is_s3fs(containing(path.parent)) else Path(os.path.realpath(path))
    return path


def entries() -> Iterator[Entry]:
    """Yield all mounts that this process can see, the oldest first."""
    # As bytes: in a text a carriage return, which may be in a name, would end a line.
    for line in os.fsdecode(Path("/proc/self/mountinfo").read_bytes()).split("\n")[:-1]:
        # See https://docs.kernel.org/filesystems/proc.html, section 3.5.
        ours, _, theirs = line.partition(" - ")
        _, _, device, _, place, options, *_ = ours.split(" ")
        path = re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), place)
        writable = "ro" not in (*options.split(","), *theirs.split(" ")[2].split(","))
        yield Entry(int(device.partition(":")[2]), Path(path), theirs.partition(" ")[0], writable)


def topmost(mount_point: Path) -> Entry | None:
    """Look up what is mounted on a directory, on top of all else."""
    found = None
    for entry in entries():
        if entry.path == mount_point:
            found = entry
    return found


def containing(path: Path) -> Entry:
    """Find the mount that an absolute path without links is on, from the text of the path alone."""
    found = Entry(0, Path("/"), "", True)
    for entry in entries():
        # Of several mounts on one directory the last one is on top.
        if path.is_relative_to(entry.path) and entry.path.is_relative_to(found.path):
            found = entry
    return found


def is_s3fs(entry: Entry | None) -> TypeGuard[Entry]:
    """Tell whether a bucket is mounted, though an option may have changed the type's name."""
    if not entry or not entry.type.startswith("fuse"):
        return False
    return entry.type == FILE_SYSTEM_TYPE or bool(_serving(entry))


def mount_points() -> list[Path]:
    """List the mount points of s3fs on this machine, the oldest first."""
    return [entry.path for entry in entries() if is_s3fs(entry)]


def servers(mount_point: Path) -> list[psutil.Process]:
    """Find the ``s3fs`` processes that serve a mount point, among those this user may look at."""
    entry = topmost(mount_point)
    # The kernel numbers the connection between a mount and its process. Where it does not tell the
    # number, and where nothing is mounted any more or yet, the command line says who it is.
    found = (entry and _serving(entry)) or [
        process
        for process, connections in _s3fs_processes()
        if (not entry or None in connections) and mount_point == _arguments(process)[1]
    ]
    # If it has gone meanwhile, the number may be that of another mount.
    return found if topmost(mount_point) == entry else servers(mount_point)


def _serving(entry: Entry) -> list[psutil.Process]:
    found = [process for process, numbers in _s3fs_processes() if entry.device in numbers]
    # A process that still ends after its unmount keeps the number, which another mount may get.
    named = [process for process in found if _arguments(process)[1] == entry.path]
    return sorted(named or found, key=psutil.Process.create_time)[-1:]


def _s3fs_processes() -> Iterator[tuple[psutil.Process, list[int | None]]]:
    """Yield every s3fs that has the device open, with the numbers of its connections."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if _is_program(process):
                folder = Path("/proc", str(process.pid))
                numbers = [
                    _connection(folder / "fdinfo" / link.name)
                    for link, target in _links(folder / "fd")
                    if target == "/dev/fuse"
                ]
                if numbers:
                    yield process, numbers


def _is_program(process: psutil.Process) -> bool:
    # A dynamic linker may come before the program.
    return any(os.path.basename(word) == "s3fs" for word in _command_line(process))


def _connection(description: Path) -> int | None:
    found = re.search(r"(?m)^fuse_connection:\s*(\d+)", description.read_text())
    return int(found[1]) if found else None


def _command_line(process: psutil.Process) -> list[str]:
    """Read a command line as it is; psutil takes a carriage return in it for the end of a line."""
    content = Path("/proc", str(process.pid), "cmdline").read_bytes()
    return os.fsdecode(content).split("\0")[:-1]


def mounted_source(mount_point: Path) -> tuple[str, str] | None:
    """Find out what is mounted, and the address of its store, from the command line of s3fs."""
    # Another user's process has a command line, too.
    serving = servers(mount_point) or [
        process for process in psutil.process_iter() if mount_point == _arguments(process)[1]
    ]
    found = {(source, url) for source, _, url in map(_arguments, serving)}
    return found.pop() if len(found) == 1 else None


def _arguments(process: psutil.Process) -> tuple[str, Path | None, str]:
    """Read bucket, mount point and address of the store from the command line of an s3fs."""
    names = []
    options = []
    try:
        if not _is_program(process):
            return "", None, ""
        rest = iter(_command_line(process))
        # s3fs changes to the root directory; only the owner may see where it was before.
        started_in = "/"
        with contextlib.suppress(psutil.Error):
            started_in = process.environ().get("PWD", "/")
    except (psutil.Error, OSError):
        return "", None, ""
    for word in rest:
        if word.startswith("-o"):
            options += (word[2:] or next(rest, "")).split(",")
        elif not word.startswith("-"):
            names.append(word)
    values = dict(option.split("=", 1) for option in options if "=" in option)
    source = values.get("bucket") or (names[-2] if names[1:] else "")
    # s3fs cuts what it was given at the colon.
    if source.startswith("/") and names[2:]:
        source = f"{names[-3]}:{source}"
    place = absolute(os.path.join(started_in, names[-1]))
    return source, place, values.get("url", "https://s3.amazonaws.com")


def holders(mount_point: Path) -> list[Holder]:
    """Find the processes that keep a mount busy, among those that this user may look at."""
    found = []
    inside = f"{mount_point}/"
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            folder = Path("/proc", str(process.pid))
            links = (path for place in (folder, folder / "fd") for _, path in _links(place))
            for path in (*links, *_maps(folder)):
                if f"{path}/".startswith(inside):
                    found.append(Holder(process.pid, " ".join(process.cmdline()), path))
                    break
    return found


def _links(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the links in a folder of a process, which may close a file meanwhile."""
    for link in folder.iterdir():
        with contextlib.suppress(OSError):
            yield link, os.readlink(link)


def _maps(folder: Path) -> Iterator[str]:
    for line in os.fsdecode((folder / "maps").read_bytes()).split("\n"):
        _, slash, path = line.partition("/")
        if slash:
            yield f"/{path}"


def detach(mount_point: Path, *, lazy: bool = False) -> subprocess.CompletedProcess[str]:
    """Ask the kernel once to drop a mount; lazily, whoever still uses it."""
    return subprocess.run(
        guardian.detach_command(mount_point, lazy=lazy),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def abandon(mount_point: Path) -> None:
    """End the ``s3fs`` processes of a mount, then detach it; what is not uploaded yet is lost."""
    # The processes go first, since a detached mount whose server hangs cannot be found again.
    while True:
        entry = topmost(mount_point)
        if entry and not is_s3fs(entry):
            return
        serving = servers(mount_point)
        for process in serving:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(serving, timeout=5)
        if not entry or detach(mount_point, lazy=True).returncode:
            return
