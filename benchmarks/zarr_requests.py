"""Count requests and bytes of three questions to a Zarr store on a mount, beside netCDF.

Every way is asked in turn on a mount of its own: load the cube, one field of it, and a series of 24
points, each in a chunk of its own. The time is a model, as in the lesson "Choose your options":
requests, one after another, times the latency, plus bytes divided by 100 MB/s. Dask reads several
chunks at once, and `s3_mounts.load_checked` loads with ten threads, so both are faster than that.

Writes them to ``benchmarks/results.json``, for this version of s3fs beside others, and fails where
`s3_mounts.load_checked` takes more than it should, or, in the layout that suits a question, is not
three times as fast as netCDF with the options for sparse reads at 30 ms. It needs Iris 3.16.
"""

import sys
import tempfile
from pathlib import Path
from unittest import mock

import iris

from benchmarks import results
from s3_mounts import load_checked, mount, save_cube, sparse_read_options, zarr_loading
from s3_mounts.program import find_s3fs, s3fs_version
from s3_sandbox import fine_temperature, start_sandbox

YEARS = 54
LAYOUTS = {"by field": (1, 444, 588), "by place": (18, 148, 196)}
LATENCIES = (1, 30, 100)
BANDWIDTH = 100
LIMITS = {"load": (20, None), "field": (1, 1.05), "series": (24, 1.05)}
"""Requests, and bytes over those that are needed."""

SPARSE = "netCDF-4, options for sparse reads"
SUITING = {"field": "Zarr, load_checked", "series": "Zarr by place, load_checked"}
FASTER = 3


def by_iris(path):
    """Load a store with nothing but Iris."""
    return iris.load_cube(f"file://{path}#mode=nczarr,file")


def checked(path):
    """Load a store with what is here."""
    return load_checked(path)[0]


def through(folder):
    """Make what reads a chunk through a mount, to see what that adds."""
    real = zarr_loading._Objects.read

    def read(objects, name, tag):
        if name.count(".") != 2:  # no chunk of three dimensions
            return real(objects, name, tag)
        return (folder / objects.place[1] / name).read_bytes()

    return read


WAYS = {
    "netCDF-4, default options": ("by field.nc", iris.load_cube, False),
    SPARSE: ("by field.nc", iris.load_cube, True),
    "Zarr, Iris alone": ("by field.zarr", by_iris, False),
    "Zarr, load_checked": ("by field.zarr", checked, False),
    "Zarr, load_checked, chunks through the mount": ("by field.zarr", checked, False),
    "Zarr by place, load_checked": ("by place.zarr", checked, False),
}


def ask(sandbox, mount_point, name, load, options):
    """Ask the three questions on a new mount."""
    counted = {}
    with mount(sandbox.source, mount_point, options) as folder:
        with sandbox.traffic() as counted["load"]:
            cube = load(folder / name)
        with sandbox.traffic() as counted["field"]:
            cube[20].data  # noqa: B018
        with sandbox.traffic() as counted["series"]:
            cube[24:48, 100, 200].data  # noqa: B018
    return counted


def described(traffic):
    """Say what a question has cost, and how long that takes at three latencies."""
    row = {"requests": traffic.requests, "MB": round(traffic.bytes_down / 1e6, 3)}
    for latency in LATENCIES:
        seconds = row["requests"] * latency / 1000 + row["MB"] / BANDWIDTH
        row[f"seconds at {latency} ms"] = round(seconds, 3)
    return row


def missed(row, field):
    """Name the questions in which a way costs more than the limits."""
    needed = {"load": 1, "field": field / 1e6, "series": 24 * field / 1e6}
    return [
        question
        for question, (requests, ratio) in LIMITS.items()
        if row[question]["requests"] > requests
        or (ratio and row[question]["MB"] > ratio * needed[question])
    ]


def main() -> int:
    """Measure all ways, print a table and store it."""
    if tuple(map(int, iris.__version__.split(".")[:2])) < (3, 16):
        print(f"expected Iris 3.16 or later, found {iris.__version__}: nothing is measured.")
        return 0
    iris.FUTURE.save_split_attrs = iris.FUTURE.date_microseconds = True
    table = {}
    cube = fine_temperature(YEARS)
    field = cube[0].data.nbytes
    with start_sandbox("climate-data") as sandbox, tempfile.TemporaryDirectory() as folder:
        mount_point = sandbox.directory / "m"
        mount_point.mkdir()
        local = Path(folder, "by field.nc")
        iris.save(cube, local, chunksizes=LAYOUTS["by field"])
        sandbox.add_file(local)
        with mount(sandbox.source, mount_point):
            for name, chunks in LAYOUTS.items():
                with sandbox.traffic() as saved:
                    save_cube(cube, mount_point / f"{name}.zarr", chunksizes=chunks)
                stored = [s for k, s in sandbox.sizes().items() if k.startswith(f"{name}.zarr/")]
                table[f"save_cube, Zarr {name}"] = {
                    "objects": len(stored),
                    "requests": saved.requests,
                    "bytes up / bytes stored": round(saved.bytes_up / sum(stored), 3),
                }
        for number, (way, (name, load, is_sparse)) in enumerate(WAYS.items()):
            options = sparse_read_options(Path(folder, f"cache{number}")) if is_sparse else []
            read = through(mount_point) if "through" in way else zarr_loading._Objects.read
            with mock.patch.object(zarr_loading._Objects, "read", read):
                counted = ask(sandbox, mount_point, name, load, options)
            table[way] = {question: described(traffic) for question, traffic in counted.items()}
            print(way, *(f"{q}: {row}" for q, row in table[way].items()), sep="\n  ", flush=True)
    version = "{}.{}".format(*s3fs_version(find_s3fs()))
    try:
        known = results.read("zarr_requests")["by version of s3fs"]
    except KeyError:
        known = {}
    results.write(
        "zarr_requests",
        {
            "Iris": iris.__version__,
            "MB of a field": round(field / 1e6, 3),
            "by version of s3fs": known | {version: table},
        },
    )
    wrong = missed(table["Zarr, load_checked"], field)
    if wrong:
        print(f"expected load_checked to keep to {LIMITS}, found more for {', '.join(wrong)}.")
    for question, way in SUITING.items():
        at = "seconds at 30 ms"
        ratio = table[SPARSE][question][at] / table[way][question][at]
        print(f"{question}: {way} is {ratio:.1f} times as fast as {SPARSE}.")
        if ratio < FASTER:
            wrong.append(question)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
