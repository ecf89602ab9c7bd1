"""What the layout of a netCDF file costs, beside what the lesson about it shows."""

import io

import h5py
import iris
import netCDF4
import numpy as np
import pytest

from s3_mounts import mount, sparse_read_options
from s3_sandbox import fine_temperature, sample_path

SHAPE = 60, 432, 480
TOO_SMALL = {"chunksizes": (6, 36, 40)}
MIDDLE_WAY = {"chunksizes": (20, 144, 160), "zlib": True}
ONE_FIELD, TIME_SERIES = np.s_[40, :, :], np.s_[:, 300, 400]


@pytest.fixture(autouse=True)
def future():
    """What Iris will do by default, for this test alone."""
    with iris.FUTURE.context(date_microseconds=True, save_split_attrs=True):
        yield


@pytest.fixture(scope="module")
def fine():
    """The cube of the lesson, in memory."""
    with iris.FUTURE.context(date_microseconds=True):
        return fine_temperature(*SHAPE)


class WatchedFile(io.FileIO):
    """A file that notes how many bytes are read at a time."""

    def __init__(self, path):
        super().__init__(path)
        self.parts = []

    def readinto(self, buffer):
        self.parts.append(len(buffer))
        return super().readinto(buffer)


@pytest.mark.parametrize(
    ("chunks", "question", "places", "size"),
    [
        (None, ONE_FIELD, 1, 432 * 480),
        (None, TIME_SERIES, 60, 1),
        ((1, 432, 480), ONE_FIELD, 1, 432 * 480),
        ((1, 432, 480), TIME_SERIES, 60, 432 * 480),
        ((60, 36, 40), ONE_FIELD, 144, 60 * 36 * 40),
        ((60, 36, 40), TIME_SERIES, 1, 60 * 36 * 40),
        ((6, 36, 40), TIME_SERIES, 10, 6 * 36 * 40),
        ((20, 144, 160), TIME_SERIES, 3, 20 * 144 * 160),
    ],
)
def test_each_chunk_is_a_place_of_its_own(fine, tmp_path, chunks, question, places, size):
    iris.save(fine, tmp_path / "file.nc", **({"chunksizes": chunks} if chunks else {}))
    # The cache must hold the largest chunk, or h5py reads it piece by piece.
    with (
        WatchedFile(tmp_path / "file.nc") as watched,
        h5py.File(watched, rdcc_nbytes=2**26) as opened,
    ):
        variable = opened["air_temperature"]
        before = len(watched.parts)
        variable[question]
    assert watched.parts[before:].count(4 * size) == places


def test_shuffled_bytes_compress_better(fine, tmp_path):
    noise = fine[:6].copy(np.random.default_rng(0).normal(280, 15, fine[:6].shape).astype("f4"))
    own = iris.load_cube(sample_path("A1B_north_america.nc"))
    for cube in (fine[:6], own, noise):
        sizes = []
        for keywords in ({}, {"zlib": True, "shuffle": False}, {"zlib": True}):
            iris.save(cube, tmp_path / "file.nc", **keywords)
            sizes.append((tmp_path / "file.nc").stat().st_size)
        assert sizes == sorted(sizes, reverse=True)
        assert len(set(sizes)) == 3


def save_paged(cube, path, **keywords):
    """Save a cube to a file whose metadata are gathered in pages."""
    h5py.File(path, "w", track_order=True, fs_strategy="page", fs_page_size=2**20).close()
    with netCDF4.Dataset(path, "a") as dataset:
        assert cube.data.size  # Only data in memory are written; lazy ones would be lost.
        iris.save(cube, dataset, saver="nc", compute=False, **keywords)


@pytest.fixture
def metadata(sandbox, mount_point):
    """A function that tells how many bytes a mount moves for the metadata of a file."""
    options = sparse_read_options(sandbox.directory / "cache")

    def count(path):
        sandbox.add_file(path, "file.nc")
        with mount(sandbox.source, mount_point, options) as bucket, sandbox.traffic() as traffic:
            iris.load_cube(bucket / "file.nc")
        return traffic.bytes_down

    return count


def test_pages_help_a_file_of_very_many_chunks(fine, tmp_path, metadata):
    iris.save(fine, tmp_path / "plain.nc", **TOO_SMALL)
    save_paged(fine, tmp_path / "paged.nc", **TOO_SMALL)
    assert metadata(tmp_path / "paged.nc") < metadata(tmp_path / "plain.nc")


def test_pages_harm_a_good_layout(fine, tmp_path, metadata):
    iris.save(fine, tmp_path / "plain.nc", **MIDDLE_WAY)
    save_paged(fine, tmp_path / "paged.nc", **MIDDLE_WAY)
    sizes = [(tmp_path / name).stat().st_size for name in ("plain.nc", "paged.nc")]
    assert sizes[1] > 1.1 * sizes[0]
    assert metadata(tmp_path / "paged.nc") > metadata(tmp_path / "plain.nc")


def test_metadata_of_netcdf_3_cost_most(fine, tmp_path, metadata):
    iris.save(fine, tmp_path / "3.nc", netcdf_format="NETCDF3_64BIT")
    iris.save(fine, tmp_path / "4.nc", **TOO_SMALL)
    assert metadata(tmp_path / "3.nc") > metadata(tmp_path / "4.nc")
