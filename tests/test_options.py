import pytest

from s3_mounts import sparse_read_options, threads_option


@pytest.mark.parametrize(
    ("version", "threads"), [("1.90", "parallel_count=1"), ("1.96", "max_thread_count=2")]
)
def test_sparse_read_options_have_the_names_of_the_version(fake_program, version, threads):
    fake_program("s3fs", f"echo Amazon Simple Storage Service File System V{version}")
    assert sparse_read_options("/cache") == [
        "multipart_size=5",
        threads,
        "use_cache=/cache",
        "del_cache",
    ]


def test_the_threads_option_has_the_name_of_the_version(fake_program):
    fake_program("s3fs", "echo Amazon Simple Storage Service File System V1.95")
    assert threads_option(4) == "parallel_count=4"
    fake_program("s3fs", "echo Amazon Simple Storage Service File System V1.97")
    assert threads_option(4) == "max_thread_count=4"
