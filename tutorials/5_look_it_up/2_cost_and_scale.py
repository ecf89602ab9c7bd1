"""
Cost and scale
==============

Look up how much of your machine a mount takes, what each task asks of the store, what that is in
money, and how it grows.

* **You will learn** how many requests of which kind everyday tasks make, how to turn them into the
  prices of your own store, and at which point another way is cheaper than a mount.
* **You need** the ``s3fs`` program, FUSE, 1 GB of memory and 1 GB of temporary disk space.
  You need no S3 account: the lesson watches the server of the sandbox, so it does not run
  on a bucket of your own.
* **Time**: ten minutes to read.
"""

# %%
# Every number on this page was measured when the page was built, with the version of ``s3fs`` that
# is named here.
# Why the numbers are as they are is explained in
# :ref:`sphx_glr_tutorials_2_what_it_costs_1_read_only_what_you_need.py` and the lessons after it.

# sphinx_gallery_thumbnail_number = 2
import time
from contextlib import ExitStack

import iris
import matplotlib.pyplot as plt
import numpy as np

from s3_mounts import mount, sparse_read_options, threads_option
from s3_sandbox import costs, start_sandbox
from s3_sandbox.figures import draw_growth, draw_shares

iris.FUTURE.date_microseconds = True
iris.FUTURE.lam_pole_offset = True
iris.FUTURE.save_split_attrs = True

sandbox = start_sandbox("climate-data")
sandbox.shell("s3fs --version | head -n 1")

# %%
# The bucket has five large netCDF files, in chunks of one field, and small files of one field each:
# 80 as PP, and five of them as netCDF.
# The same five fields are also in one PP file.

large = costs.add_files(sandbox)
print("Large files:", ", ".join(f"{size:.1f} MB" for size in large.values()))
small = sandbox.sizes()["80/00.pp"] / 1e6
print(f"A small file: {small:.2f} MB")

# %% C23
# On your machine
# ---------------
#
# A mount is a process.
# Start four of them, and leave them idle for two seconds.
# *Own* is the memory that is free again when this one process ends (USS).
# *Together* is that of all, with what they share counted once (PSS).

places = [sandbox.directory / f"bucket_{number}" for number in range(4)]
with ExitStack() as mounts:
    processes = []
    for place in places:
        mounted = mount(sandbox.source, place)
        mounts.enter_context(mounted)
        processes += mounted.processes
        seen = [costs.look(process) for process in processes]
        own, _, threads, _ = seen[-1]
        _, together, _, connections = np.sum(seen, axis=0)
        print(
            f"{len(seen)} mounted: {together:4.1f} MB together; the last one:"
            f" {own:4.1f} MB of its own, {threads:2.0f} threads"
        )
    with sandbox.traffic() as traffic:
        time.sleep(2)
print(f"Idle: {connections:.0f} connections, {traffic.requests} requests")

# %%
# Each further mount adds a few megabytes. The program itself is in memory only once.
# An idle mount asks nothing of the store, and keeps a connection to it.
# Whoever looks into it does, and that may be a program that you would not think of.
# ``updatedb`` lists all files of a machine every night, and those of `mounted buckets
# <https://github.com/s3fs-fuse/s3fs-fuse/issues/1587>`__ with ``allow_other`` too, unless they are
# excluded.
# (Our server keeps a connection for as long as s3fs does. Others may end one that is idle.)
#
# What does a mount take while a program reads from it?
# Watch it while ``cat`` reads the largest file, four times.

tuned = sparse_read_options(sandbox.directory / "cache")
for label, options in {
    "the defaults": [],
    "sparse reads": tuned,
    "20 threads": ["multipart_size=5", threads_option(20)],
}.items():
    mounted = mount(sandbox.source, places[0], options)
    (process,) = mounted.processes
    most = costs.most_while_reading(process, places[0] / "60_fields.nc")
    mounted.unmount()
    own, _, threads, connections = most
    print(
        f"{label}: at most {own:4.1f} MB of its own, {threads:2.0f} threads,"
        f" {connections:2.0f} connections"
    )

# %%
# Reading does not fill the memory: what is fetched goes to the disk, into the cache or into a
# temporary file.
# There are more threads than those that fetch: FUSE has some of its own, to answer the kernel.
# It starts another one whenever all are busy, so the number depends on how busy the machine is.
#
# What each task asks of the store
# --------------------------------
#
# Stores charge for requests by their kind.
# ``everyday_tasks`` of the sandbox does the tasks in turn, on one mount, and counts.
# The netCDF file that is read is 8 MB in size, and what is saved has 6 of its 8 fields.

default = costs.everyday_tasks(sandbox, places[0])
costs.print_counts(default)

# %%
# With options for sparse reads, the counts are:

sparse = costs.everyday_tasks(sandbox, places[0], tuned)
costs.print_counts(sparse)

# %% C15
# Reading takes fewer requests then, and far fewer bytes.
# A PP save straight onto the mount takes many uploads, whatever the options.
# From s3fs 1.95 on, the small ``multipart_size`` turns even an upload of 6 MB into one in parts,
# which takes a request before it and one after it.
# Before 1.95, ``nomultipart`` is among these options, and the upload is a single request.
#
# What that is in money
# ---------------------
#
# **Put in the prices of your own store.**
# Those below are an example: Amazon's list prices for S3 Standard in the region US East
# (N. Virginia), and for data that leave it for the internet, as of September 2026
# (`pricing page <https://aws.amazon.com/s3/pricing/>`__, price lists of `S3
# <https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonS3/current/us-east-1/index.json>`__
# and of `data transfer
# <https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AWSDataTransfer/current/region_index.json>`__).
# They leave out what is free up to some amount, the storage itself, and what a cheaper storage class
# asks for a read: from an archive nothing is read before it is restored, see
# :ref:`trouble-archived`.

per_1000_puts = 0.005  # dollars per 1,000 PUT, COPY, POST or LIST
per_1000_gets = 0.0004  # dollars per 1,000 GET and all others
per_1000_deletes = 0
per_gigabyte = 0.09  # dollars per GB out of the region; inside it is free

prices = dict.fromkeys(costs.KINDS, per_1000_puts)
prices |= {"HEAD": per_1000_gets, "GET": per_1000_gets}
prices |= {"DELETE": per_1000_deletes, "bytes out": per_gigabyte}

# %%
# A thousand repetitions of each task cost this in dollars, inside the region and out of it.


def dollars(asked):
    """Price a thousand repetitions: a row for each task, bytes come last."""
    counts = [costs.count(traffic)[:-1] for traffic in asked.values()]
    return np.array(counts) * [*prices.values()]


ways = {"default": dollars(default), "sparse": dollars(sparse)}
rows = []
for name, *prices_of in zip(default, *ways.values(), strict=True):
    inside = [sum(price[:-1]) for price in prices_of]
    outside = [sum(price) for price in prices_of]
    rows.append((name, [f"{dollar:.3f}" for dollar in (*inside, *outside)]))
columns = [f"{way}, {where}" for where in ("inside", "out") for way in ways]
costs.print_table("dollars", columns, rows)

# %%
# Which kind of request makes up most of the cost, or is it the bytes?
# With the defaults:

figure, panels = plt.subplots(
    ncols=2, sharey=True, figsize=(8, 4.6), layout="constrained"
)
out_of_region = ways["default"]
in_region = out_of_region * [*np.ones(len(costs.KINDS)), 0]
draw_shares(panels[0], in_region, list(default), list(prices))
draw_shares(panels[1], out_of_region, list(default), list(prices))
panels[0].set_title("inside the region")
panels[1].set_title("out of the region")
panels[0].invert_yaxis()
handles, labels = panels[1].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=6)
figure.suptitle("What the cost of each task is made of, with the defaults")
plt.show()

worth = per_1000_gets / 1000 / per_gigabyte * 1e9
print(f"A GET costs as much as {worth / 1000:.1f} kB out of the region.")
print(f"A PUT or LIST costs as much as {per_1000_puts / per_1000_gets} GET.")
asked = [*default.values(), *sparse.values()]
answers = [request.status for traffic in asked for request in traffic.log]
missing = answers.count(404) / len(answers)
print(f"Answered with 404: {missing:.0%} of requests.")

# %%
# * **Out of the region** the bytes are most of what a read costs: move less.
# * **Inside the region** a read of a large file costs next to nothing.
#   What does cost is listing and loading many files, with a HEAD or more for each, and uploading.
# * A netCDF file that is saved straight onto the mount with the options for sparse reads is partly
#   read back. Out of the region you pay for that.
#
# ``s3fs`` asks for some things that are not there, for example before it saves.
# Amazon `charges for an answer with 404
# <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ErrorCodeBilling.html>`__ as for others.
#
# How it grows
# ------------
#
# Three things grow: the number of files that you load, the size of the file whose metadata you load,
# and the number of workers, each of which averages the same file of 4 MB.
# The workers work one after the other, with a mount each or on one that they share.
# Both axes are logarithmic: what grows in proportion is a line of slope 1, and what does not grow
# is level.

across = {
    "files": [1, 5, 20, 80],
    "MB": list(large.values()),
    "workers": [1, 2, 3, 4],
}
grown = {
    "default": costs.growth(sandbox, large),
    # 80 files again would tell nothing new
    "sparse": costs.growth(sandbox, large, tuned, most_files=20),
}
figure, panels = plt.subplots(
    2, 3, sharex="col", sharey="row", figsize=(8, 5.4), layout="constrained"
)
draw_growth(panels, across, grown)
figure.suptitle("How requests and bytes grow with files, size and workers")
plt.show()

# %%
# Here are the slopes, and what one more of the same costs from the second point of each line on.

rows = []
for label, counted in grown.items():
    for what, values in counted.items():
        shared = what == "shared"
        name = f"workers, {label}, shared" if shared else f"{what}, {label}"
        points = across["workers" if shared else what][: len(values)]
        rows.append((name, costs.slopes(points, values)))
columns = ["requests: slope", "one more", "MB moved: slope", "one more"]
costs.print_table("", columns, rows)

# %% C24
# * Each small file costs its own requests and bytes. Options only make them fewer.
# * With options for sparse reads the cost of the metadata does not grow with the file, once that is
#   larger than a prefetch or two.
# * Each worker with a mount of its own costs as much as the first.
#   On a shared mount *with a cache* the further ones move nothing.
#
# When to leave the mount
# -----------------------
#
# Copying the file first moves it once.
# When has the mount moved as much?
# Read fields of the largest file, in a random order.

size = large["60_fields.nc"]
moved = {}
figure, axes = plt.subplots(figsize=(8, 3.8), layout="constrained")
for label, options, how_many in (("default", [], 1), ("sparse", tuned, 10)):
    with mount(sandbox.source, places[0], options) as bucket:
        path = bucket / "60_fields.nc"
        moved[label] = costs.read_fields(sandbox, path, how_many)
    colour = "tab:orange" if label == "default" else "tab:blue"
    axes.plot(moved[label], marker=".", color=colour, label=f"mount, {label}")
axes.axhline(size, linestyle="--", color="0.4", label="copy first")
axes.set_yscale("log")
axes.set_ylim(3, 2000)
axes.set_xticks(range(11))
axes.set_xlabel("fields read")
axes.set_ylabel("MB moved")
axes.set_title(f"Reading fields of a file of {size:.0f} MB, by mount and copy")
figure.legend(loc="outside lower center", ncols=3)
plt.show()

# %% C03, C36
# With a cache nothing is fetched twice, so for as long as it lasts, the mount does not move more
# than the whole file.
#
# With a larger file, loading costs as much as here, and so does a field that lies far from the
# others.
# So about this many fields can be read before the mount has moved as much as the file.
# (With the defaults it is fewer still: the end of our file cuts the large prefetch short.)

part = moved["sparse"][-1] / size
print(f"10 of 60 fields moved {part:.2f} × the file, with sparse reads.")

rows = []
sizes = [1_000, 10_000]
for label, values in moved.items():
    fields = (np.array(sizes) - values[0]) // np.diff(values).max()
    rows.append((f"fields, {label}", [f"{max(0, n):.0f}" for n in fields]))
costs.print_table(
    "size of the file", [f"{size:,.0f} MB" for size in sizes], rows
)

# %% C15, C23, C36
# And these habits multiply the cost:

inside = dict(zip(default, ways["default"][:, :-1].sum(axis=1), strict=True))
many = inside["load 5 PP files"] / inside["load 1 PP of 5 fields"]
direct = inside["save PP directly"] / inside["copy a saved file"]
shared = grown["sparse"]["shared"][-1, 1]
apart = grown["sparse"]["workers"][-1, 1] / shared
print(f"five PP files instead of one: {many:.1f} × the price of the requests")
print(
    f"save PP instead of copying:   {direct:.1f} × the price of the requests"
)
print(f"four mounts instead of one:   {apart:.1f} × the bytes")

sandbox.stop()

# %%
# .. list-table::
#    :header-rows: 1
#    :widths: 45 55
#
#    * - Leave the mount when
#      - Instead
#    * - you will read more fields of a file than the table has for its size
#      - copy the file first
#    * - you read the same files every day, out of the region
#      - copy them once and keep them; a mount begins anew, since ``del_cache`` empties its cache
#    * - you load many small files again and again
#      - join them into one, and store that
#    * - you save
#      - save to the local disk, and upload the file without the mount
#    * - you want a few numbers from public netCDF files
#      - byte ranges
#
# If many workers on one machine read the same files, keep the mount, but one for all, with
# ``use_cache``.
#
# How to do without a mount, and what you cannot do then, is the subject of
# :ref:`sphx_glr_tutorials_2_what_it_costs_4_mount_or_not.py`.

# %%
# What you have seen
# ------------------
#
# * A mount takes some megabytes of memory and some threads, and asks nothing while it is idle.
# * Out of the region you pay for bytes, inside it for many files and for uploads.
# * Files and workers multiply the cost. The size of a file need not.
# * Beyond some number of fields, a copy is cheaper. The options and the file decide which number.
#
# **Read next:** :ref:`sphx_glr_tutorials_2_what_it_costs_2_choose_your_options.py`, which explains
# what bytes and requests mean in time.
#
# To do it yourself: :doc:`/how_to/cache_safely` and :doc:`/how_to/pipelines`.
