"""A copy of what has grown is cut off at the size that the mount remembers."""

import subprocess

import pytest

from s3_mounts import mount

TRIALS = 10  # on a busy machine the kernel may have forgotten the old size, after a second


def test_a_copy_of_a_file_that_has_grown_is_cut_off_without_an_error(
    sandbox, mount_point, tmp_path
):
    copy = tmp_path / "copy"
    sizes = []
    with mount(sandbox.source, mount_point):
        for length in range(1, TRIALS):
            sandbox.client.put_object(Bucket=sandbox.bucket, Key="grown", Body=bytes(100 * length))
            command = ["dd", "if=grown", f"of={copy}", "status=none"]
            subprocess.run(command, cwd=mount_point, check=True)
            sizes.append(copy.stat().st_size)
            if sizes[-1] < 100 * length:
                return
    pytest.fail(f"no copy was cut off: {sizes}")
