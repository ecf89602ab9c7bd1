"""What the ways from a bucket to a cube can do, of which the lesson shows a table."""

import ast
import io
import subprocess
from types import SimpleNamespace

import boto3
import iris
import netCDF4
import numpy as np
import pytest
import s3fs
from botocore.exceptions import ClientError

from proof.project import ROOT
from s3_mounts import mount
from s3_sandbox import sample_path

LESSON = ROOT / "tutorials/2_what_it_costs/4_mount_or_not.py"
SAMPLES = ["rotated_pole.nc", "polar_stereo.grib2"]
COPY, MOUNT, FILE_OBJECT, RANGES = WAYS = "copy", "mount", "file object", "byte ranges"
TASKS = {
    "load netCDF-4": "rotated_pole.nc",
    "load netCDF-3": "classic.nc",
    "load PP": "air_temp.pp",
    "load GRIB 2": "polar_stereo.grib2",
    "load by a pattern": "polar*",
    "save netCDF": "saved.nc",
    "save PP": "saved.pp",
    "another program": "air_temp.pp",
}
FAILS = {
    ("load netCDF-3", FILE_OBJECT): OSError,
    ("load PP", FILE_OBJECT): OSError,
    ("load PP", RANGES): OSError,
    ("load GRIB 2", FILE_OBJECT): OSError,
    ("load GRIB 2", RANGES): OSError,
    ("load by a pattern", COPY): ClientError,
    ("load by a pattern", FILE_OBJECT): FileNotFoundError,
    ("load by a pattern", RANGES): OSError,
    ("save netCDF", FILE_OBJECT): TypeError,
    ("save netCDF", RANGES): PermissionError,
    ("save PP", FILE_OBJECT): io.UnsupportedOperation,
    ("save PP", RANGES): FileNotFoundError,
    ("another program", FILE_OBJECT): subprocess.CalledProcessError,
    ("another program", RANGES): subprocess.CalledProcessError,
}
"""What does not work, and how it fails; all else does."""


@pytest.fixture(autouse=True)
def future():
    """What Iris will do by default, for this test alone."""
    with iris.FUTURE.context(date_microseconds=True, lam_pole_offset=True, save_split_attrs=True):
        yield


@pytest.fixture
def lesson():
    """The functions with which the lesson makes a cube of a file object."""
    names = {"attributes", "cube_from"}
    body = [
        node
        for node in ast.parse(LESSON.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.FunctionDef) and node.name in names)
    ]
    namespace = {"still_open": []}
    exec(compile(ast.Module(body, []), LESSON, "exec"), namespace)
    yield SimpleNamespace(**namespace)
    for opened in namespace["still_open"]:
        opened.close()


@pytest.fixture
def public(sandbox):
    """The original of each object; everybody may read the objects."""
    sandbox.add_samples(SAMPLES)
    original = {name: iris.load_cube(sample_path(name)) for name in ["air_temp.pp", *SAMPLES]}
    original["classic.nc"] = original["rotated_pole.nc"]
    original["polar*"] = original["polar_stereo.grib2"]
    classic = sandbox.directory / "classic.nc"
    iris.save(original["classic.nc"], classic, netcdf_format="NETCDF3_CLASSIC")
    sandbox.add_file(classic)
    for key in sandbox.sizes():
        sandbox.client.put_object_acl(Bucket=sandbox.bucket, Key=key, ACL="public-read")
    return original


@pytest.fixture
def store(sandbox):
    """Python's s3fs, with no connection of an earlier sandbox."""
    return s3fs.S3FileSystem(skip_instance_cache=True)


@pytest.mark.proves("C02", "C03", "C08", "C26", "C35")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("task", TASKS)
def test_what_each_way_can_do(sandbox, mount_point, lesson, public, store, task, way):
    key = TASKS[task]
    copies = sandbox.directory / "copies"
    copies.mkdir()
    place = {
        COPY: f"{copies}/{key}",
        MOUNT: f"{mount_point}/{key}",
        FILE_OBJECT: f"s3://{sandbox.bucket}/{key}",
        RANGES: f"{sandbox.endpoint}/{sandbox.bucket}/{key}",
    }[way]

    def load():
        if way == FILE_OBJECT:
            return lesson.cube_from(store.open(place))
        return iris.load_cube(f"{place}#mode=bytes" if way == RANGES else place)

    def save(cube):
        if way == FILE_OBJECT:
            with store.open(place, "wb") as opened:
                iris.save(cube, opened, saver=key.split(".")[1])
        else:
            iris.save(cube, place)
        if way == COPY:
            sandbox.add_file(place)

    def work():
        if way == COPY and not task.startswith("save"):
            sandbox.client.download_file(sandbox.bucket, key, place)
        if task.startswith("load"):
            assert np.array_equal(load().data, public[key].data)
        elif task.startswith("save"):
            save(public["air_temp.pp"])
            stored = sandbox.directory / key
            sandbox.client.download_file(sandbox.bucket, key, str(stored))
            assert np.array_equal(iris.load_cube(stored).data, public["air_temp.pp"].data)
        else:
            subprocess.run(["wc", "-c", place], capture_output=True, check=True)

    with mount(sandbox.source, mount_point):
        if (task, way) in FAILS:
            with pytest.raises(FAILS[task, way]):
                work()
        else:
            work()


@pytest.mark.proves("C35")
def test_bytes_in_memory(sandbox, lesson, store):
    sandbox.add_samples(["A1B_north_america.nc"])
    content = store.cat("climate-data/A1B_north_america.nc")
    whole = lesson.cube_from(io.BytesIO(content))
    original = iris.load_cube(sample_path("A1B_north_america.nc"))
    assert np.array_equal(whole.data, original.data)
    looks_right = iris.load_cube(netCDF4.Dataset("in memory", memory=content))
    assert looks_right.shape == original.shape
    with pytest.raises(FileNotFoundError):
        looks_right.data  # noqa: B018


@pytest.mark.proves("C02")
def test_a_presigned_url_is_no_way_around(sandbox):
    """The sandbox does not look at the method of a signed request; a real store refuses HEAD."""
    sandbox.add_samples(["rotated_pole.nc"])
    presigned = boto3.client("s3").generate_presigned_url(
        "get_object", {"Bucket": sandbox.bucket, "Key": "rotated_pole.nc"}
    )
    with sandbox.traffic() as traffic:
        iris.load_cube(f"{presigned}#mode=bytes")
    assert set(traffic.operations) == {"GetObject", "HeadObject"}
    with sandbox.failing("HeadObject"), pytest.raises(OSError, match="HDF error"):
        iris.load_cube(f"{presigned}#mode=bytes")
