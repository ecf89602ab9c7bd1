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
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

VARIABLE = "S3_MOUNTS_GUARDED_BY"  # the environment variable that carries the mark

MTAB = "/etc/mtab"  # debootstrap makes none, and without it fusermount serves root alone

STORE_LIMIT = 20  # seconds for s3fs to store what it has and to unmount
APPEAR_LIMIT = 1  # seconds for an s3fs to appear that was starting when its parent ended
LOOK_LIMIT = 5  # seconds for a look into a mount


class Guardian:
    """The guardian of this process, and what is told to it."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.mark = secrets.token_hex(8)
        self.process = subprocess.Popen(
            [sys.executable, "-I", __file__, self.mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        assert self.process.stdin
        self.pipe = self.process.stdin

    def is_mine(self) -> bool:
        """Tell whether it is the guardian of this process, which may be a fork."""
        return self.owner == os.getpid()

    def tell(self, sign: bytes, mount_point: Path) -> None:
        """Tell it of a mount that is there, with a plus, or gone, with a minus."""
        self.pipe.write(sign + os.fsencode(mount_point) + b"\0")
        self.pipe.flush()

    def finish(self) -> None:
        """Let it do its work, and wait for it: the process ends when its mounts have gone."""
        with contextlib.suppress(BrokenPipeError):
            self.pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STORE_LIMIT + 10)


_mine: Guardian | None = None
_one_at_a_time = threading.Lock()


def guard(mount_point: Path) -> dict[str, str]:
    """Have a mount ended with this process; return what its s3fs must have in its environment."""
    global _mine
    with _one_at_a_time:
        if not _mine or not _mine.is_mine() or _mine.process.poll() is not None:
            _mine = Guardian()
        _mine.tell(b"+", mount_point)
        return {VARIABLE: _mine.mark}


def release(mount_point: Path) -> None:
    """Tell the guardian, if there is one, that a mount is gone."""
    if _mine and _mine.is_mine():
        with contextlib.suppress(BrokenPipeError):
            _mine.tell(b"-", mount_point)


def _finish() -> None:
    if _mine and _mine.is_mine():
        _mine.finish()


def _close_in_fork() -> None:
    """In a fork, close the pipe: the guardian waits until nobody holds it any more."""
    global _one_at_a_time
    _one_at_a_time = threading.Lock()
    if _mine:
        _mine.pipe.close()


def probe(words: Sequence[str | Path], limit: float = LOOK_LIMIT) -> tuple[int | None, str, str]:
    """Have another process look into a mount, since nobody can interrupt a look that hangs.

    Returned are its status, None where it has not come back in time, its answer, and its complaint.
    """
    look = subprocess.Popen(
        words,
        env=os.environ | {"LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        said, complaint = look.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        look.kill()
        # It ends when the mount answers or goes, and not before.
        threading.Thread(target=look.communicate, daemon=True).start()
        return None, "", ""
    return look.returncode, said, complaint


def detach_command(mount_point: str | os.PathLike[str], *, lazy: bool) -> list[str]:
    """Choose the words that ask the kernel to drop a mount; lazily, whoever still uses it."""
    program = shutil.which("fusermount3") or shutil.which("fusermount")
    if program and os.path.exists(MTAB):
        command = [program, "-uz" if lazy else "-u"]
    else:
        # Without looking: a look into a mount that hangs would hang, too.
        command = ["umount", "--no-canonicalize", *(["--lazy"] if lazy else [])]
    return [*command, os.fspath(mount_point)]


def marked(mark: str) -> Iterator[int]:
    """Find the processes that have a mark in their environment."""
    entry = f"{VARIABLE}={mark}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if entry in (process / "environ").read_bytes().split(b"\0"):
                yield int(process.name)


def end(mark: str) -> None:
    """Tell the marked processes to end, and after a while end them."""
    started = time.monotonic()
    told: set[int] = set()
    while (found := set(marked(mark))) or time.monotonic() < started + APPEAR_LIMIT:
        late = time.monotonic() > started + STORE_LIMIT
        for pid in found if late else found - told:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        told |= found
        time.sleep(0.05)


def detach_dead(mount_point: str) -> None:
    """Detach what is mounted with FUSE on a directory if nothing serves it any more."""
    as_listed = re.sub(r"[\\ \t\n]", lambda found: f"\\{ord(found[0]):03o}", mount_point)
    while any(
        " - fuse" in line and line.split(" ", 5)[4] == as_listed
        for line in os.fsdecode(Path("/proc/self/mountinfo").read_bytes()).split("\n")
    ):
        _, _, complaint = probe(["stat", "--file-system", mount_point])
        if "Transport endpoint is not connected" not in complaint:
            return
        command = detach_command(mount_point, lazy=True)
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return


def main(mark: str) -> None:
    """Wait until the standard input ends, then clean up what has the mark."""
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
