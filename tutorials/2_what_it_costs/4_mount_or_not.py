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

import io
import subprocess
from importlib.metadata import distribution
from pathlib import Path

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

from s3_mounts import mount, mount_table, sparse_read_options
from s3_sandbox import Traffic, fine_temperature, sample_path, start_sandbox

# Opt in to what Iris will do by default, so that it has nothing to warn about.
iris.FUTURE.date_microseconds = True
iris.FUTURE.lam_pole_offset = True
iris.FUTURE.save_split_attrs = True

samples = ["rotated_pole.nc", "air_temp.pp", "polar_stereo.grib2"]
sandbox = start_sandbox("climate-data", samples)
fine = fine_temperature(years=54)
local = sandbox.directory / "temperature.nc"
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

mount_point = sandbox.directory / "my_bucket"
mount_point.mkdir()
with mount(sandbox.source, mount_point):
    [program] = mount_table.servers(mount_point)
    used = [Path(part.path).name for part in program.memory_maps()]

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

s3 = boto3.client("s3")
address = f"{sandbox.bucket}/{sandbox.prefix}"
copies = sandbox.directory / "copies"
copies.mkdir()


def load_copy(key):
    """Copy an object to the local disk, and load the copy."""
    s3.download_file(sandbox.bucket, sandbox.prefix + key, copies / key)
    return iris.load_cube(copies / key)


def load_mounted(key):
    """Load through the mount."""
    return iris.load_cube(mount_point / key)


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
        print(f"{label:<17}{in_short(error)}")


def in_short(error):
    """Take the first line of an error, without the name of the file."""
    line = str(error).splitlines()[0].split(": '")[0]
    return f"{type(error).__name__}: {line}"


# Not the connection of an earlier sandbox in this session: that is gone.
store = s3fs.S3FileSystem(skip_instance_cache=True)

with store.open(f"{address}temperature.nc", cache_type="none") as opened:
    try_to("read", opened.read, 8)
    try_to("seek", opened.seek, 0)
    try_to("open", open, opened)
    try_to("netCDF4.Dataset", netCDF4.Dataset, opened)
    try_to("h5netcdf.File", h5netcdf.File, opened)
try_to("iris.load", iris.load, f"s3://{address}temperature.nc")

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


def load_file_object(key, **cache):
    """Load by Python's s3fs, h5netcdf and ncdata."""
    return cube_from(store.open(f"{address}{key}", **cache))


# %%
# The object may also be bytes in memory, wherever they come from.
# Iris seems to offer a shorter way: it takes what ``netCDF4`` has opened.
# The cube looks right until you use its data: then Iris looks for a file.

content = store.cat(f"{address}temperature.nc")
short_way = iris.load_cube(netCDF4.Dataset("in memory", memory=content))
try_to("by netCDF4", lambda: short_way[0].data)
in_memory = cube_from(io.BytesIO(content))
try_to("by h5netcdf", lambda: in_memory[0].data)

# %% C02
# Byte ranges
# -----------
#
# The netCDF library itself can fetch parts of a file from an ``http`` address that ends in
# ``#mode=bytes``.
# It does not sign its requests, so everybody must be allowed to read the object.

http = f"{sandbox.endpoint}/{address}"


def load_byte_ranges(key):
    """Let the netCDF library fetch what it needs."""
    return iris.load_cube(f"{http}{key}#mode=bytes")


def allow(access, key):
    """Set who may read an object."""
    key = sandbox.prefix + key
    s3.put_object_acl(Bucket=sandbox.bucket, Key=key, ACL=access)


for access in ("private", "public-read"):
    allow(access, "rotated_pole.nc")
    try_to(access, load_byte_ranges, "rotated_pole.nc")

# %%
# For a private object boto3 can make a *presigned URL*, an address with a signature in it.
# That does not help here.
# The netCDF library sends requests by two HTTP methods, ``GET`` and ``HEAD``, and a URL is signed
# `for one method
# <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html>`__.
# The sandbox's server does not look at the method.
# So let it refuse ``HEAD``, as a real store does with a URL for ``GET``.

parameters = {
    "Bucket": sandbox.bucket,
    "Key": f"{sandbox.prefix}rotated_pole.nc",
}
presigned = s3.generate_presigned_url("get_object", parameters)
with sandbox.traffic() as traffic:
    try_to("with HEAD", iris.load_cube, f"{presigned}#mode=bytes")
print("Requests:", ", ".join(sorted(traffic.operations)))

with sandbox.failing("HeadObject"):
    try_to("without HEAD", iris.load_cube, f"{presigned}#mode=bytes")

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
# The mount and the file object get a second try, with options for reading here and there.

questions = {
    "one field": lambda cube: cube[20].data,
    "time series": lambda cube: cube[-24:, 222, 294].data,
    "everything": lambda cube: cube.data.max(),
}
true_answers = [ask(fine) for ask in questions.values()]
counted = {}


def measure(way, load, **options):
    """Load a cube, ask it all questions, and count."""
    counts = counted[way] = {}
    with sandbox.traffic() as counts["metadata"]:
        cube = load("temperature.nc", **options)
    answers = []
    for question, ask in questions.items():
        with sandbox.traffic() as counts[question]:
            answers.append(ask(cube))
    log = [request for traffic in counts.values() for request in traffic.log]
    counts["all four"] = Traffic(log)
    same = all(map(np.array_equal, answers, true_answers))
    print(f"{way}, right answers: {same}")


measure("copy first", load_copy)
with mount(sandbox.source, mount_point):
    measure("mount, defaults", load_mounted)
tuned = sparse_read_options(sandbox.directory / "cache")
with mount(sandbox.source, mount_point, tuned):
    measure("mount, sparse reads", load_mounted)
measure("file object, defaults", load_file_object)
small_blocks = {"cache_type": "blockcache", "block_size": 2**20}
measure("file object, small blocks", load_file_object, **small_blocks)
allow("public-read", "temperature.nc")
measure("byte ranges", load_byte_ranges)

# %% C03, C24, C36
# What each way moves
# -------------------
#
# White is the size of the file, blue is less, red is more.

figure, axes = plt.subplots(figsize=(8, 4.6), layout="constrained")
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
        axes.text(
            column,
            row,
            f"{megabytes:.{digits}f} MB\nrequests: {traffic.requests}",
            color="black" if 1 / 8 < ratios[row, column] < 8 else "white",
            horizontalalignment="center",
            verticalalignment="center",
        )
axes.axvline(3.5, color="black")
axes.set_xticks(range(5), list(counts))
axes.set_yticks(range(6), list(counted))
axes.tick_params(length=0, labeltop=True, labelbottom=False)
size = f"{file_size / 1e6:.0f} MB"
axes.set_title(f"What four questions to a file of {size} move, by six ways")
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
# Of the ways without a copy, byte ranges move the least for the metadata and for one field.
# But they keep nothing, so what is asked for twice moves twice.
# And they take the most requests, each of which waits for an answer from afar.

# %%
# What each way can do
# --------------------
#
# Cost is half of the answer.
# Now load four formats in each way, and by a pattern; save two formats; and have another program,
# ``wc``, read an object.
# A load counts if the data are right, and a save if the stored object has the right data.

original = {key: iris.load_cube(sample_path(key)) for key in samples}
original["classic.nc"] = original["rotated_pole.nc"]
original["polar*"] = original["polar_stereo.grib2"]

classic = sandbox.directory / "classic.nc"
netcdf3 = {"netcdf_format": "NETCDF3_CLASSIC"}
iris.save(original["classic.nc"], classic, **netcdf3)
sandbox.add_file(classic)
for key in sandbox.sizes():
    allow("public-read", key)

ways = {
    "copy first": (load_copy, f"{copies}/"),
    "mount": (load_mounted, f"{mount_point}/"),
    "file object": (load_file_object, f"s3://{address}"),
    "byte ranges": (load_byte_ranges, http),
}


def load(way, key):
    """Load an object, and compare its data."""
    load_it, _ = ways[way]
    return np.array_equal(load_it(key).data, original[key].data)


def save(way, key):
    """Save a cube, and compare what the store has then."""
    cube = original["air_temp.pp"]
    _, place = ways[way]
    if way == "file object":
        with store.open(f"{place}{key}", "wb") as opened:
            iris.save(cube, opened, saver=key.split(".")[1])
    else:
        iris.save(cube, f"{place}{key}")
    if way == "copy first":
        sandbox.add_file(copies / key)
    return np.array_equal(load_copy(key).data, cube.data)


def another_program(way, key):
    """Give the name of an object to another program."""
    _, place = ways[way]
    command = ["wc", "-c", f"{place}{key}"]
    return subprocess.run(command, capture_output=True).returncode == 0


tasks = {
    "load netCDF-4": (load, "rotated_pole.nc"),
    "load netCDF-3": (load, "classic.nc"),
    "load PP": (load, "air_temp.pp"),
    "load GRIB 2": (load, "polar_stereo.grib2"),
    "a pattern as path": (load, "polar*"),
    "save netCDF": (save, "saved.nc"),
    "save PP": (save, "saved.pp"),
    "another program": (another_program, "air_temp.pp"),
}

# %% C02, C03, C08, C26, C35
# This is the table to keep.

reasons = {}
print(f"{'task':<18}", *(f"{way:<12}" for way in ways))
with mount(sandbox.source, mount_point):
    for task, (attempt, key) in tasks.items():
        verdicts = []
        for way in ways:
            try:
                verdict = "yes" if attempt(way, key) else "no"
            except Exception as error:
                reason = in_short(error)
                number = reasons.setdefault(reason, len(reasons) + 1)
                verdict = f"no ({number})"
            verdicts.append(f"{verdict:<12}")
        print(f"{task:<18}", *verdicts)

# %%
# The numbers stand for these errors.

for reason, number in reasons.items():
    print(f"({number}) {reason}")

# %%
# A pattern fails without a mount because only a file system expands it.
# Elsewhere, list the objects first, for example with ``store.glob``.
#
# Without a path you can load netCDF, and nothing else.
# For all other work Iris wants a path. When it saves, it even mistakes an address for one.
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
#      - file object, with small blocks
#    * - read any other format where you cannot mount
#      - copy first
#    * - look into public netCDF files
#      - byte ranges
#    * - save
#      - save to the local disk, then upload the file, as in
#        :ref:`sphx_glr_tutorials_3_every_day_1_save_safely.py`
#
# The mount is the most general way, and not always the cheapest.

for opened in still_open:
    opened.close()
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
# **Read next:** :ref:`sphx_glr_tutorials_3_every_day_1_save_safely.py`.
#
# To do it yourself: :doc:`/how_to/containers`.
