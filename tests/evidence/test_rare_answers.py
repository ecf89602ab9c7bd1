"""What Iris and others make of objects and stores that answer in a way that few know of."""

import errno
import os

import iris
import numpy as np
import pytest
import s3fs
from iris.coords import AuxCoord
from iris.cube import Cube
from iris.exceptions import TranslationError

from benchmarks.faults.network import Network
from benchmarks.faults.proxy import Order
from s3_mounts import mount, sparse_read_options
from s3_mounts.options import endpoint_options
from s3_sandbox import fine_temperature, sample_path

SAMPLE = "A1B_north_america.nc"


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    """What Iris will do by default."""
    for name in ("date_microseconds", "lam_pole_offset", "save_split_attrs"):
        monkeypatch.setattr(iris.FUTURE, name, True)


@pytest.fixture
def large(sandbox):
    """A file of several requests of s3fs, which everybody may read."""
    file = sandbox.directory / "large.nc"
    iris.save(fine_temperature(12), file, chunksizes=(1, 444, 588))
    sandbox.add_file(file)
    sandbox.client.put_object_acl(Bucket=sandbox.bucket, Key=file.name, ACL="public-read")
    return file


# -- A store that sends the whole object for a part of it ------------------------------------------


@pytest.fixture
def deaf(sandbox):
    """The address of a store that ignores the header Range."""
    with Network(sandbox.endpoint) as network:
        network.play(Order("no_range", ["GetObject"]))
        yield network.url
        assert network.mend(), "no request asked for a part"


def test_s3fs_gives_an_error_where_ranges_are_ignored(sandbox, mount_point, large, deaf):
    options = [*endpoint_options(deaf), "retries=1", "multipart_size=5"]
    with (
        mount(sandbox.source, mount_point, options) as folder,
        pytest.raises(OSError, match="Input/output error"),
    ):
        (folder / large.name).read_bytes()


def test_byte_ranges_of_the_netcdf_library_give_an_error_where_ranges_are_ignored(large, deaf):
    with pytest.raises(OSError, match="NetCDF: Unknown file format"):
        iris.load_cube(f"{deaf}/climate-data/{large.name}#mode=bytes")


def test_pythons_s3fs_takes_the_whole_for_a_part_with_no_error(large, deaf):
    store = s3fs.S3FileSystem(skip_instance_cache=True, endpoint_url=deaf)
    part = store.cat_file(f"climate-data/{large.name}", start=1000, end=1016)
    assert part == large.read_bytes()


# -- An object that was archived -------------------------------------------------------------------


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_object_has_a_size_and_cannot_be_read(sandbox, mount_point, storage_class):
    body = sample_path(SAMPLE).read_bytes()
    place = {"Bucket": sandbox.bucket, "Key": "archived.nc"}
    sandbox.client.put_object(**place, Body=body, StorageClass=storage_class)
    with mount(sandbox.source, mount_point) as folder:
        assert (folder / "archived.nc").stat().st_size == len(body)
        with pytest.raises(OSError, match="Object is remote") as caught:
            (folder / "archived.nc").read_bytes()
        assert caught.value.errno == errno.EREMOTE
    store = s3fs.S3FileSystem(skip_instance_cache=True)
    with pytest.raises(PermissionError, match="not valid for the object's storage class"):
        store.cat(f"{sandbox.bucket}/archived.nc")


# -- Keys that are no paths ------------------------------------------------------------------------


@pytest.mark.proves("C01")
def test_a_key_with_two_slashes_shows_an_entry_that_is_not_there(sandbox, mount_point):
    sandbox.client.put_object(Bucket=sandbox.bucket, Key="runs//a.nc", Body=b"1")
    with mount(sandbox.source, mount_point) as folder:
        assert os.listdir(folder / "runs") == ["runs"]
        with pytest.raises(FileNotFoundError):
            (folder / "runs" / "runs").stat()
        assert not os.path.exists(f"{folder}/runs//a.nc")


# -- Texts -----------------------------------------------------------------------------------------


def test_letters_outside_ascii_need_iris_3_16_and_room(tmp_path):
    cube = Cube(np.zeros(2), long_name="snow")
    cube.add_aux_coord(AuxCoord(["Zürich", "Bern"], long_name="station"), 0)
    station = cube.coord("station")
    if tuple(map(int, iris.__version__.split(".")[:2])) < (3, 16):
        station.points = station.points.astype("U40")
        with pytest.raises(UnicodeEncodeError, match="'ascii' codec can't encode character"):
            iris.save(cube, tmp_path / "x.nc")
        return
    with pytest.raises(TranslationError, match="exceeds the string dimension length"):
        iris.save(cube, tmp_path / "x.nc")
    station.points = station.points.astype("U40")
    iris.save(cube, tmp_path / "x.nc")
    found = iris.load_cube(tmp_path / "x.nc").coord("station").points
    assert found.tolist() == ["Zürich", "Bern"]


# -- Formats ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".pp", ".grib2"])
def test_a_load_moves_more_than_a_file_of_fields_and_no_more_with_the_right_options(
    sandbox, mount_point, suffix
):
    file = sandbox.directory / f"fields{suffix}"
    iris.save(fine_temperature(60), file)
    sandbox.add_file(file)
    moved = {}
    for recipe, options in {
        "default": [],
        "sparse": sparse_read_options(sandbox.directory / "cache"),
    }.items():
        with mount(sandbox.source, mount_point, options) as folder:
            with sandbox.traffic() as load:
                cube = iris.load_cube(folder / file.name)
            with sandbox.traffic() as field:
                cube[30].data  # noqa: B018
        moved[recipe] = [one.bytes_down / file.stat().st_size for one in (load, field)]
    assert moved["default"][0] > 1.3
    assert moved["default"][1] > 0.4
    assert moved["sparse"][0] <= 1.02
    assert moved["sparse"][1] == 0
