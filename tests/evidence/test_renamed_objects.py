"""What a mount with a cache says of a file that was renamed on it before it was read."""

import time

import boto3
import pytest

from s3_mounts import mount, sparse_read_options, whole_file_options
from s3_mounts.program import find_s3fs, s3fs_version

OLD = s3fs_version(find_s3fs()) < (1, 95)
CONTENT = b"1" * 1000


@pytest.fixture(params=[sparse_read_options, whole_file_options])
def renamed(request, sandbox, mount_point):
    """A file on a mount with a cache, stored by another program and renamed here.

    s3fs 1.90 may be right if the renaming ends in another second than it began.
    """
    file = sandbox.directory / "old"
    file.write_bytes(CONTENT)
    sandbox.add_file(file)
    with mount(sandbox.source, mount_point, request.param(sandbox.directory / "cache")) as bucket:
        # The kernel's stamps of files are some milliseconds behind the clock.
        time.sleep(1.05 - time.time() % 1)
        (bucket / "old").rename(bucket / "new")
        yield bucket / "new"


def stored(sandbox):
    answer = boto3.client("s3").get_object(Bucket=sandbox.bucket, Key="new")
    return answer["Body"].read()


def test_in_1_90_a_renamed_file_is_zeros(sandbox, renamed):
    assert renamed.read_bytes() == (bytes(1000) if OLD else CONTENT)
    assert stored(sandbox) == CONTENT


def test_in_1_90_a_change_then_stores_the_zeros(sandbox, renamed):
    with renamed.open("ab") as file:
        file.write(b"2")
    assert stored(sandbox) == (bytes(1000) if OLD else CONTENT) + b"2"


def test_what_was_written_on_the_same_mount_is_right(sandbox, mount_point):
    with mount(
        sandbox.source, mount_point, whole_file_options(sandbox.directory / "cache")
    ) as bucket:
        (bucket / "old").write_bytes(CONTENT)
        (bucket / "old").rename(bucket / "new")
        assert (bucket / "new").read_bytes() == CONTENT


def test_without_a_cache_it_is_right(sandbox, mount_point):
    (sandbox.directory / "old").write_bytes(CONTENT)
    sandbox.add_file(sandbox.directory / "old")
    with mount(sandbox.source, mount_point) as bucket:
        (bucket / "old").rename(bucket / "new")
        assert (bucket / "new").read_bytes() == CONTENT
