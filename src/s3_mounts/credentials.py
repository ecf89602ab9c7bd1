"""Find the credentials that s3fs will take, to ask the store with the same."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
from collections.abc import Mapping
from pathlib import Path

import botocore.session
from botocore.configloader import raw_config_parse
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError

from s3_mounts.errors import StoreError

NONE_FOUND = (
    "expected credentials for the object store, found none. Put them in ~/.aws/credentials, or set"
    " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
)


def boto_credentials(session: botocore.session.Session) -> ReadOnlyCredentials | None:
    """Find credentials where boto3 does, as they are now."""
    try:
        session.get_scoped_config()  # it raises where there is no such profile
        credentials = session.get_credentials()
        return credentials.get_frozen_credentials() if credentials else None
    except (BotoCoreError, ClientError, OSError) as error:
        raise StoreError(
            f"expected credentials for the object store, found: {error}. Check the variables of the"
            " environment that begin with AWS, and ~/.aws."
        ) from error


def find_credentials(
    bucket: str | None, options: Mapping[str, str]
) -> tuple[str, ReadOnlyCredentials | None]:
    """Find where s3fs has its credentials from, and which; for any bucket where none is named."""
    if options.get("public_bucket") == "1":
        return "nowhere", None
    if "passwd_file" in options:
        path = Path(options["passwd_file"])
        return str(path), _in_password_file(path, bucket)
    names = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
    key, secret, token = (os.environ.get(f"AWS_{name}") for name in names)
    if key and secret:
        return "the environment", ReadOnlyCredentials(key, secret, token)
    if key or secret:
        both = "both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
        raise StoreError(f"expected {both}, found one alone. Set the other one, or unset it.")
    if "AWS_CREDENTIAL_FILE" in os.environ:
        path = Path(os.environ["AWS_CREDENTIAL_FILE"])
        return str(path), _in_password_file(path, bucket)
    profiles = account_home() / ".aws" / "credentials"
    profile = options.get("profile") or "default"
    if os.access(profiles, os.R_OK):
        try:
            found = raw_config_parse(str(profiles)).get(profile, {})
        except BotoCoreError as error:
            raise StoreError(f"expected to read {profiles}, but: {error}. Correct it.") from error
        keys = [found.get(f"aws_{name.lower()}") for name in names]
        if keys[0] and keys[1]:
            return f"{profiles}, [{profile}]", ReadOnlyCredentials(*keys)
    for path in (Path(os.environ.get("HOME", "/"), ".passwd-s3fs"), Path("/etc/passwd-s3fs")):
        if os.access(path, os.R_OK):
            return str(path), _in_password_file(path, bucket)
    raise StoreError(f"{NONE_FOUND}{_only_for_boto(profiles, profile)}")


def account_home() -> Path:
    """Find the home of the account, whatever the environment says."""
    with contextlib.suppress(KeyError):
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    return Path("/")


def _only_for_boto(profiles: Path, profile: str) -> str:
    """Say what s3fs does not see."""
    session = botocore.session.Session()
    with contextlib.suppress(StoreError):
        boto_credentials(session)
        if found := session.get_credentials():
            only = f"the environment, in {profiles} under [{profile}], and in password files only"
            return f" boto3 finds some by the method {found.method}, but s3fs looks in {only}."
    return ""


def _in_password_file(path: Path, bucket: str | None) -> ReadOnlyCredentials:
    try:
        lines = re.findall(r"(?m)^[^#\s].*", path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(
            f"expected to read credentials in {path}, but: {error}. Check the name, and that it"
            " is a file of yours with mode 0600."
        ) from error
    named = dict(re.split(r"\s*=\s*", line.strip(), maxsplit=1) for line in lines if "=" in line)
    if named.get("AWSAccessKeyId") and named.get("AWSSecretKey"):
        return ReadOnlyCredentials(named["AWSAccessKeyId"], named["AWSSecretKey"], None)
    keys = {
        whose.rstrip(":"): (key, secret)
        for line in lines
        for whose, key, secret in re.findall(r"^([^:]+:)?([^:]+):([^:]+)$", line.strip())
    }
    any_pair = next(iter(keys.values()), None)
    pair = keys.get(bucket) or keys.get("") if bucket else any_pair
    if not pair:
        raise StoreError(
            f"expected a line ID:SECRET in {path}, or {bucket}:ID:SECRET for this bucket alone,"
            " found none. Add it."
        )
    return ReadOnlyCredentials(*pair, None)
