"""What is left when processes are killed: nothing, or what the next sandbox removes."""

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import psutil
import pytest

from s3_mounts import guardian, mount, mount_table
from s3_mounts.guardian import VARIABLE, marked
from s3_sandbox import start_sandbox
from s3_sandbox.folders import make_folder, remove_leftovers
from s3_sandbox.sandbox import OWN_BUCKET

USE = """
import os, sys, time
from s3_mounts import mount
mount("climate-data", sys.argv[1], keep=sys.argv[2] == "keep")
{then}
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def user(sandbox, mount_point):
    """A function that starts a process which mounts, and returns it when it has."""
    started = []

    def start(then="", keep=""):
        process = subprocess.Popen(
            [sys.executable, "-c", USE.format(then=then), mount_point, keep],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
    mount_table.abandon(mount_point)


def gone(mount_point, limit=30):
    """Wait until nothing is mounted and nobody serves it."""
    deadline = time.monotonic() + limit
    while mount_table.topmost(mount_point) or mount_table.servers(mount_point):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_mount_goes_with_its_process(user, mount_point, name):
    process = user()
    process.send_signal(getattr(signal, name))
    process.wait(30)
    assert gone(mount_point)


def test_a_mount_goes_with_its_process_though_a_file_is_open_in_another_one(user, mount_point):
    process = user()
    held = os.open(mount_point / "air_temp.pp", os.O_RDONLY)
    process.kill()
    process.wait()
    assert gone(mount_point)
    with pytest.raises(OSError, match="not connected"):
        os.close(held)


FORK = """
import signal
child = os.fork()
if not child:
    signal.pause()
print(child, flush=True)
"""


def test_a_mount_goes_with_its_process_though_a_fork_lives_on(mount_point, sandbox):
    with subprocess.Popen(
        [sys.executable, "-c", USE.format(then=FORK), mount_point, ""],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        child = psutil.Process(int(process.stdout.readline()))
        try:
            process.kill()
            process.wait()
            assert gone(mount_point)
            assert child.is_running()
        finally:
            child.kill()


def test_a_server_goes_with_its_process_though_a_fork_lives_on(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    code = f"import os\nfrom s3_sandbox import start_sandbox\nstart_sandbox('lesson')\n{FORK}"
    with subprocess.Popen(
        [sys.executable, "-c", f"{code}signal.pause()"], stdout=subprocess.PIPE, text=True
    ) as process:
        child = psutil.Process(int(process.stdout.readline()))
        servers = [c for c in psutil.Process(process.pid).children() if c != child]
        try:
            process.kill()
            process.wait()
            assert psutil.wait_procs(servers, timeout=30) == (servers, [])
            assert child.is_running()
        finally:
            child.kill()


def test_threads_share_a_guardian(monkeypatch):
    monkeypatch.setattr(guardian, "_mine", None)
    with ThreadPoolExecutor(8) as pool:
        marks = {tuple(one.items()) for one in pool.map(guardian.guard, [Path("/none")] * 8)}
    guardian._finish()
    assert len(marks) == 1


def test_a_fork_that_ends_leaves_the_sandbox_to_its_parent():
    code = (
        "import os, sys\nfrom s3_sandbox import start_sandbox\nsandbox = start_sandbox('lesson')\n"
        "child = os.fork()\nif not child:\n    sys.exit()\nos.waitpid(child, 0)\n"
        "print(sandbox.directory.exists(), sandbox.sizes())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "True {}\n"


def test_a_dead_mount_goes_with_its_process(user, mount_point):
    process = user()
    (server,) = mount_table.servers(mount_point)
    server.kill()
    while server.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert mount_table.topmost(mount_point)
    process.kill()
    process.wait()
    assert gone(mount_point)


def test_a_stopped_s3fs_goes_with_its_process(user, mount_point):
    process = user()
    (server,) = mount_table.servers(mount_point)
    server.suspend()
    process.kill()
    process.wait()
    assert gone(mount_point, limit=60)


def test_a_process_that_is_killed_while_it_mounts_leaves_nothing(sandbox, mount_point):
    for number in range(6):
        process = subprocess.Popen([sys.executable, "-c", USE.format(then=""), mount_point, ""])
        deadline = time.monotonic() + 30
        while not guardians_of(process.pid):
            assert time.monotonic() < deadline
        time.sleep(number / 50)
        process.kill()
        process.wait()
        time.sleep(1.2)
        assert gone(mount_point), number


def guardians_of(pid):
    """Find the guardians that a process has started."""
    children = psutil.Process(pid).children()
    return [child for child in children if "guardian.py" in " ".join(child.cmdline())]


def test_the_guardian_ends_too(user):
    process = user()
    (guardian,) = guardians_of(process.pid)
    process.kill()
    process.wait()
    guardian.wait(30)


def test_what_is_to_be_kept_stays(user, mount_point):
    process = user(keep="keep")
    process.kill()
    process.wait()
    time.sleep(2)
    assert (mount_point / "air_temp.pp").stat().st_size
    assert mount_table.topmost(mount_point)


def test_the_guardian_leaves_alone_what_others_mount_in_the_same_place(user, sandbox, mount_point):
    process = user(f"from s3_mounts import unmount; unmount({str(mount_point)!r})")
    with mount(sandbox.source, mount_point):
        process.kill()
        process.wait()
        time.sleep(2)
        assert (mount_point / "air_temp.pp").stat().st_size


def test_only_what_a_process_has_mounted_is_marked(sandbox, mount_point):
    with mount(sandbox.source, mount_point):
        (server,) = mount_table.servers(mount_point)
        mark = server.environ()[VARIABLE]
        assert list(marked(mark)) == [server.pid]
    assert list(marked(mark)) == []


# -- A bucket of one's own -------------------------------------------------------------------------

OWN = """
import os, time
from s3_mounts import mount
from s3_sandbox import start_sandbox
sandbox = start_sandbox("lesson", ["air_temp.pp"])
(sandbox.directory / "m").mkdir()
mount(sandbox.source, sandbox.directory / "m")
print(sandbox.prefix, sandbox.directory.parent, flush=True)
time.sleep(600)
"""


@pytest.fixture
def own_bucket(sandbox, monkeypatch, tmp_path):
    """A bucket of one's own, with an object in it, and an empty folder for temporary files."""
    monkeypatch.setenv(OWN_BUCKET, "my-own-bucket")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    bucket = boto3.resource("s3").Bucket("my-own-bucket")
    bucket.create()
    bucket.put_object(Key="lesson-theirs/precious", Body=b"!")
    yield bucket
    bucket.objects.delete()
    bucket.delete()


def keys(bucket):
    return [item.key for item in bucket.objects.all()]


def killed_sandbox():
    """Let a process start a sandbox, and kill it; return its prefix and its folder."""
    with subprocess.Popen(
        [sys.executable, "-c", OWN], stdout=subprocess.PIPE, text=True
    ) as process:
        _, _, line = (process.stdout.readline() for _ in range(3))
        prefix, folder = line.split()
        process.kill()
    return prefix, Path(folder)


def test_the_next_sandbox_removes_what_a_killed_one_left(own_bucket, capfd):
    prefix, folder = killed_sandbox()
    assert f"{prefix}air_temp.pp" in keys(own_bucket)
    with start_sandbox("lesson"):
        assert not [key for key in keys(own_bucket) if key.startswith(prefix)]
        assert not folder.exists()
    said = capfd.readouterr().err
    assert str(folder) in said
    assert repr(prefix) in said
    assert keys(own_bucket) == ["lesson-theirs/precious"]


def test_a_sandbox_that_still_runs_is_left_alone(own_bucket, capfd):
    with start_sandbox("lesson", ["air_temp.pp"]) as first:
        with start_sandbox("lesson"):
            assert f"{first.prefix}air_temp.pp" in keys(own_bucket)
            assert first.directory.exists()
        assert not capfd.readouterr().err


def test_what_cannot_be_removed_is_told_and_kept(own_bucket, sandbox, capfd):
    prefix, folder = killed_sandbox()
    with sandbox.failing("ListObjects", "DeleteObjects"):
        subprocess.run(
            [sys.executable, "-c", "from s3_sandbox.folders import *; remove_leftovers()"],
            check=True,
        )
    said = capfd.readouterr().err
    assert "AccessDenied" in said
    assert prefix in said
    assert folder.exists()
    with start_sandbox("lesson"):
        assert not folder.exists()


def test_what_an_interrupted_stop_has_left_is_removed_by_the_next_sandbox(
    own_bucket, monkeypatch, capfd
):
    sandbox = start_sandbox("lesson", ["air_temp.pp"])
    with monkeypatch.context() as patch:
        patch.setattr("s3_sandbox.sandbox.remove_prefix", interrupt)
        with pytest.raises(KeyboardInterrupt):
            sandbox.stop()
    assert f"{sandbox.prefix}air_temp.pp" in keys(own_bucket)
    with start_sandbox("lesson"):
        assert not [key for key in keys(own_bucket) if key.startswith(sandbox.prefix)]
    assert repr(sandbox.prefix) in capfd.readouterr().err
    assert not os.listdir(tempfile.gettempdir())


def interrupt(*_):
    raise KeyboardInterrupt


def test_a_note_that_was_cut_off_stops_no_sandbox(own_bucket):
    folder, lock = make_folder()
    lock.truncate(0)
    lock.close()
    with start_sandbox("lesson"):
        assert folder.exists()


def test_a_profile_that_is_missing_stops_no_local_sandbox(own_bucket, monkeypatch, capfd):
    folder, lock = make_folder(bucket="theirs", prefix="lesson-1/", endpoint=None)
    lock.close()
    monkeypatch.delenv(OWN_BUCKET)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with start_sandbox("lesson"):
        assert "nobody" in capfd.readouterr().err
    assert folder.exists()


def test_a_store_that_cannot_be_reached_is_told_with_its_address_and_stops_no_sandbox(
    own_bucket, monkeypatch, capfd
):
    address = "http://127.0.0.1:9"
    folder, lock = make_folder(bucket="theirs", prefix="lesson-1/", endpoint=address)
    lock.close()
    with start_sandbox("lesson"):
        said = capfd.readouterr().err
    assert f"aws s3 rm --recursive --endpoint-url {address} s3://theirs/lesson-1/" in said
    assert folder.exists()


def is_in_use(folder):
    """Tell whether a thread of a killed process is still there, and with it the lock."""
    with (folder / ".in_use").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_killed_server_and_its_process_leave_a_folder_that_the_next_sandbox_removes(
    monkeypatch, tmp_path, capfd
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr("s3_sandbox.server._shared", None)
    code = OWN.replace("print(", "print(os.getppid(), ")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as one:
        folder = Path(one.stdout.readline().split()[-1])
        servers = [c for c in psutil.Process(one.pid).children() if "moto" in " ".join(c.cmdline())]
        for process in (*servers, psutil.Process(one.pid)):
            process.kill()
    deadline = time.monotonic() + 30
    mounts = mount_table.mount_points
    while is_in_use(folder) or any(path.is_relative_to(folder) for path in mounts()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert folder.exists()
    with start_sandbox("lesson"):
        assert not folder.exists()
    assert str(folder) in capfd.readouterr().err
    assert not os.listdir(tmp_path)


REMOVE = """
import itertools
import os
import sys
from pathlib import Path
from s3_sandbox.folders import make_folder, remove_folder

for after in itertools.count(1):
    if (child := os.fork()):
        if os.waitpid(child, 0)[1] == 0:
            break
        continue
    folder, lock = make_folder()
    for name in "abcdefgh":
        (folder / name).mkdir()
        (folder / name / name).touch()
        (folder / f"{name}.nc").touch()
    def killed(event, arguments):
        global after
        if event in ("os.remove", "os.rmdir"):
            after -= 1
            if not after:
                os._exit(1)
    sys.addaudithook(killed)
    remove_folder(folder)
    os._exit(folder.exists())
print(after)
"""


def test_a_removal_that_is_killed_is_finished_by_the_next_sandbox(monkeypatch, tmp_path, capfd):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    moments = subprocess.run([sys.executable, "-c", REMOVE], check=True, stdout=subprocess.PIPE)
    folders = list(tmp_path.iterdir())
    # As many as there are entries: each was the first one that was left, in one of them.
    assert len(folders) == int(moments.stdout) - 1 == 8 * 3 + 2
    for folder in folders:
        if not os.listdir(folder):
            os.utime(folder, (0, 0))
    remove_leftovers()
    assert not os.listdir(tmp_path)
    assert capfd.readouterr().err.count("removed the folder") == len(folders) - 1


def test_a_folder_that_was_not_finished_is_removed_once_it_is_old(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    empty, locking, used, new = (tmp_path / f"s3-mounts-sandbox-{name}" for name in "abcd")
    for folder in (empty, locking, used, new):
        folder.mkdir()
    (locking / ".in_use.new").touch()
    (used / "precious").touch()
    for folder in (empty, locking, used):
        os.utime(folder, (0, 0))
    remove_leftovers()
    assert sorted(tmp_path.iterdir()) == [used, new]
    assert list(used.iterdir()) == [used / "precious"]
