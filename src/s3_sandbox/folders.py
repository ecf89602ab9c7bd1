"""Folders of sandboxes that say whether they are in use, and the removal of those that are not.

A process that is killed can leave a folder, mounts below it, and objects in a bucket of the
reader's own. The folder holds a lock that the kernel drops when the last process that uses it is
gone, and a note of the objects. The next sandbox that starts on the machine removes what is left.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from s3_mounts import guardian
from s3_mounts.errors import MountPointError, StoreError, UnmountError
from s3_mounts.mount_table import abandon, entries, mount_points
from s3_mounts.mounting import unmount
from s3_mounts.options import store_name
from s3_mounts.store import checksums_for, words

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PREFIX = "s3-mounts-sandbox-"
_LOCK = ".in_use"
_NEW_LOCK = f"{_LOCK}.new"
_TO_LOCK = 60
"""After how many seconds a folder without a lock is one whose maker was killed."""


SOON = Config(connect_timeout=5, retries={"total_max_attempts": 2})
"""A store that cannot be reached must not hold up every sandbox that starts."""


REFUSALS = (ClientError, BotoCoreError, ResponseParserError)
"""What a request to a store can raise; the last one where it does not speak S3."""


def make_folder(**note: str | None) -> tuple[Path, IO[str]]:
    """Make a folder, private and in use as long as its lock is open in any process."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
    lock = (folder / _NEW_LOCK).open("x")
    json.dump(note, lock)
    lock.flush()
    fcntl.flock(lock, fcntl.LOCK_EX)
    # Nobody must find the lock before it is locked.
    (folder / _NEW_LOCK).rename(folder / _LOCK)
    return folder, lock


def unmount_below(directory: Path) -> None:
    """Unmount whatever s3fs has mounted below a directory, at any price.

    A mount that is busy is abandoned after a short while: its ``s3fs`` is ended.
    """
    for mount_point in reversed(mount_points()):
        if mount_point.is_relative_to(directory):
            with contextlib.suppress(UnmountError, MountPointError):
                unmount(mount_point, timeout=2)
            guardian.release(mount_point)
    abandon_below(directory)


def abandon_below(directory: Path) -> None:
    """Get rid of every mount of s3fs below a directory at any price, see `abandon`."""
    for mount_point in reversed(mount_points()):
        if mount_point.is_relative_to(directory):
            abandon(mount_point)


def remove_folder(directory: Path) -> None:
    """Remove a directory that may be gone, but never what is mounted below it."""
    for entry in entries():
        if entry.path.is_relative_to(directory):
            raise UnmountError(
                f"expected to remove {directory}, but {entry.path} is still mounted, and"
                " removing would delete what is in it. Unmount it, then remove the directory."
            )
    with contextlib.suppress(OSError):
        # The lock goes last: by it the next sandbox finds what a kill may leave now.
        for path in sorted(directory.iterdir(), key=lambda path: path.name == _LOCK):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        directory.rmdir()


def remove_leftovers() -> None:
    """Remove what killed processes of this user have left, and say so on the standard error."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_LOCK}"):
        folder = path.parent.resolve()
        # A note that was cut off, as when the power fails, cannot be followed.
        with contextlib.suppress(OSError, json.JSONDecodeError):
            if folder.stat().st_uid != os.geteuid():
                continue
            with path.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                print(f"s3-sandbox: {_remove(folder, json.load(lock))}", file=sys.stderr)
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/"):
        with contextlib.suppress(OSError):
            _remove_unfinished(folder)


def _remove_unfinished(folder: Path) -> None:
    known = folder.stat()
    old = time.time() - known.st_mtime > _TO_LOCK
    if old and known.st_uid == os.geteuid() and set(os.listdir(folder)) <= {_NEW_LOCK}:
        (folder / _NEW_LOCK).unlink(missing_ok=True)
        folder.rmdir()


def _remove(folder: Path, note: dict[str, str]) -> str:
    abandon_below(folder)
    what = f"the folder {folder} of a sandbox that was killed"
    if note:
        try:
            s3 = bound_client(boto3.Session(), note["endpoint"], SOON)
            remove_prefix(s3, note["bucket"], note["prefix"])
        except (StoreError, BotoCoreError) as error:
            return f"expected to remove {what} with its objects. {error}. Then remove the folder."
        left = what_is_left(s3, note["bucket"], note["prefix"])
        what += f", and its objects below {note['prefix']!r} in the bucket {note['bucket']!r}"
        what += f", where is left: {left}" if left else ""
    try:
        remove_folder(folder)
    except UnmountError as error:
        return str(error)
    return f"removed {what}."


def bound_client(
    session: boto3.Session, endpoint: str | None, config: Config | None = None
) -> S3Client:
    """Make a client that stays with one store, whatever the environment says later."""
    only_this = Config(ignore_configured_endpoint_urls=True)  # type: ignore[call-arg]
    both = checksums_for(endpoint).merge(only_this).merge(config or Config())
    return session.client("s3", endpoint_url=endpoint, config=both)


def remove_prefix(s3: S3Client, bucket: str, prefix: str) -> None:
    """Remove what is below a prefix of ours, one by one, since not every store can do more."""
    if len(prefix) < 2 or not prefix.endswith("/"):
        raise ValueError(f"expected a prefix with a slash at its end, found {prefix!r}.")
    try:
        # Not every store has them, and not everybody may list or remove them.
        with contextlib.suppress(ClientError):
            for upload in _below(s3, "list_multipart_uploads", bucket, prefix):
                with contextlib.suppress(ClientError):
                    one = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
                    s3.abort_multipart_upload(Bucket=bucket, **one)
        with contextlib.suppress(ClientError):
            for version in _below(s3, "list_object_versions", bucket, prefix):
                with contextlib.suppress(ClientError):
                    one = {"Key": version["Key"], "VersionId": version["VersionId"]}
                    s3.delete_object(Bucket=bucket, **one)
        for item in _below(s3, "list_objects", bucket, prefix):
            s3.delete_object(Bucket=bucket, Key=item["Key"])
    except (ClientError, BotoCoreError) as error:
        url = s3.meta.endpoint_url
        where = "" if store_name(url) == store_name(None) else f"--endpoint-url {url} "
        raise StoreError(
            f"expected to remove what is below {prefix!r} in your bucket {bucket!r}, but:"
            f" {words(error)}. Remove it yourself: aws s3 rm --recursive {where}s3://{bucket}/{prefix}"
        ) from error


_LISTINGS = {
    "list_objects": ("objects", ["Contents"]),
    "list_object_versions": ("versions", ["Versions", "DeleteMarkers"]),
    "list_multipart_uploads": ("unfinished uploads", ["Uploads"]),
}
"""What there can be below a prefix, and under which names a listing has it."""


def _below(s3: S3Client, listing: str, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    pages: Any = s3.get_paginator(listing)  # type: ignore[call-overload]
    for page in pages.paginate(Bucket=bucket, Prefix=prefix):
        for name in _LISTINGS[listing][1]:
            # Not every store heeds the prefix.
            yield from (one for one in page.get(name, []) if one["Key"].startswith(prefix))


def what_is_left(s3: S3Client, bucket: str, prefix: str) -> str:
    """List what there is below a prefix, and say what cannot be listed; empty for nothing."""
    left = []
    for listing, (what, _) in _LISTINGS.items():
        try:
            found = list(_below(s3, listing, bucket, prefix))
        except REFUSALS as error:
            answer = getattr(error, "response", {}).get("ResponseMetadata", {})
            if answer.get("HTTPStatusCode") not in _NO_SUCH_THING:
                left.append(f"perhaps {what}, which cannot be listed: {words(error)}")
            continue
        if found:
            size = sum(one.get("Size", 0) for one in found)
            left.append(f"{len(found)} {what}, {size:,} bytes")
    return "; ".join(left)


_NO_SUCH_THING = (405, 501)
"""What stores answer that do not know versions, or uploads in parts."""


def what_will_stay(s3: S3Client, bucket: str) -> str:
    """Say what a bucket keeps of what is removed; empty for nothing, as far as one may ask."""
    status = lock = None
    with contextlib.suppress(*REFUSALS):
        status = s3.get_bucket_versioning(Bucket=bucket).get("Status")
    if not status:
        return ""
    with contextlib.suppress(*REFUSALS):
        lock = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    retention = lock and lock.get("Rule", {}).get("DefaultRetention")
    told = (
        f"It keeps versions ({status.lower()}): where your key may not delete these, all that is"
        " written and removed stays as a version or a marker, and is paid for."
    )
    if retention:
        period = " ".join(f"{v} {k.lower()}" for k, v in retention.items() if k != "Mode")
        told += f"\nIt has retention: nobody can remove a version for {period}."
    return told
