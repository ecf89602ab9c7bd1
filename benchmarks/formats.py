"""Measure what a mount moves to load a file of each format, and one field of it.

The data and the recipes are the same for every format. The numbers are ratios to the size of the
file. Writes them to ``benchmarks/results.json``.
"""

import tempfile
from pathlib import Path

import iris

from benchmarks import results, traffic
from s3_mounts import mount
from s3_sandbox import fine_temperature, start_sandbox

YEARS = 60
FORMATS = {
    "netCDF-4": ("a.nc", {"chunksizes": (1, 444, 588)}),
    "netCDF-3": ("a.nc3.nc", {"netcdf_format": "NETCDF3_CLASSIC"}),
    "PP": ("a.pp", {}),
    "GRIB 2": ("a.grib2", {}),
}
RECIPES = {name: traffic.RECIPES[name] for name in ("default options", "for sparse reads")}


def cost(sandbox, file, recipe, number):
    """Load from a new mount, then ask for one field: what each has moved, in files."""
    moved = {}
    options = RECIPES[recipe](sandbox.directory / f"cache{number}")
    with mount(sandbox.source, sandbox.directory / "my_bucket", options) as bucket:
        with sandbox.traffic() as load:
            cube = iris.load_cube(bucket / file.name)
        with sandbox.traffic() as field:
            cube[YEARS // 2].data  # noqa: B018
    for what, counted in (("load", load), ("one field", field)):
        moved[f"{what}, {recipe}"] = round(counted.bytes_down / file.stat().st_size, 2)
    moved[f"requests to load, {recipe}"] = load.requests
    return moved


def main() -> None:
    """Measure every format with every recipe, print a table and store it."""
    for name in ("date_microseconds", "lam_pole_offset", "save_split_attrs"):
        setattr(iris.FUTURE, name, True)
    table = {}
    with start_sandbox("climate-data") as sandbox, tempfile.TemporaryDirectory() as folder:
        (sandbox.directory / "my_bucket").mkdir()
        cube = fine_temperature(YEARS)
        for title, (name, keywords) in FORMATS.items():
            file = Path(folder, name)
            iris.save(cube, file, **keywords)
            sandbox.add_file(file)
            row = {"MB of the file": round(file.stat().st_size / 1e6)}
            for recipe in RECIPES:
                row |= cost(sandbox, file, recipe, f"{len(table)}{len(row)}")
            table[title] = row
            print(title, row, flush=True)
    results.write("formats", {"Iris": iris.__version__, "moved, in files": table})


if __name__ == "__main__":
    main()
