"""An error means that the earlier object is untouched, and no error that the new one is stored."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import boto3
import dask.array as da
import iris
import numpy as np
import pytest
from iris.coords import AuxCoord
from iris.cube import Cube
from iris.exceptions import TranslationError

from s3_mounts import (
    MountPointError,
    SaveError,
    SetupError,
    StoreError,
    load_checked,
    mount,
    mount_table,
    save_cube,
    saving,
    sparse_read_options,
    unmount,
    whole_file_options,
)
from s3_mounts.options import endpoint_options, prefix_options
from s3_mounts.program import find_s3fs, s3fs_version
from s3_sandbox import sample_path
from s3_sandbox.server import Server

pytestmark = pytest.mark.usefixtures("temporary")

KEY = "result.nc"


@pytest.fixture(autouse=True)
def future():
    """What Iris will do by default, for this test alone."""
    with iris.FUTURE.context(date_microseconds=True, lam_pole_offset=True, save_split_attrs=True):
        yield


@pytest.fixture
def path(sandbox, mount_point):
    """A file that is not there yet, on a mount."""
    with mount(sandbox.source, mount_point):
        yield mount_point / KEY


@pytest.fixture
def quickly(monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture
def in_parts(monkeypatch):
    """Have an upload of 6 MB take two parts."""
    monkeypatch.setattr(saving, "_PART", 5 * 2**20)


def a_cube(side=60, fields=8, value=280):
    """A few fields on the globe, different at every point."""
    template = iris.load_cube(sample_path("A1B_north_america.nc"))[:fields, 0, 0]
    cube = iris.cube.Cube(
        np.arange(fields * side * side, dtype=np.float32).reshape(fields, side, side) / 1e3 + value,
        standard_name="air_temperature",
        units="K",
    )
    for dimension, (name, limit) in enumerate((("latitude", 80), ("longitude", 170)), 1):
        points = np.linspace(-limit, limit, side)
        system = iris.coord_systems.GeogCS(6371229)
        coordinate = iris.coords.DimCoord(points, name, units="degrees", coord_system=system)
        cube.add_dim_coord(coordinate, dimension)
    time = template.coord("time").copy()
    time.bounds = None
    cube.add_dim_coord(time, 0)
    cube.add_aux_coord(iris.coords.DimCoord(1.5, long_name="height", units="m"))
    return cube


def lazy(cube):
    """A lazy cube in as many pieces as it has fields."""
    return cube.copy(data=da.from_array(cube.data, chunks=(1, -1, -1)))


def large_cube():
    """A cube that takes 6 MB."""
    return a_cube(side=430)


def stored(sandbox, key=KEY):
    return boto3.client("s3").get_object(Bucket=sandbox.bucket, Key=key)["Body"].read()


def put(sandbox, content, key=KEY):
    boto3.client("s3").put_object(Bucket=sandbox.bucket, Key=key, Body=content)


# -- What it saves, and what that costs ------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda cube: cube, lazy], ids=["in memory", "lazy"])
@pytest.mark.parametrize(
    ("name", "keywords"),
    [
        ("x.nc", {}),
        ("x.nc", {"zlib": True}),
        ("x.nc", {"netcdf_format": "NETCDF3_64BIT"}),
        ("x.pp", {}),
        ("x.grib2", {}),
        pytest.param("x.dot", {}, marks=pytest.mark.filterwarnings("ignore:iris.fileformats.dot")),
        ("x.bin", {"saver": "pp"}),
    ],
)
def test_each_format_is_uploaded_once(sandbox, mount_point, make, name, keywords):
    cube = a_cube(side=200)
    with mount(sandbox.source, mount_point) as folder:
        with sandbox.traffic() as traffic:
            save_cube(make(cube), folder / name, **keywords)
        size = sandbox.sizes()[name]
        assert size <= traffic.bytes_up <= 1.05 * size
        assert traffic.bytes_down < 0.05 * size + 1000
        assert (folder / name).stat().st_size == size
        if name != "x.dot":
            again = iris.load_cube(folder / name)
            np.testing.assert_allclose(again.data, cube.data, atol=0.1)


def test_an_upload_in_parts_is_uploaded_once_and_compared_without_a_download(
    sandbox, path, in_parts
):
    with sandbox.traffic() as traffic:
        save_cube(lazy(large_cube()), path)
    size = sandbox.sizes()[KEY]
    assert traffic.operations["UploadPart"] == 2
    assert size <= traffic.bytes_up <= 1.05 * size
    assert traffic.bytes_down < 0.05 * size


@pytest.mark.parametrize("name", ["x.nc", "x.pp"])
def test_several_cubes_become_one_object(sandbox, path, name):
    cubes = [a_cube(), a_cube(value=10)]
    cubes[1].rename("air_pressure")
    cubes[1].units = "Pa"
    with sandbox.traffic() as traffic:
        save_cube(cubes, path.with_name(name))
    assert traffic.bytes_up <= 1.05 * sandbox.sizes()[name]
    assert len(iris.load(path.with_name(name))) == 2


def test_a_prefix_and_a_folder_that_is_not_there_become_part_of_the_key(sandbox, mount_point):
    put(sandbox, b"", "monthly/")
    with mount(f"{sandbox.bucket}:/monthly", mount_point) as folder:
        save_cube(a_cube(), folder / "2026" / KEY)
        assert "monthly/2026/result.nc" in sandbox.sizes()
        assert iris.load_cube(folder / "2026" / KEY) is not None


def test_a_relative_path_through_a_link_leads_to_the_same_object(
    sandbox, path, tmp_path, monkeypatch
):
    (tmp_path / "link").symlink_to(path.parent)
    monkeypatch.chdir(tmp_path)
    save_cube(a_cube(), f"link/{KEY}")
    assert KEY in sandbox.sizes()


def test_a_mount_by_the_command_alone_is_found(sandbox, mount_point):
    options = ",".join(["rw", *endpoint_options(sandbox.endpoint), *prefix_options("b:/p")])
    put(sandbox, b"", "monthly/")
    sandbox.shell(f"command s3fs -o {options} {sandbox.bucket}:/monthly my_bucket")
    source = f"{sandbox.bucket}:/monthly", sandbox.endpoint
    assert mount_table.mounted_source(mount_point) == source
    save_cube(a_cube(), mount_point / KEY)
    unmount(mount_point)
    assert "monthly/result.nc" in sandbox.sizes()


def test_the_object_has_the_date_and_the_permissions_that_a_copy_would_have(sandbox, path):
    before = time.time()
    save_cube(a_cube(), path)
    shutil.copyfile(sample_path("air_temp.pp"), path.with_name("copy"))
    found, copied = path.stat(), path.with_name("copy").stat()
    assert int(before) <= found.st_mtime <= time.time()
    assert (found.st_mode, found.st_uid, found.st_gid) == (
        copied.st_mode,
        copied.st_uid,
        copied.st_gid,
    )


# -- Over what is there ----------------------------------------------------------------------------


@pytest.mark.parametrize("options", ["by default", "whole file", "sparse", "kernel_cache"])
def test_the_mount_shows_the_new_file_at_once(sandbox, mount_point, tmp_path, options):
    options = {
        "by default": [],
        "whole file": whole_file_options(tmp_path / "cache"),
        "sparse": sparse_read_options(tmp_path / "cache"),
        "kernel_cache": ["kernel_cache"],
    }[options]
    with mount(sandbox.source, mount_point, options) as folder:
        for fields, value in ((8, 100), (8, 200), (4, 300), (12, 400)):
            cube = a_cube(fields=fields, value=value)
            save_cube(cube, folder / KEY)
            assert (folder / KEY).read_bytes() == stored(sandbox)
            assert (iris.load_cube(folder / KEY).data == cube.data).all()


@pytest.mark.parametrize("name", ["x.nc", "x.pp"])
def test_a_cube_can_be_saved_over_the_file_it_is_loaded_from(sandbox, path, name):
    path = path.with_name(name)
    cube = a_cube()
    save_cube(cube, path)
    again = iris.load_cube(path)
    assert again.has_lazy_data()
    save_cube(again + 1, path)
    np.testing.assert_allclose(iris.load_cube(path).data, cube.data + 1)


def test_a_new_date_is_a_second_after_one_that_lies_in_the_future(sandbox, path):
    later = time.time() + 1000
    boto3.client("s3").put_object(
        Bucket=sandbox.bucket, Key=KEY, Body=b"x", Metadata={"mtime": str(later)}
    )
    save_cube(a_cube(), path)
    assert int(path.stat().st_mtime) == int(later + 1)


def test_a_name_that_the_mount_remembers_as_missing_is_shown_or_warned_of(sandbox, path):
    assert not path.exists()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        save_cube(a_cube(), path)
    assert KEY in sandbox.sizes()
    assert path.exists() == (not told), told


def test_where_a_mount_does_not_remember_what_is_missing_the_new_name_is_shown(
    sandbox, mount_point
):
    remembers = s3fs_version(find_s3fs()) >= (1, 95)
    options = ["disable_noobj_cache"] if remembers else []
    with mount(sandbox.source, mount_point, options) as folder:
        assert not (folder / KEY).exists()
        save_cube(a_cube(), folder / KEY)
        assert (folder / KEY).exists()


def test_a_mount_that_hangs_only_means_a_warning(sandbox, path, monkeypatch):
    monkeypatch.setattr(saving, "LOOK_LIMIT", 0.5)
    (server,) = mount_table.servers(path.parent)
    server.send_signal(signal.SIGSTOP)
    try:
        with pytest.warns(UserWarning, match="is stored, but this mount does not show it yet"):
            save_cube(a_cube(), path)
        assert KEY in sandbox.sizes()
    finally:
        server.send_signal(signal.SIGCONT)


# -- The store refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize("earlier", [None, b"the earlier result"])
@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ("PutObject", 403),
        ("PutObject", 500),
        ("PutObject", 503),
        ("CreateMultipartUpload", 403),
        ("UploadPart", 403),
        ("CompleteMultipartUpload", 503),
        ("CompleteMultipartUpload", 200),
    ],
)
def test_a_refused_upload_is_an_error_and_changes_nothing(
    sandbox, path, in_parts, quickly, temporary, operation, status, earlier
):
    cube = a_cube() if operation == "PutObject" else large_cube()
    if earlier:
        put(sandbox, earlier)
    before = sandbox.sizes()
    with (
        sandbox.failing(operation, status=status),
        pytest.raises(SaveError, match="expected to store result.nc in the bucket") as caught,
    ):
        save_cube(cube, path)
    assert sandbox.sizes() == before
    if earlier:
        assert stored(sandbox) == earlier
    kept = caught.value.local_file
    assert str(kept) in str(caught.value)
    assert (iris.load_cube(kept).data == cube.data).all()
    (folder,) = temporary.iterdir()
    assert kept == folder / KEY
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_burst_of_errors_is_survived(sandbox, path):
    overloaded = sandbox.failing("PutObject", status=503)
    overloaded.__enter__()
    ended = threading.Timer(0.5, overloaded.__exit__, (None, None, None))
    ended.start()
    save_cube(a_cube(), path)
    ended.join()
    assert KEY in sandbox.sizes()


@pytest.fixture
def other_store(mount_point):
    """A store that can be ended, with a bucket that is mounted."""
    with Server() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", server.url)
        boto3.client("s3").create_bucket(Bucket="other-data")
        with mount("other-data", mount_point):
            yield server._process


def test_a_store_that_has_gone_is_an_error_before_anything_is_saved(
    other_store, mount_point, quickly, temporary
):
    other_store.kill()
    other_store.wait()
    with pytest.raises(SaveError, match=r"expected the store to answer.*Could not connect"):
        save_cube(a_cube(), mount_point / KEY)
    assert list(temporary.glob("s3-mounts-save-*")) == []


def test_a_store_that_goes_while_the_file_is_made_is_an_error_and_the_file_is_kept(
    other_store, mount_point, quickly
):
    def saver(cube, target):
        other_store.kill()
        other_store.wait()
        iris.save(cube, target)

    cube = a_cube()
    with pytest.raises(SaveError, match=r"expected to store.*Could not connect") as caught:
        save_cube(cube, mount_point / KEY, saver=saver)
    assert (iris.load_cube(caught.value.local_file).data == cube.data).all()
    assert "sandbox-secret" not in str(caught.value)


def test_no_credentials_are_an_error_before_anything_is_saved(path, temporary):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        with pytest.raises(SaveError, match="Unable to locate credentials"):
            save_cube(a_cube(), path)
    assert list(temporary.iterdir()) == []


def test_a_store_that_may_not_be_read_is_an_error_before_anything_is_saved(
    sandbox, path, temporary
):
    with (
        sandbox.failing("HeadObject"),
        pytest.raises(SaveError, match=r"expected the store to answer.*403"),
    ):
        save_cube(a_cube(), path)
    assert list(temporary.iterdir()) == []


# -- The comparison --------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["shorter", "other content"])
@pytest.mark.parametrize("parts", [False, True])
def test_what_differs_in_the_store_is_an_error(sandbox, path, in_parts, monkeypatch, damage, parts):
    upload = saving._upload

    def upload_damaged(s3, file, *arguments):
        damaged = file.with_name("damaged")
        content = bytearray(file.read_bytes())
        if damage == "shorter":
            content.pop()
        else:
            content[-1] ^= 1
        damaged.write_bytes(content)
        upload(s3, damaged, *arguments)

    monkeypatch.setattr(saving, "_upload", upload_damaged)
    found = {"shorter": "found [0-9]+ bytes in place of [0-9]+", "other content": "other content"}
    cube = large_cube() if parts else a_cube()
    with pytest.raises(SaveError, match=found[damage]) as caught:
        save_cube(cube, path)
    assert (iris.load_cube(caught.value.local_file).data == cube.data).all()


@pytest.mark.parametrize("stored_as", [0, 1])
def test_both_forms_of_the_etag_of_an_upload_are_known(tmp_path, in_parts, stored_as):
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)) * 2**15)
    # Of the whole content, and of the checksums of 5 MiB and 3 MiB, by md5sum.
    known = ("57b019a28c426df5727b3992701bd2be", "6f5ec6f8536f64075bdb90edc5cb9f96-2")
    assert saving._etags(file)[stored_as] == known[stored_as]


# -- The local disk --------------------------------------------------------------------------------


def test_the_local_file_is_private_and_gone_afterwards(path, tmp_path, temporary):
    seen = []

    def saver(cube, target):
        folder = Path(target).parent
        seen.append((folder.parent, stat.S_IMODE(folder.stat().st_mode)))
        Path(target).write_bytes(b"x")

    save_cube(a_cube(), path, saver=saver)
    own = tmp_path / "own"
    own.mkdir()
    save_cube(a_cube(), path, saver=saver, local_directory=own)
    assert seen == [(temporary, 0o700), (own, 0o700)]
    assert not os.listdir(temporary)
    assert not os.listdir(own)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_of_iris_is_passed_on_and_nothing_is_left(sandbox, path, temporary, error):
    # As the netCDF library, which keeps its file open after an error.
    opened = []

    def saver(cube, target):
        opened.append(open(target, "wb", buffering=0))  # noqa: SIM115
        opened[0].write(b"half")
        raise error("as planted")

    with pytest.raises(error, match="as planted"):
        save_cube(a_cube(), path, saver=saver)
    with opened[0]:
        assert os.fstat(opened[0].fileno()).st_size == 0, "it takes space on the disk"
    assert list(temporary.iterdir()) == []
    assert KEY not in sandbox.sizes()


@pytest.mark.parametrize("other", ["Bern", "Bern-Belpmoos"])
def test_a_text_that_iris_cannot_save_is_an_error_before_anything_is_uploaded(
    sandbox, path, temporary, other
):
    """Iris 3.14 saves ASCII letters alone; 3.16 others, if their bytes fit in a longer text."""
    cube = Cube(np.zeros(2), long_name="snow")
    cube.add_aux_coord(AuxCoord(["Zürich", other], long_name="station"), 0)
    before = sandbox.sizes()
    release = tuple(map(int, iris.__version__.split(".")[:2]))
    if release < (3, 16):
        with pytest.raises(SaveError, match="text that this release of Iris can save, found 'ü'"):
            save_cube(cube, path)
    elif other == "Bern":
        with pytest.raises(TranslationError, match=r"fixed by .* a \"wider\" string dtype"):
            save_cube(cube, path)
    else:
        save_cube(cube, path)
        assert iris.load_cube(path).coord("station").points.tolist() == ["Zürich", other]
        return
    assert sandbox.sizes() == before
    assert not list(temporary.iterdir())


def test_an_interrupted_upload_names_the_file(path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(saving, "_upload", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        save_cube(a_cube(), path)
    (note,) = caught.value.__notes__
    assert iris.load_cube(note.partition(": ")[2])


@pytest.mark.parametrize("name", ["x.nc"])
def test_a_cube_without_data_is_saved_as_iris_does(path, name):
    save_cube(iris.cube.Cube(shape=(3, 4), long_name="x"), path.with_name(name))
    assert iris.load_cube(path.with_name(name)).shape == (3, 4)


def test_a_token_file_that_is_missing_is_an_error_that_names_it(path, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/reader")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(SaveError, match=f"expected the store to answer.*{tmp_path}/token"):
        save_cube(a_cube(), path)


def test_an_unknown_format_is_an_error_of_iris(path, temporary):
    with pytest.raises(ValueError, match="no saver"):
        save_cube(a_cube(), path.with_suffix(".unknown"))
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("make", [lambda cube: cube, lazy, lambda cube: [cube, cube]])
def test_what_does_not_fit_is_refused_before_it_is_saved(sandbox, path, temporary, make):
    cube = a_cube()
    with pytest.raises(SaveError, match="at most 1,000 bytes of the local disk"):
        save_cube(make(cube), path, max_local_bytes=1000)
    assert list(temporary.iterdir()) == []
    assert KEY not in sandbox.sizes()


def test_the_bound_is_on_the_size_of_the_file(sandbox, path):
    cube = a_cube(side=200)
    save_cube(cube, path)
    size = sandbox.sizes()[KEY]
    save_cube(cube, path, max_local_bytes=size)
    with pytest.raises(SaveError, match="expected the file, of about"):
        save_cube(cube, path, max_local_bytes=int(0.95 * size))


def test_what_fits_once_it_is_compressed_can_be_allowed(sandbox, path, monkeypatch):
    cube = a_cube(side=200)
    cube.data[:] = 280
    room = cube.data.nbytes // 2
    usage = shutil._ntuple_diskusage(room, 0, room)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SaveError, match="raise max_local_bytes if you compress"):
        save_cube(cube, path, zlib=True)
    save_cube(cube, path, zlib=True, max_local_bytes=2 * cube.data.nbytes)
    assert sandbox.sizes()[KEY] < room


def test_what_does_not_fit_on_the_disk_is_refused_before_it_is_saved(path, monkeypatch):
    usage = shutil._ntuple_diskusage(10**6, 10**6 - 1000, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SaveError, match="at most 1,000 bytes of the local disk"):
        save_cube(a_cube(), path)


SAVE = """
import sys
import iris
from s3_mounts import SaveError, save_cube
iris.FUTURE.save_split_attrs = iris.FUTURE.date_microseconds = iris.FUTURE.lam_pole_offset = True
cube = iris.load_cube(sys.argv[1])
if sys.argv[3] == "memory":
    cube.data
try:
    save_cube(cube, sys.argv[2])
except SaveError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("name", "data"),
    [("x.nc", "memory"), ("x.nc", "lazy"), ("x.pp", "lazy"), ("x.grib2", "memory")],
)
def test_a_disk_that_fills_up_is_an_error_and_nothing_is_left(
    sandbox, path, temporary, tmp_path, name, data
):
    iris.save(a_cube(side=200), tmp_path / "source.nc")
    # No file may grow above 512 kB, which ends a write as a full disk does.
    limited = 'trap "" XFSZ; ulimit -f 512; exec "$@"'
    source = tmp_path / "source.nc"
    command = [sys.executable, "-c", SAVE, source, path.with_name(name), data]
    ended = subprocess.run(
        ["bash", "-c", limited, "bash", *command],
        env=os.environ | {"TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "expected room for the file in" in ended.stdout, ended
    assert list(temporary.iterdir()) == []
    assert name not in sandbox.sizes()


def test_a_local_directory_on_a_mount_is_refused(path):
    with pytest.raises(SaveError, match="on the local disk for the file, found one on a mounted"):
        save_cube(a_cube(), path, local_directory=path.parent)


def test_a_local_directory_that_is_not_there_is_refused(path, tmp_path):
    with pytest.raises(SaveError, match="No such file or directory"):
        save_cube(a_cube(), path, local_directory=tmp_path / "missing")


# -- What is refused -------------------------------------------------------------------------------


def test_a_directory_that_is_not_mounted_is_refused(mount_point):
    with pytest.raises(MountPointError, match="expected a path below a bucket mounted by s3fs"):
        save_cube(a_cube(), mount_point / KEY)
    assert os.listdir(mount_point) == []


def test_a_mount_for_reading_only_is_refused(sandbox, mount_point):
    with (
        mount(sandbox.source, mount_point, ["ro"]) as folder,
        pytest.raises(MountPointError, match="option ro"),
    ):
        save_cube(a_cube(), folder / KEY)
    assert KEY not in sandbox.sizes()


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("http://127.0.0.1:1", MountPointError, "Set AWS_ENDPOINT_URL to the store of the mount"),
        ("", MountPointError, r"boto3 uses, https://s3\.amazonaws\.com, found http://127"),
        ("127.0.0.1:1", StoreError, "expected an address"),
    ],
)
def test_another_store_than_that_of_the_mount_is_refused(path, url, error, words):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", url)
        with pytest.raises(error, match=words):
            save_cube(a_cube(), path)


def test_a_source_that_cannot_be_found_can_be_named(sandbox, path, monkeypatch):
    monkeypatch.setattr(mount_table, "mounted_source", lambda _: None)
    with pytest.raises(MountPointError, match="source='BUCKET'"):
        save_cube(a_cube(), path)
    save_cube(a_cube(), path, source=sandbox.source)
    assert KEY in sandbox.sizes()


@pytest.mark.parametrize("keywords", [{"append": True}, {"compute": False}])
def test_a_save_of_a_part_is_refused(sandbox, path, keywords):
    with pytest.raises(SaveError, match="expected to save a whole file at once"):
        save_cube(a_cube(), path, **keywords)
    assert KEY not in sandbox.sizes()


@pytest.mark.parametrize("function", [lambda path: save_cube(a_cube(), path), load_checked])
def test_zarr_says_which_iris_it_needs(sandbox, path, monkeypatch, function):
    monkeypatch.setattr(iris, "__version__", "3.14.1")
    with pytest.raises(
        SetupError, match=r"expected Iris 3.16 or later for Zarr, .* found Iris 3.1"
    ):
        function(path.with_suffix(".zarr"))
    assert not [key for key in sandbox.sizes() if "zarr" in key]
