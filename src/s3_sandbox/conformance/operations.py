"""Trials of what programs do with files, each to be run on a disk and on a mount.

This file is run as a script, see `main`, and forks a process for each trial, because an operation
on a mount can hang, or end Python.
A trial gets a new directory, and the same one seen through another mount where there is one.
It needs the standard library only, so it starts quickly and has no threads that a fork could lose.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import io
import json
import mmap
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple

Steps = Generator[None, None, str]
"""Prepare, yield, do what the trial is about, yield, and return what came of it."""

KINDS = {
    "content": "What is in a file",
    "names": "Names and links",
    "attributes": "Permissions, times and numbers",
    "others": "Two machines, one bucket",
    "tools": "Programs",
}
"""The kinds of trials, with a title for each."""

CONTENT = bytes(range(256)) * 4096  # 1 MiB
_OLD = 1_000_000_000
_ODD_NAMES = [
    " ! ",
    "\"#$%&'",
    "()*+,",
    "-:;<=>?@",
    "[\\]^_`",
    "{|}~",
    "%41",
    "é e\u0301",
    "日本",
    "...",
]


class Trial(NamedTuple):
    """One thing that programs do with files."""

    name: str
    kind: str
    steps: Callable[[Path, Path], Steps]


TRIALS: dict[str, Trial] = {}
"""The trials by name, in the order in which they are shown."""


def trial(
    kind: str, name: str
) -> Callable[[Callable[[Path, Path], Steps]], Callable[[Path, Path], Steps]]:
    """Register a function as a trial."""

    def register(steps: Callable[[Path, Path], Steps]) -> Callable[[Path, Path], Steps]:
        TRIALS[name] = Trial(name, kind, steps)
        return steps

    return register


def _state(path: Path, *known: bytes) -> str:
    """Say which of the known contents a file has: the first is the right one."""
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return "not there"
    if found == known[0]:
        return "as written"
    if found in known[1:]:
        return "the old content"
    if found and not any(found):
        return "nothing but zeros"
    if known[0].startswith(found):
        return "cut off" if found else "empty"
    return "other content"


def _try(function: Callable[[], object]) -> str:
    """Say whether something is allowed."""
    try:
        function()
    except OSError as error:
        return f"refused ({error.strerror})"
    return "allowed"


def _in_another_process(function: Callable[[], object]) -> str:
    """Say whether something is allowed to another process."""
    reading, writing = os.pipe()
    if not os.fork():
        try:
            os.write(writing, _try(function).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.wait()
    with open(reading) as answer:
        return answer.read().partition(" (")[0]


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a program that may not be installed, and return what it says."""
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return subprocess.run(
        command, cwd=cwd, check=True, capture_output=True, text=True, env=environment
    ).stdout


# -- What is in a file -----------------------------------------------------------------------------


@trial("content", "create a file")
def _create(here: Path, there: Path) -> Steps:
    yield
    (here / "file").write_bytes(CONTENT)
    yield
    return _state(there / "file", CONTENT)


@trial("content", "append 3 bytes")
def _append(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    yield
    with open(here / "file", "ab") as file:
        file.write(b"end")
    yield
    return _state(there / "file", CONTENT + b"end")


@trial("content", "overwrite 3 bytes")
def _overwrite(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    yield
    with open(here / "file", "r+b") as file:
        file.seek(5000)
        file.write(b"new")
    yield
    return _state(there / "file", CONTENT[:5000] + b"new" + CONTENT[5003:])


@trial("content", "make an open file shorter")
def _shorten_open(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    yield
    with open(here / "file", "r+b") as file:
        file.truncate(1000)
    yield
    return _state(there / "file", CONTENT[:1000], CONTENT)


@trial("content", "make a closed file shorter")
def _shorten(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    yield
    os.truncate(here / "file", 1000)
    yield
    return _state(there / "file", CONTENT[:1000], CONTENT)


@trial("content", "make a closed file longer")
def _lengthen(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    yield
    os.truncate(here / "file", len(CONTENT) + 1000)
    yield
    return _state(there / "file", CONTENT + bytes(1000), CONTENT)


@trial("content", "leave a hole")
def _hole(here: Path, there: Path) -> Steps:
    yield
    with open(here / "file", "wb") as file:
        file.seek(len(CONTENT))
        file.write(b"end")
    yield
    state = _state(there / "file", bytes(len(CONTENT)) + b"end")
    free = os.stat(there / "file").st_blocks * 512 < len(CONTENT)
    return f"{state}, the hole takes {'no ' if free else ''}space"


@trial("content", "two handles write to a file")
def _two_handles(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    yield
    with open(here / "file", "r+b") as first, open(here / "file", "r+b") as second:
        first.write(b"one")
        second.seek(5000)
        second.write(b"two")
    yield
    return _state(there / "file", b"one" + CONTENT[3:5000] + b"two" + CONTENT[5003:])


@trial("content", "four processes read a file")
def _four_readers(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    yield
    children = []
    for _ in range(4):
        child = os.fork()
        if not child:
            # Whatever it raises must not go on to what the trial itself would report.
            right = False
            try:
                right = (there / "file").read_bytes() == CONTENT
            finally:
                os._exit(not right)
        children.append(child)
    wrong = sum(bool(os.waitpid(child, 0)[1]) for child in children)
    yield
    return f"{wrong} of 4 read something else" if wrong else "as written"


@trial("content", "map a file, read")
def _map_read(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    yield
    with open(there / "file", "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    same = bytes(mapped) == CONTENT
    yield
    return "as written" if same else "other content"


@trial("content", "map a file, write")
def _map_write(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    yield
    with open(here / "file", "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[5000:5003] = b"new"
    yield
    return _state(there / "file", CONTENT[:5000] + b"new" + CONTENT[5003:], CONTENT)


@trial("content", "read on after its removal")
def _removed_while_open(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    yield
    with open(here / "file", "rb") as file:
        (here / "file").unlink()
        same = file.read() == CONTENT
        yield
        left = ", ".join(re.sub("[0-9a-f]{8,}", "...", name) for name in os.listdir(there))
    return f"{'as written' if same else 'other content'}, others see {left or 'nothing'}"


# -- Names and links -------------------------------------------------------------------------------


@trial("names", "rename a file")
def _rename(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    yield
    (here / "file").rename(here / "moved")
    yield
    return _state(there / "moved", CONTENT)


@trial("names", "rename over another file")
def _replace(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    (here / "target").write_bytes(b"old")
    yield
    (here / "file").replace(here / "target")
    yield
    return _state(there / "target", CONTENT, b"old")


@trial("names", "rename a folder of 10 files")
def _rename_folder(here: Path, there: Path) -> Steps:
    (here / "folder").mkdir()
    for number in range(10):
        (here / "folder" / str(number)).write_bytes(b"x")
    yield
    (here / "folder").rename(here / "moved")
    yield
    return f"{len(os.listdir(there / 'moved'))} files there, {len(os.listdir(there)) - 1} old"


@trial("names", "rename onto a full folder")
def _rename_onto_folder(here: Path, there: Path) -> Steps:
    for name in ("folder", "full"):
        (here / name).mkdir()
        (here / name / f"in {name}").write_bytes(b"x")
    yield
    answer = _try(lambda: (here / "folder").rename(here / "full"))
    yield
    return f"{answer.partition(' (')[0]}, holds: {', '.join(sorted(os.listdir(there / 'full')))}"


@trial("names", "remove a full folder")
def _remove_full_folder(here: Path, there: Path) -> Steps:
    (here / "folder").mkdir()
    (here / "folder" / "file").write_bytes(b"x")
    yield
    answer = _try((here / "folder").rmdir)
    yield
    return answer


@trial("names", "create only if new (O_EXCL)")
def _exclusive(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(b"x")
    yield
    answer = _try(lambda: _claim(here / "file"))
    yield
    return answer


@trial("names", "hard link")
def _hard_link(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    yield
    os.link(here / "file", here / "link")
    yield
    return _state(there / "link", CONTENT)


@trial("names", "symbolic link")
def _symbolic_link(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    yield
    (here / "link").symlink_to("file")
    yield
    return f"to {os.readlink(there / 'link')}, {_state(there / 'link', CONTENT)}"


@trial("names", "named pipe")
def _named_pipe(here: Path, there: Path) -> Steps:
    yield
    os.mkfifo(here / "pipe")
    yield
    kind = "a pipe" if stat.S_ISFIFO(os.stat(there / "pipe").st_mode) else "no pipe"
    listed = "" if os.listdir(here) else "not "
    # s3fs 1.97 does not list it, so whoever removes the folder would leave it behind.
    (here / "pipe").unlink()
    return f"{kind}, {listed}listed"


@trial("names", "odd characters")
def _odd_characters(here: Path, there: Path) -> Steps:
    yield
    for name in _ODD_NAMES:
        (here / name).write_bytes(name.encode())
    yield
    kept = set(os.listdir(there))
    lost = {n for n in _ODD_NAMES if n not in kept or (there / n).read_bytes() != n.encode()}
    return f"not kept: {' '.join(map(ascii, sorted(lost)))}" if lost else "all kept"


@trial("names", "upper and lower case")
def _case(here: Path, there: Path) -> Steps:
    yield
    for name in ("a", "A"):
        (here / name).write_bytes(name.encode())
    yield
    return f"{len(os.listdir(there))} files"


@trial("names", "name of 255 bytes")
def _long_name(here: Path, there: Path) -> Steps:
    yield
    (here / ("x" * 255)).write_bytes(CONTENT)
    yield
    return _state(there / ("x" * 255), CONTENT)


def _claim(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))


# -- Permissions, times and numbers ----------------------------------------------------------------


@trial("attributes", "mode of a file (chmod)")
def _chmod(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    yield
    (here / "file").chmod(0o751)
    yield
    return stat.filemode(os.stat(there / "file").st_mode)


@trial("attributes", "mode of new files (umask)")
def _umask(here: Path, there: Path) -> Steps:
    os.umask(0o027)
    yield
    (here / "file").write_bytes(CONTENT)
    (here / "folder").mkdir()
    yield
    modes = (stat.filemode(os.stat(there / name).st_mode) for name in ("file", "folder"))
    return ", ".join(modes)


@trial("attributes", "owner of a file (chown)")
def _chown(here: Path, there: Path) -> Steps:
    # Whoever is not root may give a file to one of their groups only.
    owner, group = (1234, 5678) if os.geteuid() == 0 else (os.getuid(), os.getgroups()[-1])
    (here / "file").write_bytes(CONTENT)
    yield
    os.chown(here / "file", owner, group)
    yield
    found = os.stat(there / "file")
    return "kept" if (found.st_uid, found.st_gid) == (owner, group) else "not kept"


@trial("attributes", "date of a file (touch -d)")
def _utime(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    date = _OLD * 1_000_000_000 + 123_456_789
    yield
    os.utime(here / "file", ns=(date, date))
    yield
    return _precision(os.stat(there / "file").st_mtime_ns, date)


def _precision(found: int, wanted: int) -> str:
    if found == wanted:
        return "kept to the nanosecond"
    return "kept to the second" if found == wanted // 10**9 * 10**9 else "not kept"


@trial("attributes", "date of last reading")
def _read_time(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    os.utime(here / "file", (_OLD, _OLD + 1))
    yield
    (here / "file").read_bytes()
    yield
    return "noted" if os.stat(there / "file").st_atime > _OLD + 1 else "not noted"


@trial("attributes", "date of a changed folder")
def _folder_time(here: Path, there: Path) -> Steps:
    (here / "folder").mkdir()
    os.utime(here / "folder", (_OLD, _OLD))
    yield
    (here / "folder" / "file").write_bytes(b"x")
    yield
    return "noted" if os.stat(there / "folder").st_mtime > _OLD else "not noted"


@trial("attributes", "extended attribute")
def _extended_attribute(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    yield
    os.setxattr(here / "file", "user.origin", b"model")
    yield
    return f"reads {os.getxattr(there / 'file', 'user.origin').decode()}"


@trial("attributes", "inode numbers")
def _inode(here: Path, there: Path) -> Steps:
    names = "abc"
    for name in names:
        (here / name).write_bytes(b"x")
    yield
    numbers = [os.stat(here / name).st_ino for name in names]
    others = [os.stat(there / name).st_ino for name in reversed(names)][::-1]
    yield
    return "the same for all" if numbers == others else "differ between mounts"


@trial("attributes", "space of a file (du)")
def _space(here: Path, there: Path) -> Steps:
    with open(here / "file", "wb") as file:
        file.write(CONTENT)
        os.fsync(file.fileno())
    yield
    blocks = os.stat(there / "file").st_blocks
    yield
    return "about its size" if 0.9 < blocks * 512 / len(CONTENT) < 1.1 else f"{blocks} blocks"


@trial("attributes", "free space (df)")
def _free_space(here: Path, there: Path) -> Steps:
    yield
    found = os.statvfs(here)
    yield
    size = found.f_blocks * found.f_frsize
    return "that of a disk" if 0 < size < 10**15 else "without a limit"


# -- Two machines, one bucket ----------------------------------------------------------------------


@trial("others", "a new file")
def _new_file(here: Path, there: Path) -> Steps:
    yield
    (here / "file").write_bytes(CONTENT)
    state = _state(there / "file", CONTENT)
    yield
    return f"seen, {state}"


@trial("others", "written, not yet closed")
def _not_closed(here: Path, there: Path) -> Steps:
    yield
    with open(here / "file", "wb") as file:
        file.write(CONTENT)
        file.flush()
        state = _state(there / "file", CONTENT)
    yield
    return state


@trial("others", "after fsync, not yet closed")
def _fsync(here: Path, there: Path) -> Steps:
    yield
    with open(here / "file", "wb") as file:
        file.write(CONTENT)
        file.flush()
        os.fsync(file.fileno())
        state = _state(there / "file", CONTENT)
    yield
    return state


@trial("others", "with O_SYNC, not yet closed")
def _o_sync(here: Path, there: Path) -> Steps:
    yield
    file = os.open(here / "file", os.O_CREAT | os.O_WRONLY | os.O_SYNC)
    os.write(file, CONTENT)
    state = _state(there / "file", CONTENT)
    os.close(file)
    yield
    return state


@trial("others", "a file of other content")
def _changed(here: Path, there: Path) -> Steps:
    other = CONTENT[::-1]
    (here / "file").write_bytes(CONTENT)
    _state(there / "file", CONTENT)
    yield
    (here / "file").write_bytes(other)
    state = _state(there / "file", other, CONTENT)
    yield
    return state


@trial("others", "cp of a file that has grown")
def _grown(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    os.stat(there / "file")
    yield
    (here / "file").write_bytes(CONTENT * 2)
    copy = Path(tempfile.mkdtemp(), "copy")
    _run("cp", there / "file", copy)
    state = _state(copy, CONTENT * 2)
    yield
    return state


@trial("others", "a file that was removed")
def _removed(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(CONTENT)
    os.stat(there / "file")
    yield
    (here / "file").unlink()
    seen = (there / "file").exists()
    yield
    return "still seen" if seen else "gone"


@trial("others", "a lock file (O_EXCL)")
def _lock_file(here: Path, there: Path) -> Steps:
    yield
    (there / "lock").exists()
    first = _try(lambda: _claim(here / "lock"))
    second = _try(lambda: _claim(there / "lock")).partition(" (")[0]
    yield
    return f"first {first}, second {second}"


def _lock(how: Callable[[int, int], None], first: Path, second: Path) -> str:
    with open(first, "r+b") as file:
        how(file.fileno(), fcntl.LOCK_EX)

        def take() -> None:
            with open(second, "r+b") as other:
                how(other.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)

        return f"second {_in_another_process(take)}"


@trial("others", "flock, one machine")
def _flock_one(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(b"x")
    yield
    answer = _lock(fcntl.flock, here / "file", here / "file")
    yield
    return answer


@trial("others", "flock, two machines")
def _flock_two(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(b"x")
    yield
    answer = _lock(fcntl.flock, here / "file", there / "file")
    yield
    return answer


@trial("others", "fcntl lock, one machine")
def _fcntl_one(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(b"x")
    yield
    answer = _lock(fcntl.lockf, here / "file", here / "file")
    yield
    return answer


@trial("others", "fcntl lock, two machines")
def _fcntl_two(here: Path, there: Path) -> Steps:
    (here / "file").write_bytes(b"x")
    yield
    answer = _lock(fcntl.lockf, here / "file", there / "file")
    yield
    return answer


# -- Programs --------------------------------------------------------------------------------------


def _local_files(count: int) -> Path:
    """Write some files on the local disk, for programs to copy from."""
    folder = Path(tempfile.mkdtemp())
    for number in range(count):
        path = folder / f"{number}.txt"
        path.write_text(f"{number}\n")
        os.utime(path, (_OLD, _OLD))
    return folder


def _kept(folder: Path, source: Path) -> str:
    """Say whether all files have arrived, with their dates."""
    names = sorted(os.listdir(source))
    if sorted(os.listdir(folder)) != names:
        return f"{len(os.listdir(folder))} of {len(names)} files"
    if any((folder / n).read_bytes() != (source / n).read_bytes() for n in names):
        return "other content"
    dated = all(int(os.stat(folder / name).st_mtime) == _OLD for name in names)
    return f"{len(names)} files, dates {'' if dated else 'not '}kept"


@trial("tools", "cp -p, 10 files")
def _cp(here: Path, there: Path) -> Steps:
    source = _local_files(10)
    yield
    _run("cp", "-rp", source, here / "copy")
    yield
    return _kept(there / "copy", source)


@trial("tools", "tar -x, 10 files")
def _tar(here: Path, there: Path) -> Steps:
    source = _local_files(10)
    _run("tar", "-cf", f"{source}.tar", source.name, cwd=source.parent)
    yield
    _run("tar", "-xf", f"{source}.tar", cwd=here)
    yield
    return _kept(there / source.name, source)


@trial("tools", "rsync -a, 10 files")
def _rsync(here: Path, there: Path) -> Steps:
    source = _local_files(10)
    yield
    _run("rsync", "-a", f"{source}/", here / "copy")
    yield
    again = _run("rsync", "-a", "--itemize-changes", f"{source}/", there / "copy")
    sent = sum(line.startswith(">f") for line in again.splitlines())
    return f"{_kept(there / 'copy', source)}, {sent} sent again"


@trial("tools", "sed -i")
def _sed(here: Path, there: Path) -> Steps:
    text = b"one\n" * (len(CONTENT) // 4)
    (here / "file").write_bytes(text)
    yield
    _run("sed", "-i", "s/one/two/", here / "file")
    yield
    return _state(there / "file", text.replace(b"one", b"two"), text)


@trial("tools", "run a script")
def _script(here: Path, there: Path) -> Steps:
    (here / "script").write_text("#!/bin/sh\necho hello\n")
    (here / "script").chmod(0o755)
    yield
    answer = _run(here / "script").strip()
    yield
    return f"says {answer}"


@trial("tools", "git init and commit")
def _git(here: Path, there: Path) -> Steps:
    (here / "file").write_text("one\n")
    yield
    _run("git", "init", "--quiet", "--template=", cwd=here)
    _run("git", "add", "file", cwd=here)
    who = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    _run("git", *who, "commit", "--quiet", "-m", "First", cwd=here)
    yield
    return f"commits: {len((there / '.git/logs/HEAD').read_text().splitlines())}"


def _database(path: Path, mode: str = "delete") -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    connection.execute(f"PRAGMA journal_mode={mode}")
    connection.execute("CREATE TABLE IF NOT EXISTS run (name TEXT)")
    return connection


def _rows(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (health,) = connection.execute("PRAGMA integrity_check").fetchone()
        (count,) = connection.execute("SELECT count(*) FROM run").fetchone()
    return f"rows kept: {count}" if health == "ok" else "corrupt"


@trial("tools", "SQLite, 5 transactions")
def _sqlite(here: Path, there: Path) -> Steps:
    yield
    with contextlib.closing(_database(here / "runs.db")) as connection:
        for number in range(5):
            connection.execute("INSERT INTO run VALUES (?)", [str(number)])
    yield
    return _rows(there / "runs.db")


@trial("tools", "SQLite with WAL")
def _sqlite_wal(here: Path, there: Path) -> Steps:
    yield
    with contextlib.closing(_database(here / "runs.db", "wal")) as connection:
        for number in range(5):
            connection.execute("INSERT INTO run VALUES (?)", [str(number)])
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    yield
    return f"{_rows(there / 'runs.db')}, mode {mode}"


@trial("tools", "SQLite, two machines")
def _sqlite_two(here: Path, there: Path) -> Steps:
    _database(here / "runs.db").close()
    yield
    with (
        contextlib.closing(sqlite3.connect(here / "runs.db", isolation_level=None)) as first,
        contextlib.closing(
            sqlite3.connect(there / "runs.db", timeout=0, isolation_level=None)
        ) as second,
    ):
        first.execute("BEGIN IMMEDIATE")
        first.execute("INSERT INTO run VALUES ('first')")
        try:
            second.execute("INSERT INTO run VALUES ('second')")
            answer = "allowed"
        except sqlite3.OperationalError:
            answer = "refused"
        first.execute("COMMIT")
    yield
    return f"second {answer}, {_rows(here / 'runs.db')}"


def _hdf5(first: Path, second: Path) -> str:
    h5py = importlib.import_module("h5py")
    # A process from before the file is open here: HDF5 knows what it has open itself.
    waiting, telling = os.pipe()
    writer = os.fork()
    if not writer:
        os.close(telling)
        refused = True
        try:
            if os.read(waiting, 1):
                h5py.File(second, "r+").close()
                refused = False
        finally:
            os._exit(refused)
    with open(telling, "wb", buffering=0) as start, h5py.File(first, "r"):
        start.write(b"x")
        refused = bool(os.waitpid(writer, 0)[1])
    return f"writer {'refused' if refused else 'allowed'} while it is read"


@trial("tools", "HDF5, one machine")
def _hdf5_one(here: Path, there: Path) -> Steps:
    h5py = importlib.import_module("h5py")

    h5py.File(here / "file.h5", "w").close()
    yield
    answer = _hdf5(here / "file.h5", here / "file.h5")
    yield
    return answer


@trial("tools", "HDF5, two machines")
def _hdf5_two(here: Path, there: Path) -> Steps:
    h5py = importlib.import_module("h5py")

    h5py.File(here / "file.h5", "w").close()
    yield
    answer = _hdf5(here / "file.h5", there / "file.h5")
    yield
    return answer


@trial("tools", "add a variable to netCDF")
def _netcdf(here: Path, there: Path) -> Steps:
    import netCDF4

    with netCDF4.Dataset(here / "file.nc", "w") as dataset:
        dataset.createDimension("x", len(CONTENT) // 8)
        dataset.createVariable("first", "f8", "x")[:] = 1
    yield
    with netCDF4.Dataset(here / "file.nc", "a") as dataset:
        dataset.createVariable("second", "f8")[:] = 2
    yield
    with netCDF4.Dataset(there / "file.nc") as dataset:
        return f"{len(dataset.variables)} variables, sum {dataset['first'][:].sum():.0f}"


# -- Running them ----------------------------------------------------------------------------------


def run(name: str, here: Path, there: Path) -> dict[str, str]:
    """Take the steps of a trial; after each of the first two, report and wait for a line."""
    try:
        here.mkdir(parents=True)
        steps = TRIALS[name].steps(here, there)
        for _ in range(2):
            next(steps)
            _report({})
            _INPUT.readline()
        try:
            next(steps)
        except StopIteration as end:
            return {"outcome": end.value}
    except subprocess.CalledProcessError as error:
        words = (error.stderr.strip().splitlines() or [f"exit status {error.returncode}"])[-1]
        return {"error": words.replace(f"{here}", ".")}
    except ModuleNotFoundError as error:
        return {"missing": str(error.name)}
    except OSError as error:
        program = error.filename
        if isinstance(program, str) and "/" not in program and not shutil.which(program):
            return {"missing": program}
        return {"error": error.strerror or str(error)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}".replace(f"{here}", ".")}
    return {"error": "it takes too many steps"}


def main() -> None:
    """Run the trials that are asked for, each in a child, and report how it ended.

    Each line on standard input is a list in JSON: the name of a trial, and its directories.
    """
    while line := _INPUT.readline():
        name, here, there = json.loads(line)
        child = os.fork()
        if not child:
            _report(run(name, Path(here), Path(there)))
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status < 0:
            _report({"error": signal.Signals(-status).name})
        elif status:
            _report({"error": f"exit status {status}"})


# Without a buffer, since a child reads on where its parent has stopped.
_INPUT = io.FileIO(0, closefd=False)


def _report(result: dict[str, str]) -> None:
    os.write(1, f"{json.dumps(result)}\n".encode())


if __name__ == "__main__":
    main()
