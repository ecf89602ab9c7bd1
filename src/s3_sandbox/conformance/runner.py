"""Find out what works on a mount, by doing the same on a local disk."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from s3_mounts.doctor import Result
from s3_sandbox.conformance import operations as trials
from s3_sandbox.conformance.operations import KINDS, TRIALS
from s3_sandbox.traffic import Traffic

VERDICTS = ("works", "differs", "fails", "untried")
"""What can come of a trial on a mount, as `Compared.verdict` says it."""


NOT_IN_TIME = "not tried: the others took too long"


@dataclass(frozen=True)
class Compared(Result):
    """What came of a file operation on a mount, compared with a local disk.

    Attributes
    ----------
    verdict : str
        ``"works"`` where the mount gave what the local disk gave, ``"differs"`` where it gave
        something else, ``"fails"`` where only the mount gave an error or no answer in time,
        ``"untried"`` where the local disk gave no result either, a program is missing, or the
        time was up.
    subject : str
        What was done, such as ``"hard link"``.
    found, on_disk : str
        In a few words, what came of it on the mount and on the local disk.
    kind : str
        A key of `s3_sandbox.conformance.operations.KINDS`.
    traffic : s3_sandbox.Traffic or None
        What the operation itself asked of the store, without preparations and checks.

    Examples
    --------
    >>> print(Compared("fails", "hard link", "not supported", on_disk="as written"))
    fails    hard link                    not supported
    """

    on_disk: str = ""
    kind: str = ""
    traffic: Traffic | None = None

    def __str__(self) -> str:
        line = f"{self.verdict:<9}{self.subject:<29}{self.found}"
        return f"{line}\n{'on a disk: ':>38}{self.on_disk}" if self.verdict == "differs" else line


def check_operations(
    directory: str | os.PathLike[str],
    other: str | os.PathLike[str] | None = None,
    *,
    kinds: Iterable[str] = tuple(KINDS),
    traffic: Callable[[], AbstractContextManager[Traffic]] | None = None,
    timeout: float = 30,
    limit: float = math.inf,
    at_once: int = 1,
    scratch: str | os.PathLike[str] | None = None,
    keep: bool = False,
) -> list[Compared]:
    """Do what programs do with files on a mount and on the local disk, and compare.

    Each operation runs in a process of its own, which is ended if it takes too long.

    Parameters
    ----------
    directory : path-like
        A directory on the mount. It gets a new folder.
    other : path-like, optional
        The same directory, through another mount of the same bucket, as if it were on another
        machine. It is used to look at what the first one has stored. Without it, operations that
        need two machines are left out.
    kinds : iterable of str, optional
        Which kinds, keys of `s3_sandbox.conformance.operations.KINDS`; by default all.
    traffic : callable, optional
        What counts the requests of each operation: `s3_sandbox.Sandbox.traffic` of a sandbox.
    timeout : float, default: 30
        How long each step of an operation may take, in seconds.
    limit : float, optional
        How long all of them may take, in seconds. What is not begun by then is ``"untried"``.
    at_once : int, default: 1
        How many operations to do at a time. Requests are counted only where it is one.
    scratch : path-like, optional
        The directory on the local disk; by default see `tempfile.gettempdir`.
    keep : bool, default: False
        Whether the new folder stays, for whoever removes more than that; else it is removed.

    Returns
    -------
    list of Compared
        One for each operation.

    Raises
    ------
    ValueError
        If there is no such kind, or if requests are to be counted of several at a time.

    Examples
    --------
    >>> results = check_operations(".", kinds=["names"])  # on a disk, so that all works
    >>> {result.verdict for result in results}
    {'works'}
    """
    with begin_operations(
        directory,
        other,
        kinds=kinds,
        traffic=traffic,
        timeout=timeout,
        limit=limit,
        at_once=at_once,
        scratch=scratch,
        keep=keep,
    ) as results:
        return results()


@contextlib.contextmanager
def begin_operations(
    directory: str | os.PathLike[str],
    other: str | os.PathLike[str] | None = None,
    *,
    kinds: Iterable[str] = tuple(KINDS),
    traffic: Callable[[], AbstractContextManager[Traffic]] | None = None,
    timeout: float = 30,
    limit: float = math.inf,
    at_once: int = 1,
    scratch: str | os.PathLike[str] | None = None,
    keep: bool = False,
) -> Iterator[Callable[[], list[Compared]]]:
    """Begin what `check_operations` does; the block gets a function that awaits the results."""
    wanted = list(kinds)
    unknown = [kind for kind in wanted if kind not in KINDS]
    if unknown:
        raise ValueError(f"expected kinds out of {', '.join(KINDS)}, found {unknown[0]!r}.")
    if traffic and at_once > 1:
        raise ValueError(f"expected at_once=1, as requests are counted, found {at_once}.")
    folder = f"s3-mounts-{secrets.token_hex(4)}"
    here = Path(os.path.abspath(directory), folder)
    there = Path(os.path.abspath(other), folder) if other else here
    tried = [
        (number, trial)
        for number, trial in enumerate(TRIALS.values())
        if trial.kind in wanted and (other is not None or trial.kind != "others")
    ]
    deadline = time.monotonic() + limit
    with contextlib.ExitStack() as cleanup:
        scratch = cleanup.enter_context(tempfile.TemporaryDirectory(dir=scratch))
        if not keep:
            cleanup.callback(_remove, here, 2 * timeout)
        # A disk takes no time.
        disk_worker, *workers = everybody = [_Worker(scratch, timeout) for _ in range(at_once + 1)]
        for worker in everybody:
            cleanup.callback(worker.close)
        on_mount, on_disk = ThreadPoolExecutor(at_once), ThreadPoolExecutor(1)
        for pool in (on_disk, on_mount):
            cleanup.callback(pool.shutdown, cancel_futures=True)

        def compare(numbered: tuple[int, trials.Trial]) -> Compared:
            number, trial = numbered
            if time.monotonic() > deadline:
                return Compared("untried", trial.name, NOT_IN_TIME, kind=trial.kind)
            worker = workers.pop()
            try:
                local = Path(scratch, "disk", str(number))
                disk = on_disk.submit(disk_worker.attempt, trial.name, local, local)
                mounted, counted = worker.attempt(
                    trial.name, here / str(number), there / str(number), traffic
                )
                return _judge(trial, disk.result()[0], mounted, counted)
            finally:
                workers.append(worker)

        try:
            results = on_mount.map(compare, tried)
            yield lambda: list(results)
        except BaseException:
            # What is under way would be waited for, and what is left would be begun.
            deadline = -math.inf
            for worker in everybody:
                worker.kill()
            raise


class _Worker:
    """A process that runs trials, and a new one after it had to be ended."""

    def __init__(self, scratch: str, timeout: float) -> None:
        # A trial that imports numpy has no use for the threads that OpenBLAS would start.
        self._environment = os.environ | {"TMPDIR": scratch, "OPENBLAS_NUM_THREADS": "1"}
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None

    def attempt(
        self,
        name: str,
        here: Path,
        there: Path,
        traffic: Callable[[], AbstractContextManager[Traffic]] | None = None,
    ) -> tuple[dict[str, str], Traffic | None]:
        """Take the steps of a trial, and count the second one's requests."""
        counted = None
        result = self._ask(json.dumps([name, str(here), str(there)]))
        if not result:
            with traffic() if traffic else contextlib.nullcontext() as counted:
                result = self._ask()
        return result or self._ask(), counted

    def _ask(self, line: str = "") -> dict[str, str]:
        """Let it go on, and wait for what it reports: nothing, or how the trial ended."""
        if not self._process:
            self._process = subprocess.Popen(
                # -P: the modules beside it must not hide others.
                [sys.executable, "-P", trials.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environment,
                process_group=0,
                bufsize=0,
            )
        assert self._process.stdin
        assert self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n".encode())
        ready, _, _ = select.select([self._process.stdout], [], [], self._timeout)
        if not ready:
            self.close()
            return {"error": f"no answer in {self._timeout:g} s"}
        answer = self._process.stdout.readline()
        if not answer:
            self.close()
            return {"error": "ended without an answer"}
        result: dict[str, str] = json.loads(answer)
        return result

    def kill(self) -> None:
        """End what it does; whoever waits for that is told."""
        process = self._process
        if process and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End it, if it runs."""
        if self._process:
            _end(self._process)
        self._process = None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children, but do not wait for what hangs in a mount."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


def _remove(folder: Path, timeout: float) -> None:
    remove = "import shutil, sys; shutil.rmtree(sys.argv[1], ignore_errors=True)"
    process = subprocess.Popen([sys.executable, "-c", remove, folder], process_group=0)
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _end(process)


def _judge(
    trial: trials.Trial, disk: dict[str, str], mount: dict[str, str], traffic: Traffic | None
) -> Compared:
    if "outcome" not in disk:
        verdict = "untried"
    elif "outcome" not in mount:
        verdict = "fails"
    else:
        verdict = "works" if mount == disk else "differs"
    local, mounted = (" ".join(result.values()) for result in (disk, mount))
    return Compared(verdict, trial.name, mounted, on_disk=local, kind=trial.kind, traffic=traffic)
