"""Benchmarks do not change what they measure."""

import itertools

from benchmarks import lessons


def test_the_disk_is_counted_without_a_bucket_that_is_mounted_meanwhile(tmp_path, monkeypatch):
    """To look into it would ask its server, and a lesson counts its requests."""
    bucket = tmp_path / "lesson" / "my_bucket"
    bucket.mkdir(parents=True)
    (bucket / "object.nc").write_bytes(bytes(100_000))
    local = tmp_path / "lesson" / "local.nc"
    local.write_bytes(bytes(10_000))
    monkeypatch.setattr(lessons, "mount_points", list)
    assert lessons.disk(str(tmp_path)) > 100_000
    mounted = itertools.chain([[]], itertools.repeat([bucket]))
    monkeypatch.setattr(lessons, "mount_points", lambda: next(mounted))
    assert lessons.disk(str(tmp_path)) == local.stat().st_blocks * 512
