"""A secret of the user's is in nothing that is written, said, or on a command line."""

import io
import os
import subprocess
import sys
import time

import boto3
import psutil
import pytest

from s3_mounts import mounting
from s3_sandbox.sandbox import OWN_BUCKET

SECRET = "plantedSecret/0123456789abcdefghijklmno+"
TOKEN = "plantedToken0123456789abcdefghijklmnopqrstuvwxyz"

USE = """
import sys, traceback
from s3_mounts import mount
from s3_sandbox import shell, start_sandbox
from s3_mounts.doctor import examine

print(*examine(), sep="\\n")
with start_sandbox("lesson", ["air_temp.pp"]) as sandbox:
    print(sandbox)
    place = sandbox.directory / "m"
    place.mkdir()
    options = ["dbglevel=debug", f"logfile={sys.argv[1]}/s3fs.log"]
    with mount(sandbox.source, place, options) as bucket:
        (bucket / "new.txt").write_text("new")
        print(*bucket.iterdir())
    for source, options in [
        ("no-such-bucket", []),
        (f"{sandbox.bucket}:/no-such-prefix", []),
        (sandbox.source, ["no_such_option"]),
        (sandbox.source, ["passwd_file=/etc/passwd", "dbglevel=debug"]),
        (sandbox.source, ["curldbg", "dbglevel=debug", "nonempty", "retries=-1", "profile=none"]),
    ]:
        try:
            mount(source, place, options)
        except Exception:
            traceback.print_exc()
    try:
        shell("s3fs no-such-bucket m -f -o dbglevel=debug", directory=sandbox.directory, status=1)
    except Exception:
        traceback.print_exc()
    if "crash" in sys.argv:
        raise RuntimeError("the lesson fails")
"""


@pytest.fixture
def environment(sandbox, tmp_path, monkeypatch):
    """Variables of a user with a bucket of their own, and secrets that can be found again."""
    bucket = boto3.resource("s3").Bucket("my-own-bucket")
    bucket.create()
    for name in ("work", "home", "tmp"):
        (tmp_path / name).mkdir()
    yield os.environ | {
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": TOKEN,
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        OWN_BUCKET: "my-own-bucket",
    }
    bucket.objects.delete()
    bucket.delete()


def command_lines(process):
    """Collect the command lines of a process and of those below it until it has ended."""
    found = set()
    while process.poll() is None:
        for one in psutil.process_iter():
            try:
                found.add(" ".join(one.cmdline()))
            except psutil.Error:
                continue
        time.sleep(0.01)
    return found


@pytest.mark.parametrize("way", ["", "crash"])
def test_a_secret_is_neither_written_nor_said_nor_on_a_command_line(environment, tmp_path, way):
    work = tmp_path / "work"
    with (work / "said").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", USE, work, way],
            env=environment,
            cwd=work,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        lines = command_lines(process)
    words = (work / "said").read_text()
    assert "no_such_option" in words, words
    assert process.returncode == (1 if way else 0), words
    assert (work / "s3fs.log").stat().st_size > 1000
    assert any("my-own-bucket" in line for line in lines)
    for secret in (SECRET, TOKEN):
        assert not [line for line in lines if secret in line]
        for path in filter(os.path.isfile, tmp_path.rglob("*")):
            assert secret.encode() not in path.read_bytes(), path


def test_what_s3fs_says_is_passed_on_without_what_it_sends_as_a_secret():
    said = f"> X-Amz-Security-Token: {TOKEN}\n> authorization: AWS {SECRET}\n> x: y"
    words = mounting._words(io.BytesIO(said.encode()))
    assert TOKEN not in words
    assert SECRET not in words
    assert "> x: y" in words
