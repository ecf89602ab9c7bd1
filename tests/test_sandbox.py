import os

import boto3
import pytest
from botocore.exceptions import ClientError

from s3_mounts import Sandbox, SandboxError, StoreError, mount, mount_table, start_sandbox
from s3_mounts.sandbox import OWN_BUCKET, stop_all
from s3_mounts.server import Server


def keys(bucket):
    answer = boto3.client("s3").list_objects_v2(Bucket=bucket)
    return [item["Key"] for item in answer.get("Contents", [])]


def test_it_has_a_bucket_with_the_samples_and_an_empty_folder(server):
    with start_sandbox("climate-data", ["air_temp.pp", "GloSea4/ensemble_001.pp"]) as sandbox:
        assert keys("climate-data") == ["GloSea4/ensemble_001.pp", "air_temp.pp"]
        assert sandbox.source == "climate-data"
        assert os.listdir(sandbox.directory) == []
        assert repr(sandbox) == f"<sandbox: climate-data at {server.url}>"


def test_stop_removes_everything_even_a_mount_in_use(server, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "mine")
    before = dict(os.environ)
    sandbox = start_sandbox("climate-data", ["air_temp.pp"])
    (sandbox.directory / "m").mkdir()
    mount(sandbox.source, sandbox.directory / "m")
    held = os.open(sandbox.directory / "m" / "air_temp.pp", os.O_RDONLY)
    sandbox.stop()
    sandbox.stop()
    with pytest.raises(OSError, match="not connected"):
        os.close(held)
    assert not sandbox.directory.exists()
    assert not [p for p in mount_table.mount_points() if p.is_relative_to(server.directory)]
    assert dict(os.environ) == before
    with start_sandbox("climate-data"):
        assert keys("climate-data") == []


def test_stop_all_stops_all(server):
    first, second = start_sandbox("first-bucket"), start_sandbox("second-bucket")
    stop_all()
    assert not first.directory.exists()
    assert not second.directory.exists()


def test_it_starts_and_ends_a_server_of_its_own_where_none_is_shared(monkeypatch):
    monkeypatch.setattr("s3_mounts.server._shared", None)
    with start_sandbox("climate-data") as sandbox:
        folder = sandbox.directory.parent
        assert folder.exists()
    assert not folder.exists()


def test_a_profile_of_the_user_does_not_reach_the_sandbox(server, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_PROFILE", "missing")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with start_sandbox("climate-data", ["air_temp.pp"]):
        assert keys("climate-data") == ["air_temp.pp"]


def test_a_bucket_that_exists_is_a_clear_error(sandbox):
    with pytest.raises(SandboxError, match="no bucket 'climate-data' in the sandbox yet"):
        start_sandbox("climate-data")
    assert keys("climate-data") == ["air_temp.pp"], "the other one is untouched"


@pytest.mark.parametrize("name", ["x", "Has Capitals", ""])
def test_a_bad_name_is_a_clear_error(server, name):
    with pytest.raises(SandboxError, match="expected a name for a bucket, such as 'climate-data'"):
        start_sandbox(name)


def test_an_unknown_sample_is_a_clear_error_and_nothing_is_left(server):
    with pytest.raises(SandboxError, match=r"'air_tmp\.pp'.*found air_temp\.pp"):
        start_sandbox("climate-data", ["air_tmp.pp"])
    with start_sandbox("climate-data"):
        pass


@pytest.fixture
def own_bucket(monkeypatch):
    """A bucket at a store that this package has not started as a sandbox."""
    with Server() as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "my-secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv(OWN_BUCKET, "our-data")
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="our-data")
        s3.put_object(Bucket="our-data", Key="precious", Body=b"x")
        yield "our-data"


def test_own_bucket_is_used_under_a_prefix_that_is_removed(own_bucket):
    with start_sandbox("climate-data", ["air_temp.pp"]) as sandbox:
        assert sandbox.prefix.startswith("climate-data-")
        assert f"{sandbox.prefix}air_temp.pp" in keys(own_bucket)
        assert sandbox.source == f"our-data:/{sandbox.prefix.rstrip('/')}"
        (sandbox.directory / "m").mkdir()
        with mount(sandbox.source, sandbox.directory / "m") as path:
            assert os.listdir(path) == ["air_temp.pp"]
    assert keys(own_bucket) == ["precious"]
    assert not sandbox.directory.exists()


@pytest.mark.parametrize("ability", [Sandbox.traffic, Sandbox.failing])
def test_own_bucket_cannot_be_counted_or_told_to_fail(own_bucket, ability):
    with (
        start_sandbox("climate-data") as sandbox,
        pytest.raises(SandboxError, match=f"{OWN_BUCKET} selects your own bucket 'our-data'"),
        ability(sandbox),
    ):
        pass


def test_files_are_added_and_their_sizes_told_without_the_prefix(own_bucket, tmp_path):
    (tmp_path / "five").write_bytes(b"12345")
    with start_sandbox("climate-data") as sandbox:
        sandbox.add_file(tmp_path / "five")
        sandbox.add_file(tmp_path / "five", "a/b")
        assert sandbox.sizes() == {"a/b": 5, "five": 5}
        assert f"{sandbox.prefix}a/b" in keys(own_bucket)


def test_operations_fail_as_told_and_then_work_again(sandbox):
    s3 = boto3.client("s3")
    with sandbox.failing("PutObject"), pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=sandbox.bucket, Key="x", Body=b"1")
    with sandbox.failing("HeadObject", status=404), pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket=sandbox.bucket, Key="air_temp.pp")
    assert list(sandbox.sizes()) == ["air_temp.pp"]
    s3.put_object(Bucket=sandbox.bucket, Key="x", Body=b"1")
    assert sandbox.sizes()["x"] == 1


def test_own_bucket_with_a_prefix_is_a_clear_error_and_nothing_is_left(
    own_bucket, monkeypatch, tmp_path
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    boto3.client("s3").put_object(Bucket="our-data", Key="mine/x")
    monkeypatch.setenv(OWN_BUCKET, "our-data:/mine")
    with pytest.raises(SandboxError, match=r"without a prefix, found 'our-data:/mine'"):
        start_sandbox("climate-data")
    assert list(tmp_path.iterdir()) == []


def test_own_bucket_that_is_missing_is_a_clear_error(own_bucket, monkeypatch):
    monkeypatch.setenv(OWN_BUCKET, "no-such-bucket")
    with pytest.raises(StoreError, match="'no-such-bucket'"):
        start_sandbox("climate-data")
