import contextlib
import itertools
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import iris
import psutil
import pytest

from s3_mounts import (
    MountError,
    MountPointError,
    SetupError,
    StoreError,
    UnmountError,
    guardian,
    mount,
    mount_table,
    mounting,
    store,
    unmount,
)
from s3_sandbox import sample_path
from s3_sandbox.folders import unmount_below
from s3_sandbox.server import Server


def nothing_is_left(mount_point):
    return (
        mount_table.topmost(mount_point) is None
        and mount_table.servers(mount_point) == []
        and os.listdir(mount_point) == []
    )


def test_round_trip(sandbox, mount_point):
    with mount(sandbox.source, mount_point) as path:
        assert path == mount_point
        assert iris.load_cube(path / "air_temp.pp") == iris.load_cube(sample_path("air_temp.pp"))
        (path / "new.txt").write_text("hello")
    assert nothing_is_left(mount_point)
    stored = boto3.client("s3").get_object(Bucket=sandbox.bucket, Key="new.txt")
    assert stored["Body"].read() == b"hello"


@pytest.mark.parametrize("with_directory_object", [True, False])
def test_a_prefix_can_be_mounted(sandbox, mount_point, with_directory_object):
    s3 = boto3.client("s3")
    if with_directory_object:
        s3.put_object(Bucket=sandbox.bucket, Key="monthly/")
    s3.put_object(Bucket=sandbox.bucket, Key="monthly/a.txt", Body=b"a")
    with mount(f"{sandbox.bucket}:/monthly", mount_point) as path:
        assert os.listdir(path) == ["a.txt"]


def test_options_reach_s3fs(sandbox, mount_point):
    with (
        mount(sandbox.source, mount_point, ["ro"]) as path,
        pytest.raises(OSError, match="[Rr]ead"),
    ):
        (path / "new.txt").write_text("hello")


def test_no_credential_is_on_the_command_line(sandbox, mount_point):
    with mount(sandbox.source, mount_point) as path:
        (process,) = mount_table.servers(path)
        assert os.environ["AWS_SECRET_ACCESS_KEY"] not in " ".join(process.cmdline())


def test_repr_says_what_is_mounted_where(sandbox, mount_point):
    mounted = mount(sandbox.source, mount_point)
    assert repr(mounted) == f"<climate-data mounted on {mount_point}>"
    mounted.unmount()


# -- What s3fs itself would not report -------------------------------------------------------------


def test_missing_bucket(sandbox, mount_point):
    with pytest.raises(StoreError, match="'no-such-bucket'.*NoSuchBucket.*check the spelling"):
        mount("no-such-bucket", mount_point)
    assert nothing_is_left(mount_point)


def test_missing_prefix(sandbox, mount_point):
    with pytest.raises(StoreError, match="prefix 'monthyl'.*found none"):
        mount(f"{sandbox.bucket}:/monthyl", mount_point)
    assert nothing_is_left(mount_point)


def test_refused_credentials(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-mine")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("INITIAL_NO_AUTH_ACTION_COUNT", "1")  # moto looks at no key until then
    with Server() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        boto3.client("s3").create_bucket(Bucket="climate-data")
        with pytest.raises(StoreError, match="403.*refuses these credentials") as caught:
            mount("climate-data", tmp_path)
    assert "a-secret-of-mine" not in str(caught.value)
    assert nothing_is_left(tmp_path)


def test_no_credentials(sandbox, mount_point, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(StoreError, match="expected both AWS_ACCESS_KEY_ID and .*found one alone"):
        mount(sandbox.source, mount_point)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StoreError, match=r"credentials.*found none.*~/.aws/credentials"):
        mount(sandbox.source, mount_point)
    assert nothing_is_left(mount_point)


def test_no_server(sandbox, mount_point, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StoreError, match="127.0.0.1:1.*cannot be reached"):
        mount(sandbox.source, mount_point)
    assert nothing_is_left(mount_point)


@pytest.mark.parametrize(
    "address",
    ["http://store.invalid", "https://127.0.0.1:{port}", "http://127.0.0.1:{port}/no/s3/here"],
    ids=["no such host", "TLS to a port without", "a path that is no store"],
)
def test_a_wrong_address(sandbox, mount_point, monkeypatch, address):
    port = sandbox.endpoint.rpartition(":")[2]
    monkeypatch.setenv("AWS_ENDPOINT_URL", address.format(port=port))
    started = time.monotonic()
    with pytest.raises(StoreError, match=re.escape(address.format(port=port))):
        mount(sandbox.source, mount_point)
    assert time.monotonic() - started < 30
    assert nothing_is_left(mount_point)


@pytest.mark.parametrize("bucket", ["Climate_Data", "climate data", "a" * 70, "-", "ünïcode"])
def test_a_name_that_no_bucket_can_have(sandbox, mount_point, bucket):
    with pytest.raises(StoreError, match=re.escape(bucket)):
        mount(bucket, mount_point)
    assert nothing_is_left(mount_point)


def test_a_mount_whose_s3fs_has_died(sandbox, mount_point):
    mount(sandbox.source, mount_point)
    (server,) = mount_table.servers(mount_point)
    server.kill()
    server.wait()
    with pytest.raises(MountPointError, match=r"s3fs has died.*Unmount it"):
        mount(sandbox.source, mount_point)
    unmount(mount_point)
    mount(sandbox.source, mount_point).unmount()
    assert nothing_is_left(mount_point)


def test_what_s3fs_has_started_ends_with_it(sandbox, mount_point, fake_program):
    """An ordinary user's s3fs has another program mount, which would go on without it."""
    fake_program("s3fs", "sleep 61.375 & exec sleep 61.375")
    with pytest.raises(StoreError, match="no-such-bucket"):
        mount("no-such-bucket", mount_point, ["retries=1"])
    found = [p for p in psutil.process_iter(["cmdline"]) if "61.375" in (p.info["cmdline"] or "")]
    assert not found


def test_what_may_not_be_ended_is_waited_for(sandbox, mount_point, fake_program, monkeypatch):
    """What mounts for an ordinary user runs as root."""
    # A real s3fs may have ended for itself before, as the store knows no such bucket.
    fake_program("s3fs", "exec sleep 60")
    answers = iter([PermissionError, PermissionError, ProcessLookupError])
    real = os.killpg

    def killpg(group, number):
        if not number:
            raise next(answers)
        real(group, number)

    monkeypatch.setattr(os, "killpg", killpg)
    with pytest.raises(StoreError, match="no-such-bucket"):
        mount("no-such-bucket", mount_point)
    assert not list(answers)


def test_exit_status_0_without_a_mount(sandbox, mount_point, fake_program):
    fake_program("s3fs", "echo cannot do that; exit 0")
    with pytest.raises(
        MountError, match="exit status 0 and nothing is mounted.*\n.*cannot do that"
    ):
        mount(sandbox.source, mount_point)
    assert nothing_is_left(mount_point)


def test_s3fs_own_words_are_passed_on(sandbox, mount_point):
    with pytest.raises(MountError, match="s3fs said:(.|\n)*no_such_option"):
        mount(sandbox.source, mount_point, ["no_such_option"])
    assert nothing_is_left(mount_point)


def test_a_mount_that_is_gone_when_it_is_looked_at(sandbox, mount_point, fake_program):
    """As s3fs 1.90 gives it, for an instant, before it finds an option that it does not know."""
    real_stat = shutil.which("stat")
    unmount = f"umount {mount_point} || fusermount3 -u {mount_point} || fusermount -u {mount_point}"
    fake_program("stat", f'{{ {unmount}; }} > /dev/null 2>&1; exec {real_stat} "$@"')
    with pytest.raises(MountError, match="but a look into the mount fails: it is gone again"):
        mount(sandbox.source, mount_point)
    assert nothing_is_left(mount_point)


def test_s3fs_that_never_mounts(sandbox, mount_point, fake_program):
    fake_program("s3fs", "exec sleep 60")
    with pytest.raises(MountError, match="has not done so in time"):
        mount(sandbox.source, mount_point, timeout=1)
    assert nothing_is_left(mount_point)


def test_a_mount_in_which_every_access_hangs(sandbox, mount_point, fake_program, real_s3fs):
    """As newer versions of s3fs give it for a mistyped bucket."""
    fake_program(
        "s3fs",
        f'{real_s3fs} "$@" & until grep -q "{mount_point} fuse.s3fs" /proc/mounts; do :; done\n'
        "kill -STOP $!\n"
        # One thread gets the signal, and has to run before the others stop.
        'while grep "^State:" /proc/$!/task/*/status | grep -qv "T (stopped)"; do :; done\n'
        f"touch {mount_point}.stopped; wait",
    )
    real_stat = shutil.which("stat")
    fake_program("stat", f'until [ -e {mount_point}.stopped ]; do :; done; exec {real_stat} "$@"')
    started = time.monotonic()
    with pytest.raises(MountError, match="did not come back in time"):
        mount(sandbox.source, mount_point, timeout=2)
    assert time.monotonic() - started < 10, "it must not hang itself"
    assert nothing_is_left(mount_point)


@pytest.fixture
def dawdling_store(monkeypatch):
    """A store that sends a byte of its answer now and then, and never comes to an end."""
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def dawdle():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=drip, args=[connection], daemon=True).start()

    def drip(connection):
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
            while not ended.wait(0.2):
                connection.sendall(b".")

    threading.Thread(target=dawdle, daemon=True).start()
    port = listening.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    yield
    ended.set()
    listening.close()


def test_a_store_that_dawdles_does_not_keep_us(sandbox, mount_point, dawdling_store):
    started = time.monotonic()
    with pytest.raises(StoreError, match="to answer within 2 s, but it has not"):
        mount(sandbox.source, mount_point, timeout=2)
    assert time.monotonic() - started < 15
    assert nothing_is_left(mount_point)


def test_a_program_that_never_tells_its_version(sandbox, mount_point, fake_program, monkeypatch):
    fake_program("s3fs", "exec sleep 600")
    monkeypatch.setattr("s3_mounts.program.VERSION_LIMIT", 0.5)
    with pytest.raises(SetupError, match=r"timed out.*Put the right one first on PATH"):
        mount(f"{sandbox.source}:/prefix", mount_point)


# -- The mount point -------------------------------------------------------------------------------


def test_a_mount_point_that_is_missing_is_made(sandbox):
    place = sandbox.directory / "not" / "there"
    with mount(sandbox.source, place) as path:
        assert os.listdir(path) == ["air_temp.pp"]
    assert os.listdir(place) == []


def test_a_mount_point_that_was_made_goes_with_an_error(sandbox):
    place = sandbox.directory / "missing"
    with pytest.raises(StoreError):
        mount("no-such-bucket", place)
    assert not place.exists()


def test_a_mount_point_that_cannot_be_made_is_a_clear_error(sandbox):
    (sandbox.directory / "file").touch()
    with pytest.raises(MountPointError, match=r"to make the directory .*file/missing, but: Not a"):
        mount(sandbox.source, sandbox.directory / "file" / "missing")


def test_mount_point_is_a_file(sandbox):
    (sandbox.directory / "file").touch()
    with pytest.raises(MountPointError, match="is a file"):
        mount(sandbox.source, sandbox.directory / "file")


def test_mount_point_is_not_empty(sandbox, mount_point):
    (mount_point / "precious").touch()
    with pytest.raises(MountPointError, match="holds 'precious', which the mount would hide"):
        mount(sandbox.source, mount_point)
    assert (mount_point / "precious").exists()


def test_of_many_at_once_one_mounts_and_the_others_leave_it_alone(sandbox, mount_point):
    def try_to_mount(_):
        try:
            return mount(sandbox.source, mount_point)
        except MountPointError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        tried = list(pool.map(try_to_mount, range(4)))
    (mounted,) = [one for one in tried if not isinstance(one, str)]
    assert len(mount_table.servers(mount_point)) == 1
    assert os.listdir(mount_point) == ["air_temp.pp"]
    mounted.unmount()
    assert all("mounted already" in one for one in tried if one is not mounted)


def test_mount_point_is_mounted_already(sandbox, mount_point):
    with (
        mount(sandbox.source, mount_point),
        pytest.raises(MountPointError, match=r"fuse\.s3fs is mounted already"),
    ):
        mount(sandbox.source, mount_point)
    assert nothing_is_left(mount_point)


def test_what_is_mounted_while_it_is_looked_at_is_told(sandbox, mount_point, monkeypatch):
    """It would be called a directory with files, which the mount would hide."""
    topmost = mount_table.topmost
    # Asked for the first time to see whether the directory is to be made.
    answers = itertools.chain([None, None], iter(lambda: topmost(mount_point), ...))
    with mount(sandbox.source, mount_point):
        monkeypatch.setattr(mount_table, "topmost", lambda _: next(answers))
        with pytest.raises(MountPointError, match=r"fuse\.s3fs is mounted already"):
            mount(sandbox.source, mount_point)
        monkeypatch.undo()
    assert nothing_is_left(mount_point)


def test_no_program(sandbox, mount_point, no_programs):
    with pytest.raises(SetupError, match="expected the program s3fs"):
        mount(sandbox.source, mount_point)


def test_mount_point_is_a_link(sandbox, mount_point):
    link = sandbox.directory / "link"
    link.symlink_to(mount_point)
    with mount(sandbox.source, link) as path:
        assert path == mount_point
        assert os.listdir(link) == ["air_temp.pp"]
    assert nothing_is_left(mount_point)


@pytest.mark.parametrize("name", ["with space", "été", "trailing/"])
def test_mount_point_with_an_unusual_name(sandbox, name):
    (sandbox.directory / name).mkdir()
    with mount(sandbox.source, f"{sandbox.directory}/{name}") as path:
        assert os.listdir(path) == ["air_temp.pp"]


# -- Unmounting ------------------------------------------------------------------------------------


def test_unmount_waits_for_the_process(sandbox, mount_point):
    mount(sandbox.source, mount_point)
    (process,) = mount_table.servers(mount_point)
    unmount(mount_point)
    assert not process.is_running()


def test_unmount_of_what_the_shell_has_mounted(sandbox, mount_point):
    sandbox.shell(f"s3fs {sandbox.source} my_bucket")
    assert len(mount_table.servers(mount_point)) == 1
    unmount(mount_point)
    assert nothing_is_left(mount_point)


def test_unmount_of_nothing(mount_point):
    with pytest.raises(MountPointError, match="found nothing"):
        unmount(mount_point)


def test_unmount_of_something_else():
    with pytest.raises(MountPointError, match="found a file system of type proc"):
        unmount("/proc")


def test_a_busy_mount_names_its_holder(sandbox, mount_point):
    with mount(sandbox.source, mount_point) as path:
        with open(path / "air_temp.pp", "rb"):
            expected = rf"busy.*\n.*process {os.getpid()} \(.*holds {re.escape(str(path))}/air_temp"
            with pytest.raises(UnmountError, match=expected):
                unmount(path, timeout=0.2)
        assert (path / "air_temp.pp").exists(), "it is still mounted"


def test_unmount_waits_for_a_holder_that_goes_away(sandbox, mount_point):
    with mount(sandbox.source, mount_point) as path:
        holder = subprocess.Popen(
            [sys.executable, "-c", f"f = open('{path}/air_temp.pp'); import time; time.sleep(1)"]
        )
        while not mount_table.holders(path):
            time.sleep(0.01)
    assert nothing_is_left(mount_point)
    assert holder.wait() == 0


def test_a_dropped_dataset_does_not_hold_the_mount(sandbox, mount_point):
    """Its file is closed when the garbage is collected, which unmount asks for."""
    with mount(sandbox.source, mount_point) as path:
        cycle = [open(path / "air_temp.pp", "rb")]  # noqa: SIM115
        cycle.append(cycle)
        del cycle
        with pytest.warns(ResourceWarning):
            unmount(path)
        mount(sandbox.source, mount_point)
    assert nothing_is_left(mount_point)


def test_lazy_unmount_detaches_at_once_and_lets_the_holder_read_on(sandbox, mount_point):
    mounted = mount(sandbox.source, mount_point)
    (process,) = mount_table.servers(mount_point)
    with open(mount_point / "air_temp.pp", "rb") as held:
        mounted.unmount(lazy=True)
        assert os.listdir(mount_point) == []
        assert len(held.read()) == 28304
    psutil.wait_procs([process], timeout=10)
    assert nothing_is_left(mount_point)


def test_a_process_that_does_not_end_is_reported(sandbox, mount_point, monkeypatch):
    mount(sandbox.source, mount_point)
    (process,) = mount_table.servers(mount_point)
    monkeypatch.setattr(psutil, "wait_procs", lambda processes, timeout: ([], processes))
    monkeypatch.setattr(mounting, "_has_ended", lambda process: False)
    with pytest.raises(UnmountError, match="still runs after"):
        unmount(mount_point, timeout=1)
    monkeypatch.undo()
    process.wait(timeout=10)
    assert not process.is_running()


def no_question(*_):
    raise AssertionError("the store was asked")


@pytest.mark.parametrize(("ask", "options"), [(False, []), (True, ["ssl_verify_hostname=0"])])
def test_the_store_is_not_asked_where_that_is_not_wanted_or_not_possible(
    sandbox, mount_point, monkeypatch, ask, options
):
    monkeypatch.setattr(store, "require_bucket", no_question)
    with mount(sandbox.source, mount_point, options, ask=ask) as folder:
        assert os.listdir(folder) == ["air_temp.pp"]


def test_a_missing_bucket_that_is_not_asked_for_leaves_nothing(sandbox, mount_point):
    with pytest.raises(MountError):
        mount("no-such-bucket", mount_point, ask=False, timeout=5)
    assert nothing_is_left(mount_point)


@pytest.mark.parametrize("with_mtab", [True, False])
def test_a_mount_that_hangs_is_unmounted_and_reported(
    sandbox, mount_point, tmp_path, with_mtab, monkeypatch
):
    if not with_mtab:
        monkeypatch.setattr(guardian, "MTAB", str(tmp_path / "missing"))
    assert ("umount" in guardian.detach_command(mount_point, lazy=False)) != with_mtab
    mount(sandbox.source, mount_point)
    (server,) = mount_table.servers(mount_point)
    server.suspend()
    try:
        with pytest.raises(UnmountError, match=rf"{server.pid}\) still runs after 1 s.*kill it"):
            unmount(mount_point, timeout=1)
    finally:
        server.kill()
        server.wait(10)
    assert nothing_is_left(mount_point)


def test_unmount_does_not_wait_for_a_parent_that_takes_no_note(sandbox, mount_point):
    """As in a container whose first process is no init."""
    program = f"""
import sys, time
from s3_mounts import mount
mount({sandbox.source!r}, {str(mount_point)!r})
print("mounted", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"mounted\n"
        unmount(mount_point, timeout=10)
        parent.kill()
    assert nothing_is_left(mount_point)


def test_unmount_below_also_ends_what_is_busy(sandbox, mount_point):
    mount(sandbox.source, mount_point)
    held = open(mount_point / "air_temp.pp", "rb")  # noqa: SIM115
    unmount_below(sandbox.directory)
    assert nothing_is_left(mount_point)
    with pytest.raises(OSError, match="not connected"):
        held.close()
