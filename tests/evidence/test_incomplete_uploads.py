"""What an upload in parts leaves in the store when s3fs is killed before its end."""

import re
import subprocess
import time

import boto3
import pytest

from benchmarks.faults.network import Network
from benchmarks.faults.proxy import Order
from s3_mounts import mount, mount_table
from s3_mounts.options import endpoint_options
from s3_mounts.program import find_s3fs, s3fs_version

SIZE = 12_000_000
LIMIT = 30
CANNOT_REMOVE = (1, 97)


def begun():
    """List the uploads in parts that have no end yet."""
    return boto3.client("s3").list_multipart_uploads(Bucket="climate-data").get("Uploads", [])


def bytes_in_parts():
    """Sum up all parts in the store that belong to no object."""
    store = boto3.client("s3")
    answers = [
        store.list_parts(Bucket="climate-data", Key=one["Key"], UploadId=one["UploadId"])
        for one in begun()
    ]
    return sum(part["Size"] for answer in answers for part in answer.get("Parts", []))


@pytest.fixture
def killed(sandbox, mount_point):
    """A copy onto a mount, whose s3fs is killed after all parts, before the last request."""
    file = sandbox.directory / "half.nc"
    file.write_bytes(b"1" * SIZE)
    with Network(sandbox.endpoint) as network:
        network.play(Order("hang", ["CompleteMultipartUpload"]))
        mount(sandbox.source, mount_point, ["multipart_size=5", *endpoint_options(network.url)])
        with subprocess.Popen(["cp", file, mount_point], stderr=subprocess.DEVNULL) as copy:
            deadline = time.monotonic() + LIMIT
            while bytes_in_parts() < SIZE and time.monotonic() < deadline:
                time.sleep(0.05)
            mount_table.abandon(mount_point)
            copy.wait(LIMIT)


def test_parts_stay_in_the_store_until_they_are_removed(sandbox, killed, capsys):
    assert bytes_in_parts() == SIZE
    assert "half.nc" not in sandbox.sizes()
    sandbox.shell("s3fs --incomplete-mpu-list climate-data")
    path, upload = re.findall("(?:Path|UploadId) *: (.*)", capsys.readouterr().out)
    assert path == "/half.nc"
    remove = "s3fs --incomplete-mpu-abort=7D climate-data"
    if s3fs_version(find_s3fs()) < CANNOT_REMOVE:
        sandbox.shell(remove)
    else:
        sandbox.shell(remove, status=1)
        assert "Failed to remove /half.nc" in capsys.readouterr().out
        boto3.client("s3").abort_multipart_upload(
            Bucket="climate-data", Key=path.removeprefix("/"), UploadId=upload
        )
    assert not begun()
