"""Measure what `s3_mounts.mount` adds to the time that plain ``s3fs`` takes until it answers.

Both are measured in turns in one run, so that a busy machine slows both. Writes the ratio to
``benchmarks/results.json``.
"""

import statistics
import subprocess
import time
from pathlib import Path

from benchmarks import results
from s3_mounts import mount, unmount
from s3_mounts.options import endpoint_options
from s3_sandbox import start_sandbox

ROUNDS = 40


def plain(source: str, mount_point: Path, endpoint: str) -> None:
    """Mount with the command alone, and look into the mount until it answers."""
    options = [a for o in endpoint_options(endpoint) for a in ("-o", o)]
    subprocess.run(["s3fs", source, mount_point, *options], check=True)
    looking = ["stat", "--format=%n", f"{mount_point}/air_temp.pp"]
    while subprocess.run(looking, capture_output=True, check=False).returncode:
        time.sleep(0.001)


def verified(source: str, mount_point: Path, endpoint: str) -> None:
    """Mount with the helper, which returns when the mount answers."""
    mount(source, mount_point)


def main() -> None:
    """Measure in turns, print the ratio and store it."""
    seconds = {plain: [], verified: []}
    with start_sandbox("climate-data", ["air_temp.pp"]) as sandbox:
        mount_point = sandbox.directory / "m"
        mount_point.mkdir()
        for number in range(ROUNDS):
            ways = [plain, verified] if number % 2 else [verified, plain]
            for way in ways:
                started = time.perf_counter()
                way(sandbox.source, mount_point, sandbox.endpoint)
                seconds[way].append(time.perf_counter() - started)
                unmount(mount_point)
    medians = {way.__name__: statistics.median(times) for way, times in seconds.items()}
    ratio = medians["verified"] / medians["plain"]
    results.write("mount overhead", {"ratio": round(ratio, 3), "rounds": ROUNDS})
    for name, median in medians.items():
        print(f"{name:<10}{1000 * median:>8.1f} ms (median of {ROUNDS})")
    print(f"mount() takes {ratio:.2f} x the time of plain s3fs")


if __name__ == "__main__":
    main()
