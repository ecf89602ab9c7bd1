"""What the lesson "When the bucket changes under you" says of a short memory, and does not show."""

import time

import pytest

from s3_mounts import mount
from s3_mounts.program import find_s3fs, s3fs_version
from s3_sandbox import sample_path

FILES = 24


def list_with_sizes(sandbox, folder):
    """List a directory with the sizes: what that asks for, and how many files are missing."""
    with sandbox.traffic() as traffic:
        sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    return traffic.requests, FILES - len(sizes)


def without_memory():
    """What each listing asks for, at least and at most, and how many files are missing."""
    version = s3fs_version(find_s3fs())
    if version < (1, 95):
        return (49, 49), 0  # twice for each file
    if version < (1, 97):
        return (101, 103), 0  # four times for each file, also by lists
    return (8, 9), 22  # it forgets files while it lists them


@pytest.mark.proves("C38")
@pytest.mark.parametrize(
    "option", ["stat_cache_expire=900", "stat_cache_expire=1", "max_stat_cache_size=0"]
)
def test_what_listing_with_sizes_asks(sandbox, mount_point, option):
    for number in range(FILES - 1):
        sandbox.add_file(sample_path("air_temp.pp"), f"many_{number}.pp")
    with mount(sandbox.source, mount_point, [option]):
        first, _ = list_with_sizes(sandbox, mount_point)
        time.sleep(2)
        again, missing = list_with_sizes(sandbox, mount_point)
    wanted = {
        "stat_cache_expire=900": ((25, 25), (0, 1), 0),
        "stat_cache_expire=1": ((25, 25), (25, 29), 0),
        "max_stat_cache_size=0": (without_memory()[0], *without_memory()),
    }
    (low, high), (low_again, high_again), lost = wanted[option]
    assert low <= first <= high
    assert low_again <= again <= high_again
    assert missing == lost
