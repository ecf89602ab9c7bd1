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
# A file of each format
# ---------------------
#
# Does it matter to Iris that a file is an object in a bucket?
# To find out, you need a file of each format.
# Iris saves netCDF, PP and GRIB 2.
# For the others, :func:`~s3_sandbox.formats.write_samples` takes sample data, or writes a small file
# as the published layout of its format says.

import filecmp
import warnings

import cartopy.crs as ccrs
import iris
import matplotlib.pyplot as plt
import netCDF4
from iris.fileformats import FORMAT_AGENT
from matplotlib.colors import LogNorm

from s3_mounts import mount, save_cube
from s3_sandbox import formats, start_sandbox

# Opt in to what Iris will do by default, so that it has nothing to warn about.
iris.FUTURE.date_microseconds = True
iris.FUTURE.lam_pole_offset = True
iris.FUTURE.save_split_attrs = True

sandbox = start_sandbox("climate-data")
disk = sandbox.directory / "disk"
disk.mkdir()
kinds = formats.write_samples(disk)
print("Kinds of file:", len(kinds))

# %% C01
# Into the bucket
# ---------------
#
# Every file becomes an object whose key begins with ``formats/``.
# The bucket is mounted with the default options.
# They fetch each of these files whole, which does no harm here: none is larger than 10 MB.

for name in kinds:
    sandbox.add_file(disk / name, f"formats/{name}")

mounted = mount(sandbox.source, sandbox.directory / "my_bucket")
remote = mounted.path / "formats"
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

found = set()
print(f"{'':<25}{'same':<6}{'lazy':<7}what Iris calls it")
for name, kind in kinds.items():
    with open(remote / name, "rb") as file:
        spec = FORMAT_AGENT.get_spec(name, file)
    cubes = iris.load(remote / name)
    lazy = all(cube.has_lazy_data() for cube in cubes)
    same = len(cubes) > 0 and cubes == iris.load(disk / name)
    found.add(spec.name)
    known_as = spec.name.replace("UM Fieldsfile (FF)", "FF")
    print(f"{kind:<25}{same!s:<6}{lazy!s:<7}{known_as}")

# %% C25
# Iris also takes a file that you have opened with ``netCDF4``.

with netCDF4.Dataset(remote / "netcdf4.nc") as dataset:
    spec = FORMAT_AGENT.get_spec(dataset, None)
    cubes = iris.load(dataset)
    is_lazy = cubes[0].has_lazy_data()
    is_same = cubes == iris.load(disk / "netcdf4.nc")
found.add(spec.name)
print(f"An open {spec.name}: same {is_same}, lazy {is_lazy}")

# %%
# NIMROD, NAME, ABF and ABL are not lazy: **to load one is to read all of it**.
# The same is true of GRIB, though GRIB is lazy: ecCodes takes each message whole.
# From PP, fieldsfiles and netCDF, Iris reads only what describes the data.
# In PP that description is spread over the whole file, so most of a PP file moves through a mount.
# The mesh is not lazy only because it holds so few numbers.
#
# This is how three of them look.

field = iris.load_cube(remote / "new.ff")
polar = iris.load_cube(remote / "polar.grib1")
ash = iris.load_cube(remote / "ash.txt")[0]
logarithmic = LogNorm(1e-6, 1e-3)
looks = {
    "fieldsfile": (field, (20, 20), {"cmap": "RdYlBu_r", "vmin": 260}),
    "GRIB 1": (polar, (-100, 60), {"cmap": "RdYlBu_r"}),
    "NAME": (ash, (-20, 60), {"cmap": "magma_r", "norm": logarithmic}),
}
figure = plt.figure(figsize=(8, 4), layout="constrained")
figure.suptitle("Three formats, loaded through the mount")
for place, (kind, (cube, middle, look)) in enumerate(looks.items(), 1):
    grid = cube.coord_system().as_cartopy_projection()
    x, y = (cube.coord(axis=a, dim_coords=True).points for a in "xy")
    seen_from = ccrs.Orthographic(*middle)
    axes = figure.add_subplot(1, 3, place, projection=seen_from)
    drawn = axes.pcolormesh(x, y, cube.data, transform=grid, **look)
    axes.coastlines(resolution="110m", linewidth=0.6)
    axes.set_global()
    axes.set_title(f"{kind}\n{cube.name().replace('_', ' ').lower()}")
    figure.colorbar(drawn, orientation="horizontal", label=str(cube.units))
plt.show()

# %% C26
# Is any missing?
# ---------------
#
# Iris keeps a list of the formats that it can tell apart.
# Compare it with the table.

known = formats.known_to_iris()
print("Known to Iris:", len(known))
print("In the table:", len(known & found))
print("Missing:", ", ".join(sorted(known - found)))

# %%
# What is missing is loaded by URL.
#
# * **OPeNDAP** comes from a web server. There is no file to be mounted.
# * **NcZarr** is on the list from Iris 3.16 on: Zarr as the netCDF library reads it.
#   Its store is a folder, and may be on the mount, but Iris wants its URL, ``file://`` included:
#   :ref:`sphx_glr_tutorials_2_what_it_costs_5_zarr_through_a_mount.py`.
#
# One more is not on the list.
# **PP packed with WGDOS** is PP, but to unpack it Iris needs ``mo_pack``, which ``pip`` does not
# find.

# %% C25, C26
# Save what can be saved
# ----------------------
#
# Save into the bucket, with :func:`~s3_mounts.save_cube`, and to the disk, with ``iris.save``.
# Are there the same bytes in both files?
# (``dot`` is a drawing of what a cube consists of. Iris does not load it.)

mesh = iris.load_cube(disk / "mesh.nc")
pp = iris.load_cube(disk / "field.pp")
for name, cube, keywords in (
    ("1.nc", pp, {"netcdf_format": "NETCDF3_CLASSIC"}),
    ("2.nc", pp, {"netcdf_format": "NETCDF3_64BIT"}),
    ("3.nc", pp, {"netcdf_format": "NETCDF4"}),
    ("4.nc", pp, {"netcdf_format": "NETCDF4_CLASSIC"}),
    ("mesh_again.nc", mesh, {}),
    ("again.pp", pp, {}),
    ("again.grib2", pp, {}),
    ("again.dot", pp, {}),
):
    save_cube(cube, remote / name, **keywords)
    iris.save(cube, disk / name, **keywords)
    same = filecmp.cmp(remote / name, disk / name, shallow=False)
    print(f"{name:<15}", *keywords.values(), "same bytes:", same)

# %%
# It is the same with ``iris.save`` straight onto the mount, and what Iris loads from there is equal.
#
# .. tested-by:: tests/evidence/test_every_format.py::test_iris_saves_the_same_through_a_mount
#
# Iris has one saver more, ``dotpng``: it has Graphviz, a separate program, draw the ``dot`` file.
# (Iris can also save into an open ``netCDF4.Dataset``, which is not tried here.)
#
# .. tested-by:: tests/evidence/test_every_format.py::test_no_saver_of_iris_is_left_out

mounted.unmount()
sandbox.stop()

# %%
# What you have seen
# ------------------
#
# * Iris loads each of its file formats through the mount, and the cubes equal those from the disk.
# * What it saves into the bucket is, byte for byte, what it saves to the disk.
# * Not every format is lazy. With some, to load is to read the whole file.
# * What comes by URL needs no mount and gets none.
#
# **Read next:** :ref:`sphx_glr_tutorials_2_what_it_costs_1_read_only_what_you_need.py`.
#
# What else is true of mounts: :doc:`/explanation/s3_buckets`.
