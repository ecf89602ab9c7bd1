"""An acceptance test for an object store: does it do what s3fs, Iris and the lessons need."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from s3_mounts import mount_table
from s3_mounts.doctor import Result
from s3_mounts.errors import S3MountsError
from s3_mounts.mounting import mount
from s3_mounts.options import option_values
from s3_mounts.program import find_s3fs, require_fuse, s3fs_version
from s3_mounts.store import words
from s3_sandbox.conformance.runner import (
    NOT_IN_TIME,
    VERDICTS,
    Compared,
    begin_operations,
    check_operations,
)
from s3_sandbox.data import sample_path
from s3_sandbox.folders import what_is_left
from s3_sandbox.sandbox import Sandbox, start_sandbox

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

SAMPLE = "air_temp.pp"

STEPS = (
    *("store", "credentials", "list", "put, get, delete", "keys", "byte ranges"),
    *("byte ranges from the end", "copy", "multipart upload", "parts that are copied"),
    *("mount", "read", "Iris loads", "Iris saves", "sizes"),
    *("file operations", "unmount", "clean up"),
)
"""What is tried, in the order of the report."""

NEEDED = frozenset(
    [
        "create a file",
        "append 3 bytes",
        "overwrite 3 bytes",
        "four processes read a file",
        "map a file, read",
        "rename a file",
        "rename over another file",
        "rename a folder of 10 files",
        "remove a full folder",
        "a new file",
        "a file of other content",
    ]
)
"""The trials of `.operations` without which cubes cannot be loaded, saved and moved."""

SANDBOX_LIMITS = {
    "make a closed file shorter": "differs",
    "make a closed file longer": "differs",
    "leave a hole": "differs",
    "read on after its removal": "differs",
    "hard link": "fails",
    "date of last reading": "differs",
    "date of a changed folder": "differs",
    "extended attribute": "fails",
    "inode numbers": "differs",
    "free space (df)": "differs",
    "written, not yet closed": "differs",
    "cp of a file that has grown": "differs",
    "a file that was removed": "differs",
    "a lock file (O_EXCL)": "differs",
    "flock, two machines": "differs",
    "fcntl lock, two machines": "differs",
    "tar -x, 10 files": "differs",
    "SQLite, two machines": "differs",
    "HDF5, two machines": "differs",
}
"""The trials that can differ or fail on the sandbox as well, with s3fs 1.90 or 1.97."""

_DOES_WITHOUT = {
    "copy": {"nocopyapi"},
    "parts that are copied": {"nocopyapi", "nomultipart"},
}
"""Options with which s3fs does not ask for something."""

_OTHERS_NEED = {"byte ranges from the end"}
"""What neither s3fs nor Iris nor `save_cube` asks for, but other programs do."""

_MIB = 2**20
_PART = 5 * _MIB
"""The least size of a part that S3 allows, but for the last one, in bytes."""
_SIZES = (0, 1, 4096, 25 * _MIB + 1)
"""Sizes in bytes of the files that are saved; of the last one s3fs makes several parts."""
_KEYS = ["a b", "a+b&c=d", "100%", "%41", "é", "日本", "'\"", "(x) [y] {z}", "a:b;c,d", "~#?"]
_TIME_LIMIT = 120
"""How long one step on a mount may take, in seconds, before its s3fs is ended."""
_ANSWER_LIMIT = 120
"""How long one step without a mount may take, in seconds."""
_REQUEST_LIMIT = 30
"""How long a request of a step that is interrupted may still take, in seconds."""
_AT_ONCE = 3
"""How many file operations are tried at a time; most wait for the store."""
_OPERATIONS_LIMIT = 300
"""How long all file operations may take, in seconds; what is not tried by then is left out."""


class _DifferentError(Exception):
    """A step did not give what it should."""


def check(options: Sequence[str] = (), bucket: str | None = None) -> Generator[Result]:
    """Try what s3fs, Iris and the lessons need of an object store.

    It works below a prefix of its own in your bucket, as `s3_sandbox.start_sandbox` finds it, or
    else on the local sandbox. Everything is removed at the end, even where the iterator is closed
    before it is exhausted.

    Parameters
    ----------
    options : sequence of str, optional
        Values for ``-o`` of s3fs.
    bucket : str, optional
        A bucket of yours, in place of ``S3_MOUNTS_BUCKET``.

    Yields
    ------
    s3_mounts.doctor.Result
        One for each thing that is tried, once it has been.

    Examples
    --------
    >>> with contextlib.closing(check()) as results:
    ...     print(next(results))
    ok      store: http://127.0.0.1:... answers, and gives its name as ...
    """
    try:
        sandbox = start_sandbox("s3-mounts-check", [SAMPLE], own_bucket=bucket)
    except S3MountsError as error:
        told = [str(error), *getattr(error, "__notes__", [])]
        yield Result("fails", "bucket", " ".join(told))
        return
    with sandbox:
        yield from _check_all(_Store(sandbox), options)
        # What stays was told before, and s3fs does not care.
        yield _result("clean up", lambda: _clean_up(sandbox), required=False)


def _result(subject: str, step: Callable[[], str], *, required: bool = True) -> Result:
    try:
        return Result("ok", subject, step())
    except (_DifferentError, S3MountsError, OSError) as error:
        return Result("fails", subject, str(error), required)
    except (ClientError, BotoCoreError) as error:
        return Result("fails", subject, f"{words(error)}.", required)
    # A store that is not as it should be can break a library in any way.
    except Exception as error:
        found = f"an answer that is not one of S3: {type(error).__name__}, {error}"
        return Result("fails", subject, found, required)


def _expect(expected: object, found: object, what: str) -> None:
    if found != expected:
        raise _DifferentError(f"expected {what} {expected}, found {found}")


def _expect_content(expected: bytes, found: bytes, what: str) -> None:
    if found != expected:
        raise _DifferentError(
            f"{what} is not as it was written: expected {len(expected)} bytes, found"
            f" {len(found)}{' others' if len(found) == len(expected) else ''}"
        )


class _Store:
    """What is tried without a mount, with the requests that s3fs sends, too."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.s3 = sandbox.client
        self.sandbox = sandbox
        self._given_up: set[threading.Thread] = set()
        self.s3.meta.events.register("before-send.s3", self._refuse)
        self.steps = {
            "store": self._store,
            "credentials": self._credentials,
            "list": self._list,
            "put, get, delete": self._delete,
            "keys": self._keys,
            "byte ranges": self._ranges,
            "byte ranges from the end": self._last_bytes,
            "copy": self._copy,
            "multipart upload": self._multipart,
            "parts that are copied": self._copied_parts,
        }

    def in_time(self, subject: str, step: Callable[[], str], *, required: bool) -> Result:
        """Try something that asks the store, and do not wait for ever."""
        results: list[Result] = []
        # Not the thread is waited for: one whose join was interrupted counts as ended.
        ended = threading.Event()

        def run() -> None:
            results.append(_result(subject, step, required=required))
            ended.set()

        thread = threading.Thread(target=run, daemon=True)
        try:
            thread.start()
            ended.wait(_ANSWER_LIMIT)
        except BaseException:
            # What it has stored is removed next, so it must not store more.
            self._given_up.add(thread)
            ended.wait(_REQUEST_LIMIT)
            raise
        self._given_up.add(thread)
        late = Result("fails", subject, f"no answer in {_ANSWER_LIMIT:g} s", required)
        return results[0] if results else late

    def _refuse(self, event_name: str, **_: object) -> None:
        """Let a step that was given up end its upload, and do nothing else."""
        over = threading.current_thread() in self._given_up
        if over and not event_name.endswith(".AbortMultipartUpload"):
            raise _DifferentError("the step was given up")

    def place(self, key: str) -> dict[str, Any]:
        """Name an object by its key without the prefix."""
        return {"Bucket": self.sandbox.bucket, "Key": f"{self.sandbox.prefix}{key}"}

    def get(self, key: str) -> bytes:
        """Read an object."""
        return self.s3.get_object(**self.place(key))["Body"].read()

    def _store(self) -> str:
        answer = self.s3.head_bucket(Bucket=self.sandbox.bucket)["ResponseMetadata"]
        name = answer["HTTPHeaders"].get("server")
        who = f"gives its name as {name}" if name else "gives no name"
        return f"{self.sandbox.endpoint or 'Amazon S3'} answers, and {who}"

    def _credentials(self) -> str:
        self.s3.head_object(**self.place(SAMPLE))
        return "accepted"

    def _list(self) -> str:
        for number in range(5):
            self.s3.put_object(**self.place(f"list/{number}/x"), Body=b"x")
        prefix = f"{self.sandbox.prefix}list/"
        # Version 1 is the one that s3fs asks for.
        for version in ("list_objects", "list_objects_v2"):
            folders = [
                folder["Prefix"].removeprefix(prefix)
                for page in self.s3.get_paginator(version).paginate(
                    Bucket=self.sandbox.bucket,
                    Prefix=prefix,
                    Delimiter="/",
                    PaginationConfig={"PageSize": 2},
                )
                for folder in page.get("CommonPrefixes", [])
            ]
            _expect([f"{n}/" for n in range(5)], folders, f"of {version}, in pages of 2,")
        return "objects and folders, in pages, by both versions of the request"

    def _delete(self) -> str:
        self.s3.put_object(**self.place("deleted"), Body=b"content")
        _expect_content(b"content", self.get("deleted"), "an object")
        self.s3.delete_object(**self.place("deleted"))
        try:
            self.s3.head_object(**self.place("deleted"))
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            _expect(404, status, "after the removal of an object the status")
        else:
            raise _DifferentError("an object is still there after its removal")
        return "an object comes back as it was stored, and is gone at once when it is removed"

    def _keys(self) -> str:
        for key in _KEYS:
            self.s3.put_object(**self.place(f"keys/{key}"), Body=key.encode())
            _expect_content(key.encode(), self.get(f"keys/{key}"), f"the object {key!r}")
        listed = {key.removeprefix("keys/") for key in self.sandbox.sizes()} & set(_KEYS)
        _expect([], sorted(set(_KEYS) - listed), "in the listing as missing")
        return f"{len(_KEYS)} with spaces, signs and letters of other languages"

    def _ranges(self) -> str:
        content = bytes(range(100))
        self.s3.put_object(**self.place("ranges"), Body=content)
        for asked, wanted in (("10-19", content[10:20]), ("90-199", content[90:])):
            answer = self.s3.get_object(**self.place("ranges"), Range=f"bytes={asked}")
            _expect_content(wanted, answer["Body"].read(), f"the range {asked} of 100")
        # s3fs takes the bytes, whatever the status and the Content-Range are.
        return f"the bytes that were asked for, status {_status(answer)}"

    def _last_bytes(self) -> str:
        answer = self.s3.get_object(**self.place("ranges"), Range="bytes=-10")
        _expect_content(bytes(range(90, 100)), answer["Body"].read(), "the last 10 bytes")
        _expect("bytes 90-99/100", answer.get("ContentRange"), "the Content-Range")
        return f"the bytes that were asked for, status {_status(answer)}"

    def _copy(self) -> str:
        content = self.get(SAMPLE)
        # To rename, s3fs copies to another key; to change permissions, onto the same one.
        for number, key in enumerate(["copied", "copied"]):
            metadata = {"mode": f"3318{number}"}
            source = self.place("copied" if number else SAMPLE)
            self.s3.copy_object(
                **self.place(key),
                CopySource=source,  # type: ignore[arg-type]
                Metadata=metadata,
                MetadataDirective="REPLACE",
            )
            _expect_content(content, self.get(key), "a copy")
            found = self.s3.head_object(**self.place(key))["Metadata"]
            named = {name.lower(): value for name, value in found.items()}
            _expect(metadata, named, "of a copy the metadata")
        return "to another key, and onto itself with other metadata"

    def _multipart(self) -> str:
        content = os.urandom(_PART + 1)
        with self._upload("parts") as (upload, parts):
            for number, body in enumerate([content[:_PART], content[_PART:]], 1):
                tag = self.s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]
                parts.append({"ETag": tag, "PartNumber": number})
        _expect_content(content, self.get("parts"), "an object of two parts")
        return "5 MiB and 1 byte"

    def _copied_parts(self) -> str:
        source = self.place("parts")
        content = self.get("parts")[:_PART] + b"new"
        with self._upload("mixed") as (upload, parts):
            copied = self.s3.upload_part_copy(
                **upload,
                PartNumber=1,
                CopySource=source,  # type: ignore[arg-type]
                CopySourceRange=f"bytes=0-{_PART - 1}",
            )
            parts.append({"ETag": copied["CopyPartResult"]["ETag"], "PartNumber": 1})
            tag = self.s3.upload_part(**upload, PartNumber=2, Body=b"new")["ETag"]
            parts.append({"ETag": tag, "PartNumber": 2})
        _expect_content(content, self.get("mixed"), "an object with a copied part")
        return "the start of a large object is kept when its end is written anew"

    @contextlib.contextmanager
    def _upload(self, key: str) -> Iterator[tuple[dict[str, Any], list[CompletedPartTypeDef]]]:
        """Start an upload of parts, and complete it with those that the block has uploaded."""
        started = self.s3.create_multipart_upload(**self.place(key))
        upload = self.place(key) | {"UploadId": started["UploadId"]}
        parts: list[CompletedPartTypeDef] = []
        try:
            yield upload, parts
            self.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            with contextlib.suppress(ClientError, BotoCoreError):
                self.s3.abort_multipart_upload(**upload)
            raise


def _status(answer: Any) -> int:
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def _check_store(store: _Store, options: Sequence[str]) -> Iterator[Result]:
    """Try what is done without a mount."""
    given = option_values(options).keys()
    for subject, step in store.steps.items():
        required = not given & _DOES_WITHOUT.get(subject, set()) and subject not in _OTHERS_NEED
        yield store.in_time(subject, step, required=required)


def _check_all(store: _Store, options: Sequence[str]) -> Iterator[Result]:
    """Try all, with file operations on a mount under way beside all else."""
    scratch = store.sandbox.directory
    here, there = (scratch / name for name in ("here", "there"))
    here.mkdir()
    there.mkdir()
    with contextlib.ExitStack() as mounts:

        def start() -> str:
            program = find_s3fs()
            require_fuse()
            for mount_point in (here, there):
                mounts.enter_context(mount(store.sandbox.source, mount_point, options))
            version = ".".join(map(str, s3fs_version(program)))
            words = " ".join(f"-o {option}" for option in options)
            return f"s3fs {version}{' ' * bool(words)}{words}"

        mounted = _result("mount", start)
        if not mounted.passed:
            yield from _check_store(store, options)
            yield mounted
            yield Result("skipped", "all that is done on a mount", "there is none")
            return
        # What they leave is removed with all else that the check has stored.
        begun = begin_operations(
            here, there, scratch=scratch, keep=True, limit=_OPERATIONS_LIMIT, at_once=_AT_ONCE
        )
        deadline = time.monotonic() + _OPERATIONS_LIMIT
        with begun as operations:
            yield from _check_store(store, options)
            yield mounted
            steps = {
                "read": lambda: _read(here),
                "Iris loads": lambda: _load(here),
                "Iris saves": lambda: _save(store, here),
                "sizes": lambda: _sizes(store, here),
            }
            for subject, step in steps.items():
                yield _on_mount(subject, step, here)
            compared = operations()
        # A mount that does several at a time may lose a date; what a store cannot do, it never can.
        kinds = {one.kind for one in compared if _is_odd(one)}
        left = deadline - time.monotonic()
        alone = check_operations(here, there, scratch=scratch, keep=True, limit=left, kinds=kinds)
        yield from _operations_told(compared, alone)
        yield _result("unmount", lambda: _unmount(mounts, here))


_WATCH = """
import contextlib, os, select, sys
over, _, _ = select.select([0], [], [], float(sys.argv[1]))
for pid in [] if over and not os.read(0, 1) else sys.argv[2:]:
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(pid), 9)
"""
"""What kills processes after a time, or when it is told to, unless its parent ends first."""


def _on_mount(subject: str, step: Callable[[], str], mount_point: Path) -> Result:
    """Take a step on a mount, and end its s3fs if that takes too long, or at a signal.

    What waits for a mount cannot be interrupted, and may hold the interpreter lock. So a thread
    takes the step, and another process ends s3fs, which the signal itself reaches without Python.
    """
    results: list[Result] = []
    # Not by join: before Python 3.13 one that was interrupted takes a thread for ended.
    ended = threading.Event()

    def run() -> None:
        results.append(_result(subject, step))
        ended.set()

    serving = [str(process.pid) for process in mount_table.servers(mount_point)]
    arguments = [sys.executable, "-c", _WATCH, str(_TIME_LIMIT), *serving]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, start_new_session=True) as guard:
        assert guard.stdin
        with _told_of_signals(guard.stdin.fileno()):
            began = time.monotonic()
            threading.Thread(target=run, daemon=True).start()
            try:
                ended.wait()
            except BaseException:
                ended.wait(_REQUEST_LIMIT)
                raise
            finally:
                late = time.monotonic() - began >= _TIME_LIMIT
                guard.kill()
    (result,) = results
    if not late:
        return result
    return Result("fails", subject, f"no answer in {_TIME_LIMIT:g} s, then: {result.found}")


@contextlib.contextmanager
def _told_of_signals(pipe: int) -> Iterator[None]:
    """Have each signal written to a pipe; only the main thread gets any."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    os.set_blocking(pipe, False)
    before = signal.set_wakeup_fd(pipe, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)


def _read(here: Path) -> str:
    _expect([SAMPLE], [name for name in os.listdir(here) if name == SAMPLE], "in the listing")
    _expect_content(sample_path(SAMPLE).read_bytes(), (here / SAMPLE).read_bytes(), SAMPLE)
    return f"{SAMPLE} has {sample_path(SAMPLE).stat().st_size} bytes, all as stored"


def _load(here: Path) -> str:
    import iris

    iris.FUTURE.date_microseconds = True
    cube, true = (iris.load_cube(path) for path in (here / SAMPLE, sample_path(SAMPLE)))
    if cube != true:
        raise _DifferentError("the cube is not the one that the same file gives on a local disk")
    return f"{cube.summary(shorten=True)}, as from a local disk"


def _save(store: _Store, here: Path) -> str:
    import iris

    iris.FUTURE.date_microseconds = True
    iris.FUTURE.save_split_attrs = True
    local = store.sandbox.directory / "saved.nc"
    iris.save(iris.load_cube(sample_path(SAMPLE)), local)
    shutil.copyfile(local, here / local.name)
    _expect_content(local.read_bytes(), store.get(local.name), local.name)
    return "on a local disk; what is then copied to the mount is in the store, byte for byte"


def _sizes(store: _Store, here: Path) -> str:
    for size in _SIZES:
        content = os.urandom(size)
        (here / "size").write_bytes(content)
        _expect_content(content, store.get("size"), f"a file of {size} bytes")
        (here / "size").unlink()
    return f"files of {', '.join(map(str, _SIZES[:-1]))} and {_SIZES[-1]} bytes are stored whole"


def _operations_told(operations: list[Compared], alone: list[Compared]) -> Iterator[Result]:
    """Tell what came of file operations, of which some were tried again alone."""
    better = {one.subject: one for one in alone if not _is_odd(one) and one.found != NOT_IN_TIME}
    operations = [better.get(one.subject, one) for one in operations]
    verdicts = [operation.verdict for operation in operations]
    counts = ", ".join(f"{verdict} {verdicts.count(verdict)}" for verdict in VERDICTS)
    found = f"{len(operations)} were compared with a local disk: {counts}"
    yield Result("ok", "file operations", found)
    for one in operations:
        late = one.verdict == "untried" and one.found == NOT_IN_TIME
        if late or one.verdict in ("differs", "fails"):
            verdict, found = one.verdict, one.found
            if verdict == "differs":
                found = f"{found}; on a disk: {one.on_disk}"
            if SANDBOX_LIMITS.get(one.subject) == verdict:
                verdict, found = "note", f"{verdict}, as on the sandbox: {found}"
            yield Result(verdict, one.subject, found, required=one.subject in NEEDED)


def _is_odd(one: Compared) -> bool:
    """Tell whether something went otherwise than on a disk, and on the sandbox."""
    return one.verdict in ("differs", "fails") and SANDBOX_LIMITS.get(one.subject) != one.verdict


def _unmount(mounts: contextlib.ExitStack, here: Path) -> str:
    mounts.close()
    _expect([], os.listdir(here), "in the mount point")
    return "done"


def _clean_up(sandbox: Sandbox) -> str:
    sandbox.stop()
    if not sandbox.prefix:
        return "the sandbox is gone"
    left = what_is_left(sandbox.client, sandbox.bucket, sandbox.prefix)
    if left:
        raise _DifferentError(f"below {sandbox.prefix} is left: {left}")
    return f"no object, version or upload is left below {sandbox.prefix}"
