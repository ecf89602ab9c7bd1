"""Watch how much memory a piece of work allocates, in a process of its own, under a limit."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cloudpickle
import dask
import numpy as np
import psutil
from dask.callbacks import Callback

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PAUSE = 0.005
"""Between two looks at the memory, in seconds."""

_PROGRAM = """
import sys, cloudpickle
function, arguments = cloudpickle.load(sys.stdin.buffer)
cloudpickle.dump(function(*arguments), sys.stdout.buffer)
"""


def watched(
    work: Callable[..., Any], argument: object, *, threads: int = 1, limit: int | None = None
) -> tuple[Any, NDArray[np.float64]]:
    """Do some work with Dask in a new Python process, and watch the memory that it allocates.

    The new process gives back memory that is no longer used, as the workers of a Dask cluster do.

    Parameters
    ----------
    work : callable
        What to do.
    argument : object
        What it gets, such as a lazy cube, which goes to the process as paths and not as data.
    threads : int, default: 1
        How many threads Dask may use.
    limit : int, optional
        How many bytes the work may allocate on top of what is allocated when it begins. The
        kernel enforces that.

    Returns
    -------
    answer : object
        What the work returns, or the `MemoryError` that it raised. Where a library ends the whole
        process under the limit, as netCDF-C does that gets no memory for something small
        (*NCbytes failure*; seen on 29 November 2026 with 4.10.1), it is a `MemoryError` as well.
    memory : numpy.ndarray
        A row for each look: the part of Dask's tasks that is done, and the megabytes allocated.
        It has no rows where the process was ended.

    Examples
    --------
    >>> import numpy as np
    >>> answer, memory = watched(np.ones, 2_000_000)
    >>> len(answer), memory.shape[1]
    (2000000, 2)
    >>> answer, _ = watched(np.ones, 20_000_000, limit=60_000_000)
    >>> type(answer)
    <class 'numpy...MemoryError'>
    """
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=cloudpickle.dumps((_watch, (work, argument, threads, limit))),
        capture_output=True,
        env=os.environ | {"MALLOC_TRIM_THRESHOLD_": "65536"},
        timeout=120,
    )
    if limit and ended.returncode == -signal.SIGABRT:
        return MemoryError(ended.stderr.decode(errors="replace").strip()), np.empty((0, 2))
    ended.check_returncode()
    answer, memory = pickle.loads(ended.stdout)
    return answer, memory


def _allocated() -> int:
    """Tell how much memory this process has allocated for data, in bytes."""
    return int(psutil.Process().memory_info().data)


def _watch(
    work: Callable[..., Any], argument: object, threads: int, limit: int | None
) -> tuple[Any, NDArray[np.float64]]:
    threading.stack_size(2**20)  # The limit counts the stack of each thread.
    start = _allocated()
    if limit:
        resource.setrlimit(resource.RLIMIT_DATA, (start + limit, start + limit))
    done = 0.0
    memory = []
    ended = threading.Event()

    def count(key: Any, result: Any, graph: Any, state: Any, thread: Any) -> None:
        nonlocal done
        done = len(state["finished"]) / len(state["dependencies"])

    def watch() -> None:
        while not ended.wait(_PAUSE):
            memory.append((done, (_allocated() - start) / 1e6))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with (
            dask.config.set(scheduler="threads", num_workers=threads, split_every=2),
            Callback(posttask=count),  # type: ignore[no-untyped-call]
        ):
            answer = work(argument)
    except MemoryError as error:
        answer = error
    finally:
        ended.set()
        watcher.join()
    return answer, np.array(memory).reshape(-1, 2)
