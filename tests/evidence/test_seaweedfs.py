"""The check and a lesson on a store that is not the sandbox's: SeaweedFS, written in Go."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from proof.project import ROOT
from proof.seaweedfs import KEY, SECRET, seaweedfs
from s3_mounts import mount_table

CHECK = [sys.executable, "-m", "s3_sandbox", "check"]
LESSON = ROOT / "tutorials/1_first_steps/1_your_first_bucket.py"
BUCKET = "our-data"
THEIRS = {"precious": b"theirs", "s3-mounts-check-of-others/x": b"also theirs"}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """SeaweedFS, and a client that is past all that is tested."""
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs"), BUCKET) as s3:
        for key, content in THEIRS.items():
            s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        yield s3


@pytest.fixture
def environment(store, tmp_path):
    """What a reader sets to use this store, with the keys in a profile."""
    credentials = tmp_path / "credentials"
    credentials.write_text(
        f"[facility]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    )
    (tmp_path / "tmp").mkdir()
    ours = {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_PROFILE": "facility",
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "MPLBACKEND": "agg",
        "S3_MOUNTS_BUCKET": BUCKET,
        "S3_MOUNTS_ENDPOINT_URL": store.meta.endpoint_url,
        "TMPDIR": str(tmp_path / "tmp"),
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    yield others | ours
    left = {
        item["Key"]: store.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
        for item in store.list_objects_v2(Bucket=BUCKET)["Contents"]
    }
    assert left == THEIRS, "it has removed something, or left something"
    assert "Uploads" not in store.list_multipart_uploads(Bucket=BUCKET)
    assert os.listdir(tmp_path / "tmp") == []
    assert not [p for p in mount_table.mount_points() if p.is_relative_to(tmp_path)]


def run(command, environment):
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert SECRET not in ended.stdout + ended.stderr
    return ended


def test_the_check_says_what_works_on_seaweedfs(environment, store):
    ended = run(CHECK, environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0].startswith(f"Your bucket {BUCKET} at {store.meta.endpoint_url} is used.")
    assert "answers, and gives its name as SeaweedFS" in lines[2]
    passed = [line[8:].partition(":")[0] for line in lines if line.startswith("ok ")]
    assert passed[0] == "store"
    assert passed[-1] == "clean up"
    assert len(passed) == 18
    wrong = {line[8:].partition(":")[0] for line in lines if re.match("differs|fails", line)}
    # It takes \ for /, and cannot copy an object whose key ends with /, as that of a folder does.
    tried = {"rsync -a, 10 files"} if shutil.which("rsync") else set()
    assert wrong - {"tar -x, 10 files"} == tried | {
        "odd characters",
        "date of a changed folder",
        "cp -p, 10 files",
    }
    assert "All required works." in lines
    assert lines[-1].startswith("Not as on the sandbox: odd characters; date of a changed folder;")


def test_the_check_refuses_keys_that_the_store_refuses(environment):
    keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": f"not-{SECRET}"}
    ended = run(CHECK, environment | keys)
    assert ended.returncode == 1
    assert re.match("fails   bucket: .*It refuses these credentials", ended.stdout)
    assert ended.stdout.endswith("Required, but wrong: bucket\n")


@pytest.mark.parametrize("after", ["store", "mount", "sizes"])
def test_a_check_that_is_interrupted_leaves_nothing(environment, after):
    # Where these tests run in the background, they were told to ignore Ctrl-C.
    command = ["env", "--default-signal=INT", *CHECK]
    check = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    for line in check.stdout:
        if line.startswith(f"ok      {after}:"):
            time.sleep(0.3)  # into what comes next: after the sizes, file operations
            break
    check.send_signal(signal.SIGINT)
    said, _ = check.communicate(timeout=60)
    assert check.returncode == 130
    assert "Interrupted. What was written has been removed" in said


def test_a_bucket_can_be_named_in_the_command(environment):
    del environment["S3_MOUNTS_BUCKET"]
    ended = run([*CHECK, "--bucket", "no-such-bucket"], environment)
    assert ended.returncode == 1
    assert "expected the bucket 'no-such-bucket'" in ended.stdout


SAVE = """
import iris
from s3_mounts import mount, save_cube
from s3_sandbox import start_sandbox

iris.FUTURE.save_split_attrs = True
with start_sandbox("results", ["air_temp.pp"]) as sandbox:
    mount_point = sandbox.directory / "my_bucket"
    mount_point.mkdir()
    with mount(sandbox.source, mount_point) as bucket:
        cube = iris.load_cube(bucket / "air_temp.pp")
        for ending in ("nc", "pp"):
            save_cube(cube, bucket / f"saved.{ending}")
            print(ending, abs(iris.load_cube(bucket / f"saved.{ending}").data - cube.data).max())
"""


def test_cubes_are_saved_on_seaweedfs(environment):
    ended = run([sys.executable, "-c", SAVE], environment)
    assert ended.stdout.splitlines()[2:] == ["nc 0.0", "pp 0.0"], ended.stderr


def test_a_lesson_runs_on_seaweedfs(environment):
    ended = run([sys.executable, LESSON], environment)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(f"Your bucket {BUCKET} at http://127.0.0.1:")
    assert ended.stdout.count("is used.") == 1
    assert "Lazy before it is drawn: True" in ended.stdout
