"""Mount a bucket with the real ``s3fs``, and unmount it, with the result verified.

The exit status of ``s3fs`` is 0 in many cases in which nothing usable is mounted.
So a mount counts only when the kernel lists it and another process could look into it.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from s3_mounts import guardian, mount_table
from s3_mounts.errors import MountError, MountPointError, StoreError, UnmountError
from s3_mounts.options import (
    endpoint_options,
    endpoint_url,
    name_options,
    option_values,
    prefix_options,
)
from s3_mounts.program import find_s3fs, require_fuse

_POLL = 0.002
_SECRET = re.compile(r"(?i)((?:x-amz-security-token|authorization):).*")  # logged with curldbg

KILL_LIMIT = 5  # seconds for a killed process to end
ERROR_LIMIT = 2  # seconds for a mount to come off after an error

NOT_ASKED = {
    *("credlib", "ecs", "host", "iam_role", "ibm_iam_auth", "ibm_iam_endpoint", "imdsv1only"),
    *("cipher_suites", "ipresolve", "proxy", "proxy_cred_file", "servicepath", "sigv2"),
    *("ssl_client_cert", "ssl_verify_hostname"),
}
"""Options of s3fs that change how it asks a store, and that nothing here can do alike."""

_children: list[subprocess.Popen[bytes]] = []  # every s3fs started here, to be reaped at its end


@dataclass(frozen=True, repr=False)
class Mount:
    """A mounted bucket. Use it in a ``with`` block to unmount at the end.

    Made by `mount`.

    Attributes
    ----------
    path : Path
        The mount point.
    source : str
        What is mounted: ``bucket`` or ``bucket:/prefix``.

    Examples
    --------
    >>> mounted = mount("climate-data", "my_bucket")
    >>> mounted
    <climate-data mounted on .../my_bucket>
    >>> len(mounted.processes)
    1
    >>> mounted.unmount()
    """

    source: str
    path: Path

    @property
    def processes(self) -> list[psutil.Process]:
        """The ``s3fs`` processes that serve it: one, or none where it has died."""
        return mount_table.servers(self.path)

    def unmount(self, *, lazy: bool = False, timeout: float = 20) -> None:
        """Unmount the bucket, see `s3_mounts.unmount`."""
        unmount(self.path, lazy=lazy, timeout=timeout)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            self.unmount()
            return
        # What has failed often keeps a file open as long as its error lives.
        try:
            self.unmount(timeout=ERROR_LIMIT)
        except (UnmountError, MountPointError) as problem:
            if mount_table.is_s3fs(mount_table.topmost(self.path)):
                mount_table.detach(self.path, lazy=True)
                guardian.release(self.path)
                error.add_note(f"The bucket was unmounted lazily, since at this error {problem}")
            else:
                error.add_note(f"At this error {problem}")

    def __repr__(self) -> str:
        return f"<{self.source} mounted on {self.path}>"


def mount(
    source: str,
    path: str | os.PathLike[str],
    options: Sequence[str] = (),
    *,
    timeout: float = 20,
    keep: bool = False,
    ask: bool = True,
) -> Mount:
    """Mount a bucket on a directory, and make sure that it is usable.

    The credentials are those that s3fs finds: in a ``passwd_file`` that is given as an option, in
    the environment, in ``~/.aws/credentials`` or in ``~/.passwd-s3fs``; none with
    ``public_bucket=1``.
    The address of the store is taken from the option ``url``, or from ``AWS_ENDPOINT_URL``, or else
    it is Amazon's own.
    The store is asked for the bucket while ``s3fs`` starts, as s3fs will ask it. With options
    for what only s3fs can do, such as ``iam_role`` or ``proxy``, it is not.

    Parameters
    ----------
    source : str
        ``bucket``, or ``bucket:/prefix`` for a part of it.
    path : path-like
        The mount point: an empty directory. It is made where it does not exist.
    options : sequence of str, optional
        Values for ``-o`` of s3fs, such as ``"multipart_size=5"``.
    timeout : float, default: 20
        How long to wait until the mount answers, in seconds.
    keep : bool, default: False
        Leave the bucket mounted when this process ends. By default it is unmounted then, even if
        the process is killed.
    ask : bool, default: True
        Ask the store for the bucket first, to say what is wrong where s3fs does not.

    Returns
    -------
    Mount
        The mount. As a context manager it gives the mount point and unmounts at the end.

    Raises
    ------
    SetupError
        If the ``s3fs`` program or FUSE is missing.
    MountPointError
        If it is a file, not empty, or mounted already, or cannot be made.
    StoreError
        If the store cannot be reached, refuses, or has no such bucket or prefix.
    MountError
        If s3fs gave up, or the mount did not answer in time; the message has s3fs's own words.
        After this error, as after any of the others, nothing is left mounted or running.

    Examples
    --------
    >>> with mount("climate-data", "my_bucket", ["ro"]) as folder:
    ...     print(*sorted(path.name for path in folder.glob("*.pp")))
    A1B.2098.pp air_temp.pp
    """
    program = find_s3fs()
    require_fuse()
    mount_point = mount_table.absolute(path)
    values = option_values(options)
    endpoint = endpoint_url(values.get("url"))
    pointing = [] if values.get("url") else endpoint_options(endpoint)
    all_options = [*pointing, *prefix_options(source), *name_options(source, options), *options]
    arguments = [word for option in all_options for word in ("-o", option)]
    with _free_directory(mount_point), tempfile.TemporaryFile() as log:
        deadline = time.monotonic() + timeout
        # s3fs does not know the name that boto3 has for the certificates to trust.
        bundle = os.environ.get("AWS_CA_BUNDLE")
        environment = {"CURL_CA_BUNDLE": bundle} if bundle else {}
        environment |= os.environ | ({} if keep else guardian.guard(mount_point))
        process = subprocess.Popen(
            [program, source, mount_point, "-f", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            if ask and not values.keys() & NOT_ASKED:
                _ask_store(source, endpoint, timeout, values)
            if problem := _problem(process, mount_point, deadline):
                raise MountError(f"{problem} {_words(log)}")
        except BaseException:
            _give_up(process, mount_point)
            raise
    _children.append(process)
    return Mount(source, mount_point)


@contextlib.contextmanager
def _free_directory(mount_point: Path) -> Iterator[None]:
    """Have an empty directory to oneself for the block; one that was made goes with an error."""
    # Only the kernel is asked about a mount: a look into one can hang.
    made = not mount_table.topmost(mount_point) and not os.path.lexists(mount_point)
    if made:
        try:
            mount_point.mkdir(parents=True)
        except OSError as error:
            raise MountPointError(
                f"expected to make the directory {mount_point}, but: {error.strerror}. Choose"
                " another place."
            ) from error
    try:
        _require_free_directory(mount_point)
        bare = os.open(mount_point, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # Others who are about to mount there wait, where it can be locked.
            with contextlib.suppress(OSError):
                fcntl.flock(bare, fcntl.LOCK_EX)
            _require_free_directory(mount_point)
            yield
        finally:
            os.close(bare)
    except BaseException:
        if made:
            with contextlib.suppress(OSError):
                mount_point.rmdir()
        raise


def _require_free_directory(mount_point: Path) -> None:
    # A look into a mount can hang, and what it shows may have been mounted a moment ago.
    look = not mount_table.topmost(mount_point) and mount_point.is_dir()
    inside = sorted(os.listdir(mount_point)) if look else []
    mounted = mount_table.topmost(mount_point)
    to_do = "Unmount it first, or choose" if mounted else "Choose"
    if mounted:
        problem = f"on {mount_point} a file system of type {mounted.type} is mounted already"
        if mount_table.is_s3fs(mounted) and not mount_table.servers(mount_point):
            problem += ", and its s3fs has died, or is another user's"
    elif not mount_point.is_dir():
        problem = f"{mount_point} is a file"
    elif inside:
        more = f" and {len(inside) - 1} more" if inside[1:] else ""
        problem = f"{mount_point} holds {inside[0]!r}{more}, which the mount would hide"
    else:
        return
    raise MountPointError(f"expected an empty directory, but {problem}. {to_do} another directory.")


def _ask_store(
    source: str, endpoint: str | None, timeout: float, options: Mapping[str, str]
) -> None:
    """Ask the store for the bucket; a name server or a store that dawdles must not keep us."""
    # To import botocore takes longer than all else, and s3fs is starting meanwhile.
    from s3_mounts.store import require_bucket

    errors: list[BaseException] = []

    def ask() -> None:
        try:
            require_bucket(source, endpoint, timeout, options)
        except BaseException as error:
            errors.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout)
    if errors:
        raise errors[0]
    if asking.is_alive():
        raise StoreError(
            f"expected the store at {endpoint or 'Amazon S3'} to answer within {timeout:g} s, but"
            " it has not. Check the address, the network and any proxy."
        )


def _problem(process: subprocess.Popen[bytes], mount_point: Path, deadline: float) -> str:
    """Wait until the mount can be used, and say what is wrong if that does not come."""
    wanted = f"expected s3fs to mount on {mount_point}, but"
    while not mount_table.topmost(mount_point):
        if (status := process.poll()) is not None:
            return f"{wanted} it ended with exit status {status} and nothing is mounted."
        if time.monotonic() > deadline:
            return f"{wanted} it has not done so in time."
        time.sleep(_POLL)
    limit = max(deadline - time.monotonic(), _POLL)
    status, device, complaint = guardian.probe(["stat", "-c", "%d", mount_point], limit)
    if status is None:
        mount_table.abandon(mount_point)
        return f"{wanted} a look into the mount did not come back in time."
    # s3fs mounts before it looks at all its options; then the look may find the bare directory.
    is_bare = not status and int(device) == mount_point.parent.stat().st_dev
    if not status and not is_bare:
        return ""
    # If s3fs is just ending, it may still have something to say.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    found = "it is gone again" if is_bare else complaint.strip()
    return f"{wanted} a look into the mount fails: {found}."


def _give_up(process: subprocess.Popen[bytes], mount_point: Path) -> None:
    if process.poll() is None:
        # What mounts for an ordinary user's s3fs goes on without it; as root, if it may do so.
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(KILL_LIMIT)
            for _ in range(100):
                with contextlib.suppress(PermissionError):
                    os.killpg(process.pid, 0)
                time.sleep(KILL_LIMIT / 100)
    mount_table.abandon(mount_point)
    guardian.release(mount_point)


def _words(log: IO[bytes]) -> str:
    log.seek(0)
    said = log.read().decode(errors="replace")
    lines = _SECRET.sub(r"\1 ...", said).splitlines()
    telling = [re.sub(r"^\S+Z ", "", line) for line in lines if "[INF]" not in line]
    said = "\n  ".join(["s3fs said:", *telling[-5:]])
    return said if telling else "s3fs itself said nothing about it."


def unmount(path: str | os.PathLike[str], *, lazy: bool = False, timeout: float = 20) -> None:
    """Unmount a bucket, and wait until everything is stored.

    Parameters
    ----------
    path : path-like
        The mount point.
    lazy : bool, default: False
        Take the mount out of the tree at once even while somebody uses it. Whoever does can go
        on; s3fs ends when the last one has finished, and this function does not wait for it.
    timeout : float, default: 20
        How long to try, and then to wait for s3fs to end, in seconds each.

    Raises
    ------
    MountPointError
        If nothing is mounted there.
    UnmountError
        If the mount stayed busy; the message names what holds it. Or if s3fs did not end.

    Examples
    --------
    >>> mounted = mount("climate-data", "my_bucket")
    >>> unmount("my_bucket")
    """
    mount_point = mount_table.absolute(path)
    mounted = mount_table.topmost(mount_point)
    if not mount_table.is_s3fs(mounted):
        found = f"a file system of type {mounted.type}" if mounted else "nothing"
        raise MountPointError(f"expected a bucket mounted by s3fs on {mount_point}, found {found}.")
    serving = mount_table.servers(mount_point)
    _detach(mounted, lazy=lazy, deadline=time.monotonic() + timeout)
    guardian.release(mount_point)
    if lazy:
        return
    running = _await_end(serving, deadline=time.monotonic() + timeout)
    _children[:] = [child for child in _children if child.poll() is None]
    if running:
        raise UnmountError(
            f"{mount_point} is unmounted, but s3fs (process {running[0].pid}) still runs after"
            f" {timeout:g} s: it may still be storing data. Wait until it has ended. If it never"
            " does, kill it; what it has not stored is lost then."
        )


def _await_end(serving: list[psutil.Process], *, deadline: float) -> list[psutil.Process]:
    """Wait for processes to end, and return those that have not in time."""
    while serving and time.monotonic() < deadline:
        _, serving = psutil.wait_procs(serving, timeout=1)
        # One that has ended stays listed until its parent takes note, which may be never.
        serving = [process for process in serving if not _has_ended(process)]
    return serving


def _has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _detach(mounted: mount_table.Entry, *, lazy: bool, deadline: float) -> None:
    pause = 0.02
    while (result := mount_table.detach(mounted.path, lazy=lazy)).returncode:
        if mount_table.topmost(mounted.path) != mounted:
            return
        # A dropped dataset keeps its file open until it is collected.
        gc.collect()
        if time.monotonic() > deadline:
            raise UnmountError(_why_busy(mounted.path, result.stdout.strip()))
        time.sleep(pause)
        pause = min(2 * pause, 1)


def _why_busy(mount_point: Path, complaint: str) -> str:
    holders = mount_table.holders(mount_point)
    who = "".join(f"\n  {holder}" for holder in holders) or "\n  nobody that this user may see"
    return (
        f"expected to unmount {mount_point}, but: {complaint}. It is held by:{who}\n"
        "Close the files and leave the directory, then unmount again."
    )
