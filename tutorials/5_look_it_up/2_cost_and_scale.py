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
import os
import re
import shutil
import subprocess
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial

import boto3
import iris
import iris.analysis
import matplotlib.pyplot as plt
import numpy as np

from s3_mounts import mount, mount_table, sparse_read_options, threads_option
from s3_sandbox import fine_temperature, start_sandbox

# Opt in to what Iris will do by default, so that it has nothing to warn about.
iris.FUTURE.date_microseconds = True
iris.FUTURE.lam_pole_offset = True
iris.FUTURE.save_split_attrs = True

sandbox = start_sandbox("climate-data")
sandbox.shell("s3fs --version | head -n 1")

# %%
# The bucket has five large netCDF files, in chunks of one field, and small files of one field each:
# 80 as PP, and five of them as netCDF.
# The same five fields are also in one PP file.

s3 = boto3.client("s3")
local = sandbox.directory / "local"


def save(cube, key, saver="nc", **keywords):
    """Save a cube, bypassing any mount, and return its size in MB."""
    iris.save(cube, local, saver=saver, **keywords)
    with open(local, "rb") as content:
        s3.put_object(Bucket=sandbox.bucket, Key=key, Body=content)
    return local.stat().st_size / 1e6


fine = fine_temperature(60)
large = {}
for fields in (4, 8, 16, 32, 60):
    key = f"{fields}_fields.nc"
    large[key] = save(fine[:fields], key, chunksizes=(1, 444, 588))
print("Large files:", ", ".join(f"{size:.1f} MB" for size in large.values()))

coarse = fine_temperature(80, 111, 147)
for number, field in enumerate(coarse.slices_over("time")):
    small = save(field, f"80/{number:02}.pp", saver="pp")
    if number < 5:
        save(field, f"5/{number:02}.pp", saver="pp")
        save(field, f"5/{number:02}.nc")
save(coarse[:5], "five_in_one.pp", saver="pp")
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
for place in places:
    place.mkdir()


def look(process):
    """Look at the process of a mount: memory in MB, threads, connections."""
    memory = process.memory_full_info()
    connections = len(process.net_connections("inet"))
    sizes = (memory.uss / 1e6, memory.pss / 1e6)
    return np.array([*sizes, process.num_threads(), connections])


with ExitStack() as mounts:
    processes = []
    for place in places:
        mounts.enter_context(mount(sandbox.source, place))
        processes += mount_table.servers(place)
        seen = [look(process) for process in processes]
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
# An idle mount asks nothing of the store.
# Whoever looks into it does, and that may be a program that you would not think of.
# ``updatedb`` lists all files of a machine every night, and those of `mounted buckets
# <https://github.com/s3fs-fuse/s3fs-fuse/issues/1587>`__ with ``allow_other`` too, unless they are
# excluded.
# (Our server closes each connection after its answer. Others may keep some open for a while.)
#
# What does a mount take while a program reads from it?
# Watch it while ``cat`` reads the largest file.

tuned = sparse_read_options(sandbox.directory / "cache")
for label, options in {
    "the defaults": [],
    "sparse reads": tuned,
    "20 threads": ["multipart_size=5", threads_option(20)],
}.items():
    with mount(sandbox.source, places[0], options) as bucket:
        [process] = mount_table.servers(bucket)
        most = look(process)
        command = ["cat", bucket / "60_fields.nc"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as reader:
            while reader.poll() is None:
                most = np.maximum(most, look(process))
    own, _, threads, connections = most
    print(
        f"{label}: at most {own:4.1f} MB of its own, {threads:2.0f} threads,"
        f" {connections:2.0f} connections"
    )

# %%
# Reading does not fill the memory: what is fetched goes to the disk, into the cache or into a
# temporary file.
# There are more threads than those that fetch: FUSE has some of its own, to answer the kernel.
#
# What each task asks of the store
# --------------------------------
#
# Stores charge for requests by their kind.

KINDS = ["HEAD", "GET", "LIST", "PUT", "COPY", "POST", "DELETE"]


def count(traffic):
    """Count the requests of each kind, then MB down and MB up."""
    kinds = []
    for operation in (request.operation for request in traffic.log):
        verb = re.match("[A-Z][a-z]+", operation)[0].upper()
        of_parts = {"UPLOAD": "PUT", "CREATE": "POST", "COMPLETE": "POST"}
        kinds.append(of_parts.get(verb, verb))
    sizes = [traffic.bytes_down / 1e6, traffic.bytes_up / 1e6]
    return [*(kinds.count(kind) for kind in KINDS), *sizes]


def print_table(corner, columns, rows):
    """Print a name and some cells for each row."""
    widths = [max(4, len(column)) + 1 for column in columns]
    for name, cells in ((corner, columns), *rows):
        padded = map(str.rjust, cells, widths)
        print(f"{name:<24}", *padded)


# %%
# The tasks are done in turn, on one mount.
# The netCDF file that is read is 8 MB in size, and what is saved has 6 of its 8 fields.

answers = Counter()
result = fine[:6]
iris.save(result, sandbox.directory / "result.nc")


def run_all(options):
    """Do all tasks on a new mount, count for each, and print a table."""
    counts = {}

    def task(name, do, *arguments):
        with sandbox.traffic() as traffic:
            done = do(*arguments)
        counts[name] = count(traffic)
        answers.update(request.status for request in traffic.log)
        return done

    bucket = places[0]
    mounted = task("mount", mount, sandbox.source, bucket, options)
    task("list 80 files", lambda: [*map(os.stat, bucket.glob("80/*"))])
    cube = task("load a netCDF file", iris.load_cube, bucket / "8_fields.nc")
    task("read one field of it", lambda: cube[4].data)
    mean = cube.collapsed("time", iris.analysis.MEAN)
    task("mean of all its fields", lambda: mean.data)
    task("load 5 netCDF files", iris.load, bucket / "5/*.nc")
    task("load 5 PP files", iris.load, bucket / "5/*.pp")
    task("load 1 PP of 5 fields", iris.load, bucket / "five_in_one.pp")
    task("save netCDF directly", iris.save, result, bucket / "direct.nc")
    task("save PP directly", iris.save, result, bucket / "direct.pp")
    file = sandbox.directory / "result.nc"
    task("copy a saved file", shutil.copyfile, file, bucket / "new.nc")
    task("rename it", (bucket / "new.nc").rename, bucket / "final.nc")
    task("delete it", (bucket / "final.nc").unlink)
    task("unmount", mounted.unmount)

    rows = []
    for name, (*requests, down, up) in counts.items():
        cells = [str(number) for number in requests]
        rows.append((name, [*cells, f"{down:.1f}", f"{up:.1f}"]))
    print_table("requests", [*KINDS, "MB down", "MB up"], rows)
    return counts


default = run_all([])

# %%
# With options for sparse reads, the counts are:

sparse = run_all(tuned)

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
# They leave out what is free up to some amount, and the storage itself.

per_1000_puts = 0.005  # dollars per 1,000 PUT, COPY, POST or LIST
per_1000_gets = 0.0004  # dollars per 1,000 GET and all others
per_1000_deletes = 0
per_gigabyte = 0.09  # dollars per GB out of the region; inside it is free

prices = dict.fromkeys(KINDS, per_1000_puts)
prices |= {"HEAD": per_1000_gets, "GET": per_1000_gets}
prices |= {"DELETE": per_1000_deletes, "bytes out": per_gigabyte}

# %%
# A thousand repetitions of each task cost this in dollars, inside the region and out of it.


def dollars(counts):
    """Price a thousand repetitions: a row for each task, bytes come last."""
    return np.array([row[:-1] for row in counts.values()]) * [*prices.values()]


ways = {"default": dollars(default), "sparse": dollars(sparse)}
rows = []
for name, *costs in zip(default, *ways.values(), strict=True):
    inside = [sum(cost[:-1]) for cost in costs]
    outside = [sum(cost) for cost in costs]
    rows.append((name, [f"{dollar:.3f}" for dollar in (*inside, *outside)]))
columns = [f"{way}, {where}" for where in ("inside", "out") for way in ways]
print_table("dollars", columns, rows)

# %%
# Which kind of request makes up most of the cost, or is it the bytes?
# With the defaults:

colours = plt.get_cmap("tab20c")([0, 2, 4, 5, 6, 7, 12, 8])
figure, panels = plt.subplots(
    ncols=2, sharey=True, figsize=(8, 4.6), layout="constrained"
)
for axes, where, count_bytes in (
    (panels[0], "inside the region", 0),
    (panels[1], "out of the region", 1),
):
    cost = ways["default"].T.copy()
    cost[-1] *= count_bytes
    shares = cost / np.where(cost.any(axis=0), cost.sum(axis=0), 1)
    left = np.cumsum(shares, axis=0) - shares
    for name, colour, *bars in zip(prices, colours, shares, left, strict=True):
        if bars[0].any():
            axes.barh(
                list(default), bars[0], left=bars[1], color=colour, label=name
            )
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the cost")
    axes.set_title(where)
panels[0].invert_yaxis()
handles, labels = panels[1].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=6)
figure.suptitle("What the cost of each task is made of, with the defaults")
plt.show()

worth = per_1000_gets / 1000 / per_gigabyte * 1e9
print(f"A GET costs as much as {worth / 1000:.1f} kB out of the region.")
print(f"A PUT or LIST costs as much as {per_1000_puts / per_1000_gets} GET.")
print(f"Answered with 404: {answers[404] / answers.total():.0%} of requests.")

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


def cumulate(steps):
    """Take steps; count requests and MB moved up to the end of each."""
    taken = []
    for step in steps:
        with sandbox.traffic() as traffic:
            step()
        taken.append((traffic.requests, traffic.bytes_down / 1e6))
    return np.cumsum(taken, axis=0)


def load_files(bucket):
    """List steps that load 1 file, 4 more, 15 more, and 60 more."""
    paths = [bucket / f"80/{number:02}.pp" for number in range(80)]
    parts = (paths[:1], paths[1:5], paths[5:20], paths[20:])
    return [partial(iris.load, part) for part in parts]


def work(bucket):
    """Do what each worker does."""
    cube = iris.load_cube(bucket / "4_fields.nc")
    cube.collapsed("time", iris.analysis.MEAN).data


grown = {}
for label, options, number_of_steps in (
    ("default", [], 4),
    ("sparse", tuned, 3),  # 80 files again would tell nothing new
):
    with mount(sandbox.source, places[0], options) as bucket:
        steps = load_files(bucket)[:number_of_steps]
        grown["files", label] = cumulate(steps)

    with mount(sandbox.source, places[0], options) as bucket:
        steps = [partial(iris.load_cube, bucket / key) for key in large]
        grown["MB", label] = np.diff(cumulate(steps), axis=0, prepend=0)

    with ExitStack() as mounts:
        for number, place in enumerate(places):
            own = [o.replace("/cache", f"/cache_{number}") for o in options]
            mounts.enter_context(mount(sandbox.source, place, own))
        each = [partial(work, place) for place in places]
        grown["workers", label] = cumulate(each)

    with mount(sandbox.source, places[0], options) as bucket:
        together = cumulate([partial(work, bucket)] * 4)
        grown["workers", f"{label}, shared"] = together

# %%
# Both axes are logarithmic: what grows in proportion is a line of slope 1, and what does not grow
# is level.

across = {
    "files": [1, 5, 20, 80],
    "MB": list(large.values()),
    "workers": [1, 2, 3, 4],
}
titles = ["load small PP files", "metadata of one file", "the same file"]
figure, panels = plt.subplots(
    2, 3, sharex="col", sharey="row", figsize=(8, 5.4), layout="constrained"
)
for (what, label), values in grown.items():
    style = {
        "color": "tab:orange" if "default" in label else "tab:blue",
        "linestyle": "--" if "shared" in label else "-",
    }
    column = panels[:, list(across).index(what)]
    for axes, measured in zip(column, values.T, strict=True):
        x = across[what][: len(measured)]
        axes.loglog(x, measured, marker="o", label=label, **style)
for what, title, column in zip(across, titles, panels.T, strict=True):
    column[0].set_title(title, fontsize=10)
    column[1].set_xlabel(what)
    ticks = large.values() if what == "MB" else across[what]
    column[1].set_xticks([*ticks], [f"{tick:.0f}" for tick in ticks])
    column[1].set_xticks([], minor=True)
panels[0, 0].set(ylabel="requests", ylim=(3, 2000))
panels[1, 0].set(ylabel="MB moved", ylim=(0.03, 1000))
handles, labels = panels[0, 2].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=4)
figure.suptitle("How requests and bytes grow with files, size and workers")
plt.show()

# %%
# Here are the slopes, and what one more of the same costs from the second point of each line on.

rows = []
for (what, label), values in grown.items():
    x = np.array(across[what][: len(values)])
    cells = []
    for measured in values.T:
        slope = np.polyfit(np.log(x), np.log(measured), 1)[0]
        more = (measured[-1] - measured[1]) / (x[-1] - x[1])
        cells += [f"{round(slope, 1) + 0:.1f}", f"{more:.2f}"]
    rows.append((f"{what}, {label}", cells))
columns = ["requests: slope", "one more", "MB moved: slope", "one more"]
print_table("", columns, rows)

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
order = np.random.default_rng(0).permutation(60)


def read_fields(path, how_many):
    """List steps that load a cube and read its fields one by one."""
    loaded = []
    load = [lambda: loaded.append(iris.load_cube(path))]
    return load + [
        lambda number=number: loaded[0][number].data
        for number in order[:how_many]
    ]


moved = {}
figure, axes = plt.subplots(figsize=(8, 3.8), layout="constrained")
for label, options, how_many in (("default", [], 1), ("sparse", tuned, 10)):
    with mount(sandbox.source, places[0], options) as bucket:
        steps = read_fields(bucket / "60_fields.nc", how_many)
        moved[label] = cumulate(steps)[:, 1]
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
print_table("size of the file", [f"{size:,.0f} MB" for size in sizes], rows)

# %% C15, C23, C36
# And these habits multiply the cost:

inside = dict(zip(default, ways["default"][:, :-1].sum(axis=1), strict=True))
many = inside["load 5 PP files"] / inside["load 1 PP of 5 fields"]
direct = inside["save PP directly"] / inside["copy a saved file"]
shared = grown["workers", "sparse, shared"][-1, 1]
apart = grown["workers", "sparse"][-1, 1] / shared
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
