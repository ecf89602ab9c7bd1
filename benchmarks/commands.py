"""Measure the README's commands, and the check of a store, against an earlier commit.

Both commits are cloned into empty folders, and their commands run in turns, with nothing cached:
all that is downloaded counts. Memory is the sum over all processes of a command, of what each has
alone and its part of what several share. The disk is what there is below the temporary folder.
Writes ``benchmarks/results.json``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from benchmarks import results
from benchmarks.lessons import measure
from proof.project import ROOT

BEFORE = "f8e43c7"
PAUSES = {"docs": 10, "tests": 10, "check": 0.5}
"""Seconds between two looks at memory and disk, which take time themselves."""
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


def timed(command: str, when: str, project: Path) -> dict[str, float]:
    """Run a command in a clone."""
    words, pause = WORDS[command][when], PAUSES[command]
    cache = f"{project}.cache"
    with tempfile.TemporaryFile() as log:
        try:
            # A test or a lesson of the earlier commit fails by chance; all else is still run.
            statuses = (0, 1) if when == "before" and command != "check" else (0,)
            return measure(
                words, project, log, pause, statuses, UV_CACHE_DIR=cache, PIP_CACHE_DIR=cache
            )
        except SystemExit:
            log.seek(0)
            print(log.read().decode(errors="replace"))
            raise


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("commands", nargs="*", default=["docs", "check"], metavar="COMMAND")
    arguments = parser.parse_args()
    taken: dict[str, dict[str, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        for number in range(arguments.rounds):
            for when, commit in (("before", BEFORE), ("now", "HEAD")):
                project = clone(commit, Path(folder, f"{when}{number}"))
                for command in arguments.commands:
                    taken[command][when].append(timed(command, when, project))
                    print(command, when, taken[command][when][-1], flush=True)
    about = {"before": BEFORE, "processors": len(os.sched_getaffinity(0))}
    about |= {"rounds": arguments.rounds}
    results.write("commands", about | {"what": dict(summary(taken))})


def summary(
    taken: dict[str, dict[str, list[dict[str, float]]]],
) -> Iterator[tuple[str, dict[str, float]]]:
    """Compare the medians of both commits."""
    for command, runs in taken.items():
        for what in runs["now"][0]:
            before, now = (
                statistics.median(run[what] for run in runs[when]) for when in ("before", "now")
            )
            compared = {"before": round(before), "now": round(now)}
            yield f"{command}: {what}", compared | {"now / before": round(now / before, 2)}


if __name__ == "__main__":
    main()
