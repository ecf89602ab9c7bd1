"""One mount for all processes of a machine."""

import os
import platform
import signal
import subprocess
import sys
import threading
import time

import pytest
from distributed import Client, LocalCluster

from s3_mounts import MountPointError, StoreError, mount, mount_table, shared_mount, unmount
from s3_mounts.dask import MountPlugin
from s3_sandbox import sample_path

USER = """
import os, sys
from s3_mounts import shared_mount
with shared_mount(sys.argv[1], sys.argv[2]) as path:
    print(*os.listdir(path), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def another(sandbox, mount_point):
    """A function that starts another process that uses the mount until its input ends."""
    started = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", USER, sandbox.source, mount_point],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "air_temp.pp\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def is_mounted(mount_point):
    return mount_table.is_s3fs(mount_table.topmost(mount_point))


def test_the_last_one_unmounts(sandbox, mount_point, another):
    first = another()
    with shared_mount(sandbox.source, mount_point) as path:
        assert len(mount_table.servers(path)) == 1
        assert first.communicate()[0] == ""
        assert os.listdir(path) == ["air_temp.pp"]
    assert not is_mounted(mount_point)


def test_one_that_was_killed_does_not_count(sandbox, mount_point, another):
    with shared_mount(sandbox.source, mount_point):
        process = another()
        process.kill()
        process.wait()
    assert not is_mounted(mount_point)


def test_what_a_killed_one_has_left_is_used_and_unmounted(sandbox, mount_point, another):
    process = another()
    process.kill()
    process.wait()
    assert is_mounted(mount_point)
    with shared_mount(sandbox.source, mount_point) as path:
        assert os.listdir(path) == ["air_temp.pp"]
    assert not is_mounted(mount_point)


def test_a_dead_mount_is_replaced(sandbox, mount_point):
    mount(sandbox.source, mount_point)
    (server,) = mount_table.servers(mount_point)
    server.kill()
    server.wait()
    with shared_mount(sandbox.source, mount_point) as path:
        assert os.listdir(path) == ["air_temp.pp"]
    assert not is_mounted(mount_point)


def test_a_mount_of_somebody_else_is_left(sandbox, mount_point):
    mount(sandbox.source, mount_point)
    with shared_mount(sandbox.source, mount_point) as path:
        assert os.listdir(path) == ["air_temp.pp"]
    assert is_mounted(mount_point)
    unmount(mount_point)


def test_a_mount_that_was_made_by_a_linked_path_is_found_and_left(sandbox, mount_point):
    link = sandbox.directory / "link"
    link.symlink_to(sandbox.directory)
    sandbox.shell(f"s3fs {sandbox.source} {link}/{mount_point.name}")
    (server,) = mount_table.servers(mount_point)
    with shared_mount(sandbox.source, mount_point):
        assert mount_table.servers(mount_point) == [server]
    assert is_mounted(mount_point)
    unmount(mount_point)
    assert not is_mounted(mount_point)


def test_a_mount_whose_server_cannot_be_seen_is_left(sandbox, mount_point, monkeypatch):
    with mount(sandbox.source, mount_point):
        monkeypatch.setattr(mount_table, "servers", lambda path: [])
        with shared_mount(sandbox.source, mount_point) as path:
            assert os.listdir(path) == ["air_temp.pp"]
        assert is_mounted(mount_point)
        monkeypatch.undo()


def test_another_bucket_is_refused(sandbox, mount_point):
    with (
        mount(sandbox.source, mount_point),
        pytest.raises(MountPointError, match=r"expected other at .* found another one"),
        shared_mount("other", mount_point),
    ):
        pass


def test_the_same_bucket_of_another_store_is_refused(sandbox, mount_point):
    with (
        mount(sandbox.source, mount_point),
        pytest.raises(MountPointError, match=r"at http://127.0.0.1:9 to be mounted.*another one"),
        shared_mount(sandbox.source, mount_point, ["url=http://127.0.0.1:9"]),
    ):
        pass


def test_a_prefix_that_is_mounted_already_is_used(sandbox, mount_point):
    sandbox.add_file(sample_path("air_temp.pp"), "monthly/air_temp.pp")
    source = f"{sandbox.bucket}:/monthly"
    with shared_mount(source, mount_point), shared_mount(source, mount_point) as path:
        assert os.listdir(path) == ["air_temp.pp"]


def test_a_failed_mount_leaves_nothing(sandbox, mount_point):
    with pytest.raises(StoreError, match="NoSuchBucket"), shared_mount("no-such", mount_point):
        pass
    with shared_mount(sandbox.source, mount_point):
        assert is_mounted(mount_point)
    assert not is_mounted(mount_point)


def test_a_busy_mount_is_detached(sandbox, mount_point, monkeypatch):
    monkeypatch.setattr("s3_mounts.sharing.BUSY_LIMIT", 0.1)
    with shared_mount(sandbox.source, mount_point) as path:
        held = open(path / "air_temp.pp", "rb")  # noqa: SIM115
    assert not is_mounted(mount_point)
    assert len(held.read()) == 28304
    held.close()


def test_many_at_once(sandbox, mount_point):
    """They come and go, and each finds the bucket."""
    found = []

    def use():
        for _ in range(3):
            with shared_mount(sandbox.source, mount_point) as path:
                found.append(os.listdir(path))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == 12 * [["air_temp.pp"]]
    assert not is_mounted(mount_point)


def test_a_relative_path_is_refused():
    with pytest.raises(MountPointError, match=r"absolute path.*found 'my_bucket'"):
        MountPlugin("climate-data", "my_bucket")


def listed(path):
    return os.listdir(path)


def test_workers_mount_and_unmount(sandbox):
    """Also one that replaces a killed one; the directory is made."""
    path = sandbox.directory / "deep" / "down"
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with (
        LocalCluster(host="127.0.0.1", local_directory=sandbox.directory, **settings) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(MountPlugin(sandbox.source, path))
        assert set(map(tuple, client.run(listed, str(path)).values())) == {("air_temp.pp",)}
        pids = client.run(os.getpid)
        killed = next(iter(pids.values()))
        os.kill(killed, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while killed in pids.values() or len(pids) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
            pids = client.run(os.getpid, on_error="ignore")
        assert list(client.run(listed, str(path)).values()) == 2 * [["air_temp.pp"]]
        assert len(mount_table.servers(path)) == 1
    assert not is_mounted(path)


def test_what_fails_on_a_worker_is_raised(sandbox, mount_point):
    with (
        LocalCluster(1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
        pytest.raises(StoreError, match="NoSuchBucket"),
    ):
        client.register_plugin(MountPlugin("no-such-bucket", mount_point))


def test_a_link_of_somebody_else_is_not_followed(sandbox, mount_point):
    victim = sandbox.directory / "victim.txt"
    victim.write_text("mine")
    gate = mount_point.with_name(f".{mount_point.name}.{platform.node()}.gate")
    gate.symlink_to(victim)
    with (
        pytest.raises(MountPointError, match="directory of your own"),
        shared_mount(sandbox.source, mount_point),
    ):
        pass
    assert victim.read_text() == "mine"
    assert not is_mounted(mount_point)


def test_a_directory_of_somebody_else_is_refused(sandbox, mount_point, monkeypatch):
    owner = mount_point.parent.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner + 1)
    monkeypatch.setattr("s3_mounts.sharing._ROOT", owner + 2)
    with (
        pytest.raises(MountPointError, match=f"found that of user {owner}"),
        shared_mount(sandbox.source, mount_point),
    ):
        pass
