"""Ends the mounts of a process when that process has ended, however it did.

The guardian is a process of its own, ``python guardian.py MARK``. It imports nothing but the
standard library, so that it is there within milliseconds.
From its standard input it reads what is mounted and unmounted: paths after a plus or a minus.
The input ends when the process that writes it is gone.
Then the guardian ends every ``s3fs`` that has MARK in its environment, and detaches those of the
mounts whose ``s3fs`` has died. It touches no others.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "S3_MOUNTS_GUARDED_BY"
"""The environment variable that carries the mark."""

MTAB = "/etc/mtab"
"""A system made by debootstrap has none, and without it fusermount serves root alone."""

_TO_STORE = 20
"""How long an ``s3fs`` may take to store what it has and to unmount, in seconds."""

_TO_APPEAR = 1
"""How long after the end of its parent an ``s3fs`` may still be starting, in seconds."""


_mine: tuple[int, str, subprocess.Popen[bytes]] | None = None
"""Whose guardian it is, its mark, and the guardian."""

_one_at_a_time = threading.Lock()


def guard(mount_point: Path) -> dict[str, str]:
    """Have a mount ended when this process ends.

    Parameters
    ----------
    mount_point : Path
        An absolute path.

    Returns
    -------
    dict of str to str
        What the ``s3fs`` that mounts there must have in its environment.
    """
    global _mine
    with _one_at_a_time:
        if not _mine or _mine[0] != os.getpid() or _mine[2].poll() is not None:
            mark = secrets.token_hex(8)
            process = subprocess.Popen(
                [sys.executable, "-I", __file__, mark],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
            _mine = os.getpid(), mark, process
        _tell(b"+", mount_point)
        return {VARIABLE: _mine[1]}


def _finish() -> None:
    """Let the guardian do its work, and wait for it: the process ends when its mounts have gone."""
    if _mine and _mine[0] == os.getpid():
        assert _mine[2].stdin
        with contextlib.suppress(BrokenPipeError):
            _mine[2].stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            _mine[2].wait(_TO_STORE + 10)


def _close_in_fork() -> None:
    """In a fork, close the pipe: the guardian waits until nobody holds it any more."""
    global _one_at_a_time
    _one_at_a_time = threading.Lock()
    if _mine:
        assert _mine[2].stdin
        _mine[2].stdin.close()


def release(mount_point: Path) -> None:
    """Tell the guardian, if there is one, that a mount is gone.

    Parameters
    ----------
    mount_point : Path
        An absolute path.
    """
    if _mine and _mine[0] == os.getpid():
        with contextlib.suppress(BrokenPipeError):
            _tell(b"-", mount_point)


def _tell(sign: bytes, mount_point: Path) -> None:
    assert _mine
    pipe = _mine[2].stdin
    assert pipe
    pipe.write(sign + os.fsencode(mount_point) + b"\0")
    pipe.flush()


def marked(mark: str) -> Iterator[int]:
    """Find the processes that have a mark in their environment.

    Parameters
    ----------
    mark : str
        The value of `VARIABLE`.

    Yields
    ------
    int
        The pid of each.
    """
    entry = f"{VARIABLE}={mark}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if entry in (process / "environ").read_bytes().split(b"\0"):
                yield int(process.name)


def end(mark: str) -> None:
    """Tell the marked processes to end, and after a while end them.

    Parameters
    ----------
    mark : str
        The value of `VARIABLE`.
    """
    started = time.monotonic()
    told: set[int] = set()
    while (found := set(marked(mark))) or time.monotonic() < started + _TO_APPEAR:
        late = time.monotonic() > started + _TO_STORE
        for pid in found if late else found - told:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        told |= found
        time.sleep(0.05)


def detach_command(mount_point: str | os.PathLike[str], *, lazy: bool) -> list[str]:
    """Choose how to ask the kernel to drop a mount.

    Parameters
    ----------
    mount_point : path-like
        An absolute path.
    lazy : bool
        Take the mount out of the tree now, whoever still uses it.

    Returns
    -------
    list of str
        The words of a command.
    """
    program = shutil.which("fusermount3") or shutil.which("fusermount")
    if program and os.path.exists(MTAB):
        command = [program, "-uz" if lazy else "-u"]
    else:
        # Without looking: a look into a mount that hangs would hang, too.
        command = ["umount", "--no-canonicalize", *(["--lazy"] if lazy else [])]
    return [*command, os.fspath(mount_point)]


def detach_dead(mount_point: str) -> None:
    """Detach what is mounted by s3fs on a directory if nothing serves it any more.

    Parameters
    ----------
    mount_point : str
        An absolute path.
    """
    escaped = mount_point.replace("\\", r"\134").replace(" ", r"\040")
    escaped = escaped.replace("\t", r"\011").replace("\n", r"\012")
    while any(
        " - fuse" in line and line.split(" ", 5)[4] == escaped
        for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").split("\n")
    ):
        look = subprocess.Popen(
            ["stat", "--file-system", mount_point],
            env=os.environ | {"LC_ALL": "C"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            _, said = look.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            return
        if b"Transport endpoint is not connected" not in said:
            return
        command = detach_command(mount_point, lazy=True)
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return


def main(mark: str) -> None:
    """Wait until the standard input ends, then clean up.

    Parameters
    ----------
    mark : str
        The value of `VARIABLE`.
    """
    mounted: dict[str, None] = {}
    for message in sys.stdin.buffer.read().split(b"\0")[:-1]:
        mount_point = os.fsdecode(message[1:])
        mounted.pop(mount_point, None)
        if message.startswith(b"+"):
            mounted[mount_point] = None
    if mounted:
        end(mark)
    for mount_point in reversed(mounted):
        detach_dead(mount_point)


if __name__ == "__main__":
    main(sys.argv[1])
else:
    atexit.register(_finish)
    os.register_at_fork(after_in_child=_close_in_fork)
