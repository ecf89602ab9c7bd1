"""What is tried on every store, and whether the bucket is afterwards as it was before."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from proof.project import ROOT
from s3_mounts import mount_table
from stores import BUCKET
from stores.results import Outcome
from stores.save import WAYS
from stores.serving import Authority, Served

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SETTINGS = ("AWS_REQUEST_CHECKSUM_CALCULATION=when_required",)
"""What is tried where something fails: an environment variable, or an option of s3fs."""

_LIMIT = 900
"""How long one command may take, in seconds."""

_LESSONS = {
    "first lesson": "1_first_steps/1_your_first_bucket.py",
    "lesson on formats": "1_first_steps/3_every_format_that_iris_knows.py",
}
"""The first two that run on a bucket of one's own."""

_BOTO3 = """
import os, sys, boto3
folder, name = os.path.split(sys.executable)
os.chdir(folder)  # so that no message names it
s3 = boto3.client("s3")
s3.upload_file(name, sys.argv[1], "by boto3")
answer = s3.get_object(Bucket=sys.argv[1], Key="by boto3")
same = answer["Body"].read() == open(name, "rb").read()
s3.delete_object(Bucket=sys.argv[1], Key="by boto3")
sys.exit(None if same else "expected what was uploaded, found something else.")
"""
"""What a reader does without the helper: its settings are not those of boto3."""

_LONGEST = 300
_OURS_ALREADY = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")


def _check(options: list[str]) -> list[list[str]]:
    return [[sys.executable, "-m", "s3_sandbox", "check", "--bucket", BUCKET, *options]] * 2


def _lesson(file: str) -> Callable[[list[str]], list[list[str]]]:
    return lambda options: [[sys.executable, str(ROOT / "tutorials" / file)]]


def _save(way: str) -> Callable[[list[str]], list[list[str]]]:
    return lambda options: [[sys.executable, "-m", "stores.save", way, BUCKET, *options]]


TRIALS: dict[str, Callable[[list[str]], list[list[str]]]] = {
    "check, twice": _check,
    **{name: _lesson(file) for name, file in _LESSONS.items()},
    **{f"save {way}": _save(way) for way in WAYS},
    "boto3 alone": lambda options: [[sys.executable, "-c", _BOTO3, BUCKET]],
}
"""The trials by name: from the options of s3fs to commands, each of which is to end with 0."""


@dataclass(frozen=True)
class Place:
    """A bucket at a store, and the s3fs to mount it with."""

    served: Served
    transport: str
    authority: Authority
    s3fs: Path

    @property
    def url(self) -> str:
        """The address."""
        return self.served.urls[self.transport]

    def client(self) -> S3Client:
        """Make a client that works on all of them."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.served.key,
            aws_secret_access_key=self.served.secret,
            region_name=self.served.region,
            verify=str(self.authority.certificate) if self.transport == "https" else None,
            config=Config(
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"},
            ),
        )

    def environment(self, folder: Path, settings: Sequence[str]) -> dict[str, str]:
        """Set what a reader sets, with a home and temporary files of their own."""
        ours = {
            "AWS_ACCESS_KEY_ID": self.served.key,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_SECRET_ACCESS_KEY": self.served.secret,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "HOME": str(folder / "home"),
            "MPLBACKEND": "agg",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "PATH": f"{self.s3fs.parent}:{os.environ['PATH']}",
            "S3_MOUNTS_BUCKET": BUCKET,
            "S3_MOUNTS_ENDPOINT_URL": self.url,
            "TMPDIR": str(folder / "tmp"),
        }
        if self.transport == "https":
            bundle = str(self.authority.certificate)
            ours |= {"AWS_CA_BUNDLE": bundle, "CURL_CA_BUNDLE": bundle}
        given = dict(one.split("=", 1) for one in settings if not one.startswith("-"))
        others = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "S3_MOUNTS_"))
        }
        return others | ours | given


def prepare(s3: S3Client) -> None:
    """Make the bucket, if it is not there, with objects that nothing may change."""
    try:
        s3.create_bucket(Bucket=BUCKET)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _OURS_ALREADY:
            raise
    for key in ("precious", "s3-mounts-check-of-others/x"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"theirs")


def outcome(name: str, place: Place) -> Outcome:
    """Try something as it is, then with each setting, then with all of them.

    Where it still fails, what fails with all settings is told.
    """
    without = said = attempt(name, place, ())
    # A lesson is run as it is, so an option would change nothing.
    takes_options = TRIALS[name](["-o"]) != TRIALS[name]([])
    single = [
        one
        for one in (*SETTINGS, *place.served.settings)
        if takes_options or not one.startswith("-")
    ]
    for settings in [*([one] for one in single), *([single] if len(single) > 1 else [])]:
        if not said:
            break
        said = attempt(name, place, settings)
        if not said:
            return {"needs": " ".join(settings), "without": without}
    return {"fails": said} if said else {}


def attempt(name: str, place: Place, settings: Sequence[str]) -> str:
    """Try something once, and say what is wrong afterwards, if anything is."""
    s3 = place.client()
    before = _listing(s3)
    options = [word for one in settings if one.startswith("-") for word in one.split()]
    wrong: list[str] = []
    with _own_folder(wrong) as folder:
        environment = place.environment(folder, settings)
        for command in TRIALS[name](options):
            _, said = _run(command, environment)
            if said:
                wrong.append(said)
                break
    wrong += _changes(s3, before)
    return _written("; ".join(wrong), place, folder)


def try_kind(kind: str, place: Place) -> dict[str, str]:
    """Try a bucket of another kind, and say what came of it."""
    bucket = f"of-this-kind-{secrets.token_hex(8)}"
    command = [sys.executable, "-m", "stores.kinds", kind, bucket]
    wrong: list[str] = []
    with _own_folder(wrong) as folder:
        environment = place.environment(folder, SETTINGS) | place.served.tenant
        out, said = _run(command, environment)
    if said:
        wrong.append(said)
    found = json.loads(out) if out else {}
    found |= {"wrong": "; ".join(wrong)} if wrong else {}
    return {what: _written(said, place, folder) for what, said in found.items()}


def _written(said: str, place: Place, folder: Path) -> str:
    """Leave out what differs from time to time."""
    said = said.replace(place.url, "the store").replace(str(folder), "FOLDER")
    said = re.sub("[0-9a-f]{16}|(?<=s3-mounts-save-)\\w{8}", "...", said)
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}..."


@contextlib.contextmanager
def _own_folder(wrong: list[str]) -> Iterator[Path]:
    """Make a folder for a trial, and note what is left mounted or in it."""
    with tempfile.TemporaryDirectory(prefix="trial-") as made:
        folder = Path(made)
        for one in ("home", "tmp"):
            (folder / one).mkdir()
        try:
            yield folder
        finally:
            for path in mount_table.mount_points():
                if path.is_relative_to(folder):
                    mount_table.abandon(path)
                    wrong.append("a mount is left")
        if left := os.listdir(folder / "tmp"):
            wrong.append(f"on the disk it leaves {', '.join(sorted(left))}")


def _run(command: list[str], environment: dict[str, str]) -> tuple[str, str]:
    """Run a command; return what it says, and in one line what is wrong, if anything is."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=_LIMIT)
    except BaseException as error:
        _end(process)
        if isinstance(error, subprocess.TimeoutExpired):
            return "", f"no end within {_LIMIT} seconds"
        raise
    if not process.returncode:
        return out, ""
    required = re.search("^Required, but wrong: (.*)$", out, re.MULTILINE)
    if required:
        names = required[1].split("; ")
        lines = [line[8:] for line in out.splitlines() if re.match("fails|differs", line)]
        return "", "; ".join(line for line in lines if line.startswith(tuple(names)))
    # An error may take several lines, and begins with its name.
    last = re.split(r"^(?=[\w.]+: )", err.strip(), flags=re.MULTILINE)[-1]
    return "", " ".join(last.split()) or f"exit status {process.returncode}"


def _end(process: subprocess.Popen[str]) -> None:
    """End a command with all that it has started; s3fs is in a session of its own, see above."""
    for sign, limit in ((signal.SIGTERM, 30), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=limit)
            break


def _listing(s3: S3Client) -> set[tuple[str, str, str]]:
    """List objects, versions and uploads: the kind, the key, and what tells two of them apart."""
    found = set()
    for page in s3.get_paginator("list_objects").paginate(Bucket=BUCKET):
        found |= {("object", one["Key"], one["ETag"]) for one in page.get("Contents", [])}
    # A store that has neither refuses the question.
    with contextlib.suppress(ClientError, BotoCoreError):
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET):
            listed = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            found |= {("version", one["Key"], one["VersionId"]) for one in listed}
    with contextlib.suppress(ClientError, BotoCoreError):
        for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=BUCKET):
            found |= {("upload", one["Key"], one["UploadId"]) for one in page.get("Uploads", [])}
    return found


def _changes(s3: S3Client, before: set[tuple[str, str, str]]) -> list[str]:
    """Say what is not as it was, and remove what is new."""
    after = _listing(s3)
    for kind, key, mark in sorted(after - before):
        with contextlib.suppress(ClientError, BotoCoreError):
            if kind == "upload":
                s3.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=mark)
            elif kind == "version" and mark != "null":
                s3.delete_object(Bucket=BUCKET, Key=key, VersionId=mark)
            else:
                s3.delete_object(Bucket=BUCKET, Key=key)
    changes = [("leaves", after - before), ("loses", before - after)]
    return [
        f"it {verb} the {kind} {key}"
        for verb, which in changes
        for kind, key in sorted({(kind, key) for kind, key, _ in which if kind != "version"})
    ] + [
        f"it {verb} {len(marks)} versions"
        for verb, which in changes
        # Without versioning every object has one version, "null", and is told above.
        if (marks := {(key, mark) for kind, key, mark in which if kind == "version"})
        and {mark for _, mark in marks} != {"null"}
    ]
