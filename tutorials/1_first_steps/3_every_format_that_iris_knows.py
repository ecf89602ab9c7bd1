"""
Every format that Iris knows
============================

Load and save each file format of Iris through the mount, and compare with the local disk.

* **You will learn** which formats work on a mounted bucket, and how Iris finds out which one a
  file has.
* **You need** the ``s3fs`` program and FUSE. You need no S3 account.
* **Time**: seven minutes to read.
"""

# %%
# One field, many files
# ---------------------
#
# Does it matter to Iris that a file is an object in a bucket?
# To find out, you need a file of each format.
# Most of them will hold one field: surface temperature, the mean of a month.

import filecmp
import re
import shutil
import warnings

import cartopy.crs as ccrs
import iris
import matplotlib.pyplot as plt
import netCDF4
import numpy as np
from iris.fileformats import FORMAT_AGENT
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm

from s3_mounts import mount
from s3_sandbox import formats, sample_path, start_sandbox

# Opt in to what Iris will do by default, so that it has nothing to warn about.
iris.FUTURE.date_microseconds = True
iris.FUTURE.lam_pole_offset = True
iris.FUTURE.save_split_attrs = True

sandbox = start_sandbox("climate-data")
disk = sandbox.directory / "disk"
disk.mkdir()
cube = iris.load_cube(sample_path("GloSea4/ensemble_001.pp"))[0]
print(cube.summary(shorten=True))

# %%
# Iris itself saves netCDF, PP and GRIB 2, so you can make these yourself.

NETCDF = {
    "classic.nc": "NETCDF3_CLASSIC",
    "offset64.nc": "NETCDF3_64BIT",
    "netcdf4.nc": "NETCDF4",
    "netcdf4_classic.nc": "NETCDF4_CLASSIC",
}
for name, kind in NETCDF.items():
    iris.save(cube, disk / name, netcdf_format=kind)
iris.save(cube, disk / "field.pp")
iris.save(cube, disk / "field.grib2")

# %%
# Three formats come from Iris's sample data: an unstructured mesh (UGRID), the ash of a volcano
# (NAME), and GRIB 2 on a polar grid, from which ecCodes makes GRIB 1.

for name, sample in {
    "mesh.nc": "mesh_C4_synthetic_float.nc",
    "ash.txt": "NAME_output.txt",
    "polar.grib2": "polar_stereo.grib2",
}.items():
    shutil.copy(sample_path(sample), disk / name)
formats.write_grib1(disk / "polar.grib1", disk / "polar.grib2")

# %%
# There is no free sample of the others, and Iris does not save them.
# :mod:`s3_sandbox.formats` writes small files from their published layouts.
# An ABF or ABL file holds percentages, so here it gets the temperature as a
# percentage of its range.

formats.write_little_endian_pp(disk / "little.pp", cube)
formats.write_nimrod(disk / "field.nimrod", cube)
formats.write_fieldsfile(disk / "new.ff", cube)
formats.write_fieldsfile(disk / "old.ff", cube, "pre v3.1")
formats.write_fieldsfile(disk / "ancillary.ff", cube, "ancillary")
formats.write_fieldsfile(disk / "new32.ff", cube, word_bytes=4)
formats.write_fieldsfile(
    disk / "ancillary32.ff", cube, "ancillary", word_bytes=4
)

percent = cube - cube.data.min()
percent = percent * (100 / percent.data.max())
formats.write_abf(disk / "AVHRRBUVI01.2011auga.abf", percent)
formats.write_abf(disk / "AVHRRBUVI01.2011auga.abl", percent)

# %% C01
# Into the bucket
# ---------------
#
# Every file becomes an object whose key begins with ``formats/``.
# The bucket is mounted with the default options.
# They fetch each of these files whole, which does no harm here: none is larger than 10 MB.

for path in disk.iterdir():
    sandbox.add_file(path, f"formats/{path.name}")

mount_point = sandbox.directory / "my_bucket"
mount_point.mkdir()
mounted = mount(sandbox.source, mount_point)
remote = mount_point / "formats"
sandbox.shell("ls my_bucket")
sandbox.shell("ls my_bucket/formats/*.grib*")
print(len(list(remote.iterdir())), "files are there.")

# %% C25
# Look inside
# -----------
#
# Most formats are known by their first bytes.
# Iris reads these before anything else.
# So can you, with Python's ``open``.

for name in ("classic.nc", "netcdf4.nc", "field.grib2", "ash.txt"):
    with open(remote / name, "rb") as file:
        print(f"{name:<13}{file.read(8)}")

# %% C19, C25, C26
# Load them all
# -------------
#
# Each file is now loaded twice: through the mount, and from the disk.
#
# * *Same* means that both give equal cubes, in their numbers and in their metadata.
# * *Lazy* means that the numbers are not in memory yet.
# * The last column is what Iris takes the file to be.
#
# Iris has deprecated its modules for ABF and ABL, and for ``dot``, which you will meet below.
# They warn when they are first imported, so the import comes first, with that warning off.

with warnings.catch_warnings():
    warnings.simplefilter("ignore", iris.IrisDeprecation)
    import iris.fileformats.abf
    import iris.fileformats.dot

FILES = {
    "classic.nc": "netCDF classic",
    "offset64.nc": "netCDF 64-bit offset",
    "netcdf4.nc": "netCDF-4",
    "netcdf4_classic.nc": "netCDF-4, classic model",
    "mesh.nc": "netCDF, UGRID mesh",
    "field.pp": "PP",
    "little.pp": "PP, little-endian",
    "new.ff": "fieldsfile",
    "old.ff": "fieldsfile, old",
    "ancillary.ff": "fieldsfile, ancillary",
    "new32.ff": "fieldsfile, 32 bit",
    "ancillary32.ff": "ancillary, 32 bit",
    "polar.grib1": "GRIB 1",
    "field.grib2": "GRIB 2",
    "field.nimrod": "NIMROD",
    "ash.txt": "NAME",
    "AVHRRBUVI01.2011auga.abf": "ABF (deprecated)",
    "AVHRRBUVI01.2011auga.abl": "ABL (deprecated)",
}
results = {}
found = set()


def compare(label, spec, source, local):
    """Load a file from two places, and write a row of the table."""
    cubes = iris.load(source)
    lazy = all(cube.has_lazy_data() for cube in cubes)
    same = len(cubes) > 0 and cubes == iris.load(local)
    results[label] = {"loads the same": same, "lazy": lazy}
    found.add(spec.name)
    kind = spec.name.replace("UM Fieldsfile (FF)", "FF")
    print(f"{label:<25}{same!s:<6}{lazy!s:<7}{kind}")


print(f"{'':<25}{'same':<6}{'lazy':<7}what Iris calls it")
for name, label in FILES.items():
    with open(remote / name, "rb") as file:
        spec = FORMAT_AGENT.get_spec(name, file)
    compare(label, spec, remote / name, disk / name)
with netCDF4.Dataset(remote / "netcdf4.nc") as dataset:
    spec = FORMAT_AGENT.get_spec(dataset, None)
    compare("netCDF4.Dataset, open", spec, dataset, disk / "netcdf4.nc")

# %%
# NIMROD, NAME, ABF and ABL are not lazy: **to load one is to read all of it**.
# The same is true of GRIB, though GRIB is lazy: ecCodes takes each message whole.
# From PP, fieldsfiles and netCDF, Iris reads only what describes the data.
# In PP that description is spread over the whole file, so most of a PP file moves through a mount.
# The mesh is not lazy only because it holds so few numbers.
#
# This is how four of them look.


def globe(place, title, middle, cube=None, **look):
    """Draw a globe, and a cube on it if its grid has rows and columns."""
    seen_from = ccrs.Orthographic(*middle)
    axes = figure.add_subplot(2, 2, place, projection=seen_from, title=title)
    axes.coastlines(resolution="110m", linewidth=0.6)
    axes.set_global()
    if cube:
        x, y = (cube.coord(axis=a, dim_coords=True).points for a in "xy")
        look["transform"] = cube.coord_system().as_cartopy_projection()
        drawn = axes.pcolormesh(x, y, cube.data, **look)
        figure.colorbar(drawn, ax=axes, shrink=0.6, label=str(cube.units))
    return axes


figure = plt.figure(figsize=(8, 6), layout="constrained")
figure.suptitle("Four formats, loaded through the mount")

field = iris.load_cube(remote / "new.ff")
title = "Fieldsfile: surface temperature"
globe(1, title, (20, 20), field, cmap="RdYlBu_r", vmin=260)

polar = iris.load_cube(remote / "polar.grib1")
globe(2, "GRIB 1: air temperature", (-100, 60), polar, cmap="RdYlBu_r")

ash = iris.load_cube(remote / "ash.txt")[0]
look = {"norm": LogNorm(1e-6, 1e-3), "cmap": "magma_r"}
globe(3, "NAME: volcanic ash", (-20, 60), ash, **look)

axes = globe(4, "netCDF with a UGRID mesh", (-20, 30))
cells = iris.load_cube(remote / "mesh.nc")
x, y = (coord.points for coord in cells.mesh.node_coords)
nodes = axes.projection.transform_points(ccrs.PlateCarree(), x, y)[:, :2]
corners = cells.mesh.face_node_connectivity
faces = nodes[corners.indices - corners.start_index]
seen = np.isfinite(faces).all(axis=(1, 2))
drawn = PolyCollection(faces[seen], array=cells.data[seen])
axes.add_collection(drawn)
figure.colorbar(drawn, ax=axes, shrink=0.6, label="made-up numbers")
plt.show()

# %% C26
# Is any missing?
# ---------------
#
# Iris keeps a list of the formats that it can tell apart.
# Compare it with the table.

known = set(re.findall(r"\* (.+) \(priority", str(FORMAT_AGENT)))
print("Known to Iris:", len(known))
print("In the table:", len(known & found))
print("Missing:", ", ".join(sorted(known - found)))

# %%
# What is missing is loaded by URL.
#
# * **OPeNDAP** comes from a web server. There is no file to be mounted.
# * **NcZarr** is on the list from Iris 3.16 on: Zarr as the netCDF library reads it.
#   Its store is a folder, and may be on the mount, but Iris wants its URL, ``file://`` included.
#
# One more is not on the list.
# **PP packed with WGDOS** is PP, but to unpack it Iris needs ``mo_pack``, which ``pip`` does not
# find.

# %% C25, C26
# Save what can be saved
# ----------------------
#
# Save the cubes once more, through the mount and to the disk, and load both again.
# *The same* means equal cubes, and files with the same bytes.
# For ``dot``, a drawing of what a cube consists of, there are only the files to compare:
# Iris does not load it.

SAVES = [*NETCDF, "mesh.nc", "field.pp", "field.grib2", "field.dot"]
for name in SAVES:
    label = FILES.get(name, "dot (deprecated)")
    saved = iris.load_cube(disk / name) if name in FILES else cube
    options = {"netcdf_format": NETCDF[name]} if name in NETCDF else {}
    there, here = remote / f"saved_{name}", disk / f"saved_{name}"
    for path in (there, here):
        iris.save(saved, path, **options)

    same = filecmp.cmp(there, here, shallow=False)
    if name in FILES:
        same = same and iris.load(there) == iris.load(here)
    results.setdefault(label, {})["saved, read back"] = same
    print(f"{label:<25}the same: {same}")

endings = {name.split(".")[-1] for name in SAVES}
print("Savers left out:", ", ".join(sorted(set(iris.io._savers) - endings)))

# %%
# ``dotpng`` has Graphviz draw the ``dot`` file. Graphviz is a separate program.

OPEN = {
    "netCDF by OPeNDAP": "a URL, not a file",
    "Zarr": "a URL, from Iris 3.16 on",
    "PP packed with WGDOS": "needs mo_pack",
    "dotpng (deprecated)": "needs Graphviz",
}
COLUMNS = ("loads the same", "lazy", "saved, read back")
COLOURS = {"yes": "#cfe3f5", "no": "#fbdfc4", "–": "white"}
WORDS = {True: "yes", False: "no", None: "–"}

rows = [*results, *OPEN]
figure, axes = plt.subplots(figsize=(8, 7.4), layout="constrained")
for y, label in enumerate(rows):
    if label in OPEN:
        axes.text(1.5, y, f"open: {OPEN[label]}", ha="center", va="center")
        continue
    for x, column in enumerate(COLUMNS):
        word = WORDS[results[label].get(column)]
        colour = COLOURS[word]
        if (label, column) == ("netCDF, UGRID mesh", "lazy"):
            word = "no, too small"
        axes.barh(y, 1, left=x, height=0.9, color=colour)
        axes.text(x + 0.5, y, word, ha="center", va="center")
axes.set(xlim=(0, 3), ylim=(len(rows) - 0.5, -0.5))
axes.set_xticks([0.5, 1.5, 2.5], COLUMNS)
axes.set_yticks(range(len(rows)), rows)
axes.tick_params(length=0, labeltop=True, labelbottom=False)
axes.spines[:].set_visible(False)
axes.set_title("What Iris can do through the mount, by format")
plt.show()

# %%
# A dash means that ``iris.load`` or ``iris.save`` does not do this for the format, wherever the
# file is.
# (Iris can also save into an open ``netCDF4.Dataset``, which is not tried here.)

mounted.unmount()
sandbox.stop()

# %%
# What you have seen
# ------------------
#
# * Iris loads each of its file formats through the mount, and the cubes equal those from the disk.
# * What it saves through the mount is, byte for byte, what it saves to the disk.
# * Not every format is lazy. With some, to load is to read the whole file.
# * What comes by URL needs no mount and gets none.
#
# A save straight onto the mount can cost more than you think:
# :ref:`sphx_glr_tutorials_1_first_steps_2_save_cubes_to_a_bucket.py` has a better way.
#
# **Read next:** :ref:`sphx_glr_tutorials_2_what_it_costs_1_read_only_what_you_need.py`.
#
# What else is true of mounts: :doc:`/explanation/s3_buckets`.
