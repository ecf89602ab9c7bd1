"""What saving onto a mount costs, beside what the lessons show of it."""

import shutil

import pytest

from s3_mounts import mount
from s3_sandbox import sample_path


@pytest.mark.proves("C36")
@pytest.mark.parametrize("name", ["air_temp.pp", "A1B_north_america.nc"])
def test_a_copy_of_a_finished_file_uploads_it_once(sandbox, mount_point, name):
    source = sample_path(name)
    with mount(sandbox.source, mount_point) as bucket, sandbox.traffic() as traffic:
        shutil.copyfile(source, bucket / "copy")
    assert traffic.operations["PutObject"] == 1
    assert traffic.bytes_up == source.stat().st_size == sandbox.sizes()["copy"]
