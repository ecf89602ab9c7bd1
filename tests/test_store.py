import contextlib
import re
import subprocess
from types import SimpleNamespace

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from s3_mounts import StoreError, credentials, store
from s3_mounts.mounting import NOT_ASKED
from s3_mounts.options import endpoint_url, split_source, store_name
from s3_mounts.program import find_s3fs
from s3_mounts.store import require_bucket, words


def test_sources_are_split():
    assert split_source("climate-data") == ("climate-data", "")
    assert split_source("climate-data:/a/b/") == ("climate-data", "a/b")


@pytest.mark.parametrize(
    "source", ["", ":/a", "s3://climate-data", "climate-data/monthly", "6f4f:climate-data"]
)
def test_what_is_no_source_is_a_clear_error(source):
    with pytest.raises(StoreError, match=f"expected the name of a bucket.*found '{source}'"):
        split_source(source)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:9000", "store.example.org", "http://", "http://[::1", "http://h:99999"]
)
def test_what_is_no_address_is_a_clear_error(monkeypatch, url):
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    with pytest.raises(StoreError, match="expected an address such as https://store.example.org"):
        endpoint_url()


def test_a_password_in_the_address_is_refused_and_not_repeated(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://me:my-secret@store.example.org")
    with pytest.raises(StoreError, match="found one with a name or a password") as refused:
        endpoint_url()
    assert "my-secret" not in str(refused.value)


def test_a_proxy_is_used(sandbox, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with pytest.raises(StoreError, match="cannot be reached.*proxy"):
        require_bucket(sandbox.bucket, sandbox.endpoint)


def test_the_endpoint_is_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    assert endpoint_url() == "http://127.0.0.1:9000"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "")
    assert endpoint_url() is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://s3.amazonaws.com", "https://s3.eu-west-2.amazonaws.com", True),
        ("https://s3.cn-north-1.amazonaws.com.cn", "https://s3.amazonaws.com", True),
        ("http://store.example.org", "http://store.example.org/", True),
        ("https://store.example.org:443/x", "https://store.example.org", True),
        ("https://store.example.org", "http://store.example.org", False),
        ("https://s3.amazonaws.com", None, True),
        ("https://s3.amazonaws.com.example.org", None, False),
        ("http://store.example.org", "http://other.example.org", False),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9001", False),
        ("https://s3.amazonaws.com", "http://127.0.0.1:9001", False),
    ],
)
def test_addresses_of_one_store_are_told_from_those_of_two(one, other, same):
    assert (store_name(one) == store_name(other)) == same


@pytest.mark.parametrize(
    ("status", "code", "passes"),
    [
        (301, "PermanentRedirect", True),
        (400, "AuthorizationHeaderMalformed", True),
        (400, "ExpiredToken", False),
        (403, "AccessDenied", False),
    ],
)
def test_another_region_passes_and_a_refusal_that_names_the_region_does_not(
    sandbox, monkeypatch, status, code, passes
):
    answer = SimpleNamespace(
        status_code=status,
        text=f"<Code>{code}</Code>",
        headers={"x-amz-bucket-region": "eu-west-1"},
    )
    monkeypatch.setattr(store, "send", lambda request, timeout, trust: answer)
    refusal = pytest.raises(StoreError, match=f"{status} {code}")
    with contextlib.nullcontext() if passes else refusal:
        require_bucket(sandbox.bucket)


STORE = "https://store.example.org:8000"


@pytest.mark.parametrize(
    ("endpoint", "options", "url"),
    [
        (None, {}, "https://climate-data.s3.amazonaws.com/"),
        (None, {"use_path_request_style": ""}, "https://s3.amazonaws.com/climate-data"),
        (STORE, {}, "https://store.example.org:8000/climate-data"),
        (STORE, {"url": STORE}, "https://climate-data.store.example.org:8000/"),
        (STORE, {"url": STORE, "use_path_request_style": ""}, f"{STORE}/climate-data"),
    ],
)
def test_the_store_is_asked_at_the_address_that_s3fs_takes(monkeypatch, endpoint, options, url):
    asked = asked_with(monkeypatch, endpoint, options)
    assert asked.url.partition("?")[0] == url


@pytest.mark.parametrize(
    ("options", "header", "trust"),
    [
        ({}, None, False),
        ({"requester_pays": ""}, "requester", False),
        ({"no_check_certificate": ""}, None, True),
    ],
)
def test_the_store_is_asked_as_s3fs_asks(monkeypatch, options, header, trust):
    asked = asked_with(monkeypatch, STORE, options)
    assert asked.headers.get("x-amz-request-payer") == header
    assert asked.trust == trust
    signed = re.search("SignedHeaders=([^,]+)", asked.headers["Authorization"])[1].split(";")
    assert ("x-amz-request-payer" in signed) == bool(header)


ASKED_ALIKE = {
    *("endpoint", "no_check_certificate", "passwd_file", "profile", "public_bucket"),
    *("region", "requester_pays", "url", "use_path_request_style"),
}
"""Options of s3fs that change its first question, and with which it is asked here as s3fs does."""

NO_MATTER = {
    "how the program runs, and what it says": {
        *("curldbg", "dbglevel", "instance_name", "logfile", "no_time_stamp_msg", "noua"),
        *("set_check_cache_sigusr1", "supported", "mounting", "unmounting", "utility"),
    },
    "the bucket, which is named by the source": {"bucket"},
    "what is on the local disk or in memory": {
        *("bucket_size", "check_cache_dir_exist", "del_cache", "ensure_diskfree"),
        *("free_space_ratio", "max_dirty_data", "max_stat_cache_size", "nodnscache"),
        *("nosscache", "stat_cache_expire", "stat_cache_interval_expire", "tmpdir", "use_cache"),
        *("disable_negative_cache", "disable_noobj_cache"),
        *("enable_negative_cache", "enable_noobj_cache"),
    },
    "how a list, which any store gives in either form, is asked for and read": {
        *("list_object_max_keys", "listobjectsv2", "noxmlns"),
    },
    "how long, how often and how many at once": {
        *("connect_timeout", "max_thread_count", "multireq_max", "parallel_count"),
        *("readwrite_timeout", "retries"),
    },
    "what objects are shown as, and modes": {
        *("compat_dir", "complement_stat", "mp_umask", "notsup_compat_dir", "umask"),
        *("update_parent_dir_stat", "use_wtf8", "use_xattr"),
    },
    "what is written": {
        *("ahbe_conf", "default_acl", "enable_content_md5", "enable_unsigned_payload"),
        *("load_sse_c", "mime", "multipart_copy_size", "multipart_size", "multipart_threshold"),
        *("nocopyapi", "nomixupload", "nomultipart", "norenameapi", "singlepart_copy_limit"),
        *("storage_class", "streamupload", "use_rrs", "use_sse"),
    },
    "what comes with another option, or is the default": {
        *("credlib_opts", "sigv4", "use_session_token"),
    },
}
"""All other options, by why they cannot change whether s3fs gets an answer."""


def test_each_option_of_s3fs_is_known_to_matter_to_the_question_or_not():
    """An option that is new in s3fs is to be put into one of the tables above."""
    manual = subprocess.run([find_s3fs(), "--help"], capture_output=True, text=True).stdout
    words = re.findall(r"(?m)^ {3}(?:-o )?([a-z]\w*)(?= ?[(=\[]| -|  |$)", manual)
    assert len(words) > 60
    known = [*ASKED_ALIKE, *NOT_ASKED, *(name for names in NO_MATTER.values() for name in names)]
    assert set(words) - set(known) == set()
    assert len(known) == len(set(known)), "one is in two tables"


@pytest.mark.parametrize("option", sorted(ASKED_ALIKE))
def test_an_option_that_matters_changes_the_question(monkeypatch, option, tmp_path):
    """So that `mount` refuses nothing that s3fs would mount with it."""
    keys = tmp_path / "keys"
    keys.write_text("other:other-secret\n")
    aws = tmp_path / ".aws"
    aws.mkdir()
    (aws / "credentials").write_text(
        "[default]\naws_access_key_id=me\naws_secret_access_key=x\n"
        "[other]\naws_access_key_id=other\naws_secret_access_key=x\n"
    )
    monkeypatch.setattr(credentials, "account_home", lambda: tmp_path)
    values = {
        "endpoint": "eu-west-2",
        "region": "eu-west-2",
        "passwd_file": str(keys),
        "profile": "other",
    }
    values |= {"public_bucket": "1", "url": STORE}

    def question(options):
        asked = asked_with(monkeypatch, options.get("url"), options, keys=False)
        signed_by = re.search("Credential=(.*?)/aws4", asked.headers.get("Authorization", ""))
        payer = asked.headers.get("x-amz-request-payer")
        return asked.url, signed_by and signed_by[1], payer, asked.trust

    assert question({option: values.get(option, "")}) != question({})


def asked_with(monkeypatch, endpoint, options, *, keys=True):
    """Ask for a bucket, and catch the request."""
    for name, value in (("ACCESS_KEY_ID", "me"), ("SECRET_ACCESS_KEY", "my-secret")):
        if keys:
            monkeypatch.setenv(f"AWS_{name}", value)
        else:
            monkeypatch.delenv(f"AWS_{name}", raising=False)
    asked = []

    def send(request, timeout, trust):
        request.trust = trust
        asked.append(request)
        return SimpleNamespace(status_code=200, text="<ListBucketResult/>", headers={})

    monkeypatch.setattr(store, "send", send)
    require_bucket("climate-data", endpoint, options=options)
    return asked[0]


def answering(monkeypatch, status, text, headers=()):
    answer = SimpleNamespace(status_code=status, text=text, headers=dict(headers))
    monkeypatch.setattr(store, "send", lambda request, timeout, trust: answer)


def test_a_region_that_is_named_in_the_text_alone_passes_as_with_s3fs(sandbox, monkeypatch):
    code = "<Code>AuthorizationHeaderMalformed</Code>"
    answering(monkeypatch, 400, f"{code}<Region>uk-1</Region>")
    require_bucket(sandbox.bucket)


@pytest.mark.parametrize("text", ["", "<html>It works!</html>", "{}"])
def test_an_address_that_is_no_object_store_is_refused(sandbox, monkeypatch, text):
    answering(monkeypatch, 200, text)
    with pytest.raises(StoreError, match="expected an object store at .*, found something else"):
        require_bucket(sandbox.bucket, STORE)


def test_a_prefix_without_objects_is_refused_where_a_list_has_no_count(sandbox, monkeypatch):
    answering(monkeypatch, 200, "<ListBucketResult></ListBucketResult>")
    with pytest.raises(StoreError, match="expected objects under the prefix 'monthly'"):
        require_bucket(f"{sandbox.bucket}:/monthly", STORE)


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        ("MissingContentLength", None, "the store answers 411 MissingContentLength to PutObject"),
        ("Unknown", "Unknown", "the store answers 411 to PutObject"),
        ("411", "Length Required.", "the store answers 411 to PutObject: Length Required"),
        (
            "AuthorizationHeaderMalformed",
            "The region is wrong",
            "the store answers 411 AuthorizationHeaderMalformed to PutObject: The region is wrong."
            " Set AWS_DEFAULT_REGION to the region of the store",
        ),
    ],
)
@pytest.mark.parametrize("uploaded", [False, True])
def test_an_answer_without_words_is_not_passed_on_as_none(code, message, said, uploaded):
    answer = {"Error": {"Code": code, "Message": message}}
    answer["ResponseMetadata"] = {"HTTPStatusCode": 411}
    error = ClientError(answer, "PutObject")
    if uploaded:
        # As boto3 raises it, while it handles the other one.
        error = S3UploadFailedError("Failed to upload: None")
        error.__context__ = ClientError(answer, "PutObject")
    assert words(error) == said


def test_a_bucket_that_is_there_passes(sandbox):
    require_bucket(sandbox.bucket, sandbox.endpoint)


def test_credentials_that_were_mended_are_used(sandbox, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setattr(credentials, "account_home", lambda: tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    with pytest.raises(StoreError, match=r"expected credentials.*found none"):
        require_bucket(sandbox.bucket, sandbox.endpoint)
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = me\naws_secret_access_key = my-secret\n"
    )
    require_bucket(sandbox.bucket, sandbox.endpoint)
