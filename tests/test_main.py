import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import sys

import pytest

from proof.project import ROOT
from s3_mounts import mount_table

COMMAND = [sys.executable, "-m", "s3_mounts"]
SANDBOX = [sys.executable, "-m", "s3_sandbox"]


def test_doctor_succeeds_here():
    ended = subprocess.run([*COMMAND, "doctor"], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "ok      s3fs: version" in ended.stdout


def test_doctor_fails_where_the_program_is_missing(no_programs):
    ended = subprocess.run([*COMMAND, "doctor"], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "MISSING s3fs: expected the program s3fs" in ended.stdout


@pytest.mark.parametrize("name", ["mounts", "sandbox"])
def test_what_is_written_about_a_command_is_about_one_that_there_is(name):
    helped = subprocess.run([sys.executable, "-m", f"s3_{name}", "-h"], capture_output=True)
    commands = set(re.findall(r"(?m)^    (\w+) ", helped.stdout.decode()))
    assert commands
    files = [*ROOT.glob("*.md"), *ROOT.glob("src/*/*.py"), *ROOT.glob("tutorials/*/*.py")]
    files += [path for path in ROOT.glob("docs/**/*.rst") if "tutorials" not in path.parts]
    used = {
        word
        for path in files
        for word in re.findall(rf"(?:\$ |`|python -m )s3[-_]{name} (\w+)", path.read_text())
    }
    assert used
    assert used <= commands


def test_install_has_nothing_to_do_here():
    ended = subprocess.run([*SANDBOX, "install"], capture_output=True, text=True)
    assert ended.returncode == 0
    assert ended.stdout.startswith("installed: s3fs")


def test_install_all_has_nothing_to_do_here():
    ended = subprocess.run([*SANDBOX, "install", "--all"], capture_output=True, text=True)
    assert ended.returncode == 0
    assert ended.stdout.startswith("installed: s3fs, curl, findmnt, ")


def test_install_that_is_not_possible_fails_with_the_command(no_programs):
    ended = subprocess.run([*SANDBOX, "install"], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("s3-sandbox: expected on PATH, found none: s3fs.")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_sandbox_can_be_used_and_leaves_nothing(ending):
    sandbox = subprocess.Popen([*SANDBOX, "sandbox"], stdout=subprocess.PIPE, text=True)
    said = "".join(
        iter(
            sandbox.stdout.readline,
            "Press Ctrl-C to end. Everything in the sandbox goes with it.\n",
        )
    )
    mount_point = re.search(r"ls -l (\S+)", said)[1]
    assert sorted(os.listdir(mount_point)) == ["GloSea4", "air_temp.pp", "ostia_monthly.nc"]
    sandbox.send_signal(ending)
    rest, _ = sandbox.communicate(timeout=30)
    assert sandbox.returncode == 0
    assert "Ending the sandbox." in rest
    assert mount_point not in map(str, mount_table.mount_points())
    assert not os.path.exists(mount_point)


INTERRUPTED = """
import sys
from s3_sandbox import __main__
from s3_sandbox.conformance.store_check import Result

def check(options, bucket):
    yield Result("ok", "a", "b")
    exec("raise KeyboardInterrupt")

__main__.check = check
sys.argv = ["s3-sandbox", "check"]
sys.exit(__main__.main())
"""


def test_a_check_that_is_interrupted_anywhere_ends_with_130(tmp_path):
    """Python 3.13 ended by the signal."""
    (tmp_path / "program.py").write_text(INTERRUPTED)
    command = [sys.executable, "-m", "program"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 130, ended.stderr
    assert "Interrupted." in ended.stdout


TWO = """
import sys
from s3_sandbox import __main__
from s3_sandbox.conformance.store_check import Result

__main__.STEPS = ["store", "list"]
__main__.check = lambda options, bucket: (Result("ok", name, "yes") for name in __main__.STEPS)
sys.argv = ["s3-sandbox", "check", "--bucket", "our-data"]
sys.exit(__main__.main())
"""


def test_a_check_says_on_a_terminal_what_is_left():
    ours, terminal = pty.openpty()
    ended = subprocess.run([sys.executable, "-c", TWO], stdout=terminal)
    os.close(terminal)
    shown = b""
    # What was written may come in parts; the end of a terminal is an error.
    with contextlib.suppress(OSError):
        while part := os.read(ours, 1000):
            shown += part
    os.close(ours)
    assert ended.returncode == 0
    assert shown.decode().splitlines(keepends=True) == [
        *("2 left: store; list\r", "\033[Kok      store: yes\r\n"),
        *("1 left: list\r", "\033[Kok      list: yes\r\n"),
        *("\r", "\033[KAll required works.\r\n"),
    ]
    ended = subprocess.run([sys.executable, "-c", TWO], capture_output=True, text=True)
    assert ended.stdout == "ok      store: yes\nok      list: yes\nAll required works.\n"


def test_sandbox_does_not_take_a_bucket_of_the_readers_own(monkeypatch):
    monkeypatch.setenv("S3_MOUNTS_BUCKET", "our-data")
    ended = subprocess.run([*SANDBOX, "sandbox"], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "S3_MOUNTS_BUCKET selects your own bucket" in ended.stderr


def test_sandbox_on_a_taken_port_is_a_clear_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [*SANDBOX, "sandbox", "--port", port], capture_output=True, text=True
        )
    assert ended.returncode == 1
    assert f"port {port}" in ended.stderr
    assert "Traceback" not in ended.stderr
