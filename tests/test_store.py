import pytest

from s3_mounts import StoreError
from s3_mounts.store import endpoint_url, require_bucket, split_source


def test_sources_are_split():
    assert split_source("climate-data") == ("climate-data", "")
    assert split_source("climate-data:/a/b/") == ("climate-data", "a/b")


def test_the_endpoint_is_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    assert endpoint_url() == "http://127.0.0.1:9000"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "")
    assert endpoint_url() is None


def test_a_bucket_that_is_there_passes(sandbox):
    require_bucket(sandbox.bucket, sandbox.endpoint)


def test_credentials_that_were_mended_are_used(sandbox, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    with pytest.raises(StoreError, match=r"expected credentials.*mine"):
        require_bucket(sandbox.bucket, sandbox.endpoint)
    (tmp_path / "credentials").write_text(
        "[mine]\naws_access_key_id = me\naws_secret_access_key = my-secret\n"
    )
    require_bucket(sandbox.bucket, sandbox.endpoint)
