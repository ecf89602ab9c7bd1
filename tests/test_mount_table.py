import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import iris
import psutil
import pytest

from s3_mounts import (
    MountPointError,
    UnmountError,
    doctor,
    guardian,
    mount,
    mount_table,
    save_cube,
    unmount,
)
from s3_mounts.options import endpoint_options
from s3_sandbox import sample_path
from s3_sandbox.folders import remove_folder


def test_absolute_resolves_links_in_every_part(tmp_path):
    real = tmp_path / "real"
    (real / "place").mkdir(parents=True)
    (tmp_path / "link").symlink_to(real)
    (real / "last").symlink_to("place")
    assert mount_table.absolute(tmp_path / "link" / "last") == (real / "place").resolve()
    assert mount_table.absolute(tmp_path / "link" / "missing") == real.resolve() / "missing"


def test_absolute_does_not_look_into_a_mount_that_hangs(sandbox, mount_point):
    mount(sandbox.source, mount_point)
    (process,) = mount_table.servers(mount_point)
    process.suspend()
    assert mount_table.absolute(mount_point) == mount_point
    mount_table.abandon(mount_point)


def test_a_number_that_another_mount_gets_meanwhile_finds_nobody(sandbox, mount_point, monkeypatch):
    """Nobody's s3fs must be taken, and ended, for that of a mount that has just gone."""
    mount(sandbox.source, mount_point)
    (theirs,) = mount_table.servers(mount_point)
    gone = dataclasses.replace(mount_table.topmost(mount_point), path=mount_point.parent / "gone")
    answers = iter([gone])
    real = mount_table.topmost
    monkeypatch.setattr(mount_table, "topmost", lambda path: next(answers, None) or real(path))
    assert mount_table.servers(gone.path) == []
    assert theirs.is_running()
    unmount(mount_point)


def test_a_folder_with_a_mount_in_it_is_never_removed(sandbox, mount_point, monkeypatch):
    mount(sandbox.source, mount_point)
    with pytest.raises(UnmountError, match=r"my_bucket is still mounted.*would delete"):
        remove_folder(sandbox.directory)
    assert os.listdir(mount_point) == ["air_temp.pp"]
    with pytest.raises(UnmountError, match="still mounted"):
        remove_folder(mount_point)
    unmount(mount_point)
    remove_folder(sandbox.directory)
    assert not sandbox.directory.exists()


def test_on_a_plain_directory_nothing_is_mounted(tmp_path):
    assert mount_table.topmost(tmp_path) is None


def test_proc_has_its_type():
    assert mount_table.topmost(Path("/proc")).type == "proc"


def test_a_mount_is_listed_with_its_process(sandbox, mount_point):
    with mount(sandbox.source, mount_point) as path:
        assert mount_table.topmost(path).type == "fuse.s3fs"
        assert path in mount_table.mount_points()
        assert len(mount_table.servers(path)) == 1
    assert mount_table.topmost(path) is None
    assert mount_table.servers(path) == []


def test_a_relative_mount_point_is_found_too(sandbox, mount_point):
    sandbox.shell(f"s3fs {sandbox.source} my_bucket")
    assert len(mount_table.servers(mount_point)) == 1
    sandbox.shell("umount my_bucket")


@pytest.fixture
def started_below(sandbox, mount_point):
    """A mount whose process was started in its directory, while ``PWD`` says another one."""
    command = ["s3fs", sandbox.source, mount_point.name]
    options = [word for o in endpoint_options(sandbox.endpoint) for word in ("-o", o)]
    environment = os.environ | {"PWD": "/"}
    subprocess.run([*command, *options], cwd=mount_point.parent, env=environment, check=True)
    yield mount_point
    mount_table.abandon(mount_point)


def test_the_process_of_a_mount_is_found_wherever_it_was_started(started_below, monkeypatch):
    for name in ("date_microseconds", "lam_pole_offset"):
        monkeypatch.setattr(iris.FUTURE, name, True)
    (process,) = mount_table.servers(started_below)
    assert mount_table.mounted_source(started_below)[0] == "climate-data"
    save_cube(iris.load_cube(sample_path("air_temp.pp")), started_below / "saved.pp")
    found = doctor.examine()[6].found
    assert found.count(str(started_below)) == 1
    # Mounts of others on this machine are told too, also dead ones: these come after the first dot.
    assert str(started_below) in found.split(". ")[0].split(", ")
    with pytest.raises(MountPointError, match="a file system of type fuse.s3fs is mounted already"):
        mount("climate-data", started_below)
    unmount(started_below)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_the_kernel_tells_two_mounts_apart(sandbox, started_below):
    other = sandbox.directory / "other"
    other.mkdir()
    with mount(sandbox.source, other):
        (one,), (two,) = mount_table.servers(started_below), mount_table.servers(other)
        assert one != two


def test_a_process_that_still_ends_is_not_taken_for_that_of_a_later_mount(
    sandbox, mount_point, started_below, monkeypatch
):
    """The kernel gives the number of a mount that is gone to the next one."""
    other = sandbox.directory / "other"
    other.mkdir()
    with mount(sandbox.source, other):
        expected = mount_table.servers(other)
        number = mount_table.topmost(other).device
        monkeypatch.setattr(mount_table, "_connection", lambda description: number)
        assert mount_table.servers(other) == expected
        assert mount_table.mounted_source(other) == (sandbox.source, sandbox.endpoint)


def test_on_an_old_kernel_the_command_line_tells(sandbox, mount_point, monkeypatch):
    monkeypatch.setattr(mount_table, "_connection", lambda description: None)
    with mount(sandbox.source, mount_point):
        assert len(mount_table.servers(mount_point)) == 1
        assert mount_table.servers(sandbox.directory) == []
        assert mount_table.mounted_source(mount_point) == (sandbox.source, sandbox.endpoint)


@pytest.mark.parametrize(
    ("options", "entry"),
    [
        ([], "climate-data fuse.s3fs"),
        (["fsname=NAME"], "NAME       fuse.s3fs"),
        (["subtype=mine"], "climate-data fuse.mine"),
        (["fsname=NAME,subtype=mine,ro"], "NAME       fuse.mine"),
    ],
)
def test_the_mount_table_shows_the_bucket_or_the_name_that_is_given(
    sandbox, mount_point, options, entry
):
    with mount(sandbox.source, mount_point, options):
        shown = ["findmnt", "--noheadings", "--output", "SOURCE,FSTYPE", mount_point]
        said = subprocess.run(shown, capture_output=True, text=True, check=True).stdout
        assert said.split() == entry.split()
        assert mount_point in mount_table.mount_points()
        with pytest.raises(MountPointError, match="mounted already"):
            mount(sandbox.source, mount_point)
    assert mount_table.topmost(mount_point) is None


@pytest.mark.parametrize(
    "name", ["a b", "a\rb", "a\nb", "a\\b", "a\tb", "a\u2028b", "a - b", "\udcff"]
)
def test_a_mount_point_of_any_name_is_found(sandbox, name):
    folder = sandbox.directory / name
    folder.mkdir()
    with mount(sandbox.source, folder) as path:
        assert [entry.path for entry in mount_table.entries()].count(path) == 1
        assert mount_table.mounted_source(path) == (sandbox.source, sandbox.endpoint)
        (process,) = mount_table.servers(path)
        process.kill()
        process.wait(10)
        guardian.detach_dead(str(path))
        assert mount_table.topmost(path) is None
        mount(sandbox.source, folder)


def test_a_name_that_only_s3fs_was_given_is_unmounted_too(sandbox, mount_point):
    sandbox.shell(f"s3fs {sandbox.source} my_bucket -o fsname=NAME")
    assert mount_table.topmost(mount_point).type == "fuse"
    unmount(mount_point)
    assert mount_table.topmost(mount_point) is None


@pytest.mark.parametrize("how", ["open file", "working directory", "memory map"])
def test_holders_are_named(sandbox, mount_point, how):
    programs = {
        "open file": "f = open('{path}/air_temp.pp')",
        "working directory": "import os; os.chdir('{path}')",
        "memory map": (
            "import mmap, os; fd = os.open('{path}/air_temp.pp', os.O_RDONLY);"
            "m = mmap.mmap(fd, 0, prot=mmap.PROT_READ); os.close(fd)"
        ),
    }
    with mount(sandbox.source, mount_point) as path:
        holder = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"{programs[how].format(path=path)}; print(flush=True); input()",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        holder.stdout.readline()
        found = mount_table.holders(path)
        holder.communicate(b"\n")
        assert [h.pid for h in found] == [holder.pid]
        assert found[0].path.startswith(str(path))
        assert f"process {holder.pid} ({sys.executable} -c" in str(found[0])
        assert mount_table.holders(path) == []


def test_abandon_removes_a_mount_whose_process_hangs(sandbox, mount_point):
    mount(sandbox.source, mount_point)
    (process,) = mount_table.servers(mount_point)
    process.suspend()
    mount_table.abandon(mount_point)
    assert mount_table.topmost(mount_point) is None
    assert os.listdir(mount_point) == []
