"""Measure what each lesson takes when it is run as a script: time, memory and temporary disk space.

Counted are all processes of a lesson together: Python, the S3 server, the ``s3fs`` programs.
Writes ``benchmarks/results.json``. The limits that a lesson keeps to are ``LIMITS``.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import IO

import psutil

from benchmarks import results
from proof.lessons import RUN
from proof.project import ROOT
from s3_mounts.mount_table import mount_points
from s3_sandbox.folders import abandon_below

LIMITS = {"seconds": 40, "MB of memory": 3000, "MB of disk": 4000}
PAUSE = 0.2
MARK = "S3_MOUNTS_MEASURED_IN"
"""An environment variable by which all processes of what is measured are known."""


def memory(folder: str) -> int:
    """Add up the memory of all processes that are measured in a folder, in bytes."""
    total = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == folder:
                total += process.memory_full_info().pss
    return total


def disk(folder: str) -> int:
    """Add up the size of the files below a folder, but not of those in a mounted bucket.

    To look into a bucket would ask its server, which counts the requests of a lesson.
    """
    total = 0
    folders = [folder]
    while folders:
        directory = folders.pop()
        # What is mounted is looked up each time: a lesson goes on while this looks around.
        if Path(directory) not in mount_points():
            with contextlib.suppress(OSError), os.scandir(directory) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        with contextlib.suppress(OSError):
                            total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


def environment(temporary: str, **variables: str) -> dict[str, str]:
    """Give what is run a temporary folder of its own, by which its processes are known."""
    ours = os.environ | {"TMPDIR": temporary} | variables
    # What Python has compiled is kept, as on a reader's machine.
    ours.pop("PYTHONDONTWRITEBYTECODE", None)
    return ours


def measure(
    words: Sequence[str | Path],
    place: Path | None = None,
    output: int | IO[bytes] = subprocess.DEVNULL,
    pause: float = PAUSE,
    statuses: Collection[int] = (0,),
    **variables: str,
) -> dict[str, float]:
    """Run a program, and find its time, and the most that it took of the rest at any time."""
    most = dict.fromkeys(("MB of memory", "MB of disk"), 0.0)
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o1777)  # other users, too, work in what is measured
        ours = environment(folder, **{MARK: folder}, **variables)
        started = time.perf_counter()
        with subprocess.Popen(
            words, cwd=place or folder, env=ours, stdout=output, stderr=output
        ) as process:
            while process.poll() is None:
                for what, found in (("memory", memory(folder)), ("disk", disk(folder))):
                    most[f"MB of {what}"] = max(most[f"MB of {what}"], found / 1e6)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(pause)
        seconds = time.perf_counter() - started
        # An earlier commit may leave a mount.
        abandon_below(Path(folder))
        if process.returncode not in statuses:
            raise SystemExit(f"{words} ended with exit status {process.returncode}.")
    return {"seconds": round(seconds, 1)} | {what: round(most[what]) for what in most}


def main() -> None:
    """Measure all lessons, or those that are named, print a table and store it."""
    lessons = [Path(name).resolve() for name in sys.argv[1:]] or RUN
    known = results.read("lessons")["lessons"]
    print(f"{'lesson':<58}{'s':>7}{'MB memory':>11}{'MB disk':>9}")
    for lesson in lessons:
        name = str(lesson.relative_to(ROOT / "tutorials"))
        known[name] = found = measure([sys.executable, lesson], MPLBACKEND="agg")
        seconds, in_memory, on_disk = found.values()
        print(f"{name:<58}{seconds:>7.1f}{in_memory:>11.0f}{on_disk:>9.0f}", flush=True)
    together = sum(found["seconds"] for found in known.values())
    print(f"{'all':<58}{together:>7.1f}")
    whole = {"processors": os.cpu_count(), "seconds": round(together, 1), "lessons": known}
    results.write("lessons", whole)
    for name, found in known.items():
        for what, limit in LIMITS.items():
            if found[what] > limit:
                raise SystemExit(f"{name} took {found[what]} {what}, expected {limit} at most.")


if __name__ == "__main__":
    main()
