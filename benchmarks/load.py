"""Load a mount: many mounts in a row, many readers and writers at once, many objects, a large one.

Writes counts to ``benchmarks/results.json``. What must be equal is compared here, and a difference
ends the run.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock

import boto3
import dask.array as da
import iris
import psutil
from iris.cube import Cube

from benchmarks import results
from proof.seaweedfs import KEY, SECRET, seaweedfs
from s3_mounts import mount, save_cube, sparse_read_options
from s3_sandbox import Sandbox, start_sandbox

MEGABYTE = 1_000_000


def in_a_row(sandbox: Sandbox, cycles: int) -> dict[str, object]:
    """Mount and unmount over and over; see whether anything grows."""
    mount_point = sandbox.directory / "in_a_row"
    mount_point.mkdir()
    this = psutil.Process()

    def size() -> tuple[int, int, int]:
        return len(this.children()), this.num_fds(), this.memory_full_info().uss

    warm_up = min(20, cycles - 1)
    for number in range(cycles):
        if number == warm_up:
            children, files, memory = size()
        with mount(sandbox.source, mount_point):
            assert os.listdir(mount_point)
    now = size()
    return {
        "cycles": cycles,
        "more processes": now[0] - children,
        "more open files": now[1] - files,
        "more MB of memory": round((now[2] - memory) / MEGABYTE, 1),
    }


def work(folder: str, number: int, megabytes: int) -> tuple[str, str]:
    """Write a file, read another one; return the checksums of both."""
    content = os.urandom(megabytes * MEGABYTE)
    Path(folder, f"written_{number}").write_bytes(content)
    read = Path(folder, f"given_{number}").read_bytes()
    return hashlib.sha256(content).hexdigest(), hashlib.sha256(read).hexdigest()


def at_once(sandbox: Sandbox, workers: int) -> dict[str, object]:
    """Let processes read and write at once; compare all with what the store has."""
    mount_point = sandbox.directory / "at_once"
    mount_point.mkdir()
    s3 = boto3.client("s3")
    megabytes = 3
    for number in range(workers):
        s3.put_object(
            Bucket=sandbox.bucket,
            Key=f"{sandbox.prefix}given_{number}",
            Body=os.urandom(megabytes * MEGABYTE),
        )

    def stored(name: str) -> str:
        answer = s3.get_object(Bucket=sandbox.bucket, Key=f"{sandbox.prefix}{name}")
        return hashlib.sha256(answer["Body"].read()).hexdigest()

    with (
        mount(sandbox.source, mount_point),
        concurrent.futures.ProcessPoolExecutor(workers) as pool,
    ):
        numbers = range(workers)
        folders, sizes = [str(mount_point)] * workers, [megabytes] * workers
        done = list(pool.map(work, folders, numbers, sizes))
    right = sum(
        done[number] == (stored(f"written_{number}"), stored(f"given_{number}"))
        for number in numbers
    )
    assert right == workers, f"{workers - right} of {workers} differ"
    return {"processes": workers, "MB written and read by each": megabytes, "right": right}


def many(sandbox: Sandbox, count: int) -> dict[str, object]:
    """List a directory of many objects."""
    mount_point = sandbox.directory / "many"
    mount_point.mkdir()
    s3 = boto3.client("s3")

    def put(number: int) -> None:
        s3.put_object(Bucket=sandbox.bucket, Key=f"{sandbox.prefix}many/{number:05}", Body=b"x")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(count)))
    with mount(sandbox.source, mount_point):
        with sandbox.traffic() as traffic:
            names = os.listdir(mount_point / "many")
        assert sorted(names) == [f"{number:05}" for number in range(count)]
    return {"objects": count, "requests": traffic.requests, **traffic.operations}


def large(times: int) -> dict[str, object]:
    """Save, copy and load a large cube, on a store that keeps it on the disk, not in memory."""
    values = da.random.default_rng(0).standard_normal(
        (times, 1000, 1000), dtype="f4", chunks=(10, 1000, 1000)
    )
    cube = Cube(values, var_name="noise", units="K")
    with tempfile.TemporaryDirectory() as folder, seaweedfs(Path(folder), "our-data", 10) as s3:
        environment = {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "S3_MOUNTS_BUCKET": "our-data",
            "S3_MOUNTS_ENDPOINT_URL": s3.meta.endpoint_url,
        }
        with mock.patch.dict(os.environ, environment), start_sandbox("large") as sandbox:
            mount_point = sandbox.directory / "large"
            mount_point.mkdir()
            with mount(sandbox.source, mount_point):
                save_cube(cube, mount_point / "saved.nc")
                shutil.copyfile(mount_point / "saved.nc", mount_point / "copied.nc")
            options = sparse_read_options(sandbox.directory / "cache")
            with mount(sandbox.source, mount_point, options):
                loaded = iris.load_cube(mount_point / "copied.nc").core_data()
                right = int((loaded == values).sum().compute(num_workers=2))
            assert right == values.size, f"{values.size - right} of {values.size} differ"
            size = sandbox.sizes()["copied.nc"]
    return {"GB": round(size / 1e9, 2), "numbers": values.size, "right": right}


def main() -> None:
    """Do all, and write what was counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=540)
    arguments = parser.parse_args()
    iris.FUTURE.save_split_attrs = True
    result = {"a file that was saved, copied and loaded": large(arguments.times)}
    with start_sandbox("climate-data", ["air_temp.pp"]) as sandbox:
        result |= {
            "mounts and unmounts in a row": in_a_row(sandbox, arguments.cycles),
            "processes that read and wrote at once": at_once(sandbox, arguments.workers),
            "objects in one directory, all listed": many(sandbox, arguments.objects),
        }
    results.write("load", result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
