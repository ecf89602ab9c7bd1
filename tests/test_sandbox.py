import os
import re
import subprocess
import sys
import tempfile

import boto3
import botocore.client
import pytest
from botocore.exceptions import ClientError

from s3_mounts import StoreError, mount, mount_table
from s3_sandbox import Sandbox, SandboxError, start_sandbox
from s3_sandbox.data import use_packaged_coastlines
from s3_sandbox.folders import bound_client, remove_prefix, what_is_left, what_will_stay
from s3_sandbox.sandbox import OWN_BUCKET, OWN_ENDPOINT, _own_store, stop_all
from s3_sandbox.server import Server


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
    use_packaged_coastlines()  # They stay after a sandbox.
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
    monkeypatch.setattr("s3_sandbox.server._shared", None)
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
def own_bucket(monkeypatch, tmp_path):
    """A bucket at a store that this package has not started as a sandbox."""
    with Server() as store:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "my-secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv(OWN_BUCKET, "our-data")
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="our-data")
        s3.put_object(Bucket="our-data", Key="precious", Body=b"x")
        yield "our-data"


@pytest.fixture
def own_profile(monkeypatch, tmp_path):
    """A profile that has the keys and the address, and no keys in the environment."""
    with Server() as store:
        config, secret = tmp_path / "config", tmp_path / "credentials"
        config.write_text(f"[profile mine]\nendpoint_url = {store.url}\nregion = us-east-1\n")
        secret.write_text(
            "[mine]\naws_access_key_id = my-key\naws_secret_access_key = my-secret\n"
            "aws_session_token = my-token\n"
        )
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        for name in ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(secret))
        monkeypatch.setenv("AWS_PROFILE", "mine")
        monkeypatch.setenv(OWN_BUCKET, "our-data")
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        boto3.client("s3").create_bucket(Bucket="our-data")
        yield store


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


def test_failures_add_up_in_nested_blocks(sandbox):
    def put():
        sandbox.client.put_object(Bucket=sandbox.bucket, Key="x", Body=b"1")

    with sandbox.failing("PutObject"):
        with sandbox.failing("HeadObject", status=404):
            with pytest.raises(ClientError, match="AccessDenied"):
                put()
            with pytest.raises(ClientError, match="404"):
                sandbox.client.head_object(Bucket=sandbox.bucket, Key="air_temp.pp")
        with pytest.raises(ClientError, match="AccessDenied"):
            put()
        sandbox.client.head_object(Bucket=sandbox.bucket, Key="air_temp.pp")
    put()


def test_traffic_is_counted_though_its_block_raises(sandbox):
    with pytest.raises(InterruptedError), sandbox.traffic() as traffic:
        list_and_raise(sandbox)
    assert traffic.operations == {"ListObjects": 1}


def list_and_raise(sandbox):
    sandbox.sizes()
    raise InterruptedError


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


def test_boto3_and_s3fs_use_the_keys_and_the_address_of_the_profile(own_profile):
    before = dict(os.environ)
    seen = own_profile.settle()
    with start_sandbox("climate-data", ["air_temp.pp"]) as sandbox:
        assert sandbox.endpoint == own_profile.url
        (sandbox.directory / "m").mkdir()
        with mount(sandbox.source, sandbox.directory / "m") as path:
            (process,) = mount_table.servers(path)
            assert "my-" not in " ".join(process.cmdline())
            (path / "new").write_bytes(b"x")
        assert sandbox.sizes()["new"] == 1
    assert {request.access_key for request in own_profile.requests(since=seen)} == {"my-key"}
    assert dict(os.environ) == before
    assert keys("our-data") == []


def test_an_address_that_is_set_for_s3_alone_is_used(own_profile, tmp_path):
    (tmp_path / "config").write_text(
        "[profile mine]\nservices = ours\nregion = us-east-1\n"
        f"[services ours]\ns3 =\n  endpoint_url = {own_profile.url}\n"
    )
    with start_sandbox("climate-data") as sandbox:
        assert sandbox.endpoint == own_profile.url


def test_an_address_of_amazons_that_is_set_is_kept(own_profile, tmp_path):
    address = "https://bucket.vpce-1.s3.us-east-1.vpce.amazonaws.com"
    (tmp_path / "config").write_text(f"[profile mine]\nendpoint_url = {address}\n")
    assert _own_store()[1]["AWS_ENDPOINT_URL"] == address


def test_a_profile_that_is_missing_is_a_clear_error(own_profile, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreError, match=r"found: The config profile \(nobody\)"):
        start_sandbox("climate-data")


def test_the_address_of_the_own_store_comes_before_all_others(own_bucket, monkeypatch):
    monkeypatch.setenv(OWN_ENDPOINT, os.environ["AWS_ENDPOINT_URL"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:2")
    with start_sandbox("climate-data", ["air_temp.pp"]) as sandbox:
        (sandbox.directory / "m").mkdir()
        with mount(sandbox.source, sandbox.directory / "m") as path:
            assert os.listdir(path) == ["air_temp.pp"]
    assert os.environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert os.environ["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:2"


def test_an_address_without_a_bucket_is_a_clear_error(server, monkeypatch):
    monkeypatch.setenv(OWN_ENDPOINT, server.url)
    with pytest.raises(SandboxError, match=f"the name of a bucket of yours in {OWN_BUCKET}"):
        start_sandbox("climate-data")


def test_it_says_what_it_will_do_before_it_writes(own_bucket, monkeypatch, capsys):
    def give_up(*_):
        raise InterruptedError

    monkeypatch.setattr("s3_sandbox.sandbox._create_prefix", give_up)
    with pytest.raises(InterruptedError):
        start_sandbox("climate-data")
    said = capsys.readouterr().out
    assert said.startswith(f"Your bucket our-data at {os.environ['AWS_ENDPOINT_URL']} is used.")
    assert "below climate-data-" in said
    assert said.count("removed at the end") == 1
    assert keys(own_bucket) == ["precious"]


def test_the_local_sandbox_says_nothing(server, capsys):
    with start_sandbox("climate-data"):
        pass
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("prefix", ["", "/", "precious"])
def test_what_is_no_prefix_of_ours_is_never_removed(own_bucket, prefix):
    with pytest.raises(ValueError, match="expected a prefix with a slash at its end"):
        remove_prefix(boto3.client("s3"), own_bucket, prefix)
    assert keys(own_bucket) == ["precious"]


def test_old_versions_and_unfinished_uploads_are_removed_and_those_of_others_kept(own_bucket):
    s3 = boto3.client("s3")
    enabled = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket=own_bucket, VersioningConfiguration=enabled)
    s3.create_multipart_upload(Bucket=own_bucket, Key="theirs")
    with start_sandbox("climate-data", ["air_temp.pp"]) as sandbox:
        neighbour = f"{sandbox.prefix.rstrip('/')}-of-others"
        s3.put_object(Bucket=own_bucket, Key=neighbour)
        s3.put_object(Bucket=own_bucket, Key=f"{sandbox.prefix}air_temp.pp", Body=b"new")
        s3.delete_object(Bucket=own_bucket, Key=f"{sandbox.prefix}air_temp.pp")
        s3.create_multipart_upload(Bucket=own_bucket, Key=f"{sandbox.prefix}unfinished")
    versions = s3.list_object_versions(Bucket=own_bucket)
    assert [version["Key"] for version in versions["Versions"]] == [neighbour, "precious"]
    assert "DeleteMarkers" not in versions
    uploads = s3.list_multipart_uploads(Bucket=own_bucket)["Uploads"]
    assert [upload["Key"] for upload in uploads] == ["theirs"]


def refusing(monkeypatch, *operations, code="AccessDenied", status=403, only=lambda given: True):
    """Have the store refuse some requests of boto3."""
    call = botocore.client.BaseClient._make_api_call

    def refuse(self, operation, given):
        if operation in operations and only(given):
            answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(answer, operation)
        return call(self, operation, given)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", refuse)


def test_what_a_bucket_with_versions_keeps_is_said_before_and_after(
    own_bucket, monkeypatch, capsys
):
    s3 = boto3.client("s3")
    enabled = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket=own_bucket, VersioningConfiguration=enabled)
    with monkeypatch.context() as patch:
        refusing(patch, "DeleteObject", only=lambda given: "VersionId" in given)
        with start_sandbox("climate-data", ["air_temp.pp"]):
            before = capsys.readouterr().out
        after = capsys.readouterr().err
    assert "It keeps versions (enabled)" in before
    # The prefix and the file, and a marker for each.
    assert re.search(r"Left in your bucket our-data below .*: 4 versions, 28,304 bytes", after)


def test_a_bucket_with_retention_is_named_before(monkeypatch, capsys, sandbox):
    sandbox.client.create_bucket(Bucket="kept-data", ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}}
    lock = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    sandbox.client.put_object_lock_configuration(Bucket="kept-data", ObjectLockConfiguration=lock)
    told = what_will_stay(sandbox.client, "kept-data")
    sandbox.client.delete_bucket(Bucket="kept-data")  # it is empty
    assert "It has retention: nobody can remove a version for 30 days" in told
    assert what_will_stay(sandbox.client, sandbox.bucket) == ""


@pytest.mark.parametrize(
    ("status", "left"),
    [(403, "perhaps unfinished uploads, which cannot be listed: the store answers 403"), (501, "")],
)
def test_what_may_not_be_listed_is_not_called_nothing(own_bucket, monkeypatch, status, left):
    s3 = boto3.client("s3")
    refusing(monkeypatch, "ListMultipartUploads", code="X", status=status)
    found = what_is_left(s3, own_bucket, "mine/")
    assert found.startswith(left)
    assert bool(found) == bool(left)


def test_one_version_that_may_not_be_removed_does_not_keep_the_others(own_bucket, monkeypatch):
    s3 = boto3.client("s3")
    enabled = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket=own_bucket, VersioningConfiguration=enabled)
    for key in ("mine/a", "mine/b"):
        s3.put_object(Bucket=own_bucket, Key=key, Body=b"x")
    with monkeypatch.context() as patch:
        refusing(
            patch,
            "DeleteObject",
            only=lambda given: given["Key"] == "mine/a" and "VersionId" in given,
        )
        remove_prefix(s3, own_bucket, "mine/")
    versions = s3.list_object_versions(Bucket=own_bucket, Prefix="mine/")
    assert [version["Key"] for version in versions["Versions"]] == ["mine/a"]


def test_what_cannot_be_removed_is_said(own_bucket, monkeypatch):
    def refuse(*arguments, **options):
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "DeleteObject")

    sandbox = start_sandbox("climate-data")
    with monkeypatch.context() as patch:
        patch.setattr("botocore.client.BaseClient._make_api_call", refuse)
        with pytest.raises(
            StoreError,
            match=f"aws s3 rm --recursive --endpoint-url http.* s3://our-data/{sandbox.prefix}",
        ):
            sandbox.stop()
    assert not sandbox.directory.exists()
    with start_sandbox("climate-data"):
        assert not [key for key in keys(own_bucket) if key.startswith(sandbox.prefix)]


def test_nobody_else_may_look_into_its_folder(sandbox):
    for folder in (sandbox.directory, sandbox.directory.parent):
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.fixture
def readers_store(monkeypatch):
    """The store that the reader's environment names, with a bucket of the sandbox's name in it."""
    with Server() as store:
        monkeypatch.setattr("s3_sandbox.server._shared", None)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        for name, value in readers_variables(store).items():
            monkeypatch.setenv(name, value)
        s3 = boto3.client("s3")
        for bucket in ("climate-data", "other-data"):
            s3.create_bucket(Bucket=bucket)
            s3.put_object(Bucket=bucket, Key="precious", Body=b"x")
        before = store.settle()
        yield store
        assert store.requests(since=before) == []


def readers_variables(store):
    return {
        "AWS_ENDPOINT_URL": store.url,
        "AWS_ACCESS_KEY_ID": "reader",
        "AWS_SECRET_ACCESS_KEY": "the-secret-of-the-reader",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_sandboxes_may_stop_in_any_order_and_the_readers_store_is_not_asked(
    readers_store, order
):
    use_packaged_coastlines()
    before = dict(os.environ), boto3.DEFAULT_SESSION
    sandboxes = start_sandbox("climate-data", ["air_temp.pp"]), start_sandbox("other-data")
    first, last = (sandboxes[place] for place in order)
    first.stop()
    assert os.environ["AWS_ENDPOINT_URL"] == last.endpoint
    assert keys(last.bucket) == list(last.sizes())
    last.stop()
    assert (dict(os.environ), boto3.DEFAULT_SESSION) == before


@pytest.mark.parametrize("end", [Sandbox.stop, lambda sandbox: stop_all()])
def test_what_the_reader_sets_meanwhile_stays_and_is_not_asked(readers_store, end):
    with pytest.MonkeyPatch.context() as patch:
        sandbox = start_sandbox("climate-data", ["air_temp.pp"])
        for name, value in readers_variables(readers_store).items():
            patch.setenv(name, value)
        boto3.setup_default_session()
        session = boto3.DEFAULT_SESSION
        assert sandbox.sizes() == {"air_temp.pp": 28304}
        sandbox.add_samples(["ostia_monthly.nc"])
        end(sandbox)
        assert os.environ.items() >= readers_variables(readers_store).items()
        assert session is boto3.DEFAULT_SESSION
        assert not sandbox.directory.exists()


def raise_there(variables):
    os.environ.update(variables)
    raise InterruptedError


@pytest.mark.parametrize("bucket", ["climate-data", "Has Capitals"])
def test_an_exception_in_between_reaches_no_store_of_the_reader(readers_store, bucket):
    use_packaged_coastlines()
    before = dict(os.environ)
    with pytest.raises(SandboxError):
        start_sandbox(bucket, ["no_such_file"])
    with pytest.raises(InterruptedError), start_sandbox("climate-data"):
        raise_there(readers_variables(readers_store))
    assert dict(os.environ) == before


def test_a_process_that_ends_without_a_stop_reaches_no_store_of_the_reader(readers_store, tmp_path):
    code = (
        "import os\nfrom s3_sandbox import start_sandbox\nreader = dict(os.environ)\n"
        "one, two = start_sandbox('climate-data'), start_sandbox('other-data')\n"
        "one.stop()\nos.environ.update(reader)\n"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


def test_a_shared_server_keeps_what_the_other_sandboxes_have(readers_store, server, monkeypatch):
    monkeypatch.setattr("s3_sandbox.server._shared", server)
    one, two = start_sandbox("climate-data", ["air_temp.pp"]), start_sandbox("other-data")
    one.stop()
    assert two.sizes() == {}
    assert [bucket["Name"] for bucket in two.client.list_buckets()["Buckets"]] == ["other-data"]
    two.stop()


def test_what_is_left_at_amazons_is_not_sought_at_another_store(readers_store):
    s3 = bound_client(boto3.Session(), None)
    assert s3.meta.endpoint_url == "https://s3.amazonaws.com"


def test_an_own_bucket_is_cleaned_where_it_is_whatever_the_environment_says_then(
    own_bucket, monkeypatch
):
    mine = boto3.client("s3")
    sandbox = start_sandbox("climate-data", ["air_temp.pp"])
    with Server() as other, monkeypatch.context() as patch:
        for name, value in readers_variables(other).items():
            patch.setenv(name, value)
        boto3.setup_default_session()
        sandbox.stop()
        assert other.requests() == []
    assert [item["Key"] for item in mine.list_objects(Bucket=own_bucket)["Contents"]] == [
        "precious"
    ]


def test_boto3_takes_the_keys_of_the_sandbox_and_afterwards_yours(monkeypatch, sandbox):
    def key():
        return boto3.client("s3")._get_credentials().access_key

    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    assert key() == "mine"
    with start_sandbox("other-data"):
        assert key() != "mine"
    assert key() == "mine"
