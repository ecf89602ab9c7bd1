"""Measure what you take home: what it brings, what it weighs, and how long it takes to import.

The time is a ratio to that of the commit before the helper and the stage were parted, measured side
by side. Writes ``benchmarks/results.json``, and fails above the limits.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from benchmarks import results
from proof.project import ROOT

BEFORE = "f8e43c7"
ROUNDS = 15
LIMITS = {"packages": 10, "MB installed": 30, "time of an import, against before": 0.4}


def installed() -> dict[str, float]:
    """Install the project into an empty environment, and say what came: with it, and in MB."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        packages, size = _content(folder)
        subprocess.run([f"{folder}/bin/pip", "install", "--quiet", ROOT], check=True)
        more_packages, more = _content(folder)
    megabytes = round((more - size) / 1e6, 1)
    return {"packages": more_packages - packages, "MB installed": megabytes}


def _content(environment: str) -> tuple[int, int]:
    """Count the packages of an environment, and their bytes."""
    files = [path for path in Path(environment, "lib").rglob("*") if path.is_file()]
    packages = sum(path.name == "METADATA" for path in files)
    return packages, sum(path.stat().st_size for path in files)


def importing() -> float:
    """Import the package as it is and as it was, in turns; give the ratio of the medians."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "-C", ROOT, "archive", BEFORE, "src"], capture_output=True, check=True
        )
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        seconds: dict[Path, list[float]] = {Path(folder, "src"): [], ROOT / "src": []}
        for _ in range(ROUNDS):
            for source, taken in seconds.items():
                started = time.perf_counter()
                command = [sys.executable, "-c", "import s3_mounts"]
                environment = os.environ | {"PYTHONPATH": str(source)}
                subprocess.run(command, env=environment, check=True)
                taken.append(time.perf_counter() - started)
        before, now = map(statistics.median, seconds.values())
    return round(now / before, 2)


def main() -> None:
    """Measure, print, store, and compare with the limits."""
    found = installed() | {"time of an import, against before": importing()}
    print(json.dumps(found, indent=1))
    results.write("package", {**found, "before": BEFORE, "rounds": ROUNDS})
    wrong = [f"{what}: {found[what]}" for what, limit in LIMITS.items() if found[what] > limit]
    if wrong:
        sys.exit(f"expected at most {LIMITS}, found {', '.join(wrong)}.")


if __name__ == "__main__":
    main()
