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
import sys
import tempfile
from pathlib import Path
from typing import IO

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from s3_mounts.errors import UnmountError
from s3_mounts.mount_table import abandon_below, remove_folder

_PREFIX = "s3-mounts-"
_LOCK = ".in_use"


def make_folder(**note: str | None) -> tuple[Path, IO[str]]:
    """Make a folder, private and in use as long as its lock is open in any process.

    Parameters
    ----------
    **note : str or None
        The ``bucket``, ``prefix`` and ``endpoint`` of objects that are to go with the folder;
        nothing where there are none.

    Returns
    -------
    folder : Path
        The folder, an absolute path.
    lock : file
        The lock. Close it when the folder has been removed.
    """
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
    lock = (folder / f"{_LOCK}.new").open("x")
    json.dump(note, lock)
    lock.flush()
    fcntl.flock(lock, fcntl.LOCK_EX)
    # Nobody must find the lock before it is locked.
    (folder / f"{_LOCK}.new").rename(folder / _LOCK)
    return folder, lock


def remove_leftovers() -> None:
    """Remove what killed processes of this user have left, and say so on the standard error."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_LOCK}"):
        folder = path.parent.resolve()
        with contextlib.suppress(OSError), path.open() as lock:
            if folder.stat().st_uid == os.geteuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                print(f"s3_mounts: {_remove(folder, json.load(lock))}", file=sys.stderr)


def _remove(folder: Path, note: dict[str, str]) -> str:
    abandon_below(folder)
    what = f"the folder {folder} of a sandbox that was killed"
    if note:
        where = f"objects below {note['prefix']!r} in the bucket {note['bucket']!r}"
        try:
            store = boto3.resource("s3", endpoint_url=note["endpoint"])
            store.Bucket(note["bucket"]).objects.filter(Prefix=note["prefix"]).delete()
        except (ClientError, BotoCoreError) as error:
            return (
                f"expected to remove {what} and its {where}, but: {error}. Remove the objects, then"
                " the folder."
            )
        what = f"{what} and its {where}"
    try:
        remove_folder(folder)
    except UnmountError as error:
        return str(error)
    return f"removed {what}."
