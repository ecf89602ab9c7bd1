"""A bucket to try things on: on a local S3 server, or in a bucket of the reader's own."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import secrets
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from s3_mounts.credentials import NONE_FOUND, boto_credentials
from s3_mounts.errors import StoreError
from s3_mounts.options import endpoint_url, store_name
from s3_mounts.store import require_bucket, words
from s3_sandbox.data import sample_path, use_packaged_coastlines
from s3_sandbox.errors import SandboxError
from s3_sandbox.folders import (
    REFUSALS,
    SOON,
    bound_client,
    make_folder,
    remove_folder,
    remove_leftovers,
    remove_prefix,
    unmount_below,
    what_is_left,
    what_will_stay,
)
from s3_sandbox.server import Server, shared_or_none
from s3_sandbox.terminal import shell
from s3_sandbox.traffic import Traffic

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

OWN_BUCKET = "S3_MOUNTS_BUCKET"
"""The environment variable that names a bucket of the reader's own to use instead."""

OWN_ENDPOINT = "S3_MOUNTS_ENDPOINT_URL"
"""The environment variable that gives the address of the store that has this bucket."""

_IN_ONE_PIECE = TransferConfig(multipart_threshold=2**30)
"""moto takes twice as long for an object in parts, and copies it four times."""

_KEY, _SECRET = "sandbox", "sandbox-secret"
_LOCAL_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": _KEY,
    "AWS_SECRET_ACCESS_KEY": _SECRET,
    "AWS_SESSION_TOKEN": None,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": None,
    "AWS_PROFILE": None,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_ENDPOINT_URL_S3": None,
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}

_running: list[Sandbox] = []


@dataclass(eq=False, repr=False)
class Sandbox:
    """A bucket with real data in it, and a folder to work in. Use it in a ``with`` block.

    Made by `start_sandbox`.

    Attributes
    ----------
    bucket : str
        The bucket.
    prefix : str
        What the keys of this sandbox start with: nothing on the local server, a unique prefix
        with a slash at its end in a bucket of the reader's own.
    endpoint : str or None
        The address of the object store; None for Amazon's own.
    directory : Path
        A new folder, for mount points and local files. It goes when the sandbox stops.
    client : object
        A client of boto3 for S3. It asks the store of this sandbox, with its keys, whatever the
        environment says by then.

    Examples
    --------
    >>> with start_sandbox("other-data", ["air_temp.pp"]) as sandbox:
    ...     sandbox.shell("echo hello > note.txt; ls")
    ...     sandbox.add_file(sandbox.directory / "note.txt")
    ...     print(sandbox.sizes())
    ...     with sandbox.traffic() as traffic:
    ...         answer = sandbox.client.get_object(Bucket=sandbox.bucket, Key="note.txt")
    ...         content = answer["Body"].read()
    $ echo hello > note.txt; ls
    note.txt
    {'air_temp.pp': 28304, 'note.txt': 6}
    >>> traffic.operations, traffic.bytes_down
    ({'GetObject': 1}, 6)
    """

    bucket: str
    prefix: str
    endpoint: str | None
    directory: Path
    client: S3Client
    _server: Server | None
    _cleanup: contextlib.ExitStack

    def __post_init__(self) -> None:
        _running.append(self)

    @property
    def source(self) -> str:
        """What s3fs is to mount: ``bucket``, or ``bucket:/prefix``."""
        return f"{self.bucket}:/{self.prefix.rstrip('/')}" if self.prefix else self.bucket

    def add_samples(self, names: Iterable[str]) -> None:
        """Put files of Iris's sample data into the bucket.

        Parameters
        ----------
        names : iterable of str
            Their paths within the sample data, which become their keys.

        Raises
        ------
        SandboxError
            If there is no such file.
        """
        for name in names:
            self.add_file(sample_path(name), name)

    def add_file(self, path: str | os.PathLike[str], key: str | None = None) -> None:
        """Put a local file into the bucket, bypassing any mount.

        Parameters
        ----------
        path : path-like
            The file.
        key : str, optional
            Its key, without the prefix of the sandbox; by default the name of the file.

        Raises
        ------
        s3_mounts.StoreError
            If the store does not take it.
        """
        key = f"{self.prefix}{key or Path(path).name}"
        try:
            self.client.upload_file(os.fspath(path), self.bucket, key, Config=_IN_ONE_PIECE)
        except (Boto3Error, *REFUSALS) as error:
            raise StoreError(
                f"expected to store {key!r} in the bucket {self.bucket!r}, but: {words(error)}."
                " Choose a bucket to which you may write."
            ) from error

    def sizes(self) -> dict[str, int]:
        """Ask the store, bypassing any mount, which objects it has.

        Returns
        -------
        dict of str to int
            From the key of each object, without the prefix of the sandbox, to its size in bytes.
        """
        pages = self.client.get_paginator("list_objects").paginate(
            Bucket=self.bucket, Prefix=self.prefix
        )
        return {
            item["Key"].removeprefix(self.prefix): item["Size"]
            for page in pages
            for item in page.get("Contents", [])
            if item["Key"] != self.prefix
        }

    def shell(self, command: str, *, status: int = 0) -> None:
        """Run a command in the sandbox's folder and show it, see `s3_sandbox.shell`."""
        shell(command, directory=self.directory, status=status)

    @contextlib.contextmanager
    def traffic(self) -> Iterator[Traffic]:
        """Count what crosses the network while the block runs.

        The count is the server's: bytes that were really sent and received, and requests,
        of this bucket. It ends when the last request that is under way has ended.

        Yields
        ------
        Traffic
            Empty at first, filled when the block ends.

        Raises
        ------
        SandboxError
            If the bucket is the reader's own, whose server keeps no such log for us.
        """
        server = self._local_server("counts requests and bytes")
        # Between two blocks that are counted, there is mostly nothing to wait for.
        before = server.settle(seen=server.settled)
        traffic = Traffic()

        def fill() -> None:
            log = server.requests(since=before)
            traffic.log = [request for request in log if request.bucket == self.bucket]

        try:
            yield traffic
        except BaseException:
            with contextlib.suppress(SandboxError):
                fill()
            raise
        fill()

    @contextlib.contextmanager
    def failing(self, *operations: str, status: int = 403) -> Iterator[None]:
        """Have the local server refuse some S3 operations, of any bucket, while the block runs.

        A block within another one adds to what fails.

        Parameters
        ----------
        *operations : str
            Their names in the S3 API, such as ``"PutObject"``.
        status : int, default: 403
            The HTTP status of the answers: 403 for a lack of permission, 503 for a store that is
            overloaded. With 200 the error is in the body only, as S3 does for
            ``"CompleteMultipartUpload"``.

        Raises
        ------
        SandboxError
            If the bucket is the reader's own, whose server we cannot tell to fail.
        """
        server = self._local_server("can be told to fail")
        before = server.faults
        server.fail(before | dict.fromkeys(operations, status))
        try:
            yield
        finally:
            server.fail(before)

    def _local_server(self, ability: str) -> Server:
        if not self._server:
            raise SandboxError(
                f"expected the local sandbox, whose server {ability}, but {OWN_BUCKET} selects"
                f" your own bucket {self.bucket!r}. Unset it to run this."
            )
        return self._server

    def stop(self) -> None:
        """Unmount, remove the objects and the folder; it may be called twice."""
        if self in _running:
            _running.remove(self)
        self._cleanup.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<sandbox: {self.source} at {self.endpoint or 'Amazon S3'}>"


def start_sandbox(
    bucket: str, samples: Iterable[str] = (), *, port: int = 0, own_bucket: str | None = None
) -> Sandbox:
    """Get a bucket to try things on, with real data in it.

    By default the bucket is on a local S3 server that is started for the purpose.
    Where the environment variable ``S3_MOUNTS_BUCKET`` names a bucket of your own, a part of
    that is used, under a unique prefix; then your credentials or ``AWS_PROFILE`` count, and the
    address ``S3_MOUNTS_ENDPOINT_URL``, or else the one that boto3 would take. Before anything is
    written to it, a message says where, and what will be removed.

    For as long as the sandbox runs, the environment variables of this process point boto3 and
    s3fs to it. Cartopy finds its 110 m coastlines without a download.

    What killed processes have left of earlier sandboxes is removed first, and a message on the
    standard error says so.

    Parameters
    ----------
    bucket : str
        The name of the bucket; in a bucket of your own, the start of the prefix.
    samples : iterable of str, optional
        Files to put into the bucket, see `Sandbox.add_samples`.
    port : int, default: 0
        The port of the local server; 0 for any free one.
    own_bucket : str, optional
        A bucket of your own, in place of ``S3_MOUNTS_BUCKET``.

    Returns
    -------
    Sandbox
        The sandbox. It stops at the end of the process at the latest.

    Raises
    ------
    SandboxError
        If the local server does not start, the bucket exists, or a sample is unknown. Or if the
        address of a store of yours is set, but no bucket.
    s3_mounts.StoreError
        If your own bucket cannot be used.

    Examples
    --------
    >>> sandbox = start_sandbox("other-data", ["air_temp.pp"])
    >>> sandbox
    <sandbox: other-data at http://127.0.0.1:...>
    >>> sandbox.stop()
    """
    use_packaged_coastlines()
    remove_leftovers()
    own = own_bucket or os.environ.get(OWN_BUCKET)
    if not own and os.environ.get(OWN_ENDPOINT):
        raise SandboxError(
            f"expected the name of a bucket of yours in {OWN_BUCKET}, since {OWN_ENDPOINT} is set,"
            " found none. Set it, or unset the other one for the local sandbox."
        )
    if own and ":" in own:
        raise SandboxError(
            f"expected the name of a bucket in {OWN_BUCKET}, without a prefix, found {own!r}."
        )
    with contextlib.ExitStack() as cleanup:
        if own:
            session, variables = _own_store()
            cleanup.enter_context(_environment(**variables, **{_DEFAULT_SESSION: session}))
            endpoint = endpoint_url()
            require_bucket(own, endpoint)
            s3 = bound_client(session, endpoint)
            server = None
            prefix = f"{bucket}-{secrets.token_hex(8)}/"
            print(
                f"Your bucket {own} at {endpoint or 'Amazon S3'} is used. Whatever is"
                f" written there is below {prefix}\nand is removed at the end. Nothing else in it"
                " is changed or removed.",
                *filter(None, [what_will_stay(s3, own)]),
                sep="\n",
                flush=True,
            )
            parent, lock = make_folder(bucket=own, prefix=prefix, endpoint=endpoint)
            cleanup.enter_context(lock)
            try:
                _create_prefix(s3, own, prefix)
            except StoreError:
                remove_folder(parent)
                raise
            cleanup.callback(
                _remove_own, bound_client(session, endpoint, SOON), parent, own, prefix
            )
        else:
            shared = None if port else shared_or_none()
            server = shared or cleanup.enter_context(Server(port))
            endpoint = server.url
            prefix = ""
            parent = server.directory
            cleanup.enter_context(_environment(**_LOCAL_ENVIRONMENT, AWS_ENDPOINT_URL=endpoint))
            # Only now: it would complain of a profile that the reader has not got.
            session = _local_session()
            cleanup.enter_context(_environment(**{_DEFAULT_SESSION: session}))
            # If it does not answer, it was killed, and will not come back.
            s3 = bound_client(session, endpoint, Config(retries={"total_max_attempts": 1}))
            _create_bucket(s3, bucket)
            if shared:
                cleanup.callback(_remove_bucket, s3, bucket)
        folder = Path(tempfile.mkdtemp(dir=parent))
        cleanup.callback(remove_folder, folder)
        cleanup.callback(unmount_below, folder)
        sandbox = Sandbox(own or bucket, prefix, endpoint, folder, s3, server, cleanup.pop_all())
    try:
        sandbox.add_samples(samples)
    except BaseException as error:
        try:
            sandbox.stop()
        except StoreError as left:
            error.add_note(str(left))
        raise
    return sandbox


_DEFAULT_SESSION = "boto3.DEFAULT_SESSION"
"""Set and restored as the environment variables are: it keeps the keys that it has found."""

_settings: list[dict[str, tuple[Any, Any]]] = []
"""What each block of `_environment` has set, and what it has found, the newest last."""


@contextlib.contextmanager
def _environment(**values: Any) -> Iterator[None]:
    """Set environment variables for the block, or unset those that have None.

    Such blocks may end in any order. What somebody else has set meanwhile stays as it is.
    """
    mine = {name: (value, _current(name)) for name, value in values.items()}
    _settings.append(mine)
    for name, value in values.items():
        _set(name, value)
    try:
        yield
    finally:
        place = next(i for i, setting in enumerate(_settings) if setting is mine)
        later = _settings[place + 1 :]
        del _settings[place]
        for name, (value, before) in mine.items():
            above = next((setting for setting in later if name in setting), None)
            if not above:
                if _current(name) == value:
                    _set(name, before)
            elif above[name][1] == value:
                above[name] = above[name][0], before


def _current(name: str) -> Any:
    return boto3.DEFAULT_SESSION if name == _DEFAULT_SESSION else os.environ.get(name)


def _set(name: str, value: Any) -> None:
    if name == _DEFAULT_SESSION:
        boto3.DEFAULT_SESSION = value
    elif value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


@functools.cache
def _local_session() -> boto3.Session:
    """Make the session of all local sandboxes, once: it reads a megabyte about AWS."""
    return boto3.Session(_KEY, _SECRET)


def _own_store() -> tuple[boto3.Session, dict[str, str | None]]:
    """Find the reader's store, and what tells s3fs, which knows neither profiles nor addresses."""
    session = botocore.session.Session()
    credentials = boto_credentials(session)
    if not credentials:
        raise StoreError(NONE_FOUND)
    address = (
        os.environ.get(OWN_ENDPOINT)
        or os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL")
        or _address_of_boto(session)
        or session.get_scoped_config().get("endpoint_url")
    )
    return boto3.Session(botocore_session=session), {
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_SESSION_TOKEN": credentials.token,
        "AWS_ENDPOINT_URL": address,
        "AWS_ENDPOINT_URL_S3": None,
    }


def _address_of_boto(session: botocore.session.Session) -> str | None:
    """Find the address that boto3 would take, if it is not one of Amazon's."""
    try:
        address = session.create_client("s3").meta.endpoint_url
    except ValueError as error:
        raise StoreError(f"expected the address of an object store, but: {error}") from error
    return None if store_name(address) == store_name(None) else address


def _create_bucket(s3: S3Client, bucket: str) -> None:
    if bucket in (known["Name"] for known in s3.list_buckets()["Buckets"]):
        raise SandboxError(
            f"expected no bucket {bucket!r} in the sandbox yet, but a sandbox that still runs has"
            " one. Stop that one first, or choose another name."
        )
    try:
        s3.create_bucket(Bucket=bucket)
    except (ClientError, BotoCoreError) as error:
        raise SandboxError(
            f"expected a name for a bucket, such as 'climate-data', found {bucket!r}: {error}"
        ) from error


def _create_prefix(s3: S3Client, bucket: str, prefix: str) -> None:
    try:
        # A prefix without any object is taken for a mistake when it is mounted.
        s3.put_object(Bucket=bucket, Key=prefix)
        listed = s3.list_objects(Bucket=bucket, Prefix=prefix).get("Contents", [])
        if not listed:
            # Some stores make a file of it, beside which there can be no folder.
            s3.delete_object(Bucket=bucket, Key=prefix.rstrip("/"))
            raise StoreError(
                f"expected your bucket {bucket!r} to list the object {prefix!r} that was just"
                " stored, found nothing below it: this store has no folders for s3fs."
                " Choose another store."
            )
    except REFUSALS as error:
        raise StoreError(
            f"expected to write below {prefix!r} in your bucket {bucket!r}, but: {words(error)}."
            " Choose a bucket to which you may write."
        ) from error


def _remove_own(s3: S3Client, folder: Path, bucket: str, prefix: str) -> None:
    """Remove the objects, and only then the folder, by which the next sandbox would find them."""
    remove_prefix(s3, bucket, prefix)
    remove_folder(folder)
    left = what_is_left(s3, bucket, prefix)
    if left:
        print(f"Left in your bucket {bucket} below {prefix}: {left}", file=sys.stderr)


def _remove_bucket(s3: S3Client, bucket: str) -> None:
    """Make room on a server that goes on; one that ends takes its buckets along."""
    for page in s3.get_paginator("list_objects").paginate(Bucket=bucket):
        found = page.get("Contents")
        if found:
            objects: list[ObjectIdentifierTypeDef] = [{"Key": item["Key"]} for item in found]
            s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    s3.delete_bucket(Bucket=bucket)


def stop_all() -> None:
    """Stop every sandbox of this process."""
    with contextlib.ExitStack() as stack:
        for sandbox in _running:
            stack.callback(sandbox.stop)


atexit.register(stop_all)
# What a process has started is not for its forks to stop.
os.register_at_fork(after_in_child=_running.clear)
