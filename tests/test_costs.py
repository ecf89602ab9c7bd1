"""What tasks ask is counted by the kinds that have a price, and so is how it grows."""

import iris
import numpy as np
import pytest

from s3_mounts import mount, mount_table, sparse_read_options
from s3_sandbox import Request, Traffic, costs

OPERATIONS = {
    "HeadObject": "HEAD",
    "HeadBucket": "HEAD",
    "GetObject": "GET",
    "ListObjects": "LIST",
    "ListMultipartUploads": "LIST",
    "PutObject": "PUT",
    "UploadPart": "PUT",
    "UploadPartCopy": "PUT",
    "CopyObject": "COPY",
    "CreateMultipartUpload": "POST",
    "CompleteMultipartUpload": "POST",
    "DeleteObject": "DELETE",
}


@pytest.fixture(autouse=True)
def future():
    names = ("date_microseconds", "lam_pole_offset", "save_split_attrs")
    with iris.FUTURE.context(**dict.fromkeys(names, True)):
        yield


@pytest.fixture
def large(sandbox):
    return costs.add_files(sandbox)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_has_a_kind(operation):
    *requests, down, up = costs.count(Traffic([Request("b", "k", operation, 200, 3_000_000, 0)]))
    assert dict(zip(costs.KINDS, requests, strict=True)) == {
        kind: int(kind == OPERATIONS[operation]) for kind in costs.KINDS
    }
    assert (down, up) == (3, 0)


def test_everyday_tasks_are_counted_and_leave_no_mount(sandbox, large, mount_point):
    asked = costs.everyday_tasks(sandbox, mount_point)
    assert len(asked) == 14
    assert asked["load 5 PP files"].bytes_down > asked["load 1 PP of 5 fields"].bytes_down / 2
    assert (
        asked["copy a saved file"].bytes_up
        == sandbox.directory.joinpath("result.nc").stat().st_size
    )
    assert asked["rename it"].operations["CopyObject"] == 1
    assert asked["delete it"].operations == {"DeleteObject": 1}
    assert asked["unmount"].requests == 0
    assert not mount_table.topmost(mount_point)


def test_growth_has_a_point_for_each_step(sandbox, large):
    options = sparse_read_options(sandbox.directory / "cache")
    grown = costs.growth(sandbox, [*large][:2], options, most_files=5, workers=2)
    assert {what: values.shape for what, values in grown.items()} == {
        "files": (2, 2),
        "MB": (2, 2),
        "workers": (2, 2),
        "shared": (2, 2),
    }
    assert (np.diff(grown["files"], axis=0) > 0).all()
    one, two = grown["workers"][:, 1]
    assert two == pytest.approx(2 * one)
    one, two = grown["shared"][:, 1]
    assert two == one, "the second worker finds it all in the cache"


def test_fields_are_read_one_by_one(sandbox, large, mount_point):
    with mount(sandbox.source, mount_point) as bucket:
        moved = costs.read_fields(sandbox, bucket / "60_fields.nc", 2)
    assert moved.shape == (3,)
    assert (np.diff(moved) > 0).all()


def test_a_process_is_looked_at_while_its_file_is_read(sandbox, large, mount_point):
    mounted = mount(sandbox.source, mount_point)
    (process,) = mounted.processes
    before = costs.look(process)
    most = costs.most_while_reading(process, mount_point / "60_fields.nc")
    mounted.unmount()
    assert most[2] > before[2], "threads that fetch"
