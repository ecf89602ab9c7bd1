"""
Choose your options
===================

Try the options of ``s3fs`` on three kinds of work, and calculate what each would cost at your
site.

* **You will learn** which options decide what a mount moves, what that means in seconds where you
  are, and which ones to take for your work.
* **You need** the ``s3fs`` program, FUSE, 2 GB of memory and 1 GB of temporary disk space.
  You need no S3 account: the lesson watches the server of the sandbox, so it does not run
  on a bucket of your own.
* **Time**: ten minutes to read.
"""

# %%
# Two choices
# -----------
#
# ``s3fs`` has dozens of options.
# What the reads of Iris cost depends on two choices.
#
# * **How much is fetched at a time?**
#   That is the *prefetch*: ``multipart_size`` times the number of threads.
#   :ref:`sphx_glr_tutorials_2_what_it_costs_1_read_only_what_you_need.py` explains why there is
#   one.
# * **What is kept for the next opening of the same file?**
#   Nothing by default.
#   With ``use_cache``, data are kept on the local disk, with ``kernel_cache`` in the kernel's
#   memory.

# sphinx_gallery_thumbnail_number = 2
import iris
import iris.analysis
import matplotlib.pyplot as plt
import numpy as np

from s3_mounts import (
    mount,
    sparse_read_options,
    threads_option,
    whole_file_options,
)
from s3_sandbox import fine_temperature, start_sandbox

# Opt in to what Iris will do by default, so that it has nothing to warn about.
iris.FUTURE.date_microseconds = True
iris.FUTURE.save_split_attrs = True

sandbox = start_sandbox("climate-data")
mount_point = sandbox.directory / "my_bucket"


# %%
# Here are four files with 60 years of temperature, each with more of North America than the one
# before.

finest = fine_temperature(60, latitude=704)
for rows in (111, 444, 640, 704):
    local = sandbox.directory / f"rows_{rows}.nc"
    iris.save(finest[:, :rows], local, chunksizes=(1, rows, 588))
    sandbox.add_file(local)
    local.unlink()

megabytes = {key: size / 1e6 for key, size in sandbox.sizes().items()}
for key, size in megabytes.items():
    print(f"{key:<12}{size:>6.0f} MB")

# %% C24
# Does the cost grow with the file?
# ---------------------------------
#
# Load the cube of each file, not its data, with two sizes of the prefetch.

prefetches = {}
for megabytes_at_a_time in (5, 10):
    options = [f"multipart_size={megabytes_at_a_time}", threads_option(2)]
    # s3fs counts a megabyte as 1024**2 bytes.
    prefetch = 2 * megabytes_at_a_time * 1024**2 / 1e6
    moved = prefetches[prefetch] = []
    for key in megabytes:
        with (
            mount(sandbox.source, mount_point, options) as bucket,
            sandbox.traffic() as traffic,
        ):
            iris.load_cube(bucket / key)
        moved.append(traffic.bytes_down / 1e6)
    print(f"prefetch {prefetch:.1f} MB:", *(f"{mb:>6.1f} MB" for mb in moved))

# %%
# Iris opens the file several times.
# Each time one prefetch is fetched, or the whole file where that is smaller.

prefetch, moved = next(iter(prefetches.items()))
print("Number of prefetches:", *(round(mb / prefetch, 1) for mb in moved))

sizes = list(megabytes.values())
figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
for prefetch, moved in prefetches.items():
    axes.plot(sizes, moved, "o-", label=f"prefetch {prefetch:.1f} MB")
axes.plot([0, 105], [0, 105], "--", color="0.4", label="the whole file")
axes.set_xlabel("size of the file in MB")
axes.set_ylabel("MB moved for its metadata")
axes.set_title("Metadata cost a few prefetches, however large the file is")
figure.legend(loc="outside lower center", ncols=3)
plt.show()

# %%
# The two larger files take one prefetch more: a part of their metadata is in their middle.
# Apart from that the cost does not grow with the file.
# So random access to a large file is cheap, once the prefetch is small.
#
# Three kinds of work
# -------------------
#
# * **sparse reads**: the metadata of a file, one field, and a series of ten years at one place;
# * **a whole file**: the mean of all years;
# * **many small files**: the same mean, of one file for each of six years.

large = "rows_444.nc"
for field in finest[:6, ::4, ::2].slices_over("time"):
    local = sandbox.directory / f"{field.coord('time').cell(0).point.year}.nc"
    iris.save(field, local)
    sandbox.add_file(local, f"yearly/{local.name}")
del finest  # All is in the bucket now.


def sparse_reads(bucket):
    """Look into a large file here and there."""
    cube = iris.load_cube(bucket / large)
    cube[40].data
    toronto = [("latitude", 43.7), ("longitude", 360 - 79.4)]
    cube[40:50].interpolate(toronto, iris.analysis.Nearest()).data


def full_mean(path):
    """Read all of a file, or of many that make one cube."""
    [cube] = iris.load(path)
    return cube.collapsed("time", iris.analysis.MEAN).data


work = {
    "sparse reads": sparse_reads,
    "whole file": lambda bucket: full_mean(bucket / large),
    "many files": lambda bucket: full_mean(bucket / "yearly" / "*.nc"),
}
stored = sandbox.sizes()
yearly = [size for key, size in stored.items() if key.startswith("yearly/")]
print(f"The large file has {stored[large] / 1e6:.1f} MB.")
print(f"The {len(yearly)} small ones have {sum(yearly) / 1e6:.1f} MB.")

# %% C15
# Six mounts
# ----------
#
# Two sizes of the prefetch, with three ways of keeping data: that makes six sets of options.
# The prefetch is the default of your version, or the smallest that works with it.

cache = sandbox.directory / "cache"
small = sparse_read_options(cache)[:2]
choices = {
    "the defaults": [],
    "kernel_cache": ["kernel_cache"],
    "use_cache": whole_file_options(cache),
    "small prefetch": small,
    "small, kernel_cache": [*small, "kernel_cache"],
    "small, use_cache": sparse_read_options(cache),
}
print("small prefetch:", *small)

counted = {}
for name, options in choices.items():
    for kind, do in work.items():
        with (
            mount(sandbox.source, mount_point, options) as bucket,
            sandbox.traffic() as counted[name, kind],
        ):
            do(bucket)

shape = len(choices), len(work)
moved = [traffic.bytes_down / 1e6 for traffic in counted.values()]
moved = np.reshape(moved, shape)
requests = [traffic.requests for traffic in counted.values()]
requests = np.reshape(requests, shape)

# %%
# The colour compares each number with the best in the same column: the paler, the better.


def heat_map(axes, numbers, title, number_format):
    """Show numbers as a table, coloured by their ratio to the column's best."""
    ratio = numbers / numbers.min(axis=0)
    axes.imshow(np.log(ratio), cmap="Oranges", vmax=np.log(30), aspect="auto")
    kinds = [kind.replace(" ", "\n") for kind in work]
    axes.set_xticks(range(len(work)), kinds)
    axes.set_yticks(range(len(choices)), choices)
    axes.set_title(title)
    for (row, column), number in np.ndenumerate(numbers):
        colour = "white" if ratio[row, column] > 8 else "black"
        text = format(number, number_format)
        axes.text(column, row, text, color=colour, ha="center", va="center")


size = {"figsize": (8, 4), "layout": "constrained"}
figure, (left, right) = plt.subplots(1, 2, sharey=True, **size)
heat_map(left, moved, "MB moved over the network", ".0f")
heat_map(right, requests, "requests", ".0f")
figure.suptitle("What six sets of options move and ask for, by kind of work")
plt.show()

# %%
# * **Sparse reads** move least with a small prefetch *and* a cache.
# * **A whole file** crosses the network once with ``use_cache``, and more than once without.
#   With ``use_cache``, the large prefetch takes fewer requests for it.
# * **Small files** are smaller than any prefetch, so its size does not matter.
#   Keeping the data does.

once = counted["use_cache", "whole file"].bytes_down / stored[large]
print(f"The whole file, with use_cache, moved {once:.2f} × its size.")
for name in ("the defaults", "use_cache"):
    traffic = counted[name, "many files"]
    each = traffic.requests / len(yearly)
    head = traffic.operations["HeadObject"] / len(yearly)
    print(f"A small file, {name}: {each:.0f} requests, {head:.0f} HEAD")

# %%
# A HEAD request asks for the size and the date of an object, without its data.
# They tell whether it has changed.
# ``s3fs`` sends one every time a file is opened.
# Keeping the data does not save these requests. Having fewer files does.
#
# What kernel_cache keeps too long
# --------------------------------
#
# ``kernel_cache`` needs no disk space, but it has a catch.
# When an object is replaced while its bucket is mounted, the kernel still returns what it has kept.
# ``use_cache`` notices.
#
# .. tested-by:: tests/evidence/test_caching.py::test_kernel_cache_returns_what_was_replaced
#
# Use ``kernel_cache`` only for objects that never change.
#
# What would it cost you?
# -----------------------
#
# What bytes and requests cost depends on where you are.
# A simple model has both: the number of requests times the latency, plus the bytes divided by the
# bandwidth.
#
# It is a model, not a measurement.
# It takes the requests one after another, though those of one prefetch overlap.
# It leaves out the time that the server and Iris take.
# Use it to compare options, not to predict a time.
#
# **Put in the latency and the bandwidth of your own site.**
# Time one small request and one large download to learn them.

latency = 0.02  # seconds until a request is answered
bandwidth = 100  # MB in a second

seconds = requests * latency + moved / bandwidth
print(f"{'seconds':<20}", *(f"{name:>14}" for name in work))
for name, row in zip(choices, seconds, strict=True):
    print(f"{name:<20}", *(f"{number:>14.1f}" for number in row))

print("Which to take, within 10 % of the best:")
for name, column in zip(work, seconds.T, strict=True):
    best = np.array(list(choices))[column < 1.1 * column.min()]
    print(f"{name}:", " or ".join(best))

# %%
# Three typical sites
# -------------------
#
# Their latency and bandwidth are assumptions, of the right order of magnitude.
# In the time of one request you could move up to a few megabytes instead: latency times bandwidth.

sites = {
    "same data centre": (0.005, 500),
    "office": (0.03, 50),
    "home": (0.06, 5),
}
figure, panels = plt.subplots(1, 3, sharey=True, **size)
for axes, (name, site) in zip(panels, sites.items(), strict=True):
    latency, bandwidth = site
    worth = latency * bandwidth
    print(f"{name}: a request takes as long as {worth:.1f} MB")
    seconds = requests * latency + moved / bandwidth
    title = f"{name}\n{latency * 1000:.0f} ms, {bandwidth} MB/s"
    heat_map(axes, seconds / seconds.min(axis=0), title, ".1f")
figure.suptitle("Time of the model, as a multiple of the best in each column")
plt.show()

# %%
# At all three sites a request takes less time than even the smallest prefetch.
# So for sparse reads it does not pay to fetch more in order to ask less often:
# ``small, use_cache`` is the best everywhere, and the slower the line, the more so.
# For whole files ``use_cache`` is the best of the six.
# It moves each byte once, as copying the file first does.
# For small files, all options that keep something are close together: the requests decide.
#
# Three recipes
# -------------
#
# .. list-table::
#    :header-rows: 1
#
#    * - Your work
#      - Options up to s3fs 1.95
#      - Options since s3fs 1.96
#      - Helper
#    * - sparse reads
#      - ``multipart_size=5``, ``parallel_count=1``, ``use_cache=DIR``, ``del_cache``; before 1.95
#        also ``nomultipart``
#      - ``multipart_size=5``, ``max_thread_count=2``, ``use_cache=DIR``, ``del_cache``
#      - :func:`~s3_mounts.sparse_read_options`
#    * - whole files
#      - ``use_cache=DIR``, ``del_cache``; or copy the file first
#      - the same
#      - :func:`~s3_mounts.whole_file_options`
#    * - many small files
#      - as for whole files, and fewer, larger files if you can
#      - the same
#      - :func:`~s3_mounts.whole_file_options`
#
# These are for reading.
# With ``nomultipart`` each close of a file uploads all of it, and Iris closes a PP file many times:
# save with :func:`~s3_mounts.save_cube`.
# What each recipe costs a save: :doc:`/explanation/s3_buckets`.
#
# **Use a new directory as DIR, and a separate one for each mount.**
# ``del_cache`` deletes what is below it for your bucket, including files of your own.
#
# Since 1.96, **never ask for a single thread**: it can wait for itself, and your program hangs
# for ever.
# :func:`~s3_mounts.threads_option` refuses it.

# %% C33
# Two mounts at a time
# --------------------
#
# Options belong to a mount, and a mount lasts until you end it.
# For other options, unmount and mount again.
# Or have two mounts of one bucket at the same time, each with a cache of its own.

folder = sandbox.directory
caches = [folder / "cache_1", folder / "cache_2"]
options = sparse_read_options(caches[0])
sparse = mount(sandbox.source, folder / "sparse", options)
options = whole_file_options(caches[1])
whole = mount(sandbox.source, folder / "whole", options)
for name in ("sparse", "whole"):
    sandbox.shell(f"findmnt --output FSTYPE --mountpoint {name}")

# %% C33
# The price of a cache is disk space, for everything that you read.
# It grows while the bucket is mounted, and ``del_cache`` empties it at the end.

sparse_reads(sparse.path)
full_mean(whole.path / large)


def print_caches():
    """Add up what each cache takes on the disk."""
    for cache in caches:
        used = sum(path.stat().st_blocks * 512 for path in cache.rglob("*"))
        print(f"{cache.name} takes {used / 1e6:.0f} MB.")


print_caches()
sparse.unmount()
whole.unmount()
print("Unmounted:")
print_caches()

sandbox.stop()

# %%
# What you have seen
# ------------------
#
# * The metadata of a large file cost a few prefetches, however large the file is.
# * A small prefetch is for sparse reads. A large one is for whole files.
# * ``use_cache`` makes every byte cross the network once, at the price of disk space.
# * Many small files cost requests rather than bytes, whatever the options.
# * Two figures of your site, latency and bandwidth, tell you what it means there.
# * All this is about files. A Zarr store needs no options:
#   :ref:`sphx_glr_tutorials_2_what_it_costs_5_zarr_through_a_mount.py`.
#
# **Read next:** :ref:`sphx_glr_tutorials_2_what_it_costs_3_lay_files_out_for_the_cloud.py`.
#
# To do it yourself: :doc:`/how_to/move_to_s3fs_1_96` and :doc:`/how_to/cache_safely`.
