"""Which formats of Iris work on a mount, beside what the lesson about them shows."""

import filecmp
import warnings

import iris
import pytest

from s3_mounts import mount
from s3_sandbox import sample_path
from s3_sandbox.formats import SAVED_BY_IRIS

with warnings.catch_warnings():
    warnings.simplefilter("ignore", iris.IrisDeprecation)
    import iris.fileformats.dot

SAVES = SAVED_BY_IRIS | {"mesh.nc": {}, "field.dot": {}}
"""The names of files, and what `iris.save` is told."""


@pytest.fixture(autouse=True)
def future():
    """What Iris will do by default, for this test alone."""
    with iris.FUTURE.context(date_microseconds=True, lam_pole_offset=True, save_split_attrs=True):
        yield


@pytest.mark.proves("C25", "C26")
@pytest.mark.parametrize("name", SAVES)
def test_iris_saves_the_same_through_a_mount(sandbox, mount_point, name):
    if name == "mesh.nc":
        cube = iris.load_cube(sample_path("mesh_C4_synthetic_float.nc"))
    else:
        cube = iris.load_cube(sample_path("GloSea4/ensemble_001.pp"))[0]
    local = sandbox.directory / name
    with mount(sandbox.source, mount_point) as bucket:
        for path in (local, bucket / name):
            iris.save(cube, path, **SAVES[name])
        assert filecmp.cmp(bucket / name, local, shallow=False)
        if name != "field.dot":
            assert iris.load(bucket / name) == iris.load(local)
            assert len(iris.load(local)) == 1


def test_no_saver_of_iris_is_left_out():
    iris.io.find_saver("pp")  # The list is made at the first look.
    assert set(iris.io._savers) - {name.split(".")[-1] for name in SAVES} == {"dotpng"}
