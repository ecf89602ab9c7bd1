"""
The unmount problem
===================

Unmounting fails with "target is busy": find who holds the mount, and make them let go.

* **You will learn** what holds a mount and what does not, how to find it, when waiting helps, and
  what a lazy unmount costs.
* **You need** the ``s3fs`` program and FUSE. You need no S3 account.
* **Time**: eight minutes to read.
"""

# %% C39
# Make it happen
# --------------
#
# Mount a bucket from Python, and open a file in it.

import gc
import os
import re
import shutil
import subprocess
import time

import iris
import matplotlib.pyplot as plt
import netCDF4

from s3_mounts import UnmountError, mount, unmount
from s3_sandbox import start_sandbox
from s3_sandbox.figures import draw_table

iris.FUTURE.date_microseconds = True

sandbox = start_sandbox(
    "climate-data", samples=["A1B_north_america.nc", "air_temp.pp"]
)
mount_point = sandbox.directory / "my_bucket"
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
program = shutil.which("fusermount3") or "fusermount"
sandbox.shell(f"{program} -u my_bucket")

# %%
# What holds a mount, and what does not
# -------------------------------------
#
# Hold something and try to unmount.
# Then let go step by step, and try again after each step.

results = {}


def unmounts():
    """Try once to unmount, and mount again if that worked."""
    tried = subprocess.run(["umount", mount_point], capture_output=True)
    if tried.returncode == 0:
        mount(sandbox.source, mount_point)
    return tried.returncode == 0


def examine(label, hold, steps):
    """Try to unmount while something is held, and after each step."""
    gc.disable()  # Python must not tidy up at a moment of its choice.
    held = [hold()]
    tried = {"at first": unmounts()}
    for name, let_go in steps.items():
        let_go(held)
        tried[name] = unmounts()
    gc.enable()
    results[label] = tried
    words = (f"{n}: {'free' if ok else 'BUSY'}" for n, ok in tried.items())
    print(f"{label:<30}", ", ".join(words))


mounted = mount(sandbox.source, mount_point)

# %% C21
# First, what Iris gives you.

pp = mount_point / "air_temp.pp"
examine("lazy cube, netCDF", lambda: iris.load_cube(netcdf), {})
examine("lazy cube, PP", lambda: iris.load_cube(pp), {})
examine("a cube's data in memory", lambda: iris.load_cube(netcdf).data, {})

# %% C21
# **A cube does not hold the mount.**
# A lazy one knows the path of its file.
# Iris opens the file for each read, and closes it after.
#
# What you open yourself is different.

close = {"close()": lambda held: held[0].close()}
drop = {
    "del": lambda held: held.clear(),
    "gc.collect()": lambda held: gc.collect(),
}
examine("netCDF4 dataset", lambda: netCDF4.Dataset(netcdf), close)
examine("netCDF4 dataset, not closed", lambda: netCDF4.Dataset(netcdf), drop)
examine("open file, never read", pp.open, close)

# %% C16, C21, C28
# Look at the dataset that was not closed.
# It knows its variables, and they know it.
# ``del`` does not free such a cycle: Python does that later, when it collects garbage.
# So close datasets, preferably with ``with``, or call ``gc.collect()``.
# :func:`s3_mounts.unmount` calls it for you.
#
# Then working directories, and other processes.
# However a process ends, it holds nothing after that. The kernel sees to it.

outside = os.getcwd()
examine(
    "you stand in it",
    lambda: os.chdir(mount_point),
    {"cd elsewhere": lambda held: os.chdir(outside)},
)
examine(
    "another process stands in it",
    lambda: subprocess.Popen(["sleep", "60"], cwd=mount_point),
    {"kill": lambda held: (held[0].kill(), held[0].wait())},
)

# %%
# All of it at a glance:

colours = {True: ("free", "tab:blue"), False: ("busy", "tab:orange")}
cells = [
    [(f"{n}: {colours[ok][0]}", colours[ok][1]) for n, ok in tried.items()]
    for tried in results.values()
]
figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
draw_table(axes, cells, list(results))
axes.set_title("What holds a mount, and after which step it lets go")
plt.show()

# %%
# It is the same with a dataset that you have dropped but of which you keep a variable, or an error
# that was raised while it was open; with an h5py file, a memory map, an unfinished ``os.scandir``;
# with the output of another process; and with another thread, or a Dask worker, in the middle of
# reading.
# A worker that is idle holds nothing.
#
# .. tested-by:: tests/evidence/test_what_holds_a_mount.py::test_it_holds_the_mount_until_it_lets_go
#
# Interactive sessions keep things too: the last result as ``_``, and the last error.
# A notebook keeps every result that it has displayed, until you restart it.
#
# .. tested-by:: tests/evidence/test_what_holds_a_mount.py::test_what_was_displayed_is_kept

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

# %% C23
# It helps where the holder goes away by itself: ``unmount`` tries for 20 seconds, unless you give it
# another ``timeout``.
#
# .. tested-by:: tests/evidence/test_what_holds_a_mount.py::test_waiting_helps_where_the_holder_goes_away
#
# What a forgotten mount costs
# ----------------------------
#
# Every mount is a process that runs until you unmount.
# This is the memory that it has to itself.

forgotten = mount(sandbox.source, sandbox.directory / "forgotten_0")
(process,) = forgotten.processes
megabytes = process.memory_full_info().uss / 1e6
print(f"{forgotten.path.name}: {megabytes:.0f} MB")

# %% C23
# That is little.
# The danger is a different one: whoever tidies up the disk **deletes your objects**.
# Ask the store what it has, before and after.

print("Objects in the bucket:", *sandbox.sizes())
sandbox.shell("rm -r forgotten_0 |& sed s,$PWD/,,; exit $PIPESTATUS", status=1)
print("Objects in the bucket:", *sandbox.sizes())
forgotten.unmount()

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

(process,) = mounted.processes
with open(mount_point / "new.txt", "w") as file:
    mounted.unmount(lazy=True)
    file.write("written after the lazy unmount\n")
    print("The path shows:", os.listdir(mount_point))
    print("The store has: ", sandbox.sizes()["new.txt"], "bytes")
process.wait(timeout=20)
print("s3fs has ended:", sandbox.sizes()["new.txt"], "bytes")

# %%
# The unmount works at once.
# Yet ``s3fs`` runs on without a path that leads to it, and stores nothing: it uploads a file when
# the file is closed.
# ``findmnt`` and ``umount`` know nothing of it any more, so nobody tells you when that is done.
#
# Where the holder only reads, that does no harm.
# Where it writes, wait until the ``s3fs`` process has ended, and then ask the store.
# ``pgrep -af s3fs`` lists those that still run, with their mount points.
#
# .. tested-by:: tests/evidence/test_what_holds_a_mount.py::test_after_a_lazy_unmount_a_program_writes_on

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
