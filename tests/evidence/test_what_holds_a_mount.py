"""What the lesson "The unmount problem" says holds a mount, and does not itself show."""

import builtins
import contextlib
import gc
import io
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import h5py
import iris
import netCDF4
import numpy as np
import psutil
import pytest
import workers
from distributed import Client, Event, LocalCluster

from s3_mounts import mount, mount_table, unmount

LIMIT = workers.LIMIT


@pytest.fixture(autouse=True)
def future():
    with iris.FUTURE.context(date_microseconds=True):
        yield


@pytest.fixture
def bucket(sandbox, mount_point):
    """A mount of a bucket with a netCDF file, in which Python does not tidy up by itself."""
    sandbox.add_samples(["A1B_north_america.nc"])
    mount(sandbox.source, mount_point)
    gc.collect()
    gc.disable()
    yield mount_point
    gc.enable()
    if mount_table.topmost(mount_point):
        unmount(mount_point)


def unmounts(sandbox, bucket):
    """Try once to unmount, and mount again if that worked."""
    worked = subprocess.run(["umount", bucket], capture_output=True).returncode == 0
    if worked:
        mount(sandbox.source, bucket)
    return worked


# -- In this process -------------------------------------------------------------------------------


def netcdf(bucket):
    return bucket / "A1B_north_america.nc"


def partly_computed(bucket):
    cube = iris.load_cube(netcdf(bucket))
    assert cube[0].data.size
    return cube


def kept_error(bucket):
    """Keep an error that was raised while a dataset was open."""
    try:
        opened = netCDF4.Dataset(netcdf(bucket))
        opened["no such variable"]
    except IndexError as error:
        return error


def dropped_dataset(bucket):
    return netCDF4.Dataset(netcdf(bucket))["time"]


def writing_child(bucket):
    """Hand an open file down to a child, for its output."""
    with open(bucket / "log.txt", "w") as log:
        return subprocess.Popen(["sleep", "60"], stdout=log)


def end(held):
    """End a child the hard way."""
    held[0].kill()
    held[0].wait()


CLOSE = [lambda held: held[0].close()]
DROP = [lambda held: held.clear()]
COLLECT = [*DROP, lambda held: gc.collect()]
HOLDERS = {
    "lazy cube, partly computed": (partly_computed, []),
    "dataset that is closed": (lambda bucket: netCDF4.Dataset(netcdf(bucket)), CLOSE),
    "variable of a dropped dataset": (dropped_dataset, COLLECT),
    "error that you keep": (kept_error, COLLECT),
    "h5py file": (lambda bucket: h5py.File(netcdf(bucket)), CLOSE),
    "memory map of a closed file": (lambda bucket: np.memmap(bucket / "air_temp.pp"), DROP),
    "slice of a memory map": (lambda bucket: np.memmap(bucket / "air_temp.pp")[:4], DROP),
    "os.scandir, not finished": (os.scandir, CLOSE),
    "output of another process": (writing_child, [end]),
}


@pytest.mark.proves("C16", "C21", "C28")
@pytest.mark.parametrize("what", HOLDERS)
def test_it_holds_the_mount_until_it_lets_go(sandbox, bucket, what):
    """Busy before every step but after the last; what needs no step is free at once."""
    hold, steps = HOLDERS[what]
    held = [hold(bucket)]
    tried = [unmounts(sandbox, bucket)]
    for let_go in steps:
        let_go(held)
        tried.append(unmounts(sandbox, bucket))
    assert tried == [False] * len(steps) + [True]


@pytest.mark.proves("C21")
def test_what_was_displayed_is_kept(sandbox, bucket):
    """Python's prompt keeps the last result as ``_``; what it replaces is then collected."""

    def show(value):
        with contextlib.redirect_stdout(io.StringIO()):
            sys.__displayhook__(value)

    with mock.patch.object(builtins, "_", None, create=True):
        show(netCDF4.Dataset(netcdf(bucket)))
        assert not unmounts(sandbox, bucket)
        show("something else")
        assert not unmounts(sandbox, bucket)
        gc.collect()
        assert unmounts(sandbox, bucket)


@pytest.mark.proves("C21")
def test_a_load_in_another_thread_holds_the_mount(sandbox, bucket):
    begun, go_on = threading.Event(), threading.Event()

    def stop(*_):
        begun.set()
        assert go_on.wait(LIMIT)

    with ThreadPoolExecutor() as threads:
        loading = threads.submit(iris.load_cube, bucket / "air_temp.pp", callback=stop)
        assert begun.wait(LIMIT)
        busy = not unmounts(sandbox, bucket)
        go_on.set()
        loading.result()
    assert busy
    assert unmounts(sandbox, bucket)


# -- In other processes ----------------------------------------------------------------------------


@pytest.mark.proves("C21")
def test_a_task_of_a_dask_worker_holds_the_mount_and_the_worker_does_not(sandbox, bucket):
    with (
        LocalCluster(
            n_workers=0,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"local_directory": str(sandbox.directory)},
        ) as cluster,
        Client(cluster) as client,
    ):
        command = f"-m dask worker {cluster.scheduler_address} --no-nanny --no-dashboard"
        worker = subprocess.Popen(
            [sys.executable, *command.split(), "--local-directory", "."],
            cwd=sandbox.directory,
            env=os.environ | {"PYTHONPATH": os.path.dirname(__file__)},
            stderr=subprocess.DEVNULL,
        )
        try:
            client.wait_for_workers(1, timeout=LIMIT)
            reading = client.submit(workers.read, str(bucket / "air_temp.pp"))
            assert Event("begun", client=client).wait(LIMIT)
            busy = not unmounts(sandbox, bucket)
            Event("go on", client=client).set()
            reading.result(timeout=LIMIT)
            assert busy
            assert worker.poll() is None
            assert unmounts(sandbox, bucket)
        finally:
            worker.terminate()
            worker.wait()


@pytest.mark.proves("C22")
def test_waiting_helps_where_the_holder_goes_away(bucket):
    """`unmount` tries again until the visitor has gone."""
    with subprocess.Popen(["sleep", "1"], cwd=bucket) as visitor:
        unmount(bucket)
        assert visitor.wait() == 0
    assert not mount_table.topmost(bucket)


@pytest.mark.proves("C41")
def test_after_a_lazy_unmount_a_program_writes_on(sandbox, bucket):
    """The path shows nothing at once; s3fs runs, and stores only what the program closes."""
    (process,) = mount_table.servers(bucket)
    with open(bucket / "cat.txt", "wb") as output:
        writer = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=output)

    def write(line, total):
        writer.stdin.write(line)
        writer.stdin.flush()
        deadline = time.monotonic() + LIMIT
        while os.stat(f"/proc/{writer.pid}/fd/1").st_size < total:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def seen():
        return bool(os.listdir(bucket)), process.is_running(), sandbox.sizes()["cat.txt"]

    write(b"before\n", total=7)
    assert seen() == (True, True, 0)
    unmount(bucket, lazy=True)
    assert seen() == (False, True, 0)
    write(b"after\n", total=13)
    assert seen() == (False, True, 0)
    writer.communicate()
    psutil.wait_procs([process], timeout=LIMIT)
    assert seen() == (False, False, 13)


@pytest.mark.proves("C23")
def test_each_forgotten_mount_is_a_process_with_little_memory(sandbox):
    for number in range(3):
        with mount(sandbox.source, sandbox.directory / f"forgotten_{number}") as folder:
            (process,) = mount_table.servers(folder)
            assert 1e6 < process.memory_full_info().uss < 40e6
