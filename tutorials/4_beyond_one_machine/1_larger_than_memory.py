"""
Larger than memory
==================

Average a dataset that is three times as large as the memory that you may use.

* **You will learn** how a lazy mean over many files fits into little memory, what decides how
  much it needs, and where the rest goes.
* **You need** the ``s3fs`` program, FUSE, Linux, 2 GB of memory and 1 GB of temporary disk
  space.
  You need no S3 account: the lesson watches the server of the sandbox, so it does not run
  on a bucket of your own.
* **Time**: eight minutes to read.
"""

# %%
# A dataset in 24 files
# ---------------------
#
# The bucket holds 240 years of air temperature over North America, ten years in each file.
# They are made and uploaded one after the other, so that making them needs little memory.
# The sum of all years is kept, to check the answer later.

# sphinx_gallery_thumbnail_number = 2
import iris
import iris.quickplot as qplt
import matplotlib.pyplot as plt
import numpy as np
from iris.analysis import MEAN

from s3_mounts import mount, whole_file_options
from s3_sandbox import fine_temperature, start_sandbox
from s3_sandbox.memory import watched

iris.FUTURE.date_microseconds = True
iris.FUTURE.save_split_attrs = True

sandbox = start_sandbox("climate-data")
sum_of_years = 0
for year in range(0, 240, 10):
    decade = fine_temperature(10, 360, 400, skip=year)
    sum_of_years += decade.data.sum(axis=0, dtype="float64")
    local = sandbox.directory / f"{1860 + year}s.nc"
    iris.save(decade, local)
    sandbox.add_file(local)
    local.unlink()

sizes = sandbox.sizes()
dataset = sum(sizes.values())
largest = max(sizes.values())
print(f"{len(sizes)} files, {dataset / 1e6:.0f} MB in all")
print(f"The largest has {largest / 1e6:.1f} MB.")

# %%
# Every file will be read whole.
# So leave the prefetch of ``s3fs`` as it is, and give it a directory in which to keep what it has
# read.
# :ref:`sphx_glr_tutorials_2_what_it_costs_1_read_only_what_you_need.py` explains what these options
# do.

mount_point = sandbox.directory / "my_bucket"
keep = whole_file_options(sandbox.directory / "cache")
mounted = mount(sandbox.source, mount_point, keep)
files = [str(mount_point / name) for name in sizes]

# %%
# A program with little memory
# ----------------------------
#
# You may allocate 43 MB, on top of what Python and Iris need for themselves.
# To have that limit enforced, the work is done in a Python process of its own.
# ``watched`` of the sandbox starts it: it forbids itself to allocate more, and from then on the
# kernel enforces that.
# It also notes the memory, and how much of the work is done.
# The work is counted in the tasks into which Dask divides it.

limit = 43_000_000

# %%
# In that process ``MALLOC_TRIM_THRESHOLD_`` has the C library give back memory that is no longer used.
# Otherwise the library keeps some for later.
# Dask sets the same for the workers of a cluster.
#
# All at once, or lazily
# ----------------------
#
# There are two ways to the mean: fetch all the data and average them, or leave the fetching to
# Dask.
# In the code they differ only in when they ask for the data.


def all_at_once(cube):
    """Fetch the data, then average them."""
    cube.data
    return cube.collapsed("time", MEAN)


def lazily(cube):
    """Average, and fetch each part of the data when its turn comes."""
    mean = cube.collapsed("time", MEAN)
    mean.data
    return mean


# %% C24
# Both begin with the same lazy cube.
# It goes to the new process as paths and descriptions, not as data.
#
# First, all at once:

with sandbox.traffic() as loading:
    cube = iris.load(files).concatenate_cube()
with sandbox.traffic() as first:
    answer, _ = watched(all_at_once, cube, limit=limit)
print(f"All at once, in {limit / 1e6:.0f} MB:", type(answer).__name__)

# %% C24
# The limit bites.
# (You may not be told so kindly: where the netCDF library gets no memory for something small, it
# ends the whole program, see :ref:`trouble-ncbytes`.)
#
# Now lazily, with one thread and the same limit:

with sandbox.traffic() as second:
    mean, one_thread = watched(lazily, cube, limit=limit)
print("Lazily:", mean.summary(shorten=True))

# %%
# Is the answer right?
# Compare it with the sum that was kept.

error = abs(mean.data - sum_of_years / 240).max()
print(f"The largest difference is {error:.4f} K.")

figure = plt.figure(figsize=(8, 4.6), layout="constrained")
qplt.contourf(mean, levels=15, cmap="RdYlBu_r")
plt.gca().coastlines(resolution="110m")
plt.title("Mean air temperature from 1860 to 2099, scenario A1B")
plt.show()

# %%
# How much it needs
# -----------------
#
# What would have been needed to do it all at once?
# Try it again, this time without the limit, and try the lazy way with four threads.

_, at_once = watched(all_at_once, cube)
same, four_threads = watched(lazily, cube, threads=4)
print("The same answer:", bool((same.data == mean.data).all()))

runs = {
    "all at once": at_once,
    "lazily, four threads": four_threads,
    "lazily, one thread": one_thread,
}
for label, memory in runs.items():
    print(f"{label:<21} peak {memory[:, 1].max():>4.0f} MB")

# %%

figure, axes = plt.subplots(figsize=(8, 4.4), layout="constrained")
right = axes.get_yaxis_transform()
for line, height in (("the dataset", dataset), ("the limit", limit)):
    axes.axhline(height / 1e6, color="0.4", linestyle="--")
    axes.text(1.01, height / 1e6, line, va="center", transform=right)
colours = ("tab:red", "tab:orange", "tab:blue")
for colour, (label, memory) in zip(colours, runs.items(), strict=True):
    steps = np.unique(memory[:, 0])
    peaks = [memory[memory[:, 0] == step, 1].max() for step in steps]
    axes.plot(steps, peaks, color=colour, label=label)
axes.set_ylim(bottom=0)
axes.set_xlabel("part of the tasks that is done")
axes.set_ylabel("MB allocated")
axes.set_title("Memory for a mean of 240 years, on top of the lazy cube")
figure.legend(loc="outside lower center", ncols=3)
plt.show()

# %%
# The line of *all at once* climbs with every file.
# At the end the pieces are joined into one array, which needs room for copies of it all.
# The lazy mean goes up and down with every chunk, but stays at the same level.
# It does not grow with the number of files that are done.
#
# Four threads may need more memory than one, so the limit was lifted for them.
# Each thread has one chunk in hand, and needs some room to work on it.
# What it makes of a chunk, a partial sum, waits until it can be joined with others.
# So three settings decide how high the peak is:
#
# * ``num_workers``, the number of threads.
# * ``array.chunk-size``, the size of a chunk. It is 128 MiB unless you set it, so here every file is
#   one chunk.
# * ``split_every``, how many partial sums are joined at a time. It is 2 here. Left alone, Dask joins 4.
#
# For reading, more threads gain little: Iris lets only one thread of a process read netCDF at a
# time.
# And smaller chunks do not always help: a partial sum is as large as a few years of data, so
# with chunks of a few years it is the partial sums that need the memory.
#
# What crossed the network
# ------------------------
#
# Did the small memory cost more traffic?

for label, traffic in (
    ("loading", loading),
    ("all at once", first),
    ("lazily", second),
):
    ratio = traffic.bytes_down / dataset
    print(f"{label:<12} moved {ratio:.2f} × the dataset")

# %% C24
# Each byte came once, and it came when the files were *loaded*: reading the metadata of such small
# files fetches them whole.
# Both ways of averaging found them in the cache.
#
# Where the rest is
# -----------------
#
# The cache is on your disk.
# ``s3fs`` is a process with a memory of its own, which the limit above does not count.

(server,) = mounted.processes
print(f"s3fs itself uses {server.memory_info().rss / 1e6:.0f} MB of memory.")
sandbox.shell("du --summarize --block-size=MB cache")

# %%
# So what does not fit into your memory must fit on your disk.
# The cache grows for as long as the bucket is mounted.
# With ``del_cache`` it is emptied when you unmount:

mounted.unmount()
sandbox.shell("du --summarize --block-size=MB cache")

# %%
# ``-o ensure_diskfree=10000`` keeps 10,000 MB of that disk free: when less is left, ``s3fs``
# deletes cached files that nobody has open. :doc:`/how_to/cache_safely` says what comes next.
#
# And without a cache?
# Ask for the first two files only:

two = list(sizes)[:2]
with mount(sandbox.source, mount_point), sandbox.traffic() as without:
    lazily(iris.load(files[:2]).concatenate_cube())
ratio = without.bytes_down / sum(sizes[name] for name in two)
print(f"Without a cache: {ratio:.1f} × the two files")

# %%
# Every opening of a file fetches it again, and Iris opens a file several times to load it.

sandbox.stop()

# %%
# What you have seen
# ------------------
#
# * A lazy mean over a mounted bucket needs a small part of the memory that the data would fill.
# * The number of threads, the size of a chunk and the number of partial sums that wait decide how
#   much.
# * It is efficient on one condition, a cache: with it every byte crosses the network once, without
#   it several times.
# * The cache takes as much disk as the files that you read.
#
# **Read next:** :ref:`sphx_glr_tutorials_4_beyond_one_machine_2_a_cluster_with_dask.py`.
#
# To do it yourself: :doc:`/how_to/shared_hpc`.
