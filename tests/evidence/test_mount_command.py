"""What lessons and pages cannot show, for one version of s3fs may hang where another does not."""

import subprocess
import time

import pytest

from s3_mounts import mount_table
from s3_mounts.options import endpoint_options, endpoint_url
from s3_mounts.program import find_s3fs, s3fs_version


@pytest.mark.proves("C14")
def test_exit_status_0_though_there_is_no_such_bucket(sandbox, mount_point):
    mistyped = sandbox.bucket.replace("data", "dta")
    options = [word for option in endpoint_options(endpoint_url()) for word in ("-o", option)]
    try:
        mounted = subprocess.run(
            [find_s3fs(), mistyped, mount_point, *options], capture_output=True, timeout=30
        )
        assert mounted.returncode == 0
        assert not mounted.stderr
        if s3fs_version(find_s3fs()) < (1, 96):
            deadline = time.monotonic() + 20
            while mount_table.file_system_type(mount_point):  # for a moment
                assert time.monotonic() < deadline
                time.sleep(0.05)
            (mount_point / "result.txt").write_text("On the local disk.")
            assert list(sandbox.sizes()) == ["air_temp.pp"]
        else:
            look = ["stat", "--file-system", mount_point]
            with pytest.raises(subprocess.TimeoutExpired):
                subprocess.run(look, capture_output=True, timeout=5)
    finally:
        mount_table.abandon(mount_point)
