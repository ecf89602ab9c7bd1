"""Measure the README's commands, and the check of a store, against an earlier commit.

Both commits are cloned into empty folders, and their commands run in turns, with nothing cached:
all that is downloaded counts. Memory is the sum over all processes of a command, of what each has
alone and its part of what several share. The disk is what there is below the temporary folder.
Writes ``benchmarks/results.json``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil

from benchmarks import results
from proof.project import ROOT

BEFORE = "f8e43c7"
MARK = "S3_MOUNTS_MEASURED_IN"
"""An environment variable by which all processes of a command are known."""

PAUSE = 2
WORDS = {
    "docs": {"before": ["./nox", "-s", "docs"], "now": ["./nox", "-s", "docs"]},
    "tests": {"before": ["./nox", "-s", "tests"], "now": ["./nox", "-s", "tests"]},
    "check": {
        "before": [".nox/docs/bin/python", "-m", "s3_mounts", "check"],
        "now": [".nox/docs/bin/s3-sandbox", "check"],
    },
}


def clone(commit: str, folder: Path) -> Path:
    """Clone the project as it was at a commit."""
    subprocess.run(["git", "clone", "--quiet", "--no-checkout", ROOT, folder], check=True)
    subprocess.run(["git", "-C", folder, "checkout", "--quiet", commit], check=True)
    return folder


def memory(mark: str) -> int:
    """Sum up what the processes of a command have in memory, in bytes."""
    found = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark:
                found += process.memory_full_info().pss
    return found


def disk(folder: str) -> int:
    """Sum up what is on the disk below a folder, and not on what is mounted there, in bytes."""
    command = ["du", "--summarize", "--one-file-system", "--block-size=1", folder]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return int(said.split("\t")[0] or 0)


def timed(words: list[str], project: Path) -> dict[str, float]:
    """Run a command in a clone: the seconds it takes, and the most memory and disk in MB."""
    with tempfile.TemporaryDirectory() as temporary:
        caches = dict.fromkeys(("UV_CACHE_DIR", "PIP_CACHE_DIR"), f"{project}/.cache")
        environment = os.environ | caches | {"TMPDIR": temporary, MARK: temporary}
        most = {"MB of memory": 0, "MB of temporary files": 0}
        log = Path(project).with_suffix(".log")
        started = time.perf_counter()
        with (
            open(log, "ab") as said,
            subprocess.Popen(
                words, cwd=project, env=environment, stdout=said, stderr=said
            ) as process,
        ):
            while process.poll() is None:
                now = {"MB of memory": memory(temporary), "MB of temporary files": disk(temporary)}
                most = {what: max(bytes, most[what]) for what, bytes in now.items()}
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(PAUSE)
        seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{words} ended with exit status {process.returncode}: see {log}")
    return {"seconds": seconds} | {what: bytes / 1e6 for what, bytes in most.items()}


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("commands", nargs="*", default=["docs", "check"], metavar="COMMAND")
    arguments = parser.parse_args()
    taken: dict[str, dict[str, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for number in range(arguments.rounds):
            for when, commit in (("before", BEFORE), ("now", "HEAD")):
                project = clone(commit, Path(folder, f"{when}{number}"))
                for command in arguments.commands:
                    taken[command][when].append(timed(WORDS[command][when], project))
                    print(command, when, taken[command][when][-1], flush=True)
    about = {"before": BEFORE, "processors": len(os.sched_getaffinity(0))}
    about |= {"rounds": arguments.rounds}
    results.write("commands", about | {"command": dict(map(summary, taken, taken.values()))})


def summary(command: str, taken: dict[str, list[dict[str, float]]]) -> tuple[str, dict[str, float]]:
    """Compare the medians of both commits."""
    before, now = (
        {what: statistics.median(run[what] for run in taken[when]) for what in taken[when][0]}
        for when in ("before", "now")
    )
    found = {"of the time before": round(now["seconds"] / before["seconds"], 2)}
    for what in now:
        found |= {f"{what}, before": round(before[what]), f"{what}, now": round(now[what])}
    return command, found


if __name__ == "__main__":
    main()
