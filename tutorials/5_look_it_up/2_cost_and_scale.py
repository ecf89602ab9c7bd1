"""
Cost and scale
==============

Look up what a mount takes of your machine, what each task asks of the store, what that is in money,
and how it grows.

* **You will learn** how many requests of which kind everyday tasks make, how to turn them into the
  prices of your own store, and at which point another way is cheaper than a mount.
* **You need** the ``s3fs`` program, FUSE, and 1 GB of memory and of temporary disk space.
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
import shutil
import subprocess
import time
from contextlib import ExitStack

import boto3
import iris
import iris.analysis
import matplotlib.pyplot as plt
import numpy as np

from s3_mounts import (
    fine_temperature,
    mount,
    mount_table,
    sparse_read_options,
    start_sandbox,
    threads_option,
)

# Opt in to what Iris will do by default, so that it has nothing to warn about.
iris.FUTURE.date_microseconds = True
iris.FUTURE.lam_pole_offset = True
iris.FUTURE.save_split_attrs = True

sandbox = start_sandbox("climate-data")
sandbox.shell("s3fs --version | head -n 1")

# %%
# The bucket has five large netCDF files, in chunks of one field, and small ones of one field each:
# 80 as netCDF, and the first five again as PP, apart and together.

s3 = boto3.client("s3")
local = sandbox.directory / "local"


def save(cube, key, saver="nc", **keywords):
    """Save a cube past any mount, and tell the size in MB."""
    iris.save(cube, local, saver=saver, **keywords)
    with open(local, "rb") as content:
        s3.put_object(Bucket=sandbox.bucket, Key=key, Body=content)
    return local.stat().st_size / 1e6


fine = fine_temperature(60)
large = {
    f"{fields}_fields.nc": save(
        fine[:fields], f"{fields}_fields.nc", chunksizes=(1, 444, 588)
    )
    for fields in (4, 8, 16, 32, 60)
}
print("Large files:", ", ".join(f"{size:.1f} MB" for size in large.values()))

coarse = fine_temperature(80, 111, 147)
for number, field in enumerate(coarse.slices_over("time")):
    small_size = save(field, f"small/{number:02}.nc")
    if number < 5:
        save(field, f"netcdf/{number}.nc")
        save(field, f"pp/{number}.pp", saver="pp")
save(coarse[:5], "five_in_one.pp", saver="pp")
print(f"A small file: {small_size:.2f} MB")

# %% C23
# On your machine
# ---------------
#
# A mount is a process.
# Start four of them, and let them be idle for two seconds.
# *Own* is the memory that would be free if this one process ended (USS).
# *Together* counts once what the processes share (PSS).

places = [sandbox.directory / f"bucket_{number}" for number in range(4)]
for place in places:
    place.mkdir()


def look(process):
    """Look at the process of a mount: memory in MB, threads, connections."""
    memory = process.memory_full_info()
    return np.array(
        [
            memory.uss / 1e6,
            memory.pss / 1e6,
            process.num_threads(),
            len(process.net_connections("inet")),
        ]
    )


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

# %% C23
# Each further mount adds little, since the program itself is in the memory once.
# An idle mount asks nothing of the store.
# Whoever looks into it does, and that may be a program that you do not think of: ``updatedb``, which
# lists all files of a machine every night, `has been seen to do so
# <https://github.com/s3fs-fuse/s3fs-fuse/issues/1587>`__.
#
# A mount that is read from needs some more.
# Here ``cat`` reads the largest file, and we watch the process.

tuned = sparse_read_options(sandbox.directory / "cache")
for label, options in {
    "the defaults": [],
    "sparse reads": tuned,
    "20 threads": ["multipart_size=5", threads_option(20)],
}.items():
    with mount(sandbox.source, places[0], options) as bucket:
        [process] = mount_table.servers(bucket)
        idle = most = look(process)
        with subprocess.Popen(
            ["cat", bucket / "60_fields.nc"], stdout=subprocess.DEVNULL
        ) as reader:
            while reader.poll() is None:
                most = np.maximum(most, look(process))
    own, _, threads, connections = most
    print(
        f"{label}: at most {own:4.1f} MB of its own, {threads:2.0f} threads,"
        f" {connections:.0f} connections"
    )

# %%
# Reading does not fill the memory: what is fetched goes to the disk, into the cache or into a
# temporary file.
#
# What each task asks of the store
# --------------------------------
#
# Stores charge for requests by kind.
# These are the kinds of what ``s3fs`` sends, and who sends them.

KINDS = ["HEAD", "GET", "LIST", "PUT", "COPY, POST", "DELETE"]


def kind(operation):
    """Find the kind of request under which a store charges an operation."""
    name = operation.upper()
    if name.startswith(("CREATE", "COMPLETE", "COPY")) or "COPY" in name:
        return "COPY, POST"
    if name.startswith("UPLOAD"):
        return "PUT"
    return next(kind for kind in KINDS if name.startswith(kind))


def count(traffic):
    """Count the requests of each kind, then MB down and MB up."""
    kinds = [kind(request.operation) for request in traffic.log]
    return np.array(
        [
            *(kinds.count(kind) for kind in KINDS),
            traffic.bytes_down / 1e6,
            traffic.bytes_up / 1e6,
        ]
    )


# %%
# The tasks are done in turn, on one mount.
# The netCDF file that is read has 8 MB, and what is saved has 6 of its 8 fields.

result = fine[:6]
iris.save(result, sandbox.directory / "result.nc")


def run_all(options):
    """Do all tasks on a new mount, and count for each."""
    counts = {}

    def task(name, do, *arguments):
        with sandbox.traffic() as traffic:
            done = do(*arguments)
        counts[name] = count(traffic)
        return done

    bucket = places[0]
    mounted = task("mount", mount, sandbox.source, bucket, options)
    task("list 80 files", lambda: [*map(os.stat, bucket.glob("small/*"))])
    cube = task("load a netCDF file", iris.load_cube, bucket / "8_fields.nc")
    task("read one field of it", lambda: cube[4].data)
    mean = cube.collapsed("time", iris.analysis.MEAN)
    task("mean of all its fields", lambda: mean.data)
    task("load 5 netCDF files", iris.load, bucket / "netcdf/*.nc")
    task("load 5 PP files", iris.load, bucket / "pp/*.pp")
    task("load 1 PP of 5 fields", iris.load, bucket / "five_in_one.pp")
    task("save netCDF directly", iris.save, result, bucket / "direct.nc")
    task("save PP directly", iris.save, result, bucket / "direct.pp")
    file = sandbox.directory / "result.nc"
    task("copy a saved file", shutil.copyfile, file, bucket / "new.nc")
    task("rename it", (bucket / "new.nc").rename, bucket / "final.nc")
    task("delete it", (bucket / "final.nc").unlink)
    task("unmount", mounted.unmount)
    return counts


def show(counts):
    """Print a table of what was counted."""
    print(f"{'':23}", *(f"{kind:>6}" for kind in [*KINDS, "MB down", "MB up"]))
    for name, row in counts.items():
        requests = (
            f"{number:>6.0f}" if number else f"{'':6}" for number in row[:6]
        )
        print(f"{name:<23}", *requests, f"{row[6]:>8.1f}{row[7]:>7.1f}")


default = run_all([])
show(default)

# %%
# With options for sparse reads it is:

sparse = run_all(tuned)
show(sparse)

# %% C15
# Reading takes fewer requests then, and far fewer bytes.
# A save through the mount takes many uploads in either case.
# The small ``multipart_size`` has even an upload of this size cut into parts, which are more
# requests.
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
# They leave out what is free at first, and the storage itself.

per_1000_puts = 0.005  # dollars per 1,000 PUT, COPY, POST or LIST
per_1000_gets = 0.0004  # dollars per 1,000 GET and all others
per_gigabyte = 0.09  # dollars per GB out of the region; inside it is free

prices = {
    "HEAD": per_1000_gets,
    "GET": per_1000_gets,
    "LIST": per_1000_puts,
    "PUT": per_1000_puts,
    "COPY, POST": per_1000_puts,
    "DELETE": 0,
}

# %%
# This is what a thousand repetitions of each task cost, in dollars.


def dollars(counts):
    """Price a thousand repetitions: a row for each task, the bytes last."""
    table = np.array(list(counts.values()))
    requests = table[:, : len(KINDS)] * list(prices.values())
    return np.column_stack([requests, table[:, len(KINDS)] * per_gigabyte])


ways = {"defaults": dollars(default), "sparse reads": dollars(sparse)}
print(f"{'':<23}{'inside the region':^22}{'out of the region':^22}")
print(f"{'':<23}", *(f"{way:>10}" for way in [*ways, *ways]))
for row, name in enumerate(default):
    inside = [cost[row, :-1].sum() for cost in ways.values()]
    outside = [cost[row].sum() for cost in ways.values()]
    print(f"{name:<23}", *(f"{cost:>10.3f}" for cost in [*inside, *outside]))

# %%
# And which kind of request, or the bytes, is most of it?
# For the defaults it is:

names = [*KINDS, "bytes out"]
colours = plt.get_cmap("tab20c")([0, 2, 4, 5, 6, 12, 8])
figure, panels = plt.subplots(
    ncols=2, sharey=True, figsize=(8, 4.6), layout="constrained"
)
for axes, cost, title in (
    (panels[0], ways["defaults"][:, :-1], "inside the region"),
    (panels[1], ways["defaults"], "out of the region"),
):
    shares = cost / np.maximum(cost.sum(axis=1, keepdims=True), 1e-12)
    for number, share in enumerate(shares.T):
        if share.any():
            left = shares[:, :number].sum(axis=1)
            axes.barh(
                list(default),
                share,
                left=left,
                color=colours[number],
                label=names[number],
            )
    axes.set_xlabel("share of the cost")
    axes.set_title(title)
panels[0].invert_yaxis()
handles, labels = panels[1].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=6)
figure.suptitle("What the cost of each task is made of, with the defaults")
plt.show()

worth = per_1000_gets / 1000 / per_gigabyte * 1e9
print(f"A GET costs as much as {worth / 1000:.1f} kB out of the region.")
print(
    f"One PUT or LIST costs as much as {per_1000_puts / per_1000_gets:.1f} GET."
)

# %%
# * **Out of the region** the bytes are nearly all of it: read less.
# * **Inside the region** it is the listings and uploads.
#   HEAD and GET are cheap, but there can be very many of them.
#
# Amazon charges for a request `that is answered with 404
# <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ErrorCodeBilling.html>`__ as well.
# ``s3fs`` asks for things that may not be there before it saves, for example.
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


def files(bucket):
    """Make steps that load 1, 5, 20 and 80 files."""
    paths = [bucket / f"small/{number:02}.nc" for number in range(80)]
    for first, last in ((0, 1), (1, 5), (5, 20), (20, 80)):
        yield lambda: iris.load(paths[first:last])


def work(bucket):
    """Do what each worker does."""
    cube = iris.load_cube(bucket / "4_fields.nc")
    cube.collapsed("time", iris.analysis.MEAN).data


grown = {}
for label, options in {"defaults": [], "sparse reads": tuned}.items():
    with mount(sandbox.source, places[0], options) as bucket:
        grown["files", label] = cumulate(files(bucket))

    sizes = []
    for key in large:
        with mount(sandbox.source, places[0], options) as bucket:
            sizes += [*cumulate([lambda: iris.load_cube(bucket / key)])]
    grown["MB", label] = np.array(sizes)

    with ExitStack() as mounts:
        for number, place in enumerate(places):
            own = [o.replace("/cache", f"/cache_{number}") for o in options]
            mounts.enter_context(mount(sandbox.source, place, own))
        each = [lambda place=place: work(place) for place in places]
        grown["workers", label] = cumulate(each)

    with mount(sandbox.source, places[0], options) as bucket:
        together = cumulate([lambda: work(bucket)] * 4)
        grown["workers", f"{label}, shared"] = together

# %%
# Both axes are logarithmic: what grows in proportion is a line of slope 1, and what does not grow
# is level.

across = {
    "files": [1, 5, 20, 80],
    "MB": list(large.values()),
    "workers": [1, 2, 3, 4],
}
titles = ["load small files", "metadata of one file", "the same file"]
figure, panels = plt.subplots(
    2, 3, sharex="col", sharey="row", figsize=(8, 5.4), layout="constrained"
)
for (what, label), values in grown.items():
    column = list(across).index(what)
    for axes, measured in zip(panels[:, column], values.T, strict=True):
        axes.loglog(
            across[what],
            measured,
            marker="o",
            color="tab:orange" if "defaults" in label else "tab:blue",
            linestyle="--" if "shared" in label else "-",
            label=label,
        )
for axes, (what, values), title in zip(
    panels[1], across.items(), titles, strict=True
):
    axes.set_xlabel(what)
    ticks = [values[0], values[-1]] if what == "MB" else values
    axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks], minor=False)
    axes.set_xticks([], minor=True)
for axes, title in zip(panels[0], titles, strict=True):
    axes.set_title(title, fontsize=10)
panels[0, 0].set_ylabel("requests")
panels[1, 0].set_ylabel("MB moved")
handles, labels = panels[0, 2].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=4)
figure.suptitle("How requests and bytes grow with files, size and workers")
plt.show()

# %%
# The slope tells how it grows, and the last step what one more costs.

print(f"{'':<30}{'requests':>15}{'MB moved':>21}")
print(
    f"{'':<30}{'slope':>9}{'one more':>11}" + f"{'slope':>10}{'one more':>11}"
)
for (what, label), values in grown.items():
    x = np.array(across[what])
    cells = ""
    for measured in values.T:
        slope = np.polyfit(np.log(x), np.log(measured), 1)[0]
        more = (measured[-1] - measured[-2]) / (x[-1] - x[-2])
        cells += f"{slope:>9.2f}{more:>11.2f} "
    print(f"{what + ', ' + label:<30}{cells}")

# %% C24
# * Each small file costs requests and bytes of its own, whatever the options. They lower the number.
# * The metadata of a large file cost no more than those of a small one, with options for sparse
#   reads.
# * A worker with a mount of its own doubles, triples ... everything.
#   On a shared mount *with a cache* the further workers move nothing.
#
# When to leave the mount
# -----------------------
#
# To copy the file first moves it once.
# Read fields of the largest file in a random order, and see when the mount has moved as much.

size = large["60_fields.nc"]
order = np.random.default_rng(0).permutation(60)

moved = {}
for label, options, how_many in (
    ("defaults", [], 2),
    ("sparse reads", tuned, 20),
):
    with mount(sandbox.source, places[0], options) as bucket:
        path = bucket / "60_fields.nc"
        loaded = []
        steps = [lambda: loaded.append(iris.load_cube(path))]
        for number in order[:how_many]:
            steps.append(lambda number=number: loaded[0][number].data)
        moved[label] = cumulate(steps)[:, 1]

figure, axes = plt.subplots(figsize=(8, 3.8), layout="constrained")
for (label, values), colour in zip(
    moved.items(), ("tab:orange", "tab:blue"), strict=True
):
    axes.plot(values, marker=".", color=colour, label=label)
axes.axhline(size, linestyle="--", color="0.4", label="copy first")
axes.set_yscale("log")
axes.set_xlabel("fields read")
axes.set_ylabel("MB moved")
axes.set_title(f"Reading fields of a file of {size:.0f} MB through a mount")
figure.legend(loc="outside lower center", ncols=3)
plt.show()

whole = moved["sparse reads"][-1] / size
print(f"20 of 60 fields, sparse reads, moved {whole:.2f} × the file.")

# %% C03, C36
# For a larger file the load and each field cost the same.
# So this is the number of fields up to which the mount surely moves less than the file, for fields
# that lie far from each other:

sizes = [size, 1_000, 10_000]
print(f"{'size in MB':<13}", *(f"{size:>7.0f}" for size in sizes))
for label, values in moved.items():
    each = np.diff(values).max()
    fields = [max(0, (size - values[0]) // each) for size in sizes]
    print(f"{label:<13}", *(f"{number:>7.0f}" for number in fields))

sandbox.stop()

# %%
# .. list-table::
#    :header-rows: 1
#    :widths: 45 55
#
#    * - Leave the mount when
#      - Instead
#    * - you will read more fields of a file than the table says
#      - copy the file first
#    * - you read the same files every day, out of the region
#      - copy them once and keep them: a mount fetches them anew, since its cache goes when you
#        unmount
#    * - you load many small files, again and again
#      - join them into one, and put that into the bucket
#    * - many workers on one machine read the same files
#      - one mount for all of them, with ``use_cache``
#    * - you save
#      - save to the local disk, and copy
#    * - you want a few numbers from public netCDF files
#      - byte ranges
#
# How to do without a mount, and what does not work then, is the subject of
# :ref:`sphx_glr_tutorials_2_what_it_costs_4_mount_or_not.py`.

# %%
# What you have seen
# ------------------
#
# * A mount takes a few megabytes of memory and some threads, and asks nothing while it is idle.
# * Out of the region you pay for bytes, inside it for listings and uploads, and for very many
#   requests.
# * Files and workers multiply the cost. The size of a file need not.
# * Options for sparse reads put off the point at which a copy is cheaper. They do not abolish it.
#
# **Read next:** :ref:`sphx_glr_tutorials_2_what_it_costs_2_choose_your_options.py`, for what bytes
# and requests mean in time.
