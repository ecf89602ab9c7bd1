"""
Your first bucket
=================

Mount a bucket, load a cube from it, draw a map, and unmount.

* **You will learn** how to use a bucket like a directory, from the empty mount point to the
  unmounted bucket.
* **You need** the ``s3fs`` program and FUSE. You need no S3 account.
* **Time**: five minutes to read.
"""

# %%
# A bucket to try things on
# -------------------------
#
# :func:`~s3_sandbox.start_sandbox` starts an S3 server on your own machine and puts some of Iris's
# sample data into a bucket named ``climate-data``.
# Everything below works in the same way on a bucket of yours, once your credentials are in
# ``~/.aws/credentials`` or in the environment.
#
# (``iris.FUTURE`` has switches for what later releases of Iris will do by default.
# One that is on spares you a warning, here about the precision of times.)

import iris
import iris.quickplot as qplt
import matplotlib.pyplot as plt

from s3_sandbox import start_sandbox

iris.FUTURE.date_microseconds = True

sandbox = start_sandbox(
    "climate-data",
    samples=[
        "A1B.2098.pp",
        "E1.2098.pp",
        "GloSea4/ensemble_001.pp",
        "GloSea4/ensemble_002.pp",
    ],
)

# %% C06, C30
# Mount it
# --------
#
# You need not be root to mount.
# Two parts of FUSE let you do it: a kernel device that you may read and write, and a program
# that does the rest with the rights of root.
# The ``s`` in the program's permissions stands for that.
# Many containers have neither.

sandbox.shell(
    "stat --format '%A %n' /dev/fuse $(command -v fusermount3 fusermount)"
)

# %%
# A mount point is an empty directory.
# ``s3fs`` is the program that makes the bucket appear there.
# It takes the name of the bucket and the mount point.
#
# ``sandbox.shell`` runs a command and shows you what you would see in a terminal.

sandbox.shell("mkdir my_bucket")
sandbox.shell(f"s3fs {sandbox.source} my_bucket")

# %% C14
# This is the command for a bucket at Amazon.
# For another store you add ``-o url=ADDRESS -o use_path_request_style``.
# Here ``sandbox.shell`` does that for you, unseen.
#
# The command was silent, and silence proves nothing: ``s3fs`` says nothing and exits with status 0
# in many cases in which **nothing** is mounted.
# So look into the directory, and then check whether a file system of type ``fuse.s3fs`` is there.
# One of the two commands fails if the bucket is not mounted.
# (Without the first one you may see a mount that vanishes a moment later.)
# (Since ``s3fs`` 1.96 there can also be a mount that never answers, if the bucket is mistyped.
# :func:`s3_mounts.mount`, in the next lesson, detects that too.)

sandbox.shell("ls my_bucket > /dev/null")
sandbox.shell("findmnt --output SOURCE,FSTYPE --mountpoint my_bucket")

# %% C01
# Look around
# -----------
#
# Objects look like files.
# The name of an object is its *key*.
# The ``/`` in the key ``GloSea4/ensemble_001.pp`` looks like a directory, though the bucket has no
# object of that name.

sandbox.shell("ls my_bucket my_bucket/GloSea4")

# %% C19, C25, C27
# Load a cube
# -----------
#
# Iris needs to know nothing about S3.
# It gets a path, as always.
# ``sandbox.directory`` is where the commands above ran.

mount_point = sandbox.directory / "my_bucket"
cube = iris.load_cube(mount_point / "A1B.2098.pp")
print(cube)

# %%
# The cube is as lazy as one from a local disk.
# Its data are a :class:`Dask array <dask.array.Array>`: Iris does not read them until you use them.
# What ``s3fs`` fetches nevertheless is the subject of
# :ref:`sphx_glr_tutorials_2_what_it_costs_1_read_only_what_you_need.py`.

print("Lazy before it is drawn:", cube.has_lazy_data())

# %%
# Draw a map
# ----------
#
# The bucket holds the mean temperature of one year, from December 2098 to November 2099, in two scenarios, A1B and E1.
# How much warmer is the world in A1B?

milder = iris.load_cube(mount_point / "E1.2098.pp")
difference = cube - milder

plt.figure(figsize=(8, 4.6), layout="constrained")
levels = range(-2, 11)
qplt.contourf(difference, levels=levels, cmap="YlOrRd", extend="both")
plt.gca().coastlines(resolution="110m")
plt.title("Air temperature in 2098/99, scenario A1B minus scenario E1")
plt.show()

# %% C20
# Unmount
# -------
#
# A mount is a running program that outlives your Python session.
# Unmount when you are done.
# Root can do that with ``umount``, and on a current Linux so can the user who mounted.
# On an older one, that user runs ``fusermount -u my_bucket``, or ``fusermount3 -u my_bucket``.

sandbox.shell("umount my_bucket")

# %%
# Now the directory is what it was: empty.

sandbox.shell("ls -A my_bucket")

# %%
# When the sandbox stops, it takes its server and its files with it.

sandbox.stop()

# %%
# What you have seen
# ------------------
#
# * ``s3fs BUCKET DIRECTORY`` makes a bucket look like a directory, for every program.
# * Its silence proves nothing. Look into the directory, then ask ``findmnt --mountpoint DIRECTORY``:
#   if it finds nothing, nothing is mounted.
# * Iris loads from the mount as from any other path.
# * ``umount`` ends it.
#
# **Read next:** :ref:`sphx_glr_tutorials_1_first_steps_2_save_cubes_to_a_bucket.py`.
#
# To do it yourself: :doc:`/how_to/install_s3fs` and :doc:`/explanation/s3_buckets`.
