"""Play a fault while a file is used, and see what comes of it."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import multiprocessing.connection
import queue
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import boto3
import iris

from benchmarks.faults import accesses
from benchmarks.faults.network import Network
from benchmarks.faults.patience import BOUNDED
from benchmarks.faults.proxy import CONNECTIONS, Order
from s3_mounts import mount, mount_table, sparse_read_options, unmount
from s3_mounts.errors import UnmountError
from s3_mounts.options import endpoint_options
from s3_sandbox import Sandbox, fine_temperature

_TO_CHECK = 100
"""How long a look at what is stored may take, in seconds."""

_ASKING = threading.Lock()
"""Held while children are asked how they ended: each says so once, and starting one asks all."""


@dataclass(frozen=True)
class Access:
    """A way to use a file.

    Attributes
    ----------
    kind : str
        ``"wait"``, ``"read"``, ``"write"``, ``"change"`` or ``"find"``.
    title : str
        Who does it.
    do : callable
        What is done, in a child. Reading and finding return whether what they got is right.
    check : callable
        What finds out whether a local copy of the object is right, where something is stored.
    suffix : str
        Of the file.
    """

    kind: str
    title: str
    do: Callable[..., bool]
    check: Callable[[Path, Path], bool] | None = None
    suffix: str = ".nc"


ACCESSES = (
    Access("wait", "open", accesses.read_bytes),
    Access("read", "open", accesses.read_bytes),
    Access("read", "open, the first half", accesses.read_part),
    Access("read", "netCDF4", accesses.read_variable),
    Access("read", "netCDF4, held open", accesses.read_held_variable),
    Access("read", "Iris, netCDF", accesses.load),
    Access("read", "Iris, PP", accesses.load, suffix=".pp"),
    Access("write", "copy", accesses.copy, accesses.read_bytes),
    Access("write", "Iris, PP", accesses.save, accesses.load, ".pp"),
    Access("write", "save_cube, netCDF", accesses.save_safely, accesses.load),
    Access("write", "save_cube, PP", accesses.save_safely, accesses.load, ".pp"),
    Access("change", "open", accesses.overwrite, accesses.is_overwritten),
    Access("change", "netCDF4", accesses.add_variable, accesses.has_more),
    Access("find", "os.listdir", accesses.list_folder),
    Access("find", "Iris, *.pp", accesses.load_folder),
)


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes
    ----------
    kind : str
        Of the accesses to which it happens.
    title : str
        What goes wrong, in a few words.
    order : Order
        What the network is told.
    options : sequence of str
        For s3fs.
    seconds : float
        How long it lasts; 0 for as long as the access.
    cached : bool
        Whether to mount with the options for sparse reads, which keep what was read; not to write.
    limit : float
        How long an access may take, in seconds, until it counts as one that does not come back.
    """

    kind: str
    title: str
    order: Order
    options: Sequence[str] = BOUNDED
    seconds: float = 0
    cached: bool = True
    limit: float = 100

    def accesses(self) -> list[Access]:
        """List the accesses to which it can happen.

        An open file is not asked about again, and parallel reads have fetched it whole.
        """
        is_over = "HeadObject" in self.order.operations or not self.cached
        return [
            access
            for access in ACCESSES
            if access.kind == self.kind
            and not (is_over and access.do is accesses.read_held_variable)
        ]


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes
    ----------
    told : str
        ``"no error"``, an exception, a signal, or ``"no answer"``.
    data : str
        What a reader got: ``"right"``, ``"wrong"`` or ``"none"``. For the others what the store
        has when the bucket is unmounted: these, or ``"as before"``.
    later : str
        Of a reader: the same for another one when all is well again.
    seconds : float
        How long the access took.
    """

    told: str
    data: str
    later: str
    seconds: float

    @property
    def silent(self) -> bool:
        """Whether data are wrong or lost, and nobody was told."""
        return self.told == "no error" and self.data != "right"


class Laboratory:
    """Where trials are made. Use it in a ``with`` block.

    Parameters
    ----------
    sandbox : Sandbox
        Its bucket and folder are used.
    workers : int, default: 1
        How many trials may be made at the same time: they mostly wait.
    """

    def __init__(self, sandbox: Sandbox, workers: int = 1) -> None:
        assert sandbox.endpoint
        self._cleanup = contextlib.ExitStack()
        self._sandbox = sandbox
        self._store = boto3.client("s3")
        self._children = multiprocessing.get_context("forkserver")
        self._children.set_forkserver_preload(["benchmarks.faults.accesses"])
        self._folder = Path(tempfile.mkdtemp(dir=sandbox.directory))
        self._numbers = itertools.count()
        # Larger than what s3fs fetches when it is opened, and uploaded in parts.
        cube = fine_temperature(years=accesses.FILES, latitude=1000, longitude=1000)
        for suffix in (".nc", ".pp"):
            iris.save(cube, self._folder / f"truth{suffix}")
        for number in range(accesses.FILES):
            iris.save(cube[number, :10, :10], self._folder / f"{number}.pp")
        self._pool = self._cleanup.enter_context(ThreadPoolExecutor(workers))
        self._free: queue.Queue[Network] = queue.Queue()
        for _ in range(workers):
            self._free.put(self._cleanup.enter_context(Network(sandbox.endpoint)))

    def __enter__(self) -> Laboratory:
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def try_all(self, faults: Sequence[Fault]) -> Iterator[tuple[Fault, Access, Outcome]]:
        """Make all trials, and yield what came of them, in order."""
        pairs = [(fault, access) for fault in faults for access in fault.accesses()]
        outcomes = self._pool.map(lambda pair: self.try_one(*pair), pairs)
        for (fault, access), outcome in zip(pairs, outcomes, strict=True):
            yield fault, access, outcome

    def try_one(self, fault: Fault, access: Access) -> Outcome:
        """Make a trial.

        Raises
        ------
        RuntimeError
            If the fault did not happen: then nothing was learned.
        """
        network = self._free.get()
        folder = self._folder / f"{next(self._numbers)}"
        (folder / "mount").mkdir(parents=True)
        try:
            return self._try(fault, access, network, folder)
        finally:
            network.mend()
            self._free.put(network)
            shutil.rmtree(folder / "cache", ignore_errors=True)

    def _try(self, fault: Fault, access: Access, network: Network, folder: Path) -> Outcome:
        local = self._folder / f"truth{access.suffix}"
        key = f"{folder.name}{access.suffix}"
        self._prepare(access, key, local)
        path = folder / "mount" / key
        keeps = fault.cached and access.kind != "write"
        usual = sparse_read_options(folder / "cache") if keeps else ["multipart_size=5"]
        options = [*endpoint_options(network.url), *usual, *fault.options]
        later = ""
        with _mounted(self._sandbox.source, folder / "mount", options):
            child, pipe = self._child(access.do, path, local, network.url)
            network.play(fault.order)
            mended = threading.Timer(fault.seconds, network.mend)
            if fault.seconds:
                mended.start()
            started = time.monotonic()
            told, right = _result(child, pipe, fault.limit)
            seconds = time.monotonic() - started
            mended.cancel()
            if not network.mend() and fault.order.how not in CONNECTIONS:
                raise RuntimeError(f"expected {fault} in {access}, but it was not played: {told}.")
            if not access.check:
                later = _data(
                    *_result(*self._child(access.do, path, local, network.url), fault.limit)
                )
        data = self._stored(key, access, local) if access.check else _data(told, right)
        return Outcome(told, data, later, round(seconds, 1))

    def _prepare(self, access: Access, key: str, local: Path) -> None:
        if access.kind in ("wait", "read", "change"):
            self._sandbox.add_file(local, key)
        elif access.kind == "find":
            for number in range(accesses.FILES):
                self._sandbox.add_file(
                    self._folder / f"{number}.pp", f"{Path(key).stem}/{number}.pp"
                )

    def _child(
        self, do: Callable[..., bool], path: Path, local: Path, store: str = ""
    ) -> tuple[BaseProcess, Connection]:
        """Start a child, and wait until it is ready for what is to happen."""
        ours, theirs = self._children.Pipe()
        child = self._children.Process(
            target=accesses.attempt, args=(do, path, local, store, theirs)
        )
        with _ASKING:
            child.start()
        theirs.close()
        ours.recv()
        return child, ours

    def _stored(self, key: str, access: Access, local: Path) -> str:
        assert access.check
        if not self._sandbox.sizes().get(key):
            return "none"
        stored = self._folder / f"stored-{key}"
        self._store.download_file(self._sandbox.bucket, key, str(stored))
        try:
            if access.kind == "change" and stored.read_bytes() == local.read_bytes():
                return "as before"
            _, right = _result(*self._child(access.check, stored, local), _TO_CHECK)
            return "right" if right else "wrong"
        finally:
            stored.unlink()


def _result(child: BaseProcess, pipe: Connection, limit: float) -> tuple[str, bool]:
    with pipe:
        pipe.send("go")
        if not multiprocessing.connection.wait([child.sentinel], limit):
            child.kill()
            return "no answer", False
        with _ASKING:
            child.join()
        if child.exitcode:
            return signal.Signals(-child.exitcode).name, False
        told, right = pipe.recv()
    return told, right


def _data(told: str, right: bool) -> str:
    return "right" if right else "wrong" if told == "no error" else "none"


@contextlib.contextmanager
def _mounted(source: str, mount_point: Path, options: Sequence[str]) -> Iterator[None]:
    """Mount, and get rid of the mount whatever happens."""
    mount(source, mount_point, options)
    try:
        yield
    finally:
        try:
            unmount(mount_point, timeout=10)
        except UnmountError:
            mount_table.abandon(mount_point)
