"""
Read only what you need
=======================

Ask a large file three small questions and a large one, and see what crosses the network for each.

* **You will learn** why a mount moves far more than you ask for, how to measure that, and which
  options of ``s3fs`` bring it down.
* **You need** the ``s3fs`` program, FUSE, 2 GB of memory and 1 GB of temporary disk space.
  You need no S3 account: the lesson watches the server of the sandbox, so it does not run
  on a bucket of your own.
* **Time**: eight minutes to read.
"""

# %% C24
# "Only the needed parts of a file are read."
# It is what people expect of a mounted bucket, and Iris does its part: it loads lazily.
# Here you measure what ``s3fs`` makes of it.
#
# A large file in a bucket
# ------------------------
#
# The file holds 120 years of air temperature over North America, on a fine grid.
# Each year is one compact chunk of about 1 MB in the file, so that nothing stands in the way of
# reading one year alone.

# sphinx_gallery_thumbnail_number = 2
import iris
import iris.analysis
import matplotlib.pyplot as plt
import numpy as np

from s3_mounts import mount, sparse_read_options
from s3_sandbox import fine_temperature, start_sandbox

# Opt in to what Iris will do by default, so that it has nothing to warn about.
iris.FUTURE.date_microseconds = True
iris.FUTURE.save_split_attrs = True

sandbox = start_sandbox("climate-data")
fine = fine_temperature(120, skip=100)

local = sandbox.directory / "temperature.nc"
iris.save(fine, local, chunksizes=(1, 444, 588))
file_size = local.stat().st_size
field_size = fine[0].data.nbytes
print(fine.summary(shorten=True))
del fine  # It is in the file now.
sandbox.add_file(local)
print(f"The file has {file_size / 1e6:.0f} MB.")
print(f"One field of it has {field_size / 1e6:.2f} MB.")

# %%
# Four questions
# --------------
#
# Three of them are small, and the last one needs every byte.
#
# #. What is in the file? That is its *metadata*: some kilobytes.
# #. What was the year 2000 like? That is *one field*: one chunk.
# #. How warm is Toronto from 2000 to 2023? That is a *time series*: 24 chunks, one point of each.
# #. What is the mean over all years? That is a *full mean*: all chunks.
#
# (A year of these data runs from December to November.)

year_2000 = iris.Constraint(time=lambda cell: cell.point.year == 2000)
since_2000 = iris.Constraint(time=lambda cell: 2000 <= cell.point.year < 2024)
toronto = [("latitude", 43.7), ("longitude", 360 - 79.4)]


def one_field(cube):
    """Take one year."""
    return cube.extract(year_2000)


def time_series(cube):
    """Take 24 years at one place."""
    years = cube.extract(since_2000)
    return years.interpolate(toronto, iris.analysis.Nearest())


def full_mean(cube):
    """Average all years."""
    return cube.collapsed("time", iris.analysis.MEAN)


# %%
# The sandbox's server counts requests and bytes for each question.
# Every set of options gets a mount of its own.

mount_point = sandbox.directory / "my_bucket"


def ask_all(options):
    """Mount with some options, ask the questions in turn, and count."""
    counted = {}
    with mount(sandbox.source, mount_point, options) as bucket:
        with sandbox.traffic() as counted["metadata"]:
            cube = iris.load_cube(bucket / "temperature.nc")
        with sandbox.traffic() as counted["one field"]:
            one_field(cube).data
        with sandbox.traffic() as counted["time series"]:
            series = time_series(cube)
            series.data
        with sandbox.traffic() as counted["full mean"]:
            mean = full_mean(cube)
            mean.data
    for question, traffic in counted.items():
        megabytes = f"{traffic.bytes_down / 1e6:>8.1f} MB"
        print(f"{question:<12}{megabytes} in {traffic.requests} requests")
    return counted, series, mean


# %%
# With the default options
# ------------------------

default, series, mean = ask_all([])

# %% C24
# To learn what is in the file, **more than the whole file** was moved:

ratio = default["metadata"].bytes_down / file_size
print(f"The metadata cost {ratio:.2f} × the size of the file.")

# %%
# Why?
# ----
#
# .. image:: /_static/path_of_a_read.svg
#    :alt: The path of a read: Iris asks the kernel, FUSE passes the request to the s3fs program,
#       which asks the object store over the network.
#
# Iris asks for a few kilobytes here and there.
# For each read of a part that it does not have, ``s3fs`` fetches more than was asked for.
# That is the *prefetch*: from that place onwards, ``multipart_size`` (10 MB) times the number of
# its threads (5, or 10 since s3fs 1.96).
# Without a cache it forgets all of it when the file is closed, and one load opens and closes the
# file several times.
#
# So the cost is a number of prefetches, however little you read.
# It does not grow with the file: a much larger one is not moved whole.
#
# For a program that reads a file from its beginning to its end, this is a good thing.
# For small questions it is not.
# The full mean suffers too, since Iris opens the file anew for every piece that it averages.
#
# With options for sparse reads
# -----------------------------
#
# :func:`~s3_mounts.sparse_read_options` gives the options that keep the prefetch small,
# under the names that your version of ``s3fs`` takes.
# They also keep, on the local disk, what was read.
# Before 1.95, ``nomultipart`` is among them, so that you see an error if an object is deleted
# while you read it: see :doc:`/explanation/when_the_network_fails`.
# Use the directory of the cache for nothing else: for your bucket, ``del_cache`` deletes what is
# below it, whoever put it there.

options = sparse_read_options(sandbox.directory / "cache")
print("-o", ",".join(options).replace(f"{sandbox.directory}/", ""))

# %%

tuned, same_series, same_mean = ask_all(options)

# %%
# What one question has fetched, the next one finds in the cache.

whole = sum(traffic.bytes_down for traffic in tuned.values())
print(f"All four cost {whole / file_size:.1f} × the size of the file.")

# %%
# The answers are the same, of course.

print("The same time series:", bool((series.data == same_series.data).all()))
print("The same mean:", bool((mean.data == same_mean.data).all()))

figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
axes.plot(np.arange(2000, 2024), series.data, marker="o")
axes.set_title("Mean air temperature of a year at Toronto, scenario A1B")
axes.set_ylabel("K")
plt.show()

# %%
# Side by side
# ------------
#
# The dashed line is the size of the whole file.
# The questions are asked in turn, so with a cache each begins with what those before it fetched.

figure, axes = plt.subplots(figsize=(8, 4.8), layout="constrained")
positions = np.arange(len(default))
for offset, label, colour, counted in (
    (-0.2, "default options", "tab:orange", default),
    (0.2, "options for sparse reads", "tab:blue", tuned),
):
    megabytes = [traffic.bytes_down / 1e6 for traffic in counted.values()]
    bars = axes.barh(
        positions + offset, megabytes, height=0.38, color=colour, label=label
    )
    on_white = {"color": "white", "pad": 1}
    axes.bar_label(bars, fmt="%.1f MB", padding=4, bbox=on_white)
line = {"color": "0.4", "linestyle": "--", "label": "the whole file"}
axes.axvline(file_size / 1e6, zorder=0, **line)
axes.set_yticks(positions, list(default))
axes.invert_yaxis()
axes.margins(x=0.15)
axes.set_xlabel("MB moved over the network")
axes.set_title(
    f"What four questions to a file of {file_size / 1e6:.0f} MB move,"
    " by default and with options"
)
figure.legend(loc="outside lower center", ncols=3)
plt.show()

# %%
# A single field of 1 MB still costs more than its own size: the least that ``s3fs`` fetches at a
# time is 5 MB for each of its threads, and a field can take more than one fetch.
# The time series needs 24 numbers, but each of them is in a chunk of 1 MB, and a chunk is read
# whole; some of the chunks are in the cache already, since the earlier questions have fetched them.
# No option of a mount can change the chunks: they are decided when the file is written.

sandbox.stop()

# %%
# What you have seen
# ------------------
#
# * With the default options a mount moves hundreds of megabytes for the metadata alone, here more
#   than the whole file.
# * The reason is the prefetch, repeated every time the file is opened.
# * A small ``multipart_size``, few threads and a cache bring it down to a small part of that.
# * ``with sandbox.traffic() as traffic:`` tells you what your own code moves.
#
# If you are going to read all of a file, you can also copy it first: that moves it once.
#
# **Read next:** :ref:`sphx_glr_tutorials_2_what_it_costs_2_choose_your_options.py`.
#
# What else is true of mounts: :doc:`/explanation/s3_buckets`.
