"""
Save safely
===========

See how a save to a bucket can fail, what is left of it, and save so that nothing is lost.

* **You will learn** what goes wrong with and without an error, why
  :func:`~s3_mounts.save_cube` is the way to save, and how to do the same with nothing but Iris and
  boto3.
* **You need** the ``s3fs`` program and FUSE.
  You need no S3 account: the lesson watches the server of the sandbox, so it does not run
  on a bucket of your own.
* **Time**: eight minutes to read.
"""

# %%
# How do you know that your result is stored?
# "Python raised no error" is the usual answer.
# For a mounted bucket it is not good enough.
#
# A result to save
# ----------------
#
# It has five years of air temperature.
# A netCDF file of it is on the local disk, so that it can be copied to the mount.
# Iris can also save it straight onto the mount.

import hashlib
import os
import shutil
from unittest.mock import patch

import boto3
import iris
import matplotlib.pyplot as plt
import numpy as np

from s3_mounts import SaveError, mount, save_cube
from s3_sandbox import fine_temperature, start_sandbox
from s3_sandbox.figures import draw_table

iris.FUTURE.date_microseconds = True
iris.FUTURE.lam_pole_offset = True
iris.FUTURE.save_split_attrs = True

sandbox = start_sandbox("climate-data")
mount_point = sandbox.directory / "my_bucket"

cube = fine_temperature(years=5, latitude=617, longitude=708)
local = sandbox.directory / "local.nc"
iris.save(cube, local)
print(f"{local.name} has {local.stat().st_size / 1e6:.1f} MB.")

# %% C37
# The store refuses
# -----------------
#
# Suppose that you may read the bucket, but not write to it.
# ``sandbox.failing`` has the store answer 403, *access denied*, to every upload.
# Then the store is overloaded, and answers 503.


def tell(save, *arguments, **keywords):
    """Save, and say what Python reports."""
    try:
        save(*arguments, **keywords)
    except Exception as error:
        return type(error).__name__
    return "no error"


with mount(sandbox.source, mount_point, ["retries=1"]) as bucket:
    with sandbox.failing("PutObject"):
        print("403, copy:  ", tell(shutil.copyfile, local, bucket / "1.nc"))
        print("403, PP:    ", tell(iris.save, cube, bucket / "2.pp"))
    with sandbox.failing("PutObject", status=503):
        print("503, copy:  ", tell(shutil.copyfile, local, bucket / "3.nc"))

# %%
# A copy and a PP save raise an error when the file is closed, which is when it is uploaded.
#
# **A netCDF save that the store refused ended the whole of Python**, with all that it had in memory.
# That was seen on 27 November 2026, with Iris 3.14.1 and ``s3fs`` 1.90, and with Iris 3.16.2 and
# ``s3fs`` 1.95, in both cases with netCDF4 1.7.5.1.
# A notebook then tells you that its kernel has died.
# So never save a result as netCDF straight onto a mount.
#
# If the store is overloaded, ``s3fs`` waits and tries again before it gives up.
# The option ``retries=1`` keeps that short here.
# By default it tries five times, which can take minutes.

# %% C15
# The earlier result goes first
# -----------------------------
#
# Now an earlier result of the same name is in the bucket: the first two years.

earlier = sandbox.directory / "earlier.nc"
iris.save(cube[:2], earlier)
sandbox.add_file(earlier, "result.nc")

with mount(sandbox.source, mount_point) as bucket:
    print("Not empty before:   ", sandbox.sizes()["result.nc"] > 0)
    with open(bucket / "result.nc", "wb"):
        print("Not empty when open:", sandbox.sizes()["result.nc"] > 0)

# %%
# An object cannot be changed in part.
# So opening it for writing is enough to lose it: ``s3fs`` stores an **empty object** at once.
# If the new content is refused later, you have neither the earlier result nor the new one.

# %% C37
# No error, and no result
# -----------------------
#
# ``s3fs`` uploads a large file in parts, and finally asks the store to put them together.
# A part is 10 MB by default, and 5 MB here, so that our file has more than one.
#
# S3 may answer that last request with status 200, *success*, and `an error in the text
# <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>`__.
# ``s3fs`` does not read the text.

in_parts = ["multipart_size=5"]
with (
    sandbox.failing("CompleteMultipartUpload", status=200),
    mount(sandbox.source, mount_point, in_parts) as bucket,
):
    print("copy:", tell(shutil.copyfile, local, bucket / "lost.nc"))
    print("PP:  ", tell(iris.save, cube, bucket / "part.pp"))

with mount(sandbox.source, mount_point) as bucket:
    print("The copy is in the bucket:", "lost.nc" in sandbox.sizes())
    part = iris.load_cube(bucket / "part.pp")
    print("Years in the PP file:", len(part.data), "of", len(cube.data))

# %%
# No error, and the copy is **not there**.
# The PP file seems to be there.
# A PP save uploads the growing file again and again
# (see :ref:`sphx_glr_tutorials_1_first_steps_2_save_cubes_to_a_bucket.py`), and what was stored
# while it was small has stayed.
# This one ends where the data of a field end, and Iris loads it without complaint.
# (We chose the size of the grid for that. A file that is cut elsewhere may fail to load.)
# A job that is killed in the middle of a PP save leaves an unfinished file, too.

# %% C31
# Two writers
# -----------
#
# Two programs add a line to the same file, each through a mount of its own.
# On a local disk it would end up with two lines.

with (
    mount(sandbox.source, mount_point) as one,
    mount(sandbox.source, sandbox.directory / "second_mount") as other,
    open(one / "log.txt", "a") as first,
    open(other / "log.txt", "a") as second,
):
    first.write("Written by the first program.\n")
    second.write("Written by the second program.\n")

log = sandbox.client.get_object(Bucket=sandbox.bucket, Key="log.txt")
print(log["Body"].read().decode(), end="")

# %%
# **The last one to close wins**, and nobody is told.
# The second program closed first here.
# Give each writer a name of its own.
#
# Over what you still read
# ------------------------
#
# Load a cube, add an attribute, save it under the same name.

sandbox.add_file(local, "checked.nc")
with mount(sandbox.source, mount_point) as bucket:
    lazy = iris.load_cube(bucket / "checked.nc")
    lazy.attributes["comment"] = "checked"
    iris.save(lazy, bucket / "checked.nc")
    again = iris.load_cube(bucket / "checked.nc")
    print("Values before:", cube.data.size)
    print("Values after: ", np.ma.count(again.data))

# %%
# No error, and no values: all are masked.
# The data were lazy, so they were to be read only during the save, and by then opening the file for
# writing had emptied it.
# (With PP you get an error, and no values either. It happens on a local disk, too.)

# %% C36
# The safe way
# ------------
#
# :func:`~s3_mounts.save_cube` takes a path on the mount, and everything else that ``iris.save``
# takes.
# It saves to the local disk, uploads the finished file once, without the mount, and compares what
# the store then has.

with (
    mount(sandbox.source, mount_point) as bucket,
    sandbox.traffic() as traffic,
):
    save_cube(cube, bucket / "result.nc")
size = sandbox.sizes()["result.nc"]
print(f"uploaded:   {traffic.bytes_up / size:.1f} × the size")
print(f"downloaded: {traffic.bytes_down / size:.1f} × the size")

# %% C36, C37
# Nothing was read back.
# boto3 sends a checksum with each part, and the store keeps it.
# (Where a store keeps none, the object is read back after all.)
#
# Now a quota is used up: the store takes an empty object, but refuses data.

sandbox.add_file(earlier, "result.nc")
with (
    mount(sandbox.source, mount_point) as bucket,
    sandbox.failing("UploadPart"),
):
    try:
        place = sandbox.directory
        save_cube(cube, bucket / "result.nc", local_directory=place)
    except SaveError as error:
        kept = error.local_file

unchanged = sandbox.sizes()["result.nc"] == earlier.stat().st_size
print("In the store:     ", "earlier kept" if unchanged else "something else")
print(f"On the local disk: {kept.stat().st_size / size:.1f} × the size")

# %%
# You get an exception, and the earlier result is untouched.
# The finished file is **kept**, so that hours of computing are not lost.
# ``error.local_file`` says where; removing its folder is up to you.
# After a save without an error nothing is left on the local disk.
#
# On the local disk a save costs the size of the file, once.
# ``local_directory`` says on which disk.
# ``max_local_bytes`` is the most that the file may take.
# What would take more is refused before anything is saved, and so is what does not fit on the disk.
# (It is estimated from the size of the data in memory: compressed files are smaller.)
#
# The mount that you save to shows the new file at once, or you get a warning.
# Other mounts learn of it late:
# see :ref:`sphx_glr_tutorials_3_every_day_3_when_the_bucket_changes.py`.

# %% C36
# With nothing but Iris and boto3
# -------------------------------
#
# Where you cannot have ``s3_mounts``, this function does the main part.
# Copy it into a file of yours, with ``import os``, ``import boto3`` and ``import iris`` above it.


def save_and_upload(cube, file, bucket, key):
    """Save a cube to a local file, upload that, and raise an error unless the store has it."""
    iris.save(cube, file)
    s3 = boto3.client("s3")
    s3.upload_file(os.fspath(file), bucket, key)
    stored = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
    if stored != os.path.getsize(file):
        raise OSError(
            f"expected all of {file} in the store, found {stored} bytes"
        )


save_and_upload(cube, local, sandbox.bucket, "result.nc")

# %%
# boto3 replaces the earlier object only when the new one is complete, and reads the text of the
# answer.
# You keep the local file until you remove it.
#
# .. tested-by:: tests/evidence/test_ways_to_save.py::test_the_recipe_can_be_copied

# %% C36, C37
# All of them side by side
# ------------------------
#
# Each way of saving meets each trouble, every time with an earlier result of the same name.
#
# * *No permission*: the store refuses every upload.
# * *Quota used up*: it takes an empty object, but refuses data.
# * *No completion*: it does not put the parts together, and says so in the text only.
#
# Green is safe: you have the new result, or an error and the earlier one.
# Orange is an error, but the earlier result is lost.
# Red is a loss without an error.
# (``AWS_MAX_ATTEMPTS`` has boto3 try only once, to be quick here. For your own work leave it out.)

troubles = {
    "no permission": sandbox.failing("PutObject", "CreateMultipartUpload"),
    "quota used up": sandbox.failing("UploadPart"),
    "no completion": sandbox.failing("CompleteMultipartUpload", status=200),
}
place = sandbox.directory
ways = {
    "copy.nc": lambda path: shutil.copyfile(local, path),
    "direct.pp": lambda path: iris.save(cube, path),
    "cube.nc": lambda path: save_cube(cube, path, local_directory=place),
    "boto3.nc": lambda path: save_and_upload(
        cube, local, sandbox.bucket, path.name
    ),
}


def judge(words, size):
    """Choose the words and the colour for an outcome: what was told, and what is left."""
    kept = size == earlier.stat().st_size
    left = "earlier kept" if kept else "cut off" if size else "nothing left"
    if words == "no error":
        return f"no error\n{left}", "tab:red"
    return f"error\n{left}", "tab:green" if kept else "tab:orange"


cells = {key: [] for key in ways}
for trouble in troubles.values():
    for key in ways:
        sandbox.add_file(earlier, key)
    with (
        patch.dict(os.environ, AWS_MAX_ATTEMPTS="1"),
        mount(sandbox.source, mount_point, in_parts) as bucket,
        trouble,
    ):
        told = {key: tell(save, bucket / key) for key, save in ways.items()}
    for key, words in told.items():
        cells[key].append(judge(words, sandbox.sizes()[key]))

figure, axes = plt.subplots(figsize=(8, 3.8), layout="constrained")
labels = ["copy", "PP save", "save_cube", "save_and_upload"]
draw_table(axes, cells.values(), labels, list(troubles))
axes.set_title(
    "Four ways to save, three troubles: what Python says, what the store has",
    pad=12,
)
plt.show()

# %%
# Neither a plain copy nor a save straight onto the mount is safe once a refusal comes late.
# ``save_cube`` and boto3 turn every trouble into an exception, and the earlier result stays.
#
# It is the same where the local disk on which ``s3fs`` collects what you write is full: a copy and a
# PP save are errors, and leave less than a whole object.
#
# .. tested-by:: tests/evidence/test_ways_to_save.py::test_a_full_disk_cuts_off_what_was_there
#
# Is there a safe way through the mount?
# Copy the finished file to a **new key**, compare it with what the store has, and only then rename
# it.
# The rename costs no upload: ``s3fs`` has the store copy the object, and deletes the first one.
# (From 512 MB on it copies in parts, so a rename can get lost without an error as well.
# Compare again.)
# But each comparison reads the object back, and each step can be forgotten.
#
# .. tested-by:: tests/evidence/test_ways_to_save.py::test_a_new_key_and_a_rename_are_safe_too

# %% C36
# A cheaper comparison
# --------------------
#
# The store also reports the object's size and its *ETag*.
# Is the ETag the MD5 checksum of the file?

checksum = hashlib.md5(local.read_bytes()).hexdigest()
for label, options in (("in one piece", []), ("in parts", in_parts)):
    with mount(sandbox.source, mount_point, options) as bucket:
        shutil.copyfile(local, bucket / "result.nc")
    head = sandbox.client.head_object(Bucket=sandbox.bucket, Key="result.nc")
    print(f"Uploaded {label}:")
    print("  same size:     ", head["ContentLength"] == local.stat().st_size)
    print("  ETag is the MD5:", head["ETag"].strip('"') == checksum)

sandbox.stop()

# %%
# It is, if the object was uploaded in one piece, and `not encrypted with a KMS key or a key of your own
# <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>`__.
# The size finds what is missing or cut off.
# It does not find an earlier result that has the same size.
#
# What you have seen
# ------------------
#
# * A refused save is an error, but a netCDF save straight onto the mount can be the end of Python.
# * Opening an object for writing empties it. An upload in parts can get lost without an error.
# * Of two writers the last one to close wins. A lazy cube that is saved over itself is lost.
# * ``save_cube`` saves to the local disk, uploads without the mount, compares, and keeps the file if
#   the store refuses it. With boto3 alone, ``save_and_upload`` does most of that.
#
# If the bucket keeps `versions
# <https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html>`__, what was overwritten can
# be brought back.
#
# **Read next:** :ref:`sphx_glr_tutorials_3_every_day_2_the_unmount_problem.py`.
#
# When it fails in another way: :doc:`/troubleshooting`.
