"""The store is asked with the credentials that s3fs takes."""

from pathlib import Path

import botocore.session
import pytest
from botocore.exceptions import ClientError

from s3_mounts import StoreError, credentials, mount
from s3_mounts.store import require_bucket

SECRET = "a-planted-secret"


@pytest.fixture
def home(sandbox, monkeypatch):
    """A home of its own with a profile, and an environment without keys."""
    home = sandbox.directory / "home"
    (home / ".aws").mkdir(parents=True)
    write(
        home / ".aws" / "credentials",
        f"[default]\naws_access_key_id = from-default\naws_secret_access_key = {SECRET}\n"
        f"[team]\naws_access_key_id = from-team\naws_secret_access_key = {SECRET}\n",
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(credentials, "account_home", lambda: home)
    forget_keys(monkeypatch)
    return home


def forget_keys(monkeypatch):
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)


def write(path, text):
    path.touch(mode=0o600)
    path.write_text(text)


def who_asked(sandbox, mount_point, options=()):
    """Mount, and list the access keys of all requests: those of the question and of s3fs."""
    with sandbox.traffic() as traffic, mount(sandbox.source, mount_point, options) as path:
        list(path.iterdir())
    asked = {request.access_key for request in traffic.log}
    assert len(traffic.log) > 1
    return asked


def who_asks(sandbox, options):
    """Ask the store, without s3fs, which looks for profiles in the home of the account."""
    with sandbox.traffic() as traffic:
        require_bucket(sandbox.source, sandbox.endpoint, options=options)
    return {request.access_key for request in traffic.log}


def test_a_password_file_wins(sandbox, mount_point, home, monkeypatch):
    write(home / "key", f"# mine\n\nfrom-file:{SECRET}\n")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert who_asked(sandbox, mount_point, [f"passwd_file={home}/key"]) == {"from-file"}
    assert who_asked(sandbox, mount_point, [f"ro,passwd_file={home}/key"]) == {"from-file"}


def test_a_password_file_has_keys_for_a_bucket_alone(sandbox, mount_point, home):
    text = f"other-data:from-other:{SECRET}\nclimate-data:from-bucket:{SECRET}\nfrom-all:{SECRET}\n"
    write(home / "key", text)
    assert who_asked(sandbox, mount_point, [f"passwd_file={home}/key"]) == {"from-bucket"}


def test_a_password_file_may_have_names(sandbox, mount_point, home):
    write(home / "key", f"AWSAccessKeyId=from-names\nAWSSecretKey={SECRET}\n")
    assert who_asked(sandbox, mount_point, [f"passwd_file={home}/key"]) == {"from-names"}


def test_the_environment_wins_over_a_profile(sandbox, mount_point, home, monkeypatch):
    assert who_asks(sandbox, {"profile": "team"}) == {"from-team"}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert who_asked(sandbox, mount_point, ["profile=team"]) == {"from-environment"}


def test_the_password_file_of_the_home_comes_last(sandbox, mount_point, home):
    write(home / ".passwd-s3fs", f"from-home:{SECRET}\n")
    assert who_asks(sandbox, {}) == {"from-default"}
    (home / ".aws" / "credentials").unlink()
    assert who_asked(sandbox, mount_point) == {"from-home"}


def test_a_credential_file_of_the_environment_wins_over_a_profile(
    sandbox, mount_point, home, monkeypatch
):
    write(home / "key", f"from-file:{SECRET}\n")
    monkeypatch.setenv("AWS_CREDENTIAL_FILE", str(home / "key"))
    assert who_asked(sandbox, mount_point) == {"from-file"}


def test_a_public_bucket_is_asked_without(sandbox, mount_point, home):
    # Else s3fs 1.95 cannot list it: one object that may not be asked for is enough for that.
    sandbox.client.put_object_acl(Bucket=sandbox.bucket, Key="air_temp.pp", ACL="public-read")
    assert who_asked(sandbox, mount_point, ["public_bucket=1"]) == {""}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "expected to read credentials in .*: .*No such file"),
        ("\xff", "expected to read credentials in .*: .*decode"),
        ("", "expected a line ID:SECRET in .*/key, or climate-data:ID:SECRET"),
        (f"other-data:from-other:{SECRET}\n", "expected a line ID:SECRET"),
        (f"a:b:c:{SECRET}", "expected a line ID:SECRET"),
    ],
    ids=["missing", "no text", "empty", "for another bucket", "too long"],
)
def test_a_password_file_without_keys_is_a_clear_error(sandbox, mount_point, home, text, message):
    if text is not None:
        (home / "key").touch(mode=0o600)
        (home / "key").write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreError, match=message) as refused:
        mount(sandbox.source, mount_point, [f"passwd_file={home}/key"])
    assert SECRET not in str(refused.value)


def test_a_role_that_is_refused_is_a_clear_error(monkeypatch):
    def refuse(session):
        raise ClientError(
            {"Error": {"Code": "ExpiredToken", "Message": "It has expired"}}, "Assume"
        )

    monkeypatch.setattr(botocore.session.Session, "get_credentials", refuse)
    with pytest.raises(StoreError, match=r"expected credentials.*ExpiredToken"):
        credentials.boto_credentials(botocore.session.Session())


def test_no_credentials_at_all_are_a_clear_error(sandbox, mount_point, home):
    (home / ".aws" / "credentials").unlink()
    assert not Path("/etc/passwd-s3fs").exists()
    with pytest.raises(StoreError, match="expected credentials for the object store, found none"):
        mount(sandbox.source, mount_point)


def test_the_address_may_be_an_option(sandbox, mount_point, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    options = [f"url={sandbox.endpoint}", "use_path_request_style"]
    with mount(sandbox.source, mount_point, options) as path:
        assert (path / "air_temp.pp").exists()
    with pytest.raises(StoreError, match="expected an address .* in the option url, found"):
        mount(sandbox.source, mount_point, ["url=store.example.org"])
