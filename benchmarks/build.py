"""Measure the build of the site: cold, warm, and who takes the time.

The site is built in a copy of the project, twice. Every process of it counts: Sphinx, the lessons
that it runs, the S3 servers, the ``s3fs`` programs. Then each lesson is run as a script on one
processor, to have something to compare with. Writes seconds and ratios to
``benchmarks/results.json``.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil

from benchmarks import results
from benchmarks.lessons import environment
from proof.lessons import RUN
from proof.project import copy
from s3_sandbox.server import MODULE

PAUSE = 0.2
PROCESSORS = len(os.sched_getaffinity(0))
BUILD = ["-m", "sphinx", "-q", "-j", str(PROCESSORS), "-c", ".", "-d", "build/doctrees"]
SITE = ["docs", "build/html"]
LESSONS_THEMSELVES = "lessons, with Iris"


def kind(process: psutil.Process) -> str:
    """Tell what a process of the build is."""
    words = " ".join(process.cmdline())
    if MODULE in words:
        return "moto"
    if "use_path_request_style" in words:
        return "s3fs"
    if "-m sphinx" in words:
        return "Sphinx"
    return LESSONS_THEMSELVES


def timed(command: list[str], folder: Path, temporary: str) -> tuple[float, dict[str, float]]:
    """Run Python, and find how long it took and the processor time of each kind of process.

    A fork of Sphinx runs lessons if it has started an S3 server.
    """
    kind_of: dict[int, str] = {}
    busy: dict[int, float] = {}
    run_lessons: set[int] = set()
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=environment(temporary),
        stdout=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None:
            for one in psutil.process_iter():
                with contextlib.suppress(psutil.Error):
                    if one.environ().get("TMPDIR") == temporary:
                        times = one.cpu_times()
                        kind_of[one.pid], busy[one.pid] = kind(one), times.user + times.system
                        if kind_of[one.pid] == "moto":
                            run_lessons.add(one.ppid())
            time.sleep(PAUSE)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{command} ended with exit status {process.returncode}.")
    kinds: defaultdict[str, float] = defaultdict(float)
    for pid, spent in busy.items():
        kinds[LESSONS_THEMSELVES if pid in run_lessons else kind_of[pid]] += spent
    return seconds, kinds


def alone(folder: Path, temporary: str) -> float:
    """Run all lessons as scripts on one processor, one after the other."""
    pinned = ["taskset", "--cpu-list", f"{min(os.sched_getaffinity(0))}", sys.executable]
    started = time.perf_counter()
    for lesson in RUN:
        subprocess.run(
            [*pinned, lesson],
            cwd=folder,
            env=environment(temporary, MPLBACKEND="agg"),
            stdout=subprocess.DEVNULL,
            check=True,
        )
    return time.perf_counter() - started


def main() -> None:
    """Measure, print and store."""
    with tempfile.TemporaryDirectory() as temporary:
        project = copy(Path(temporary, "project"))
        cold, kinds = timed([*BUILD, *SITE], project, temporary)
        warm, _ = timed([*BUILD, *SITE], project, temporary)
        one_by_one = alone(Path(temporary), temporary)
    whole = sum(kinds.values())
    found = {
        "processors": PROCESSORS,
        "seconds": {
            "first build": round(cold, 1),
            "second build, with nothing changed": round(warm, 1),
            "all lessons on one processor": round(one_by_one, 1),
        },
        "first build / (lessons on one processor / processors)": round(
            cold * PROCESSORS / one_by_one, 2
        ),
        "share of processor time": {name: round(one / whole, 2) for name, one in kinds.items()},
    }
    results.write("build", found)
    for what, number in found.items():
        print(f"{what}: {number}")


if __name__ == "__main__":
    main()
