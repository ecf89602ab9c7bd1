"""
Save cubes to a bucket
======================

Save netCDF and PP through the mount, find the objects again, and see what each way uploads.

* **You will learn** when a saved cube is really in the bucket, what a save costs, and how to save.
* **You need** the ``s3fs`` program and FUSE.
  You need no S3 account: the lesson watches the server of the sandbox, so it does not run
  on a bucket of your own.
* **Time**: seven minutes to read.
"""

# %% C32, C39
# Start with a mounted bucket
# ---------------------------
#
# The previous lesson mounted with the ``s3fs`` command.
# :func:`s3_mounts.mount` runs the same command, and raises an exception where the command would
# be silent.

import textwrap

import boto3
import iris
import matplotlib.pyplot as plt

from s3_mounts import MountPointError, mount, save_cube
from s3_sandbox import sample_path, start_sandbox

# Opt in to what Iris will do by default, so that it has nothing to warn about.
iris.FUTURE.date_microseconds = True
iris.FUTURE.lam_pole_offset = True
iris.FUTURE.save_split_attrs = True

sandbox = start_sandbox("climate-data")
mount_point = sandbox.directory / "my_bucket"
mounted = mount(sandbox.source, mount_point)

# %% C12
# ``mount`` makes the directory if there is none.
# A mount hides what is in its directory, so ``mount`` refuses one that is not empty.

full = sandbox.directory / "full"
full.mkdir()
(full / "notes.txt").touch()
try:
    mount(sandbox.source, full)
except MountPointError as error:
    print(textwrap.fill(str(error).replace(str(full), "full"), 79))

# %% C12
# The command is less careful.
# With FUSE 2, ``s3fs`` refuses such a directory.
# With FUSE 3, it says nothing, and your files are hidden until you unmount.
# Which of the two happened here?

sandbox.shell(f"s3fs {sandbox.source} full; ls full")

# %%
# This is the cube to save: 80 years of air temperature over North America.

cube = iris.load_cube(sample_path("A1B_north_america.nc"))[:80]
print(cube.summary(shorten=True))

# %% C25
# Save it
# -------
#
# Give Iris a path below the mount point.
# The ending of the name selects the format.

iris.save(cube, mount_point / "temperature.nc")
iris.save(cube, mount_point / "temperature.pp")

# %%
# Another client, here boto3, finds the two objects in the bucket.
# It does not use the mount.

s3 = boto3.client("s3")
for key in ("temperature.nc", "temperature.pp"):
    size = s3.head_object(Bucket="climate-data", Key=key)["ContentLength"]
    print(f"{key:<20}{size:>10,} bytes")

# %%
# Read back, they hold the same numbers.

for name in ("temperature.nc", "temperature.pp"):
    again = iris.load_cube(mount_point / name)
    same = bool((again.data == cube.data).all())
    print(name, "holds the same data:", same)

# %% C31
# When is it really there?
# ------------------------
#
# Nothing can be appended to an object.
# So ``s3fs`` collects what you write on the local disk, and **uploads the file when it is closed**.
# Watch how much of a small file the store has.
# (``sandbox.sizes`` asks it, as boto3 did above.)

with open(mount_point / "note.txt", "w") as note:
    note.write("Written through the mount.\n")
    note.flush()
    stored = sandbox.sizes().get("note.txt", 0)
    print("Written and flushed, bytes in the store:", stored)

stored = sandbox.sizes().get("note.txt", 0)
print("Closed, bytes in the store:", stored)

# %% C15, C36
# An upload error, too, can only show up then.
#
# What a save uploads
# -------------------
#
# An object cannot be changed in place, so every upload sends **the whole file again**.
# (Of a file above 25 MB it is the parts that have changed.)
# A save may open and close its file many times, and each close uploads.
#
# :func:`s3_mounts.save_cube` saves in another way: it makes the file on the local disk, and uploads
# it when it is complete.
#
# The sandbox's server counts the bytes that it receives.
# Compare them with the size of the object that is there at the end.

uploads = {}


def measure(label, save, cube, key):
    """Save a cube in some way, and count what that uploads."""
    with sandbox.traffic() as traffic:
        save(cube, mount_point / key)
    uploads[label] = traffic.bytes_up / sandbox.sizes()[key]
    times = traffic.operations["PutObject"]
    print(f"{label:<30}{times:>4} uploads{uploads[label]:>7.1f} × the size")


pieces = cube.copy(cube.lazy_data().rechunk((8, -1, -1)))
measure("PP, 20 fields", iris.save, cube[:20], "20_fields.pp")
measure("PP, 40 fields", iris.save, cube[:40], "40_fields.pp")
measure("PP, 80 fields", iris.save, cube, "80_fields.pp")
measure("netCDF, in memory", iris.save, cube, "direct.nc")
measure("netCDF, lazy, 10 pieces", iris.save, pieces, "lazy.nc")
measure("PP, save_cube", save_cube, cube, "once.pp")
measure("netCDF, lazy, save_cube", save_cube, pieces, "once.nc")

# %% C15
# A PP save straight onto the mount uploads the growing file three times for every field.
# Twice the fields make twice the uploads, and the object is twice as large: four times as many bytes.

figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
colours = ["tab:blue" if "save" in way else "tab:orange" for way in uploads]
bars = axes.barh(list(uploads), list(uploads.values()), color=colours)
axes.bar_label(bars, fmt=" %.1f ×")
axes.invert_yaxis()
axes.margins(x=0.2)
axes.set_xlabel("bytes uploaded ÷ size of the object")
axes.set_title("What each way of saving uploads")
plt.show()

# %% C36
# How to save
# -----------
#
# **Use** :func:`~s3_mounts.save_cube` **in place of** ``iris.save``.
# It takes the same cubes, paths and keywords.
# When it returns, the store has the whole file: size and checksum have been compared.
# When it raises an error, what was there before is still there.
# (:ref:`sphx_glr_tutorials_3_every_day_1_save_safely.py` has the store refuse a save, and shows what
# you would lose otherwise.)

save_cube(cube, mount_point / "result.nc", zlib=True)

again = iris.load_cube(mount_point / "result.nc")
print("It holds the same data:", bool((again.data == cube.data).all()))

# %%
# Unmount
# -------
#
# ``unmount`` returns when the ``s3fs`` process has ended, so nothing is still on its way.

mounted.unmount()
sandbox.stop()

# %%
# What you have seen
# ------------------
#
# * ``iris.save`` works through the mount as you know it, for netCDF and PP alike.
# * The object is stored when the file is closed, not before.
# * Saving PP straight onto the mount uploads the growing file again and again.
# * So does netCDF, for each piece of lazy data. For data in memory it depends on the version of
#   ``s3fs``.
# * ``save_cube`` uploads it once, and says so when the store does not have it.
#
# A save can also fail: :ref:`sphx_glr_tutorials_3_every_day_1_save_safely.py` shows how, and what to do.
#
# **Read next:** :ref:`sphx_glr_tutorials_1_first_steps_3_every_format_that_iris_knows.py`.
#
# To do it yourself: :doc:`/how_to/batch_job`.
