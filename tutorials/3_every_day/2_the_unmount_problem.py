"""
The unmount problem
===================

Unmounting fails with "target is busy": find who holds the mount, and make them let go.

* **You will learn** what holds a mount and what does not, how to find it, when waiting helps, and
  what a lazy unmount costs.
* **You need** the ``s3fs`` program and FUSE. You need no S3 account.
* **Time**: ten minutes to read.
"""

# %% C39
# Make it happen
# --------------
#
# Mount a bucket from Python, and open a file in it.

import builtins
import contextlib
import gc
import io
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import dask
import h5py
import iris
import matplotlib.pyplot as plt
import netCDF4
import numpy as np
import psutil
from distributed import Client, Event, LocalCluster

from s3_mounts import UnmountError, mount, unmount
from s3_mounts.mount_table import servers
from s3_mounts.program import fusermount
from s3_sandbox import start_sandbox

# Opt in to what Iris will do by default, so that it has nothing to warn about.
iris.FUTURE.date_microseconds = True

sandbox = start_sandbox(
    "climate-data", samples=["A1B_north_america.nc", "air_temp.pp"]
)
mount_point = sandbox.directory / "my_bucket"
mount_point.mkdir()
mounted = mount(sandbox.source, mount_point)

netcdf = mount_point / "A1B_north_america.nc"
dataset = netCDF4.Dataset(netcdf)
print("Years of data:", len(dataset["air_temperature"]))

# %% C22, C28
# Now unmount.
# (In a terminal, type ``umount my_bucket`` alone.
# ``sed`` takes the folder of the sandbox out of the message, and ``exit`` would close your terminal.)

sandbox.shell("umount my_bucket |& sed s,$PWD/,,; exit $PIPESTATUS", status=32)

# %% C16, C42
# A mount belongs to the whole machine, not to your Python session.
# The kernel knows who uses it, and refuses to unmount while anybody does.
#
# Find who holds it
# -----------------
#
# :func:`s3_mounts.unmount` tells you.
# (The dots stand for the number and the command of the process.)

try:
    unmount(mount_point, timeout=0.5)
except UnmountError as error:
    _, who, advice = str(error).splitlines()
    print(re.sub(r"\d+ \(.*\)", "...", who).replace(f"{mount_point}/", ""))
    print(advice)

# %% C42
# In a terminal you can ask ``fuser``, ``lsof``, or the files in ``/proc``.
# The first two do not come with ``s3fs``: their packages are ``psmisc`` and ``lsof``.
# Which of them find this process?

for command in (
    "fuser -m my_bucket",
    "lsof -t +f -- $PWD/my_bucket",
    "find /proc/[0-9]*/{cwd,fd} -lname $PWD/my_bucket'*'",
):
    asked = subprocess.run(
        ["bash", "-c", command],
        cwd=sandbox.directory,
        capture_output=True,
        text=True,
    )
    missing = asked.returncode == 127
    found = str(os.getpid()) in re.findall(r"\d+", asked.stdout)
    print(f"{command}:", "not installed here" if missing else found)

# %%
# ``fuser -vm my_bucket`` shows commands as well as numbers.
# For a directory that is not a mount point, it names everybody who uses the disk that it is on.
# So make sure first that it is one, with ``findmnt --mountpoint my_bucket``.
#
# Let go, and unmount
# -------------------
#
# Close what is open, and it works.

dataset.close()
sandbox.shell("umount my_bucket")

# %% C20
# Root may unmount anything.
# On a current Linux, you may ``umount`` what you have mounted yourself.
# On an older one, use the program that comes with FUSE: ``fusermount``, or ``fusermount3``.

mounted = mount(sandbox.source, mount_point)
sandbox.shell(f"{fusermount()} -u my_bucket")

# %%
# What holds a mount, and what does not
# -------------------------------------
#
# You need not guess.
# ``examine`` holds something and tries to unmount, once.
# Then it lets go step by step, and tries again after each step.

steps = {
    "close()": lambda held: held[0].close(),
    "del": lambda held: held.clear(),
    "gc.collect()": lambda held: gc.collect(),
}
results = {}


def unmounts():
    """Try once to unmount, and mount again if that worked."""
    tried = subprocess.run(["umount", mount_point], capture_output=True)
    if tried.returncode == 0:
        mount(sandbox.source, mount_point)
    return tried.returncode == 0


def examine(label, hold, *names):
    """Try to unmount while something is held, and after each step."""
    gc.collect()
    gc.disable()  # Python must not tidy up at a moment of its choice.
    held = [hold()]
    tried = {"at first": unmounts()}
    for name in names:
        steps[name](held)
        tried[name] = unmounts()
    gc.enable()
    results[label] = tried
    words = (f"{n}: {'free' if ok else 'BUSY'}" for n, ok in tried.items())
    print(f"{label:<30}", ", ".join(words))


mounted = mount(sandbox.source, mount_point)

# %% C21
# First, what Iris gives you.

pp = mount_point / "air_temp.pp"


def partly_computed():
    """Load a cube, and fetch a part of its data."""
    cube = iris.load_cube(netcdf)
    cube[0].data
    return cube


examine("lazy cube, netCDF", lambda: iris.load_cube(netcdf))
examine("lazy cube, PP", lambda: iris.load_cube(pp))
examine("lazy cube, partly computed", partly_computed)
examine("a cube's data in memory", lambda: iris.load_cube(netcdf).data)

# %% C21
# **A cube does not hold the mount.**
# A lazy one knows the path of its file.
# Iris opens the file for each read, and closes it after.
#
# What you open yourself is different.


def open_dataset():
    """Open a dataset, and do not close it."""
    return netCDF4.Dataset(netcdf)


def kept_error():
    """Keep an error that was raised while a dataset was open."""
    try:
        opened = open_dataset()
        opened["no such variable"]
    except IndexError as error:
        return error


drop = ("del", "gc.collect()")
examine("netCDF4 dataset", open_dataset, "close()")
examine("netCDF4 dataset, not closed", open_dataset, *drop)
examine("variable of a dropped dataset", lambda: open_dataset()["time"], *drop)
examine("error that you keep", kept_error, *drop)
examine("h5py file", lambda: h5py.File(netcdf), "close()")
examine("open file, never read", pp.open, "close()")
examine("memory map of a closed file", lambda: np.memmap(pp), "del")
examine("slice of a memory map", lambda: np.memmap(pp)[:4], "del")
examine("os.scandir, not finished", lambda: os.scandir(mount_point), "close()")

# %% C21
# Look at the dataset that was not closed.
# It knows its variables, and they know it.
# ``del`` does not free such a cycle: Python does that later, when it collects garbage.
# So close datasets, preferably with ``with``, or call ``gc.collect()``.
# :func:`s3_mounts.unmount` calls it for you.
#
# Interactive sessions keep things too: the last result as ``_``, and the last error.
# A notebook keeps every result that it has displayed, until you restart it.
# This displays a dataset as Python's prompt does, and then something else.


def show(value):
    """Display a result without printing it."""
    with contextlib.redirect_stdout(io.StringIO()):
        sys.__displayhook__(value)


steps["next result"] = lambda held: show("something else")
with mock.patch.object(builtins, "_", None, create=True):
    examine(
        "dataset that was displayed",
        lambda: show(open_dataset()),
        *("next result", "gc.collect()"),
    )

# %% C16, C21, C28
# Then working directories, and other processes.
# However a process ends, it holds nothing after that. The kernel sees to it.


def child(**arguments):
    """Start another process, which does nothing for a while."""
    return subprocess.Popen(["sleep", "60"], **arguments)


def writing_child():
    """Hand an open file down to a child, for its output."""
    with open(mount_point / "log.txt", "w") as log:
        return child(stdout=log)


def kill(held):
    """End a child the hard way."""
    held[0].kill()
    held[0].wait()


outside = os.getcwd()
steps["cd elsewhere"] = lambda held: os.chdir(outside)
steps["kill"] = kill
examine("you stand in it", lambda: os.chdir(mount_point), "cd elsewhere")
examine("another process stands in it", lambda: child(cwd=mount_point), "kill")
examine("output of another process", writing_child, "kill")

# %% C21
# Last, work in the background: another thread, and a worker process of Dask.
# Each stops in the middle of reading, until it is told to go on.

with dask.config.set(temporary_directory=str(sandbox.directory)):
    cluster = LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0")
    client = Client(cluster)
worker = subprocess.Popen(
    [
        *(sys.executable, "-m", "dask", "worker", cluster.scheduler_address),
        *("--no-nanny", "--no-dashboard", "--local-directory", "."),
    ],
    cwd=sandbox.directory,
    stderr=subprocess.DEVNULL,
)


def stop(*_):
    """Say that reading has begun, and wait until told to go on."""
    Event("begun").set()
    Event("go on").wait(60)


def read(path):
    """Read a file, and stop in the middle of that."""
    with open(path, "rb") as file:
        stop()
        return len(file.read())


def begun(reader):
    """Wait until a reader has begun."""
    Event("begun").wait(60)
    return reader


def finish(held):
    """Tell a reader to go on, and wait for its result."""
    Event("go on").set()
    held[0].result()
    Event("go on").clear()
    Event("begun").clear()


steps["it is done"] = finish
threads = ThreadPoolExecutor()
examine(
    "Iris loads in another thread",
    lambda: begun(threads.submit(iris.load_cube, pp, callback=stop)),
    "it is done",
)
examine(
    "a Dask worker reads",
    lambda: begun(client.submit(read, str(pp))),
    "it is done",
)
client.close()
worker.terminate()
worker.wait()
cluster.close()

# %%
# The worker was still running at the second try.
# It is not the worker that holds the mount, but the task that reads.
#
# All of it at a glance:


def draw(axes, rows):
    """Draw rows of cells, each with its words and its colour."""
    for row, cells in enumerate(rows.values()):
        for column, (words, colour) in enumerate(cells):
            axes.barh(row, 0.97, 0.9, left=column - 0.485, color=colour)
            axes.text(column, row, words, ha="center", va="center")
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.margins(0.01)
    axes.invert_yaxis()


words = {True: ("free", "lightblue"), False: ("busy", "orange")}
rows = {
    label: [(f"{n}: {words[ok][0]}", words[ok][1]) for n, ok in tried.items()]
    for label, tried in results.items()
}
figure, axes = plt.subplots(figsize=(8, 6.8), layout="constrained")
draw(axes, rows)
axes.set_title("What holds a mount, and after which step it lets go")
plt.show()

# %% C21
# A lazy cube needs the mount, though
# -----------------------------------
#
# You may unmount under a lazy cube, but then its file is gone.
# Mount again, and the same cube works.

cube = iris.load_cube(netcdf)
unmount(mount_point)
try:
    cube.data
except FileNotFoundError as error:
    print(type(error).__name__, "for", os.path.basename(error.filename))

mounted = mount(sandbox.source, mount_point)
print(f"Mounted again: {cube.data.mean():.1f} K on average")

# %% C22, C42
# Does waiting help?
# ------------------
#
# While somebody holds the mount, it does not.
# After they have let go, it is not needed.

tries = []
with netCDF4.Dataset(netcdf):
    for _ in range(5):
        tries.append(unmounts())
        time.sleep(0.2)
print(f"While a file is open, {sum(tries)} of {len(tries)} tries worked.")
print("After it is closed, the first try worked:", unmounts())

# %% C22
# It helps where the holder goes away by itself, as this visitor does.
# ``unmount`` tries for 20 seconds, unless you give it another ``timeout``.

visitor = subprocess.Popen(["sleep", "1"], cwd=mount_point)
unmount(mount_point)
visitor.wait()
print("Still mounted:", os.path.ismount(mount_point))

# %% C23
# What a forgotten mount costs
# ----------------------------
#
# Every mount is a process that runs until you unmount.
# This is the memory that each has to itself.

forgotten = []
for number in range(3):
    directory = sandbox.directory / f"forgotten_{number}"
    directory.mkdir()
    forgotten.append(mount(sandbox.source, directory))

for mounted in forgotten:
    (process,) = servers(mounted.path)
    megabytes = process.memory_full_info().uss / 1e6
    print(f"{mounted.path.name}: {megabytes:.0f} MB")

# %% C23
# That is little.
# The danger is a different one: whoever tidies up the disk **deletes your objects**.
# Ask the store what it has, before and after.

print("Objects in the bucket:", *sandbox.sizes())
sandbox.shell("rm -r forgotten_0 |& sed s,$PWD/,,; exit $PIPESTATUS", status=1)
print("Objects in the bucket:", *sandbox.sizes())

for mounted in forgotten:
    mounted.unmount()

# %% C41
# ``rm`` refuses to remove the mount point itself, but by then it has emptied the bucket.
# ``--one-file-system`` keeps ``rm -r`` out of mounts *below* the directory that you name, but not
# out of one that you name.
# ``--preserve-root=all`` refuses that, so use both.
# In Python, a ``with mount(...)`` block does not forget to unmount.
#
# The last resort: a lazy unmount
# -------------------------------
#
# ``umount -l`` and ``fusermount -uz`` do not care who holds a mount.
# They take it away from its path at once, and whoever holds it can go on.
# In Python that is ``unmount(path, lazy=True)``.
#
# Try it while another program, ``cat``, is writing into the bucket.

states = {}


def note(moment, written):
    """Keep what can be seen of the path, the two programs and the store."""
    shown = os.listdir(mount_point)
    states[moment] = {
        "the path shows": "the bucket" if shown else "nothing",
        "cat has written": f"{written} bytes",
        "s3fs": "runs" if process.is_running() else "has ended",
        "the store has": f"{sandbox.sizes().get('cat.txt', 0)} bytes",
    }


def write(line, total):
    """Have cat write a line, and wait until it has."""
    writer.stdin.write(line)
    writer.stdin.flush()
    while os.stat(f"/proc/{writer.pid}/fd/1").st_size < total:
        time.sleep(0.01)


mounted = mount(sandbox.source, mount_point)
(process,) = servers(mount_point)
with open(mount_point / "cat.txt", "wb") as output:
    writer = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=output)

write(b"before\n", total=7)
note("cat is writing", 7)
mounted.unmount(lazy=True)
note("lazy unmount", 7)
write(b"after\n", total=13)
note("cat goes on", 13)
writer.stdin.close()
writer.wait()
psutil.wait_procs([process], timeout=20)
note("cat has ended", 13)

colours = {"nothing": "0.9", "has ended": "0.9", "0 bytes": "orange"}
rows = {
    row: [(s[row], colours.get(s[row], "lightblue")) for s in states.values()]
    for row in states["lazy unmount"]
}
figure, axes = plt.subplots(figsize=(8, 2.6), layout="constrained")
draw(axes, rows)
axes.set_xticks(range(len(states)), list(states))
axes.xaxis.tick_top()
axes.set_title(
    "A lazy unmount while cat writes: the path, the programs and the store",
    pad=12,
)
plt.show()

# %%
# Read it from left to right.
# The unmount works at once.
# Yet ``s3fs`` runs on without a path that leads to it, and stores nothing: it uploads a file when
# the file is closed.
# ``findmnt`` and ``umount`` know nothing of it any more, so nobody tells you when that is done.
#
# Where the holder only reads, that does no harm.
# Where it writes, wait until the ``s3fs`` process has ended, and then ask the store.
# ``pgrep -af s3fs`` lists those that still run, with their mount points.

sandbox.stop()

# %%
# What you have seen
# ------------------
#
# * "Target is busy" means that somebody uses the mount. ``unmount``, ``fuser``, ``lsof`` and
#   ``/proc`` tell you who.
# * Cubes do not hold a mount, lazy or not. Open files and datasets do, and so do working
#   directories, other processes, and tasks that are reading.
# * A dataset that you drop without closing it holds on until ``gc.collect()``.
# * Waiting helps only where the holder goes away by itself.
# * A forgotten mount needs little memory, and lets ``rm -r`` delete your objects.
# * A lazy unmount works at once, and does not tell you when your data are stored.
#
# **Read next:** :ref:`sphx_glr_tutorials_3_every_day_3_when_the_bucket_changes.py`.
#
# To do it yourself: :doc:`/how_to/mount_at_login` and :doc:`/how_to/jupyter_hub`.
