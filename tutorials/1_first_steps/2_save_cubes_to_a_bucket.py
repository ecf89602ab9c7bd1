"""
Save cubes to a bucket
======================

Save netCDF and PP through the mount, find the objects again, and see what each way uploads.

* **You will learn** when a saved cube is really in the bucket, what a save costs, and which way
  of saving we recommend.
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

import shutil
import textwrap

import boto3
import iris
import matplotlib.pyplot as plt

from s3_mounts import MountPointError, mount
from s3_sandbox import sample_path, start_sandbox

# Opt in to what Iris will do by default, so that it has nothing to warn about.
iris.FUTURE.date_microseconds = True
iris.FUTURE.lam_pole_offset = True
iris.FUTURE.save_split_attrs = True

sandbox = start_sandbox("climate-data")
mount_point = sandbox.directory / "my_bucket"
mount_point.mkdir()
mounted = mount(sandbox.source, mount_point)

# %% C12
# A mount hides what is in its directory, so ``mount`` wants an empty one.

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


def sizes_in_store():
    """Ask the store which objects it has, and for their sizes in bytes."""
    answer = s3.list_objects_v2(Bucket=sandbox.bucket, Prefix=sandbox.prefix)
    return {
        item["Key"].removeprefix(sandbox.prefix): item["Size"]
        for item in answer.get("Contents", [])
    }


for key, size in sizes_in_store().items():
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

with open(mount_point / "note.txt", "w") as note:
    note.write("Written through the mount.\n")
    note.flush()
    stored = sizes_in_store().get("note.txt", 0)
    print("Written and flushed, bytes in the store:", stored)

stored = sizes_in_store().get("note.txt", 0)
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
# The sandbox's server counts the bytes that it receives.
# Compare them with the size of the object that is there at the end.

uploads = {}


def measure(label, save, key):
    """Save in some way, and count what that uploads."""
    with sandbox.traffic() as traffic:
        save(mount_point / key)
    uploads[label] = traffic.bytes_up / sizes_in_store()[key]
    times = traffic.operations["PutObject"]
    print(f"{label:<30}{times:>4} uploads{uploads[label]:>7.1f} × the size")


def save_directly(cube):
    """Make a function that saves a cube straight onto the mount."""
    return lambda path: iris.save(cube, path)


def save_locally_and_copy(path):
    """Save to the local disk first, then copy the finished file to the bucket."""
    local = sandbox.directory / path.name
    iris.save(cube, local)
    shutil.copyfile(local, path)
    local.unlink()


pieces = cube.copy(cube.lazy_data().rechunk((8, -1, -1)))
measure("PP, 20 fields", save_directly(cube[:20]), "20_fields.pp")
measure("PP, 40 fields", save_directly(cube[:40]), "40_fields.pp")
measure("PP, 80 fields", save_directly(cube), "80_fields.pp")
measure("netCDF, in memory", save_directly(cube), "direct.nc")
measure("netCDF, lazy, 10 pieces", save_directly(pieces), "lazy.nc")
measure("PP, saved locally, copied", save_locally_and_copy, "copied.pp")
measure("netCDF, saved locally, copied", save_locally_and_copy, "copied.nc")

# %% C15
# A PP save straight onto the mount uploads the growing file three times for every field.
# Twice the fields make twice the uploads, and the object is twice as large: four times as many bytes.

figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
colours = [
    "tab:blue" if "copied" in label else "tab:orange" for label in uploads
]
bars = axes.barh(list(uploads), list(uploads.values()), color=colours)
axes.bar_label(bars, fmt=" %.1f ×")
axes.invert_yaxis()
axes.margins(x=0.2)
axes.set_xlabel("bytes uploaded ÷ size of the object")
axes.set_title("What each way of saving uploads")
plt.show()

# %% C36
# A better way
# ------------
#
# **Save to the local disk, then copy the finished file to a new name.**
# It uploads every byte once.
# (Writing over an object empties it first.
# If the copy then fails, the bucket has neither the old content nor the new.)
# Afterwards ask the store, not the mount, whether it has the whole file.
# (An upload without the mount is safer still, as
# :ref:`sphx_glr_tutorials_3_every_day_1_save_safely.py` shows.)

local = sandbox.directory / "result.nc"
iris.save(cube, local)
shutil.copyfile(local, mount_point / "result.nc")
complete = sizes_in_store()["result.nc"] == local.stat().st_size
print("All of it is stored:", complete)

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
# * A save through the mount works with ``iris.save`` as you know it, for netCDF and PP alike.
# * The object is stored when the file is closed, not before.
# * Saving PP straight onto the mount uploads the growing file again and again.
# * So does netCDF, for each piece of lazy data. For data in memory it depends on the version of
#   ``s3fs``.
# * Saving locally and copying uploads it once.
#
# A save can also fail: :ref:`sphx_glr_tutorials_3_every_day_1_save_safely.py` shows how, and what to do.
#
# **Read next:** :ref:`sphx_glr_tutorials_1_first_steps_3_every_format_that_iris_knows.py`.
#
# To do it yourself: :doc:`/how_to/batch_job`.
