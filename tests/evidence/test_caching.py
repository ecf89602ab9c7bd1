"""What the page about the cache says, and does not itself show."""

import os
import subprocess
import time

import pytest

from s3_mounts import mount, mount_table, threads_option, unmount, whole_file_options
from s3_sandbox.terminal import s3fs_function

NAMESPACE = ["unshare", "--mount"]
if os.geteuid():
    NAMESPACE[1:1] = ["--user", "--map-root-user"]
"""Where a small disk can be made that nobody else sees."""

MEGABYTES = 5


def on_a_small_disk(sandbox, mount_point, options, script):
    """Run a script with a mount whose cache is on a disk of 60 MB; None where that is forbidden."""
    if subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode:
        return None
    disk = sandbox.directory / "disk"
    disk.mkdir()
    commands = f"""{s3fs_function()}
        mount -t tmpfs -o size=60m none disk &&
        s3fs climate-data my_bucket -o use_cache=$PWD/disk -o {",".join(options)} &&
        {{ {script}; }}
        umount my_bucket
    """
    return subprocess.run(
        [*NAMESPACE, "bash", "-c", commands],
        cwd=sandbox.directory,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def options():
    """A small prefetch, and 30 MB that are to be left free."""
    return ["multipart_size=5", threads_option(2), "ensure_diskfree=30"]


def test_cached_files_go_when_the_disk_has_less_room_than_it_is_to_have(
    sandbox, mount_point, options
):
    local = sandbox.directory / "local"
    local.write_bytes(os.urandom(MEGABYTES * 1_000_000))
    for number in range(10):
        sandbox.add_file(local, f"{number}")
    result = on_a_small_disk(
        sandbox,
        mount_point,
        options,
        "for i in {0..9}; do cmp local my_bucket/$i && du -sm disk/climate-data | cut -f 1; done",
    )
    if result:
        assert not result.stderr
        sizes = [int(line) for line in result.stdout.split()]
        assert len(sizes) == 10
        assert max(sizes) <= 30
        assert sizes != sorted(sizes)


@pytest.mark.parametrize("command", ["cat my_bucket/air_temp.pp", "cp local my_bucket/new"])
def test_nothing_works_when_others_have_filled_the_disk(sandbox, mount_point, options, command):
    (sandbox.directory / "local").write_bytes(b"?" * 1_000_000)
    fill = "dd if=/dev/zero of=disk/others bs=1M count=45 2> /dev/null"
    result = on_a_small_disk(sandbox, mount_point, options, f"{fill}; {command}")
    if result:
        assert "No space left on device" in result.stderr


def test_a_relative_path_of_the_cache_counts_from_the_root(sandbox, mount_point):
    relative = str(sandbox.directory / "cache").lstrip("/")
    sandbox.shell(f"s3fs climate-data my_bucket -o use_cache={relative}")
    deadline = time.monotonic() + 20
    while not mount_table.topmost(mount_point):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (mount_point / "air_temp.pp").read_bytes()
    unmount(mount_point)
    assert (sandbox.directory / "cache" / "climate-data" / "air_temp.pp").is_file()
    assert not (sandbox.directory / relative).exists()


@pytest.mark.parametrize("cache", ["kernel_cache", "use_cache"])
def test_kernel_cache_returns_what_was_replaced(sandbox, mount_point, cache):
    note = sandbox.directory / "note.txt"
    note.write_text("old")
    sandbox.add_file(note)
    kept = cache == "kernel_cache"
    options = [cache] if kept else whole_file_options(sandbox.directory / "cache")
    with mount(sandbox.source, mount_point, options) as bucket:
        assert (bucket / "note.txt").read_text() == "old"
        time.sleep(1.1)  # The store notes times in whole seconds.
        note.write_text("new")
        sandbox.add_file(note)
        assert (bucket / "note.txt").read_text() == ("old" if kept else "new")
