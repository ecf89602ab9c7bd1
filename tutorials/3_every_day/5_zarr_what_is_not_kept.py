"""
Zarr: what is not kept
======================

Save cubes of every kind as netCDF and as Zarr, load them again, and compare.

* **You will learn** what Iris changes or loses in a Zarr store with no error, how to save one so
  that nothing is lost, and how to load one so that nothing is missing.
* **You need** Iris 3.16, the ``s3fs`` program, FUSE, 1 GB of memory and 100 MB of temporary disk
  space.
* **Time**: six minutes to read.
"""

# %% C43
# Iris 3.16 saves Zarr stores, and they suit a bucket:
# :ref:`sphx_glr_tutorials_2_what_it_costs_5_zarr_through_a_mount.py`.
# What comes back is not always what you saved.
# Nothing of what follows needs a bucket: it is so on a local disk, too.
#
# One attribute each
# ------------------

import warnings

import iris
import iris.cube
import matplotlib.pyplot as plt
import numpy as np
from iris.coords import AuxCoord

from s3_mounts import S3MountsError, load_checked, mount, save_cube
from s3_sandbox import fine_temperature, sample_path, start_sandbox

# Opt in to what Iris will do by default, so that it has nothing to warn about.
iris.FUTURE.date_microseconds = True
iris.FUTURE.save_split_attrs = True

sandbox = start_sandbox("climate-data")
simple = fine_temperature(years=4, latitude=30, longitude=40)
address = "file://{}#mode=nczarr,file"

attributes = {
    "a number": 6371229.123,
    "a whole number": 20200101,
    "a text": "CMIP6",
    "a text of digits": "20200101",
    "the text true": "true",
}
noted = simple.copy()
noted.attributes.locals.update(attributes)

store = sandbox.directory / "noted.zarr"
iris.save(noted, address.format(store))
again = iris.load_cube(address.format(store))
for name, value in attributes.items():
    print(f"{name:<17}{value!r:>14} comes back as {again.attributes[name]!r}")

# %%
# Numbers keep six digits, and a text that looks like a number or like *true* is cut to one letter.
# There is no error, and no warning.
#
# Cubes of every kind
# -------------------
#
# The first one is as it came, with the grid of a weather model.
# The others have no name for their grid, so that each shows one thing.

simple_grid = simple.copy()
for axis in ("latitude", "longitude"):
    simple_grid.coord(axis).coord_system = None
masked = np.ma.masked_less(simple.data, 280)
rain = simple_grid.copy()
rain.rename("precipitation_amount")
rain.units = "kg m-2"
packed = {"dtype": "i2", "scale_factor": 0.00123456789, "add_offset": 273.15}

kinds = {"the grid of a model": (simple, {})}
for name, value in attributes.items():
    cube = simple_grid.copy()
    cube.attributes.locals["note"] = value
    kinds[f"attribute: {name}"] = cube, {}
for kind in ("f4", "f8", "i2", "i8"):
    cube = simple_grid.copy(data=masked.astype(kind))
    kinds[f"missing points, {kind}"] = cube, {}
cube = simple_grid.copy()
cube.add_aux_coord(AuxCoord(["a", "b", "c", "d"], long_name="run"), 0)
kinds["a text coordinate"] = cube, {}
kinds["lazy data"] = simple_grid.copy(data=simple.lazy_data()), {}
kinds["two cubes, one grid"] = iris.cube.CubeList([simple_grid, rain]), {}
kinds["an unlimited dimension"] = (
    simple_grid,
    {"unlimited_dimensions": ["time"]},
)
kinds["compressed data"] = simple_grid, {"zlib": True}
kinds["packed data"] = simple_grid, {"packing": packed}
for kind, name in (
    ("hybrid height", "hybrid_height.nc"),
    ("a mesh", "mesh_C4_synthetic_float.nc"),
    ("a rotated pole", "rotated_pole.nc"),
):
    kinds[kind] = iris.load(sample_path(name))[0], {}

# %%
# Each is saved in three ways and loaded again.
# What Iris itself changes in a netCDF file is no fault of Zarr: it is what the others are compared
# with.


def details(cubes):
    """List all that cubes say of themselves."""
    found = {}
    for cube in sorted(cubes, key=lambda cube: cube.name()):
        name = cube.name()
        found[name] = cube.metadata._replace(attributes=None), cube.dtype
        found[f"grid of {name}"] = repr(cube.coord_system())
        found[f"values of {name}"] = np.ma.filled(cube.data, -1).tolist()
        for key, value in cube.attributes.items():
            found[f"attribute {key}"] = repr(value)
        for coord in cube.coords():
            about = coord.units, coord.attributes, coord.has_bounds()
            found[coord.name()] = about, coord.points.tolist()
    return found


def changes(found, expected):
    """Name what is not as expected."""
    different = [
        what for what in expected if found.get(what) != expected[what]
    ]
    return "changed: " + ", ".join(different) if different else "kept"


mounted = mount(sandbox.source, sandbox.directory / "my_bucket")
table = {}
for number, (kind, (cube, keywords)) in enumerate(kinds.items()):
    file = sandbox.directory / f"{number}.nc"
    iris.save(cube, file, **keywords)
    expected = details(iris.load_raw(file))
    plain = address.format(sandbox.directory / f"{number}.zarr")
    iris.save(cube, plain, **keywords)
    safe = mounted.path / f"{number}.zarr"
    with warnings.catch_warnings(record=True, action="always") as warned:
        save_cube(cube, safe, **keywords)
    for warning in warned:
        print(f"{kind}: {warning.message}")
    found = [details(iris.load_raw(plain)), details(load_checked(safe))]
    table[kind] = [changes(one, expected) for one in found]

# %% C43
# What came of it
# ---------------

figure, axes = plt.subplots(figsize=(8, 6), layout="constrained")
is_changed = [[result != "kept" for result in row] for row in table.values()]
axes.imshow(is_changed, cmap="RdBu_r", vmin=-0.8, vmax=1.8, aspect="auto")
for row, results in enumerate(table.values()):
    for column, result in enumerate(results):
        axes.text(column, row, result, ha="center", va="center")
axes.axvline(0.5, color="white")
axes.set_xticks(range(2), ["iris.save", "save_cube and load_checked"])
axes.set_yticks(range(len(table)), list(table))
axes.tick_params(length=0, labeltop=True, labelbottom=False)
axes.set_title(f"What Zarr keeps, as Iris {iris.__version__} saves it")
plt.show()

# %%
# The first row is the one to remember: the radius of the Earth of a whole model changes, in every
# cube that it makes.
# :func:`~s3_mounts.save_cube` writes the metadata itself, exactly, into a store on the local disk.
# It compares that in full with what was to be saved, and names each difference in an error.
# Only then does it upload.
# For that it takes the size of the store on the local disk, twice.
#
# What others read
# ----------------
#
# That is another question: a store that Iris loads can be one that zarr-python does not list and
# xarray refuses, for the sake of a text coordinate.
# :func:`~s3_mounts.save_cube` has warned you of it.
# In the other direction, Iris reads neither format 3, nor the text that xarray writes:
# :doc:`/explanation/what_surprises`.
#
# A chunk that is missing
# -----------------------
#
# A save may be interrupted, and somebody may remove an object.
# Take away one chunk of a store:

save_cube(simple, mounted.path / "whole.zarr", chunksizes=(1, 30, 40))
(mounted.path / "whole.zarr" / "air_temperature" / "2.0.0").unlink()

cube = iris.load_cube(address.format(mounted.path / "whole.zarr"))
for year in cube.slices_over("time"):
    print(
        year.coord("time").cell(0).point.year,
        np.ma.count_masked(year.data),
        "masked",
    )

# %%
# Iris takes what is not there for masked points.
# :func:`~s3_mounts.load_checked` asks for all chunks first:

try:
    load_checked(mounted.path / "whole.zarr")
except S3MountsError as error:
    print(str(error).replace(f"{mounted.path}", "my_bucket"))

# %%
# A folder that was there
# -----------------------
#
# To ``iris.save``, an address is a place to put a store.
# What is there is removed, whatever it is:

folder = sandbox.directory / "thesis"
folder.mkdir()
(folder / "chapter_1.txt").write_text("All of it.")
iris.save(simple, address.format(folder))
print("Still there:", (folder / "chapter_1.txt").exists())

# %%
# So do not even save onto the store that a lazy cube was loaded from.
# :func:`~s3_mounts.save_cube` refuses what is no store, and what the cube reads from.
# It replaces a store only if you say so, with ``replace=True``:

for name in ("whole.zarr", "thesis.zarr"):
    (mounted.path / "thesis.zarr").mkdir(exist_ok=True)
    (mounted.path / "thesis.zarr" / "chapter_1.txt").write_text("All of it.")
    try:
        save_cube(simple, mounted.path / name)
    except S3MountsError as error:
        print(str(error).replace(f"{mounted.path}", "my_bucket"))

# %%
# Replacing one means that the old one is lost from the first moment: S3 cannot replace many objects
# at once.
# Until all of the new objects are there and compared, nobody takes what is there for a store.

sandbox.stop()

# %%
# What you have seen
# ------------------
#
# * With ``iris.save``, numbers in the metadata of a Zarr store keep six digits, and some texts one
#   letter.
# * Missing chunks load as missing points, and a save removes what was there. There is no error.
# * ``save_cube`` keeps all of it or tells you, and ``load_checked`` does not load half a store.
#
# **Read next:** :ref:`sphx_glr_tutorials_2_what_it_costs_5_zarr_through_a_mount.py`, if you have not
# yet seen what Zarr saves you.
#
# What else is true of mounts: :doc:`/explanation/s3_buckets`.
