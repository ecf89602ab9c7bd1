"""Find the credentials that s3fs will take, to ask the store with the same."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import botocore.session
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
    except (BotoCoreError, ClientError) as error:
        raise StoreError(f"expected credentials for the object store, found: {error}.") from error


def s3fs_credentials(bucket: str, options: Mapping[str, str]) -> ReadOnlyCredentials | None:
    """Find credentials where s3fs does; the lesson "Credentials and other stores" has the order."""
    if options.get("public_bucket") == "1":
        return None
    if "passwd_file" in options:
        return _in_password_file(Path(options["passwd_file"]), bucket)
    has_keys = bool(os.environ.get("AWS_ACCESS_KEY_ID"))
    if "AWS_CREDENTIAL_FILE" in os.environ and not has_keys:
        return _in_password_file(Path(os.environ["AWS_CREDENTIAL_FILE"]), bucket)
    # boto3 would let a profile that is asked for win over the environment; s3fs does not.
    profile = None if has_keys else options.get("profile")
    # The handlers are for service clients, and loading them takes a third of a whole mount.
    session = botocore.session.Session(profile=profile, include_builtin_handlers=False)
    found = boto_credentials(session)
    if found:
        return found
    for path in (Path.home() / ".passwd-s3fs", Path("/etc/passwd-s3fs")):
        if os.access(path, os.R_OK):
            return _in_password_file(path, bucket)
    raise StoreError(NONE_FOUND)


def _in_password_file(path: Path, bucket: str) -> ReadOnlyCredentials:
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
    pair = keys.get(bucket) or keys.get("")
    if not pair:
        raise StoreError(
            f"expected a line ID:SECRET in {path}, or {bucket}:ID:SECRET for this bucket alone,"
            " found none. Add it."
        )
    return ReadOnlyCredentials(*pair, None)
