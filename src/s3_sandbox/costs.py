"""What everyday tasks ask of a store, what a mount takes of a machine, and how both grow."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import iris
import iris.analysis
import numpy as np
import psutil
from numpy.typing import NDArray

from s3_mounts import mount
from s3_sandbox.data import fine_temperature
from s3_sandbox.sandbox import Sandbox
from s3_sandbox.traffic import MEGABYTE, Traffic

KINDS = ["HEAD", "GET", "LIST", "PUT", "COPY", "POST", "DELETE"]
"""The kinds of requests for which stores have a price."""

_READS = 4
"""How often to read a file: how many threads there are at once depends on how busy all is."""

_QUICK_LOOKS = 20
"""How often to count threads for each look at all."""

_PARTS = {"UPLOAD": "PUT", "CREATE": "POST", "COMPLETE": "POST"}
Moved = NDArray[np.float64]


def add_files(sandbox: Sandbox) -> dict[str, float]:
    """Put the files into the bucket that `everyday_tasks` and `growth` work on.

    These are netCDF files of 4 to 60 fields, each field in a chunk of its own, and small files of
    one field each: 80 as PP below ``80/``, and five of them as PP and netCDF below ``5/``. The
    same five fields are in ``five_in_one.pp``.

    Parameters
    ----------
    sandbox : Sandbox
        The sandbox.

    Returns
    -------
    dict of str to float
        From the key of each large file to its size in megabytes.

    Examples
    --------
    >>> from s3_sandbox import start_sandbox
    >>> with start_sandbox("cost-data") as sandbox:
    ...     large = add_files(sandbox)
    ...     print(len(sandbox.sizes()))
    96
    >>> list(large)
    ['4_fields.nc', '8_fields.nc', '16_fields.nc', '32_fields.nc', '60_fields.nc']
    """
    local = sandbox.directory / "local"

    def save(cube: Any, key: str, **keywords: object) -> float:
        iris.save(cube, local, saver=key.rpartition(".")[2], **keywords)
        sandbox.add_file(local, key)
        return local.stat().st_size / MEGABYTE

    fine = fine_temperature(60)
    large = {}
    for fields in (4, 8, 16, 32, 60):
        key = f"{fields}_fields.nc"
        large[key] = save(fine[:fields], key, chunksizes=(1, 444, 588))
    coarse = fine_temperature(80, 111, 147)
    for number, field in enumerate(coarse.slices_over("time")):
        save(field, f"80/{number:02}.pp")
        if number < 5:
            save(field, f"5/{number:02}.pp")
            save(field, f"5/{number:02}.nc")
    save(coarse[:5], "five_in_one.pp")
    return large


def look(process: psutil.Process) -> Moved:
    """Look at a process: memory of its own and shared in MB, threads, connections.

    Parameters
    ----------
    process : psutil.Process
        Such as the one of a mount, see `s3_mounts.Mount`.

    Returns
    -------
    numpy.ndarray
        USS and PSS in megabytes, the number of threads, and that of connections.

    Examples
    --------
    >>> import psutil
    >>> own, proportional, threads, connections = look(psutil.Process())
    >>> bool(1 < own <= proportional), bool(threads >= 1)
    (True, True)
    """
    memory = process.memory_full_info()
    connections = len(process.net_connections("inet"))
    sizes = (memory.uss / MEGABYTE, memory.pss / MEGABYTE)
    return np.array([*sizes, process.num_threads(), connections])


def count(traffic: Traffic) -> list[float]:
    """Count the requests of each of ``KINDS``, then MB down and MB up.

    Parameters
    ----------
    traffic : Traffic
        What was asked.

    Returns
    -------
    list of float
        One number for each.

    Examples
    --------
    >>> from s3_sandbox import Request
    >>> part = Request("climate-data", "x.nc", "UploadPart", 200, 0, 5_000_000)
    >>> count(Traffic([part]))
    [0, 0, 0, 1, 0, 0, 0, 0.0, 5.0]
    """
    kinds = []
    for operation in (request.operation for request in traffic.log):
        verb = re.findall("[A-Z][a-z]+", operation)[0].upper()
        kinds.append(_PARTS.get(verb, verb))
    sizes = [traffic.bytes_down / MEGABYTE, traffic.bytes_up / MEGABYTE]
    return [*(kinds.count(kind) for kind in KINDS), *sizes]


def print_table(
    corner: str, columns: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]
) -> None:
    """Print a table.

    Parameters
    ----------
    corner : str
        What is above the names.
    columns : sequence of str
        The titles.
    rows : iterable of tuple of str, sequence of str
        For each row its name, and its cells.

    Examples
    --------
    >>> print_table("requests", ["GET", "MB down"], [("load", ["3", "1.2"])])
    requests                   GET  MB down
    load                         3      1.2
    """
    widths = [max(4, len(column)) + 1 for column in columns]
    for name, cells in ((corner, columns), *rows):
        print(f"{name:<24}", *map(str.rjust, cells, widths))


def print_counts(asked: Mapping[str, Traffic]) -> None:
    """Print what each task asked: requests of each of ``KINDS``, and megabytes.

    Parameters
    ----------
    asked : mapping of str to Traffic
        See `everyday_tasks`.

    Examples
    --------
    >>> from s3_sandbox import Request
    >>> load = Traffic([Request("climate-data", "x.nc", "GetObject", 200, 5_000_000, 0)])
    >>> print_counts({"load": load})
    requests                  HEAD   GET  LIST   PUT  COPY  POST  DELETE  MB down  MB up
    load                         0     1     0     0     0     0       0      5.0    0.0
    """
    rows = []
    for name, traffic in asked.items():
        *requests, down, up = count(traffic)
        rows.append((name, [*map(str, requests), f"{down:.1f}", f"{up:.1f}"]))
    print_table("requests", [*KINDS, "MB down", "MB up"], rows)


def everyday_tasks(
    sandbox: Sandbox, folder: Path, options: Sequence[str] = ()
) -> dict[str, Traffic]:
    """Do everyday tasks in turn on a new mount, and count what each asks of the store.

    Parameters
    ----------
    sandbox : Sandbox
        A sandbox with the files of `add_files`.
    folder : Path
        The mount point.
    options : sequence of str, optional
        The options of the mount.

    Returns
    -------
    dict of str to Traffic
        What each task asked.
    """
    asked: dict[str, Traffic] = {}

    def task(name: str, do: Callable[..., Any], *arguments: object) -> Any:
        with sandbox.traffic() as traffic:
            done = do(*arguments)
        asked[name] = traffic
        return done

    result = fine_temperature(6)
    local = sandbox.directory / "result.nc"
    iris.save(result, local)
    mounted = task("mount", mount, sandbox.source, folder, options)
    task("list 80 files", lambda: [*map(os.stat, folder.glob("80/*"))])
    cube = task("load a netCDF file", iris.load_cube, folder / "8_fields.nc")
    task("read one field of it", lambda: cube[4].data)
    mean = cube.collapsed("time", iris.analysis.MEAN)
    task("mean of all its fields", lambda: mean.data)
    task("load 5 netCDF files", iris.load, folder / "5/*.nc")
    task("load 5 PP files", iris.load, folder / "5/*.pp")
    task("load 1 PP of 5 fields", iris.load, folder / "five_in_one.pp")
    task("save netCDF directly", iris.save, result, folder / "direct.nc")
    task("save PP directly", iris.save, result, folder / "direct.pp")
    task("copy a saved file", shutil.copyfile, local, folder / "new.nc")
    task("rename it", (folder / "new.nc").rename, folder / "final.nc")
    task("delete it", (folder / "final.nc").unlink)
    task("unmount", mounted.unmount)
    return asked


def cumulate(sandbox: Sandbox, steps: Iterable[Callable[[], object]]) -> Moved:
    """Take steps, and count requests and megabytes down, up to the end of each.

    Parameters
    ----------
    sandbox : Sandbox
        The sandbox.
    steps : iterable of callable
        What to do.

    Returns
    -------
    numpy.ndarray
        A row for each step.
    """
    taken = []
    for step in steps:
        with sandbox.traffic() as traffic:
            step()
        taken.append((traffic.requests, traffic.bytes_down / MEGABYTE))
    return np.cumsum(np.array(taken, dtype=float), axis=0)


def growth(
    sandbox: Sandbox,
    keys: Iterable[str],
    options: Sequence[str] = (),
    *,
    most_files: int = 80,
    workers: int = 4,
) -> dict[str, Moved]:
    """Count how requests and bytes grow with files, their size, and workers.

    Parameters
    ----------
    sandbox : Sandbox
        A sandbox with the files of `add_files`.
    keys : iterable of str
        The files whose metadata is loaded, in the order of their sizes.
    options : sequence of str, optional
        The options of the mounts.
    most_files : int, default: 80
        How many small files to load at most, out of 1, 5, 20 and 80.
    workers : int, default: 4
        How many average the same file of 4 fields, one after the other.

    Returns
    -------
    dict of str to numpy.ndarray
        Requests and megabytes, a row for each point: ``"files"`` for 1, 5, 20 and 80 small PP
        files; ``"MB"`` for the metadata of each key; ``"workers"`` for workers with a mount each;
        ``"shared"`` for workers on one mount.
    """
    places = [sandbox.directory / f"bucket_{number}" for number in range(workers)]
    grown = {}
    with mount(sandbox.source, places[0], options) as bucket:
        paths = [bucket / f"80/{number:02}.pp" for number in range(most_files)]
        parts = (paths[:1], paths[1:5], paths[5:20], paths[20:])
        grown["files"] = cumulate(sandbox, [partial(iris.load, part) for part in parts if part])
    with mount(sandbox.source, places[0], options) as bucket:
        steps = [partial(iris.load_cube, bucket / key) for key in keys]
        grown["MB"] = np.diff(cumulate(sandbox, steps), axis=0, prepend=0)
    with ExitStack() as mounts:
        for number, place in enumerate(places):
            own = [option.replace("/cache", f"/cache_{number}") for option in options]
            mounts.enter_context(mount(sandbox.source, place, own))
        grown["workers"] = cumulate(sandbox, [partial(_work, place) for place in places])
    with mount(sandbox.source, places[0], options) as bucket:
        grown["shared"] = cumulate(sandbox, [partial(_work, bucket)] * workers)
    return grown


def _work(bucket: Path) -> None:
    """Do what each worker does."""
    cube = iris.load_cube(bucket / "4_fields.nc")
    cube.collapsed("time", iris.analysis.MEAN).data  # noqa: B018


def slopes(points: Sequence[float], measured: Moved) -> list[str]:
    """Say how requests and megabytes grow: the slope in a log-log plot, and what one more costs.

    Parameters
    ----------
    points : sequence of float
        Where it was measured, such as the numbers of files.
    measured : numpy.ndarray
        Requests and megabytes, a row for each point.

    Returns
    -------
    list of str
        For requests, then for megabytes: the slope, and what one more costs from the second point
        on.

    Examples
    --------
    >>> import numpy as np
    >>> slopes([1, 2, 4], np.array([[10, 5], [20, 5], [40, 5]]))
    ['1.0', '10.00', '0.0', '0.00']
    """
    cells = []
    for values in measured.T:
        slope = np.polyfit(np.log(points), np.log(values), 1)[0]
        more = (values[-1] - values[1]) / (points[-1] - points[1])
        cells += [f"{round(slope, 1) + 0:.1f}", f"{more:.2f}"]
    return cells


def read_fields(sandbox: Sandbox, path: Path, how_many: int) -> Moved:
    """Load a cube of 60 fields, read some of them in a random order, and count megabytes.

    Parameters
    ----------
    sandbox : Sandbox
        The sandbox.
    path : Path
        The file, on a mount.
    how_many : int
        How many fields.

    Returns
    -------
    numpy.ndarray
        What was moved up to the end of the load, and of each field.
    """
    order = np.random.default_rng(0).permutation(60)
    loaded: list[Any] = []

    def read(number: int) -> None:
        loaded[0][number].data  # noqa: B018

    steps: list[Callable[[], object]] = [lambda: loaded.append(iris.load_cube(path))]
    steps += [partial(read, number) for number in order[:how_many]]
    return cumulate(sandbox, steps)[:, 1]


def most_while_reading(process: psutil.Process, file: Path) -> Moved:
    """Have ``cat`` read a file several times, and look at a process meanwhile.

    Parameters
    ----------
    process : psutil.Process
        Such as the one of the mount that has the file.
    file : Path
        The file.

    Returns
    -------
    numpy.ndarray
        The most that was seen, see `look`.
    """
    most = look(process)
    with subprocess.Popen(["cat", *[file] * _READS], stdout=subprocess.DEVNULL) as reader:
        while reader.poll() is None:
            most = np.maximum(most, look(process))
            # To look at memory takes long, and threads come and go.
            for _ in range(_QUICK_LOOKS):
                most[2] = max(most[2], process.num_threads())
    return most
