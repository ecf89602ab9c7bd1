"""What the public functions do with names, paths, addresses and options that nobody expects."""

import contextlib
import os
import re
import secrets

import boto3
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from s3_mounts import S3MountsError, StoreError, mount, mount_table
from s3_mounts.credentials import find_credentials
from s3_mounts.guardian import VARIABLE
from s3_mounts.options import endpoint_url, option_values, split_source
from s3_mounts.program import s3fs_version
from s3_mounts.store import require_bucket
from s3_sandbox.traffic import access_key, operation_name

PRINTABLE = st.characters(exclude_categories=["Cs", "Cc"])
NO_NUL = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXT = st.text(NO_NUL, max_size=40)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1)
NAMES = NAMES.filter(lambda name: name not in (".", "..") and len(os.fsencode(name)) < 200)

few = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(source=TEXT)
@example(source=":/prefix")
@example(source="bucket:///")
def test_a_source_is_split_or_refused(source):
    with contextlib.suppress(StoreError):
        bucket, prefix = split_source(source)
        assert bucket
        assert not set("/:") & set(bucket)
        assert prefix == prefix.strip("/")
        assert source.startswith(bucket)


@given(url=TEXT | st.from_regex(r"(https?|ftp)://[^\0]{0,20}", fullmatch=True))
@example(url="http://[::1")
@example(url="http://store:99999")
def test_an_address_is_taken_or_refused(url):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", url)
        with contextlib.suppress(StoreError):
            assert endpoint_url() in (url, None)


@given(text=TEXT | st.from_regex(r"(([a-z]{0,3}:){0,3}[a-z]{0,3}(=x)?\n){0,4}", fullmatch=True))
@example(text="AWSAccessKeyId=\nAWSSecretKey=\n")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_password_file_is_understood_or_refused(tmp_path, text):
    file = tmp_path / "key"
    file.write_text(text)
    with contextlib.suppress(StoreError):
        _, found = find_credentials("climate-data", {"passwd_file": str(file)})
        assert found.access_key
        assert found.secret_key


@given(text=TEXT)
def test_of_an_option_that_is_given_twice_the_last_counts(text):
    assert option_values([f"a=b,{text}", "a=c"])["a"] == "c"


@few
@given(source=TEXT)
@example(source="climate-data:/" + "x" * 2000)
def test_a_bucket_that_nobody_has_is_an_error_of_ours(sandbox, source):
    assume(source.partition(":")[0] != sandbox.bucket or ":/x" in source)
    with pytest.raises(StoreError):
        require_bucket(source, sandbox.endpoint, timeout=10)


@given(method=TEXT, key=TEXT, query=TEXT)
def test_any_request_has_a_name(method, key, query):
    assert isinstance(operation_name(method, key, query), str)


@given(authorization=TEXT, query=TEXT)
def test_any_signature_can_be_read(authorization, query):
    assert isinstance(access_key(authorization, query), str)


@few
@given(key=st.text(PRINTABLE, min_size=1, max_size=60))
def test_any_key_comes_back(sandbox, tmp_path, key):
    (tmp_path / "file").write_bytes(b"content")
    sandbox.add_file(tmp_path / "file", key)
    assert sandbox.sizes()[key] == 7
    boto3.client("s3").delete_object(Bucket=sandbox.bucket, Key=key)


@few
@given(name=NAMES)
@example(name=" ")
@example(name="back\\slash")
@example(name="new\nline\tand tab")
@example(name="return\r")
@example(name="-o")
@example(name="#hash, comma: colon")
@example(name="été 🌍")
def test_any_directory_can_be_mounted_on_and_unmounted(sandbox, name):
    directory = sandbox.directory / secrets.token_hex(8) / name
    directory.mkdir(parents=True)
    with mount(sandbox.source, directory) as mounted:
        assert os.listdir(mounted) == ["air_temp.pp"]
        (server,) = mount_table.servers(mounted)
        assert VARIABLE in server.environ()
    assert not mount_table.topmost(mounted)
    directory.rmdir()


@few
@given(option=st.text(PRINTABLE, max_size=20))
@example(option="")
@example(option="no_such_option=1")
@example(option="parallel_count=-1")
@example(option="stat_cache_expire=often")
def test_any_option_is_taken_or_refused(sandbox, mount_point, option):
    """Options with an address or a file in them would lead elsewhere."""
    assume(not re.match(r"\s*(url|host|logfile|passwd_file|use_cache|tmpdir)", option))
    with (
        contextlib.suppress(S3MountsError),
        mount(sandbox.source, mount_point, [option], timeout=10) as mounted,
    ):
        assert os.listdir(mounted) == ["air_temp.pp"]
    assert not mount_table.topmost(mount_point)
    assert not mount_table.servers(mount_point)


@given(answer=st.text(PRINTABLE, max_size=80))
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_program_that_is_not_s3fs_is_refused(tmp_path, answer):
    folder = tmp_path / secrets.token_hex(4)
    folder.mkdir()
    (folder / "answer").write_text(answer)
    program = folder / "s3fs"
    program.write_text('#!/bin/sh\ncat "$(dirname "$0")/answer"\n')
    program.chmod(0o755)
    with pytest.raises(S3MountsError, match="to be the program of s3fs-fuse"):
        s3fs_version(program)
