from pathlib import Path

import pytest

from s3_mounts import mount, sparse_read_options, threads_option, whole_file_options


@pytest.mark.parametrize(
    ("version", "of_the_version"),
    [
        ("1.90", ["parallel_count=1", "nomultipart"]),
        ("1.95", ["parallel_count=1"]),
        ("1.96", ["max_thread_count=2"]),
    ],
)
def test_sparse_read_options_are_those_for_the_version(fake_program, version, of_the_version):
    fake_program("s3fs", f"echo Amazon Simple Storage Service File System V{version}")
    assert sparse_read_options("/cache") == [
        "multipart_size=5",
        *of_the_version,
        "use_cache=/cache",
        "del_cache",
    ]


def test_the_threads_option_has_the_name_of_the_version(fake_program):
    fake_program("s3fs", "echo Amazon Simple Storage Service File System V1.95")
    assert threads_option(4) == "parallel_count=4"
    fake_program("s3fs", "echo Amazon Simple Storage Service File System V1.97")
    assert threads_option(4) == "max_thread_count=4"


@pytest.mark.parametrize(
    ("version", "count", "least"), [("1.95", 0, 1), ("1.96", 1, 2), ("1.97", 1, 2)]
)
def test_too_few_threads_are_refused(fake_program, version, count, least):
    fake_program("s3fs", f"echo Amazon Simple Storage Service File System V{version}")
    with pytest.raises(ValueError, match=f"expected at least {least} .* found {count}.* Ask for"):
        threads_option(count)


def test_one_thread_is_enough_for_an_old_version(fake_program):
    fake_program("s3fs", "echo Amazon Simple Storage Service File System V1.95")
    assert threads_option(1) == "parallel_count=1"


@pytest.mark.usefixtures("no_programs")
def test_whole_file_options_are_the_same_for_every_version():
    assert whole_file_options(Path("/cache")) == ["use_cache=/cache", "del_cache"]


def test_with_whole_file_options_every_byte_is_moved_once(sandbox, mount_point, tmp_path):
    large = tmp_path / "large"
    large.write_bytes(bytes(12_000_000))
    sandbox.add_file(large)
    cache = tmp_path / "cache"
    with (
        mount(sandbox.source, mount_point, whole_file_options(cache)) as bucket,
        sandbox.traffic() as traffic,
    ):
        for _ in range(2):
            assert (bucket / "large").read_bytes() == large.read_bytes()
        kept = [path for path in cache.rglob("large") if path.stat().st_size == 12_000_000]
    assert traffic.bytes_down == 12_000_000
    assert kept
    assert not [path for path in kept if path.exists()]
