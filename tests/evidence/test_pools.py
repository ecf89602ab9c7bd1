"""What becomes of a mount when the workers of a joblib pool use it, or make it."""

import os

import dask.array
import iris
import pytest
import workers
from distributed import Client
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor

from s3_mounts import mount, mount_table, save_cube, unmount
from s3_sandbox import fine_temperature

NAMES = ["A1B_north_america.nc", "E1_north_america.nc"]


@pytest.fixture(autouse=True)
def samples(sandbox):
    sandbox.add_samples(NAMES)
    yield
    get_reusable_executor().shutdown(wait=True, kill_workers=True)


@pytest.fixture(params=[False, True], ids=["ended", "killed"])
def end_of_the_pool(request):
    """End the workers in one of the ways of a pool."""
    return lambda: get_reusable_executor().shutdown(wait=True, kill_workers=request.param)


def below(folder):
    return [place for place in mount_table.mount_points() if place.is_relative_to(folder)]


def test_workers_use_a_mount_of_the_process_that_has_started_them(
    sandbox, mount_point, end_of_the_pool
):
    with mount(sandbox.source, mount_point) as folder:
        found = Parallel(2)(delayed(workers.size)(folder / name) for name in NAMES)
        end_of_the_pool()
        assert below(sandbox.directory) == [mount_point]
    assert [size for _, size in found] == [sandbox.sizes()[name] for name in NAMES]
    assert os.getpid() not in dict(found)
    assert below(sandbox.directory) == []


def test_workers_share_a_mount_and_leave_none(sandbox, end_of_the_pool):
    path = sandbox.directory / "shared" / "my_bucket"
    calls = [delayed(workers.size_by_a_shared_mount)(sandbox.source, path, name) for name in NAMES]
    found = Parallel(2)(calls)
    end_of_the_pool()
    assert [size for size, _ in found] == [sandbox.sizes()[name] for name in NAMES]
    assert below(sandbox.directory) == []


def test_a_mount_that_a_worker_has_made_by_the_command_outlives_it(sandbox, end_of_the_pool):
    folders = [sandbox.directory / "first", sandbox.directory / "second"]
    call = delayed(workers.size_by_a_mount_of_its_own)
    Parallel(2)(call(sandbox.source, *pair) for pair in zip(folders, NAMES, strict=True))
    end_of_the_pool()
    assert set(below(sandbox.directory)) == set(folders)
    for folder in folders:
        unmount(folder)


@pytest.fixture(scope="module")
def cluster():
    """Two workers of Dask."""
    with Client(n_workers=2, threads_per_worker=1, dashboard_address=None):
        yield


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("save", "up", "down"), [(iris.save, (3, 6), (7, 14)), (save_cube, (1, 1.02), (0, 0.001))]
)
def test_a_lazy_save_by_workers_moves_the_file_many_times_and_save_cube_once(
    sandbox, mount_point, monkeypatch, save, up, down
):
    monkeypatch.setattr(iris.FUTURE, "save_split_attrs", True)
    cube = fine_temperature(8, 256, 512)
    cube.data = dask.array.from_array(cube.data, chunks=(1, -1, -1))
    with (
        mount(sandbox.source, mount_point) as folder,
        sandbox.traffic() as traffic,
    ):
        save(cube, folder / "result.nc", chunksizes=(1, 256, 512))
    size = sandbox.sizes()["result.nc"]
    assert up[0] <= traffic.bytes_up / size <= up[1]
    assert down[0] <= traffic.bytes_down / size <= down[1]
