"""Kill processes at random moments, and look at what they leave.

In each round a process starts a sandbox, mounts, reads, saves and unmounts, over and over, until
it, its ``s3fs`` or its S3 server gets a signal. Half of the sandboxes are in a bucket of one's own,
on a server that stays. Then everything must be gone by itself, but for folders and objects, which
the next sandbox must remove. Writes what was found to ``benchmarks/results.json``.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import boto3
import psutil

from benchmarks import results
from s3_mounts import mount_table
from s3_mounts.program import find_s3fs, s3fs_version
from s3_sandbox import start_sandbox
from s3_sandbox.folders import abandon_below, remove_folder
from s3_sandbox.sandbox import OWN_BUCKET
from s3_sandbox.server import MODULE, shared_server

BY_ITSELF = 200
"""How long mounts and processes may take to go by themselves, in seconds.

``s3fs`` tries for a minute to reach a store that was killed. So long a process that saves waits,
and once more when it then closes its file.
"""

AT_ONCE = 4
"""How many rounds are played at the same time: they mostly wait."""

USER = """
import os
import shutil
import iris
from s3_mounts import mount
from s3_sandbox import sample_path, start_sandbox
while True:
    with start_sandbox(os.path.basename(os.environ["TMPDIR"]), ["air_temp.pp"]) as sandbox:
        mount_point = sandbox.directory / "my_bucket"
        mount_point.mkdir()
        for _ in range(3):
            with mount(sandbox.source, mount_point) as bucket:
                iris.load_cube(bucket / "air_temp.pp").data
                shutil.copy(sample_path("air_temp.pp"), bucket / "copy.pp")
"""
PRECIOUS = "round-theirs/precious"
HANGS = "processes that hang"
KINDS = ("user", "s3fs", "server")
SIGNALS = ("SIGINT", "SIGTERM", "SIGKILL")
ROWS = "With s3fs"


def family(folder: Path, of_kind: str = "") -> list[psutil.Process]:
    """Find the processes of a round: those that have its temporary folder in their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            of_round = process.environ().get("TMPDIR") == str(folder)
            alive = of_round and process.status() != psutil.STATUS_ZOMBIE
            if alive and of_kind in ("", kind(process)):
                found.append(process)
    return found


def kind(process: psutil.Process) -> str:
    """Tell what a process of a round is."""
    words = " ".join(process.cmdline())
    if "guardian.py" in words:
        return "guardian"
    if MODULE in words:
        return "server"
    return "s3fs" if "use_path_request_style" in words else "user"


def one_round(
    chance: random.Random, folder: Path, own_bucket: str
) -> tuple[list[str], dict[str, int]]:
    """Start, kill and look; return who got which signal, and how much of what was left."""
    environment = os.environ | {"TMPDIR": str(folder), "PYTHONWARNINGS": "ignore"}
    if own_bucket:
        environment[OWN_BUCKET] = own_bucket
    # The server of a bucket of one's own is not one of the round's processes.
    victim = chance.choice(["user", "user", "s3fs", *([] if own_bucket else ["server"])])
    name = chance.choice(SIGNALS)
    moment = chance.uniform(0.1, 15)
    user = subprocess.Popen(
        [sys.executable, "-c", USER],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(moment)
    deadline = time.monotonic() + BY_ITSELF
    while not (hit := family(folder, victim)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert hit, f"there was no {victim} within {BY_ITSELF} s"
    for process in hit[:1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(getattr(signal, name))
    sent = [f"{victim} {name}"]
    if victim != "user":
        with contextlib.suppress(subprocess.TimeoutExpired):
            user.wait(chance.uniform(0, 2))
        name = chance.choice(SIGNALS)
        if user.poll() is None:
            user.send_signal(getattr(signal, name))
            sent.append(f"user {name}")
    try:
        user.wait(BY_ITSELF)
        hangs = 0
    except subprocess.TimeoutExpired:
        hangs = 1
        user.kill()
        user.wait()
    deadline = time.monotonic() + BY_ITSELF
    while (processes := family(folder)) or mounts(folder):
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    left = {HANGS: hangs, "processes": len(processes), "mounts": len(mounts(folder))}
    left["folders before the next start"] = len(os.listdir(folder))
    start_another(environment)
    left["folders that were not locked yet"] = len(os.listdir(folder))
    if any(folder.iterdir()):
        # These are removed once they are a minute old.
        for path in folder.iterdir():
            os.utime(path, (0, 0))
        start_another(environment)
    left["folders"] = len(os.listdir(folder))
    for path in folder.rglob("*"):
        print(f"left: {path}", flush=True)
    return sent, left


def start_another(environment: dict[str, str]) -> None:
    """Start the sandbox that removes what others have left."""
    following = "from s3_sandbox import start_sandbox; start_sandbox('soak').stop()"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([sys.executable, "-c", following], env=environment, check=True, **quiet)


def mounts(folder: Path) -> list[Path]:
    """List what is mounted below a folder."""
    return [path for path in mount_table.mount_points() if path.is_relative_to(folder)]


def soak(rounds: int, seed: int) -> dict[str, object]:
    """Do the rounds, and sum up what they left."""
    kills: Counter[str] = Counter()
    left: Counter[str] = Counter()
    with shared_server(), start_sandbox("my-own-bucket", []) as sandbox:
        bucket = boto3.resource("s3").Bucket(sandbox.bucket)
        bucket.put_object(Key=PRECIOUS, Body=b"!")

        def play(number: int) -> tuple[list[str], dict[str, int]]:
            chance = random.Random(f"{seed} {number}")
            folder = sandbox.directory / f"round-{number}"
            folder.mkdir()
            sent, found = one_round(chance, folder, sandbox.bucket if number % 2 else "")
            found["objects"] = len(list(bucket.objects.filter(Prefix=f"{folder.name}-")))
            for process in family(folder):
                process.kill()
            abandon_below(folder)
            remove_folder(folder)
            return sent, found

        with ThreadPoolExecutor(AT_ONCE) as pool:
            for number, (sent, found) in enumerate(pool.map(play, range(rounds)), 1):
                kills.update(sent)
                left.update(found)
                seen = ", ".join(f"{count} {name}" for name, count in found.items() if count)
                print(f"{number:>4}  {', '.join(sent):<28}{seen}", flush=True)
        assert [o.key for o in bucket.objects.all()] == [PRECIOUS] or left["objects"]
    return {
        "date": date.today().isoformat(),
        "seed": seed,
        "rounds": rounds,
        **{f"{who} got {name}": kills[f"{who} {name}"] for who in KINDS for name in SIGNALS},
        **{f"left: {what}": number for what, number in left.items()},
    }


def main() -> None:
    """Soak, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    # Where a shell runs this in the background, SIGINT is ignored, here and in what is started.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print(f"seed {arguments.seed}")
    result = soak(arguments.rounds, arguments.seed)
    version = "{}.{}".format(*s3fs_version(find_s3fs()))
    rows = results.read("soak").get(ROWS, {})
    for what, found in result.items():
        rows[what] = dict(sorted((rows.get(what, {}) | {version: found}).items()))
    results.write("soak", {ROWS: rows})
    print(json.dumps(result))


if __name__ == "__main__":
    main()
