"""What a mount says of an object that another program has deleted in the meantime."""

import boto3
import netCDF4
import pytest

from s3_mounts import mount, sparse_read_options, threads_option
from s3_mounts.program import find_s3fs, s3fs_version

OLD = s3fs_version(find_s3fs()) < (1, 95)
CONTENT = b"1" * 40_000_000
SMALL = ["multipart_size=5", threads_option(2)]
PLACE = 15_000_000
"""Behind what s3fs fetches at once with the smallest options, and far from the end."""


@pytest.fixture
def delete(sandbox):
    """A function that deletes the object, past the mount."""
    file = sandbox.directory / "large"
    file.write_bytes(CONTENT)
    sandbox.add_file(file)
    return lambda: boto3.client("s3").delete_object(Bucket=sandbox.bucket, Key="large")


def read_after(delete, path, place=PLACE):
    """Open the file, and read on when it has been deleted."""
    with path.open("rb", buffering=0) as file:
        assert file.read(4) == b"1111"
        delete()
        file.seek(place)
        return file.read(1000)


def test_in_1_90_what_is_deleted_while_open_is_zeros(sandbox, mount_point, delete):
    with mount(sandbox.source, mount_point, SMALL) as bucket:
        if OLD:
            assert read_after(delete, bucket / "large") == bytes(1000)
        else:
            with pytest.raises(FileNotFoundError):
                read_after(delete, bucket / "large")


def test_in_1_90_a_dataset_that_is_held_open_has_zeros_then(sandbox, mount_point):
    with netCDF4.Dataset(sandbox.directory / "large.nc", "w") as dataset:
        dataset.createDimension("x", 10_000_000)
        dataset.createVariable("ones", "f4", "x")[:] = 1
    sandbox.add_file(sandbox.directory / "large.nc")
    with (
        mount(sandbox.source, mount_point, SMALL) as bucket,
        netCDF4.Dataset(bucket / "large.nc") as dataset,
    ):
        boto3.client("s3").delete_object(Bucket=sandbox.bucket, Key="large.nc")
        part = slice(PLACE // 4, PLACE // 4 + 1000)
        if OLD:
            assert (dataset["ones"][part] == 0).all()
        else:
            with pytest.raises(RuntimeError, match="HDF error"):
                dataset["ones"][part]


def test_at_the_end_of_a_file_it_is_an_error(sandbox, mount_point, delete):
    with (
        mount(sandbox.source, mount_point, SMALL) as bucket,
        pytest.raises(FileNotFoundError),
    ):
        read_after(delete, bucket / "large", len(CONTENT) - 1000)


def test_with_nomultipart_it_is_an_error(sandbox, mount_point, delete):
    with (
        mount(sandbox.source, mount_point, [*SMALL, "nomultipart"]) as bucket,
        pytest.raises(FileNotFoundError),
    ):
        read_after(delete, bucket / "large")


def test_with_the_options_for_sparse_reads_it_is_an_error(sandbox, mount_point, delete):
    options = sparse_read_options(sandbox.directory / "cache")
    with (
        mount(sandbox.source, mount_point, options) as bucket,
        pytest.raises(FileNotFoundError),
    ):
        read_after(delete, bucket / "large")


def test_in_1_90_what_is_deleted_after_a_look_is_empty(sandbox, mount_point, delete):
    with mount(sandbox.source, mount_point) as bucket:
        assert (bucket / "large").stat().st_size == len(CONTENT)
        delete()
        if OLD:
            assert (bucket / "large").read_bytes() == b""
        else:
            with pytest.raises(FileNotFoundError):
                (bucket / "large").read_bytes()
