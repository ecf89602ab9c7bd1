"""The handle on the sandbox's S3 server."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
import urllib.request
import weakref
from collections.abc import Iterator
from typing import Any

from s3_mounts.errors import require_extra
from s3_sandbox.errors import SandboxError
from s3_sandbox.folders import make_folder, remove_folder
from s3_sandbox.traffic import Request

_START_LIMIT = 60
_SETTLE_LIMIT = 30
QUIET_TIME = 0.05

MODULE = "s3_sandbox.moto_app"
"""What runs in the process, and is in its command line."""

_SETTINGS = {"MALLOC_MMAP_THRESHOLD_": "262144", "S3_IGNORE_SUBDOMAIN_BUCKETNAME": "true"}
"""The memory of an object is given back to the system; no bucket is looked for in a host's name."""

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Whatever the environment says of proxies, the server is on this machine."""

_servers: weakref.WeakSet[Server] = weakref.WeakSet()


class Server:
    """A local S3 server in a process of its own. Use it in a ``with`` block.

    It listens on the loopback interface only.
    It ends with this process, whatever ends that, and takes everything in its folder along.
    """

    def __init__(self, port: int = 0) -> None:
        require_extra("moto", "sandbox")
        self.directory, self._lock = make_folder()
        self.faults: dict[str, int] = {}
        self.settled = 0
        with tempfile.TemporaryFile() as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", MODULE, str(self.directory), str(port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                # Ctrl-C is for the reader's process, which still needs the server to unmount.
                start_new_session=True,
                pass_fds=[self._lock.fileno()],
                env=os.environ | _SETTINGS,
            )
            _servers.add(self)
            try:
                self.url = self._first_line()
            except BaseException:
                self.stop()
                raise
            if not self.url:
                self.stop()
                errors.seek(0)
                said = errors.read().decode(errors="replace").strip()[-1000:]
                raise SandboxError(
                    f"expected the local S3 server to start on port {port or '(any)'} of"
                    f" 127.0.0.1, but it did not. It said: {said or 'nothing'}"
                )

    def _first_line(self) -> str:
        assert self._process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(_START_LIMIT):
                return ""
        return self._process.stdout.readline().strip()

    def close_in_fork(self) -> None:
        """In a fork, close the pipe: the server waits until nobody holds it any more."""
        assert self._process.stdin
        self._process.stdin.close()

    def stop(self) -> None:
        """End the server, with everything in its folder; it may be called twice."""
        assert self._process.stdin
        assert self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        remove_folder(self.directory)
        self._lock.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def requests(self, since: int = 0) -> list[Request]:
        """List what was asked of the server, once nothing is under way any more."""
        self.settle()
        return [Request(**request) for request in self._log(since)["requests"]]

    def settle(self, *, seen: int = -1) -> int:
        """Wait until nothing is under way any more, and count what was asked of the server.

        It waits for nothing where that is as many as were ``seen``.
        """
        deadline = time.monotonic() + _SETTLE_LIMIT
        while time.monotonic() < deadline:
            log = self._log(since=sys.maxsize)
            if log["active"] == 0 and log["finished"] == seen:
                self.settled = seen
                return seen
            seen = log["finished"]
            time.sleep(QUIET_TIME)
        raise SandboxError(
            f"expected the requests to the sandbox to end, but after {_SETTLE_LIMIT} s some are"
            " still under way. Close what reads from the mount, then count."
        )

    def _log(self, since: int) -> dict[str, Any]:
        with _direct.open(f"{self.url}/_s3_mounts/requests?since={since}") as answer:
            log: dict[str, Any] = json.load(answer)
        return log

    def fail(self, faults: dict[str, int]) -> None:
        """Have some S3 operations fail from now on, and no others.

        Parameters
        ----------
        faults : dict of str to int
            From the name of an operation to the HTTP status of its answer. Empty: all work again.
        """
        request = urllib.request.Request(
            f"{self.url}/_s3_mounts/faults", data=json.dumps(faults).encode(), method="PUT"
        )
        _direct.open(request).close()
        self.faults = faults


def _close_in_fork() -> None:
    for server in _servers:
        server.close_in_fork()


os.register_at_fork(after_in_child=_close_in_fork)

_shared: Server | None = None


@contextlib.contextmanager
def shared_server() -> Iterator[Server]:
    """Let all sandboxes of this process that start in the block use one server.

    Starting the server takes longer than anything else that a sandbox does.
    """
    global _shared
    with Server() as _shared:
        try:
            yield _shared
        finally:
            _shared = None


def shared_or_none() -> Server | None:
    """Find the server that sandboxes share in this block, if they do."""
    return _shared
