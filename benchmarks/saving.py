"""Measure what `s3_mounts.save_cube` uploads and takes of the local disk, beside `iris.save`.

All are ratios to the size of the object. Writes them to ``benchmarks/results.json``, and fails
where `s3_mounts.save_cube` uploads more than 1.05 times the size.
"""

import contextlib
import sys
import tempfile
from pathlib import Path

import boto3
import dask.array as da
import iris

from benchmarks import results
from benchmarks.traffic import RECIPES
from s3_mounts import mount, save_cube
from s3_mounts.program import find_s3fs, s3fs_version
from s3_sandbox import fine_temperature, start_sandbox

FIELDS = 40
LIMIT = 1.05
BY_RECIPE = "what iris.save uploads, fields of 1 MB"
FORMATS = {
    "netCDF-4": ("nc", {}),
    "netCDF-4, compressed": ("nc", {"zlib": True}),
    "netCDF-3": ("nc", {"netcdf_format": "NETCDF3_64BIT"}),
    "PP": ("pp", {}),
    "GRIB 2": ("grib2", {}),
}

iris.FUTURE.date_microseconds = True
iris.FUTURE.lam_pole_offset = True
iris.FUTURE.save_split_attrs = True


def measure(save, cube, path, keywords, sandbox):
    """Save a cube, and tell how much that uploads in relation to the size of the object."""
    with sandbox.traffic() as traffic:
        save(cube, path, **keywords)
    return round(traffic.bytes_up / sandbox.sizes()[path.name], 3)


@contextlib.contextmanager
def watched(folder):
    """Tell the most that the files of a folder take while boto3 asks the store for anything."""
    taken = []

    def look(**_):
        taken.append(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))

    boto3.setup_default_session()
    boto3.DEFAULT_SESSION.events.register("before-call.s3", look)
    try:
        yield taken
    finally:
        boto3.setup_default_session()


def by_recipe(sandbox, mount_point):
    """Save fields of 1 MB straight onto a mount of each recipe, in three ways."""
    cube = fine_temperature(FIELDS)
    lazy = cube.copy(data=da.from_array(cube.data, chunks=(1, -1, -1)))
    ratios = {}
    version = "{}.{}".format(*s3fs_version(find_s3fs()))
    for title, options in RECIPES.items():
        cache = sandbox.directory / f"cache of {len(ratios)}"
        recipe = f"s3fs {version}, {title}"
        ratios[recipe] = {}
        with mount(sandbox.source, mount_point, options(cache)):
            for kind, ending, what in (
                ("PP", "pp", cube),
                ("netCDF-4, in memory", "nc", cube),
                ("netCDF-4, lazy", "nc", lazy),
            ):
                path = mount_point / f"{len(ratios)}{len(ratios[recipe])}.{ending}"
                chunks = {"chunksizes": (1, 444, 588)} if ending == "nc" else {}
                ratios[recipe][kind] = measure(iris.save, what, path, chunks, sandbox)
        print(recipe, ratios[recipe], flush=True)
    return ratios


def main() -> int:
    """Measure all formats, print a table and store it."""
    ratios = {}
    in_memory = fine_temperature(FIELDS, 128, 128)
    lazy = in_memory.copy(data=da.from_array(in_memory.data, chunks=(1, -1, -1)))
    print(f"{'':<32}{'iris.save':>10}{'save_cube':>10}{'local disk':>12}")
    with start_sandbox("climate-data") as sandbox, tempfile.TemporaryDirectory() as local:
        mount_point = sandbox.directory / "m"
        mount_point.mkdir()
        local = Path(local)
        with mount(sandbox.source, mount_point):
            for name, (ending, keywords) in FORMATS.items():
                for kind, cube in (("in memory", in_memory), ("lazy", lazy)):
                    path = mount_point / f"{len(ratios)}.{ending}"
                    direct = measure(iris.save, cube, path, keywords, sandbox)
                    path = path.with_name(f"once_{path.name}")
                    options = keywords | {"local_directory": local}
                    with watched(local) as taken:
                        once = measure(save_cube, cube, path, options, sandbox)
                    disk = round(max(taken) / sandbox.sizes()[path.name], 3)
                    ratios[f"{name}, {kind}"] = {
                        "iris.save uploads": direct,
                        "save_cube uploads": once,
                        "save_cube takes on the local disk": disk,
                    }
                    print(f"{name + ', ' + kind:<32}{direct:>10}{once:>10}{disk:>12}")
        recipes = by_recipe(sandbox, mount_point)
    with contextlib.suppress(KeyError):  # of other versions of s3fs
        recipes = results.read("saving")[BY_RECIPE] | recipes
    found = {
        "fields": FIELDS,
        "ratios to the size of the object": ratios,
        BY_RECIPE: dict(sorted(recipes.items())),
    }
    results.write("saving", found)
    worst = max(row["save_cube uploads"] for row in ratios.values())
    if worst > LIMIT:
        print(f"expected save_cube to upload at most {LIMIT} x the size, found {worst} x.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
