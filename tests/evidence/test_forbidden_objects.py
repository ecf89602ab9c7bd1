"""What a mount makes of an object that may be listed and not read."""

import contextlib
import os
import subprocess

import pytest

from s3_mounts import mount, sample_path
from s3_mounts.program import find_s3fs, s3fs_version


@pytest.fixture
def listing(sandbox, mount_point):
    """List a bucket without a key, in which one object of two is public."""
    sandbox.add_file(sample_path("air_temp.pp"), "private.pp")
    sandbox.client.put_object_acl(Bucket=sandbox.bucket, Key="air_temp.pp", ACL="public-read")
    with mount(sandbox.source, mount_point, ["public_bucket=1"]):
        command = ["ls", "-l", "--time-style=+", "."]
        yield subprocess.run(command, cwd=mount_point, capture_output=True, text=True)
        assert os.path.getsize(mount_point / "air_temp.pp") == 28304
        # It has no permissions, which root does not need.
        refused = contextlib.nullcontext() if os.geteuid() == 0 else pytest.raises(PermissionError)
        with refused:
            assert (mount_point / "private.pp").read_bytes() == b""


def test_what_a_listing_shows_of_an_object_that_may_not_be_read(listing):
    version = s3fs_version(find_s3fs())
    shown = {line.split()[-1]: line.split()[4] for line in listing.stdout.splitlines()[1:]}
    if version < (1, 95):
        assert shown == {"air_temp.pp": "28304", "private.pp": "0"}
    elif version < (1, 97):
        assert listing.returncode == 2
        assert "reading directory '.': Operation not permitted" in listing.stderr
        assert shown == {}
    else:
        assert listing.returncode == 0
        assert shown == {"air_temp.pp": "28304"}
