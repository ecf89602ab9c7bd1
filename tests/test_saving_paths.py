"""After a save a new mount shows the file under its path, and all that it showed before."""

import errno
import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from iris.cube import Cube

from s3_mounts import MountPointError, SaveError, mount, save_cube

# The tests look at what is not there yet, and s3fs 1.95 remembers that for a while.
pytestmark = pytest.mark.filterwarnings("ignore:.*this mount does not show it yet:UserWarning")

NEW = b"the new file"
LINK = {"Metadata": {"mode": str(stat.S_IFLNK | 0o777)}}
FOLDER = {"Metadata": {"mode": str(stat.S_IFDIR | 0o755)}}


def saver(cube, target):
    Path(target).write_bytes(NEW)


def save(path):
    save_cube(Cube(0), path, saver=saver)


def put(sandbox, key, body=b"", **keywords):
    sandbox.client.put_object(Bucket=sandbox.bucket, Key=key, Body=body, **keywords)


def shown(folder):
    """List what a mount shows: folders, links with their targets, files with their content."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = path.is_dir() or path.read_bytes()
    return found


@pytest.fixture
def save_and_look(sandbox, mount_point):
    """Save by one mount, and return what a new one shows."""

    def save_there(name):
        with mount(sandbox.source, mount_point) as folder:
            save(folder / name)
        with mount(sandbox.source, mount_point) as folder:
            assert (folder / name).read_bytes() == NEW
            return shown(folder)

    return save_there


def test_a_link_to_a_folder_leads_to_the_folder(sandbox, save_and_look):
    put(sandbox, "runs/2026/old.nc", b"old")
    put(sandbox, "latest", b"runs/2026", **LINK)
    found = save_and_look("latest/new.nc")
    assert (found["latest"], found["runs/2026/new.nc"]) == ("runs/2026", NEW)


def test_a_link_to_a_file_stays_and_the_file_is_replaced(sandbox, save_and_look):
    put(sandbox, "runs/2026.nc", b"old")
    put(sandbox, "runs/latest.nc", b"2026.nc", **LINK)
    found = save_and_look("runs/latest.nc")
    assert (found["runs/latest.nc"], found["runs/2026.nc"]) == ("2026.nc", NEW)


def test_a_link_made_on_the_mount_with_an_absolute_target_is_followed(sandbox, mount_point):
    with mount(sandbox.source, mount_point) as folder:
        (folder / "runs").mkdir()
        (folder / "latest").symlink_to(folder / "runs")
        save(folder / "latest" / "new.nc")
    assert "runs/new.nc" in sandbox.sizes()


@pytest.mark.filterwarnings("error")
def test_a_local_link_to_a_file_on_the_mount_is_followed_and_the_file_is_shown(
    sandbox, mount_point, tmp_path
):
    with mount(sandbox.source, mount_point) as folder:
        (tmp_path / "result.nc").symlink_to(folder / "result.nc")
        save(tmp_path / "result.nc")
        assert (folder / "result.nc").read_bytes() == NEW
    assert "result.nc" in sandbox.sizes()


def test_two_dots_after_a_link_are_those_of_its_target(sandbox, save_and_look):
    put(sandbox, "runs/2026/old.nc", b"old")
    put(sandbox, "latest", b"runs/2026", **LINK)
    assert save_and_look("latest/../new.nc")["runs/new.nc"] == NEW


@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        ("/elsewhere", MountPointError, "expected a path below a bucket mounted by s3fs"),
        ("latest", SaveError, "links that lead in a circle"),
    ],
)
def test_a_link_that_leads_nowhere_on_the_bucket_is_refused(
    sandbox, mount_point, target, error, words
):
    put(sandbox, "latest", target.encode(), **LINK)
    before = sandbox.sizes()
    with mount(sandbox.source, mount_point) as folder, pytest.raises(error, match=words):
        save(folder / "latest" / "new.nc")
    assert sandbox.sizes() == before


@pytest.mark.parametrize("key", ["1990.nc/air_temp.pp", "1990.nc/", "1990.nc_$folder$"])
def test_a_folder_as_target_is_refused_and_stays(sandbox, mount_point, key):
    put(sandbox, key)
    before = sandbox.sizes()
    refused = pytest.raises(SaveError, match=r"1990.nc to be a file or nothing yet, found a folder")
    with mount(sandbox.source, mount_point) as folder, refused:
        save(folder / "1990.nc")
    assert sandbox.sizes() == before


@pytest.mark.parametrize("name", ["old.nc/new.nc", "old.nc/deep/er/new.nc"])
def test_a_file_above_the_target_is_refused(sandbox, mount_point, name):
    put(sandbox, "old.nc", b"old")
    before = sandbox.sizes()
    refused = pytest.raises(SaveError, match=r"folders above it, but .*/old.nc is no folder")
    with mount(sandbox.source, mount_point) as folder, refused:
        save(folder / name)
    assert sandbox.sizes() == before


# -- Any bucket, any path --------------------------------------------------------------------------

NAMES = st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map("/".join)
PATHS = st.lists(st.sampled_from(["a", "a", "b", "b", ".."]), min_size=1, max_size=4).map("/".join)
OBJECTS = st.one_of(
    st.builds(lambda name: (name, b"old", {}), NAMES),
    st.builds(lambda name: (f"{name}/", b"", FOLDER), NAMES),
    st.builds(lambda name: (f"{name}/", b"", {}), NAMES),
    st.builds(lambda name, target: (name, target.encode(), LINK), NAMES, PATHS),
)

REFUSED = (errno.EISDIR, errno.ENOTDIR, errno.ELOOP)


def error_of_the_kernel(path):
    """Ask how a local save would fail, without making a file."""
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError as error:
        return error.errno
    return None


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(objects=st.lists(OBJECTS, max_size=5), name=PATHS.filter(lambda path: path[-1] != "."))
@example(objects=[("a", b"old", {}), ("a/b", b"old", {})], name="a")
@example(objects=[("a", b"b", LINK), ("b/a", b"old", {})], name="a/b")
@example(objects=[("a", b"b", LINK), ("b", b"old", {})], name="a")
@example(objects=[("a/b", b"old", {})], name="a")
@example(objects=[("a", b"old", {}), ("a/", b"", FOLDER)], name="a")
@example(objects=[("a", b"b", LINK), ("a/", b"", FOLDER)], name="a/b")
@example(objects=[], name="a/../a")
def test_whatever_is_there_a_file_is_shown_under_its_path_or_nothing_is_stored(
    sandbox, mount_point, objects, name
):
    for key in sandbox.sizes():
        sandbox.client.delete_object(Bucket=sandbox.bucket, Key=key)
    for key, body, keywords in objects:
        put(sandbox, key, body, **keywords)
    stored = sandbox.sizes()
    with mount(sandbox.source, mount_point) as folder:
        before = shown(folder)
        path = folder / name
        there = Path(os.path.realpath(path))
        problem = error_of_the_kernel(path)
        to_refuse = problem in REFUSED or not there.is_relative_to(folder)
        two_in_one = any(f"{key}/" in stored for key in stored)
        is_plain = ".." not in name and not any(keywords == LINK for _, _, keywords in objects)
        try:
            save(path)
        except (MountPointError, SaveError):
            assert to_refuse or two_in_one or (problem == errno.ENOENT and not is_plain)
            assert sandbox.sizes() == stored
            return
    assert not to_refuse
    with mount(sandbox.source, mount_point) as folder:
        after = shown(folder)
        assert path.read_bytes() == NEW
    replaced = there.relative_to(folder).as_posix()
    assert {k: v for k, v in before.items() if k != replaced}.items() <= after.items()
