import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import time

import botocore.client
import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError
from psutil import process_iter

from s3_mounts import mount, mount_table
from s3_mounts.doctor import Result
from s3_mounts.errors import SetupError
from s3_sandbox import sandbox as sandbox_module
from s3_sandbox import start_sandbox
from s3_sandbox.conformance import store_check as checking
from s3_sandbox.conformance.operations import TRIALS
from s3_sandbox.conformance.runner import Compared
from s3_sandbox.conformance.store_check import NEEDED, SANDBOX_LIMITS, check
from s3_sandbox.sandbox import OWN_BUCKET

STEPS = [
    "store",
    "credentials",
    "list",
    "put, get, delete",
    "keys",
    "byte ranges",
    "byte ranges from the end",
    "copy",
    "multipart upload",
    "parts that are copied",
    "mount",
    "read",
    "Iris loads",
    "Iris saves",
    "sizes",
    "file operations",
    "unmount",
    "clean up",
]


@pytest.fixture
def no_operations(monkeypatch):
    """Leave out what takes long and is tried elsewhere."""
    monkeypatch.setattr(checking, "begin_operations", begun(lambda *_, **__: []))
    monkeypatch.setattr(checking, "check_operations", lambda *_, **__: [])


def begun(compared):
    """Have it ready what a function compares, as if it had been under way."""

    @contextlib.contextmanager
    def begin(here, there, **how):
        found = compared(here, there, **how)
        yield lambda: found

    return begin


def test_the_sandbox_passes(server):
    results = list(check())
    assert [str(result) for result in results if not result.passed] == []
    assert [result.subject for result in results if result.verdict == "ok"] == STEPS
    assert list(checking.STEPS) == STEPS
    notes = {result.subject for result in results if result.verdict == "note"}
    assert {"hard link", "inode numbers"} <= notes <= set(SANDBOX_LIMITS)
    assert not [p for p in mount_table.mount_points() if p.is_relative_to(server.directory)]


def test_the_trials_that_are_named_exist():
    assert set(TRIALS) >= NEEDED
    assert set(SANDBOX_LIMITS) <= set(TRIALS)
    assert not NEEDED & set(SANDBOX_LIMITS)


@pytest.mark.parametrize(
    ("operation", "wrong"),
    [
        ("UploadPartCopy", ["parts that are copied"]),
        ("CopyObject", ["copy"]),
        ("DeleteObject", ["put, get, delete", "sizes"]),
        ("CompleteMultipartUpload", ["multipart upload", "parts that are copied", "sizes"]),
    ],
)
def test_what_the_store_cannot_do_fails_and_the_rest_goes_on(
    server, no_operations, operation, wrong
):
    server.fail({operation: 403})
    try:
        results = list(check())
    finally:
        server.fail({})
    assert [result.subject for result in results if not result.passed] == wrong
    assert results[-1].subject == "clean up"
    assert re.search("Forbidden|AccessDenied", results[STEPS.index(wrong[0])].found)


def test_content_that_is_not_what_was_stored_fails(server, no_operations, monkeypatch):
    monkeypatch.setattr(checking._Store, "get", lambda self, key: b"something else")
    found = {result.subject: result for result in check() if not result.passed}
    assert list(found) == [
        "put, get, delete",
        "keys",
        "multipart upload",
        "parts that are copied",
        "Iris saves",
        "sizes",
    ]
    assert found["put, get, delete"].found == (
        "an object is not as it was written: expected 7 bytes, found 14"
    )


def test_a_store_that_answers_ranges_with_everything_fails(server, no_operations, monkeypatch):
    make = sandbox_module.bound_client

    def deaf(*arguments):
        client = make(*arguments)
        get = client.get_object
        client.get_object = lambda Range="", **place: get(**place)  # noqa: N803
        return client

    monkeypatch.setattr(sandbox_module, "bound_client", deaf)
    wrong = {result.subject: result for result in check() if not result.passed}
    assert [subject for subject, result in wrong.items() if result.required] == ["byte ranges"]
    assert str(wrong["byte ranges"]) == (
        "fails   byte ranges: the range 10-19 of 100 is not as it was written: expected 10 bytes,"
        " found 100"
    )


def test_options_reach_the_mount_and_what_needs_one_is_skipped(server, no_operations):
    found = {result.subject: result for result in check(["no_such_option"])}
    assert found["mount"].verdict == "fails"
    assert "no_such_option" in found["mount"].found
    assert found["all that is done on a mount"].verdict == "skipped"
    assert found["multipart upload"].passed
    assert found["clean up"].passed


def test_a_store_that_cannot_be_used_is_one_line(monkeypatch, server):
    monkeypatch.setenv(OWN_BUCKET, "our-data")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "my-secret")
    (result,) = check()
    assert (result.verdict, result.subject) == ("fails", "bucket")
    assert "cannot be reached" in result.found
    assert "my-secret" not in result.found


@pytest.fixture
def own_bucket(sandbox):
    """A bucket on the sandbox's server that a check takes for one of the reader's own."""
    with start_sandbox("our-data") as own:
        yield own


def test_a_store_that_refuses_the_first_upload_is_one_line_and_nothing_is_left(own_bucket):
    with own_bucket.failing("PutObject"):
        (result,) = check(bucket=own_bucket.bucket)
    assert (result.verdict, result.subject) == ("fails", "bucket")
    assert "AccessDenied" in result.found
    assert own_bucket.sizes() == {}


def test_an_upload_that_is_refused_later_is_one_line_and_nothing_is_left(own_bucket, monkeypatch):
    make = sandbox_module.bound_client

    def refuse(*_, **__):
        raise S3UploadFailedError("refused, MissingContentLength")

    def refusing(*arguments):
        client = make(*arguments)
        client.upload_file = refuse
        return client

    monkeypatch.setattr(sandbox_module, "bound_client", refusing)
    (result,) = check(bucket=own_bucket.bucket)
    assert (result.verdict, result.subject) == ("fails", "bucket")
    assert "MissingContentLength" in result.found
    assert own_bucket.sizes() == {}


def test_a_store_that_makes_a_file_of_a_folder_is_one_line_and_nothing_is_left(
    own_bucket, monkeypatch
):
    """As ``rclone serve s3`` does."""
    call = botocore.client.BaseClient._make_api_call

    def without_slash(self, operation, arguments):
        if operation == "PutObject":
            arguments = arguments | {"Key": arguments["Key"].rstrip("/")}
        return call(self, operation, arguments)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", without_slash)
    (result,) = check(bucket=own_bucket.bucket)
    assert "this store has no folders for s3fs" in result.found
    assert own_bucket.sizes() == {}


@pytest.fixture
def asked(monkeypatch):
    """A function that has the store answer something else to some requests of boto3."""
    call = botocore.client.BaseClient._make_api_call

    def answer(operation, change):
        def changed(self, name, given):
            found = call(self, name, given)
            return change(given, found) if name == operation else found

        monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", changed)

    return answer


def steps(own_bucket, options=()):
    """Try what needs no mount, and tell what is not as it should be and whether that matters."""

    def no_program():
        raise SetupError("there is none")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checking, "find_s3fs", no_program)
        found = {result.subject: result for result in check(options, bucket=own_bucket.bucket)}
    assert not found.pop("mount").passed
    assert not found.pop("all that is done on a mount").passed
    return {subject: result for subject, result in found.items() if not result.passed}


def test_a_store_that_answers_a_range_with_status_200_and_its_bytes_is_as_good(own_bucket, asked):
    def whole(given, found):
        found["ResponseMetadata"]["HTTPStatusCode"] = 200
        if "Range" in given:
            del found["ContentRange"]
        return found

    asked("GetObject", whole)
    wrong = steps(own_bucket)
    assert list(wrong) == ["byte ranges from the end"]
    assert not wrong["byte ranges from the end"].required


def test_a_range_with_other_bytes_is_wrong(own_bucket, asked):
    def others(given, found):
        if given.get("Range") == "bytes=10-19":
            found["Body"] = io.BytesIO(b"0123456789")
        return found

    asked("GetObject", others)
    assert [s for s, result in steps(own_bucket).items() if result.required] == ["byte ranges"]


def test_the_case_of_metadata_names_is_no_matter(own_bucket, asked):
    def capitals(given, found):
        metadata = {name.title(): value for name, value in found["Metadata"].items()}
        return found | {"Metadata": metadata}

    asked("HeadObject", capitals)
    assert steps(own_bucket) == {}


@pytest.mark.parametrize(
    ("options", "required"),
    [([], True), (["nocopyapi"], False), (["ro,nomultipart"], False), (["norenameapi"], True)],
)
def test_copied_parts_are_required_where_s3fs_copies_parts(own_bucket, options, required):
    with own_bucket.failing("UploadPartCopy"):
        wrong = steps(own_bucket, options)
    assert [result.required for result in wrong.values()] == [required]


def test_a_step_that_gets_no_answer_has_a_limit(own_bucket, asked, monkeypatch):
    def dawdle(given, found):
        time.sleep(2)
        return found

    monkeypatch.setattr(checking, "_ANSWER_LIMIT", 0.5)
    asked("CopyObject", dawdle)
    assert "no answer in 0.5 s" in steps(own_bucket)["copy"].found


def late(store, before):
    def step():
        before()
        time.sleep(0.5)
        store.s3.put_object(**store.place("late"), Body=b"x")

    return step


def test_a_step_that_is_interrupted_stores_nothing_afterwards(sandbox):
    store = checking._Store(sandbox)
    interrupt = late(store, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        store.in_time("late", interrupt, required=True)
    time.sleep(1)
    assert "late" not in sandbox.sizes()
    store.s3.put_object(**store.place("late"), Body=b"x")  # as who cleans up may go on


def test_a_step_that_is_late_stores_nothing_afterwards(sandbox, monkeypatch):
    monkeypatch.setattr(checking, "_ANSWER_LIMIT", 0.1)
    store = checking._Store(sandbox)
    assert not store.in_time("late", late(store, lambda: None), required=True).passed
    time.sleep(1)
    assert "late" not in sandbox.sizes()


def test_a_step_that_was_given_up_still_ends_its_upload(sandbox):
    store = checking._Store(sandbox)

    def step():
        with store._upload("late"):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)
            store.get("air_temp.pp")

    with pytest.raises(KeyboardInterrupt):
        store.in_time("late", step, required=True)
    assert "Uploads" not in store.s3.list_multipart_uploads(Bucket=sandbox.bucket)


def test_what_is_left_is_told_and_is_not_the_fault_of_the_store(own_bucket, asked):
    def refuse(given, found):
        answer = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(answer, "ListObjectVersions")

    asked("ListObjectVersions", refuse)
    wrong = steps(own_bucket)
    assert "perhaps versions, which cannot be listed" in wrong["clean up"].found
    assert not wrong["clean up"].required


def test_an_answer_that_is_not_one_of_s3_is_told_as_one(own_bucket, asked):
    asked("CopyObject", lambda given, found: found["Nothing"])
    assert "an answer that is not one of S3: KeyError" in steps(own_bucket)["copy"].found


def test_the_bucket_to_check_is_named_without_the_environment(own_bucket, no_operations):
    before = dict(os.environ)
    with contextlib.closing(check(bucket=own_bucket.bucket)) as results:
        next(results)
        assert OWN_BUCKET not in os.environ
        assert [key for key in own_bucket.sizes() if key.startswith("s3-mounts-check-")]
    assert own_bucket.sizes() == {}
    assert dict(os.environ) == before


def test_a_check_that_is_broken_off_leaves_nothing(server):
    results = check()
    for result in results:
        if result.subject == "mount":
            break
    assert [p for p in mount_table.mount_points() if p.is_relative_to(server.directory)]
    results.close()
    assert not [p for p in mount_table.mount_points() if p.is_relative_to(server.directory)]
    assert OWN_BUCKET not in os.environ


def test_a_mount_that_does_not_answer_is_ended_in_time(sandbox, mount_point, monkeypatch):
    monkeypatch.setattr(checking, "_TIME_LIMIT", 1)
    mount(sandbox.source, mount_point)
    (process,) = mount_table.servers(mount_point)
    process.send_signal(signal.SIGSTOP)
    result = checking._on_mount("read", (mount_point / "air_temp.pp").read_text, mount_point)
    assert (result.verdict, result.subject) == ("fails", "read")
    assert result.found.startswith("no answer in 1 s, then: ")
    assert "air_temp" in result.found
    assert not mount_table.servers(mount_point)
    mount_table.abandon(mount_point)


HANGS = """
import os, signal, sys
from s3_mounts import mount_table
from s3_sandbox import __main__
from s3_sandbox.conformance import store_check

def hang(here):
    mount_table.servers(here)[0].send_signal(signal.SIGSTOP)
    print("hangs", flush=True)
    os.listdir(here)

store_check._read = hang
sys.argv = ["s3-sandbox", "check"]
sys.exit(__main__.main())
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_check_that_hangs_ends_at_a_signal_and_leaves_nothing(tmp_path, monkeypatch, ending):
    """And not only when the time of the step is over."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    started = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", HANGS], stdout=subprocess.PIPE, text=True) as run:
        said = "".join(iter(run.stdout.readline, "hangs\n"))
        run.send_signal(ending)
        said, _ = run.communicate(timeout=checking._TIME_LIMIT)
    assert time.monotonic() - started < checking._TIME_LIMIT
    assert run.returncode == 130
    assert said.startswith("\nInterrupted.")
    assert os.listdir(tmp_path) == []
    assert not [p for p in mount_table.mount_points() if p.is_relative_to(tmp_path)]
    commands = [" ".join(process.info["cmdline"] or ()) for process in process_iter(["cmdline"])]
    assert not [command for command in commands if str(tmp_path) in command]


def test_an_operation_that_only_the_sandbox_can_do_is_named(server, monkeypatch):
    def compared(here, there, **_):
        return [
            Compared("fails", "hard link", "no", on_disk="yes"),
            Compared("fails", "inode numbers", "no", on_disk="yes"),
            Compared("differs", "create a file", "no", on_disk="yes"),
        ]

    monkeypatch.setattr(checking, "begin_operations", begun(compared))
    monkeypatch.setattr(checking, "check_operations", compared)
    found = {result.subject: result for result in check()}
    assert str(found["hard link"]) == "note    hard link: fails, as on the sandbox: no"
    assert str(found["inode numbers"]) == "fails   inode numbers: no"
    assert not found["inode numbers"].required
    assert str(found["create a file"]) == "differs create a file: no; on a disk: yes"
    assert found["create a file"].required


def test_what_goes_wrong_beside_others_is_tried_again_alone(server, monkeypatch):
    asked = []

    def compared(here, there, kinds=None, at_once=1, **_):
        asked.append((kinds, at_once))
        found = "0 sent again" if kinds else "1 sent again"
        return [
            Compared("fails", "hard link", "no", on_disk="yes", kind="names"),
            Compared("differs", "create a file", "no", on_disk="yes", kind="content"),
            Compared("works" if kinds else "differs", "rsync", found, kind="tools"),
        ]

    monkeypatch.setattr(checking, "begin_operations", begun(compared))
    monkeypatch.setattr(checking, "check_operations", compared)
    found = {result.subject: result for result in check()}
    assert asked == [(None, checking._AT_ONCE), ({"content", "tools"}, 1)]
    assert str(found["create a file"]) == "differs create a file: no; on a disk: yes"
    assert "rsync" not in found
    assert "works 1, differs 1, fails 1, untried 0" in str(found["file operations"])


def test_what_hangs_fails_and_the_rest_ends(server, no_operations, monkeypatch):
    def hang(here):
        (process,) = mount_table.servers(here)
        process.send_signal(signal.SIGSTOP)
        return str(os.listdir(here))

    monkeypatch.setattr(checking, "_TIME_LIMIT", 1)
    monkeypatch.setattr(checking, "_read", hang)
    wrong = [result.subject for result in check() if not result.passed]
    assert wrong[:2] == ["read", "Iris loads"]
    assert "clean up" not in wrong
    assert not [p for p in mount_table.mount_points() if p.is_relative_to(server.directory)]


def test_marks():
    assert str(Result("ok", "a", "b")) == "ok      a: b"
    assert Result("note", "a", "b").passed
    assert not Result("skipped", "a", "b").passed
