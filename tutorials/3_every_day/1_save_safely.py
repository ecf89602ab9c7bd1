"""
Save safely
===========

See how a save to a bucket can fail, what is left of it, and save so that nothing is lost.

* **You will learn** what goes wrong with and without an error, and a short function that saves
  safely.
* **You need** the ``s3fs`` program and FUSE.
  You need no S3 account: the lesson watches the server of the sandbox, so it does not run
  on a bucket of your own.
* **Time**: ten minutes to read.
"""

# %%
# How do you know that your result is stored?
# "Python raised no error" is the usual answer.
# For a mounted bucket it is not good enough.
#
# Three ways to save
# ------------------
#
# The result to save has five years of air temperature.
# A netCDF file of it is on the local disk, so that it can be copied to the mount.
# Iris can also save it straight onto the mount, as PP or netCDF.

import contextlib
import hashlib
import shutil
import signal
import subprocess
import sys

import boto3
import iris
import matplotlib.pyplot as plt
import numpy as np
from botocore.config import Config
from matplotlib.colors import to_rgba

from s3_mounts import SaveError, mount, save_cube, unmount
from s3_sandbox import fine_temperature, start_sandbox

# Opt in to what Iris will do by default, so that it has nothing to warn about.
iris.FUTURE.date_microseconds = True
iris.FUTURE.lam_pole_offset = True
iris.FUTURE.save_split_attrs = True

sandbox = start_sandbox("climate-data")
mount_point = sandbox.directory / "my_bucket"
mount_point.mkdir()

cube = fine_temperature(years=5, latitude=617, longitude=708)
local = sandbox.directory / "local.nc"
iris.save(cube, local)
print(f"{local.name} has {local.stat().st_size / 1e6:.1f} MB.")

# %%
# Each way becomes a function.
# The netCDF save runs in a Python of its own. You will see why.

SAVE_NETCDF = """
import resource, sys
import iris
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # leave no core dump
cube = iris.load_cube(sys.argv[1])
cube.data
iris.save(cube, sys.argv[2])
"""


def copy(path):
    """Copy the local file."""
    shutil.copyfile(local, path)


def save_pp(path):
    """Save the cube as PP."""
    iris.save(cube, path)


def save_netcdf(path):
    """Save the cube as netCDF, in another process."""
    command = [sys.executable, "-c", SAVE_NETCDF, local, path]
    subprocess.run(command, capture_output=True, timeout=120, check=True)


def tell(save, path):
    """Save, and say what Python reports."""
    try:
        save(path)
    except subprocess.CalledProcessError as ended:
        if ended.returncode < 0:
            return f"killed by {signal.Signals(-ended.returncode).name}"
        return "error"
    except Exception as error:
        return type(error).__name__
    return "no error"


# %% C37
# The store refuses
# -----------------
#
# Suppose that you may read the bucket, but not write to it.
# ``sandbox.failing`` has the store answer 403, *access denied*, to every upload.
# Then the store is overloaded, and answers 503.

with mount(sandbox.source, mount_point, ["retries=1"]):
    with sandbox.failing("PutObject"):
        print("403, copy:  ", tell(copy, mount_point / "1.nc"))
        print("403, PP:    ", tell(save_pp, mount_point / "2.pp"))
        print("403, netCDF:", tell(save_netcdf, mount_point / "3.nc"))
    with sandbox.failing("PutObject", status=503):
        print("503, copy:  ", tell(copy, mount_point / "4.nc"))

# %%
# A copy and a PP save raise an error when the file is closed, which is when it is uploaded.
# The netCDF library does not survive a refused close: **it takes the whole of Python down**, with all
# that you had in memory.
# A notebook tells you that its kernel has died.
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

with mount(sandbox.source, mount_point):
    print("Not empty before:   ", sandbox.sizes()["result.nc"] > 0)
    with open(mount_point / "result.nc", "wb"):
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
    mount(sandbox.source, mount_point, in_parts),
):
    print("copy:", tell(copy, mount_point / "lost.nc"))
    print("PP:  ", tell(save_pp, mount_point / "part.pp"))

with mount(sandbox.source, mount_point):
    print("The copy is in the bucket:", "lost.nc" in sandbox.sizes())
    part = iris.load_cube(mount_point / "part.pp")
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

second_mount = sandbox.directory / "second_mount"
second_mount.mkdir()
with (
    mount(sandbox.source, mount_point),
    mount(sandbox.source, second_mount),
    open(mount_point / "log.txt", "a") as first,
    open(second_mount / "log.txt", "a") as second,
):
    first.write("Written by the first program.\n")
    second.write("Written by the second program.\n")

# No second tries, to fail quickly here. For your own work leave config out.
s3 = boto3.client("s3", config=Config(retries={"total_max_attempts": 1}))
log = s3.get_object(Bucket=sandbox.bucket, Key="log.txt")["Body"].read()
print(log.decode(), end="")

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
with mount(sandbox.source, mount_point):
    lazy = iris.load_cube(mount_point / "checked.nc")
    lazy.attributes["comment"] = "checked"
    iris.save(lazy, mount_point / "checked.nc")
    again = iris.load_cube(mount_point / "checked.nc")
    print("Values before:", cube.data.size)
    print("Values after: ", np.ma.count(again.data))

# %%
# No error, and no values: all are masked.
# The data were lazy, so they were to be read only during the save, and by then opening the file for
# writing had emptied it.
# (With PP you get an error, and no values either. It happens on a local disk, too.)
# Save under a new name, or fetch the values with ``lazy.data`` first.

# %% C36
# The safe way
# ------------
#
# #. Write a byte to a **new key**. If you may not write, or the store is down, you find out now.
# #. Save to the local disk. If that fails, what you had in the bucket is as it was.
# #. Copy the finished file to the new key, and compare it with what the *store* has.
#    The mount may show a size that the store does not have.
# #. Only then rename it to its final name, and compare again.


def require_stored(file, path):
    """Raise an error unless the store has exactly this file."""
    key = path.relative_to(mount_point).as_posix()
    stored = s3.get_object(Bucket=sandbox.bucket, Key=key)["Body"]
    checksum = hashlib.file_digest(stored, "sha256").digest()
    with open(file, "rb") as saved:
        if checksum != hashlib.file_digest(saved, "sha256").digest():
            raise OSError(f"{key} in the store is not what was saved")


def save_safely(cube, path):
    """Save a cube, or raise an error; nothing is lost before it is stored."""
    file = sandbox.directory / path.name
    upload = path.with_name(f"{path.name}.upload")
    upload.write_bytes(b"?")
    iris.save(cube, file)
    shutil.copyfile(file, upload)
    require_stored(file, upload)
    upload.replace(path)
    require_stored(file, path)
    file.unlink()


with mount(sandbox.source, mount_point), sandbox.traffic() as traffic:
    save_safely(cube, mount_point / "result.nc")
size = sandbox.sizes()["result.nc"]
print(f"uploaded:   {traffic.bytes_up / size:.1f} × the size")
print(f"downloaded: {traffic.bytes_down / size:.1f} × the size")
print("renamed by:", traffic.operations["CopyObject"], "CopyObject")

# %%
# The rename costs no upload: ``s3fs`` has the store copy the object, and deletes the first one.
# (From 512 MB on it copies in parts, so a rename can get lost without an error as well.
# The second comparison finds that.)
# Each comparison reads the object back.
# If anything goes wrong you get an exception, and still have the local file.

# %% C36, C37
# The same failures again
# -----------------------
#
# Now each way of saving meets each trouble, every time with an earlier result of the same name.
# (A store that is down has the same outcome as *no permission*, after all the tries.)
#
# * *No permission*: the store refuses every upload.
# * *Quota used up*: it takes an empty object, but refuses data.
# * *No completion*: it does not put the parts together, and says so in the text only.
# * *No local space*: the disk on which ``s3fs`` collects what you write is full.
#   ``ulimit`` stands in for that: it lets this one ``s3fs`` write no more than 4 MB to a file.
#   (What is left of an object, a part or nothing, depends on how a disk fills up.)
#
# The last way does without the mount: it uploads the local file with boto3's
# `upload_file
# <https://boto3.amazonaws.com/v1/documentation/api/latest/reference/services/s3/client/upload_file.html>`__.

ways = {
    "copy.nc": copy,
    "direct.pp": save_pp,
    "direct.nc": save_netcdf,
    "safely.nc": lambda path: save_safely(cube, path),
    "boto3.nc": lambda path: s3.upload_file(local, sandbox.bucket, path.name),
}


def left(key):
    """Say what the store has under a key that had the earlier result."""
    content = s3.get_object(Bucket=sandbox.bucket, Key=key)["Body"].read()
    known = {
        earlier.read_bytes(): "earlier kept",
        local.read_bytes(): "new stored",
        b"": "nothing left",
    }
    return known.get(content, "cut off")


outcomes = {}
for trouble, planted in {
    "no permission": sandbox.failing("PutObject", "CreateMultipartUpload"),
    "quota used up": sandbox.failing("UploadPart"),
    "no completion": sandbox.failing("CompleteMultipartUpload", status=200),
    "no local space": contextlib.nullcontext(),
}.items():
    for key in ways:
        sandbox.add_file(earlier, key)
    if trouble == "no local space":
        limit = "trap '' XFSZ; ulimit -f 4096"
        sandbox.shell(f"{limit}; s3fs {sandbox.source} my_bucket")
    else:
        mount(sandbox.source, mount_point, in_parts)
    with planted:
        told = [tell(save, mount_point / key) for key, save in ways.items()]
        unmount(mount_point, timeout=60)
    outcomes[trouble] = list(zip(told, map(left, ways), strict=True))

# %%
# Green is safe: you have the new result, or an error and the earlier one.
# Orange is an error, but the earlier result is lost.
# Red is a loss without an error, or the loss of all that Python had in memory.


def judge(words, content):
    """Choose the colour of an outcome, and short words for it."""
    if words.startswith("killed"):
        return "tab:red", f"Python killed\n{content}"
    if words == "no error":
        colour = "tab:green" if content == "new stored" else "tab:red"
        return colour, f"no error\n{content}"
    colour = "tab:green" if content == "earlier kept" else "tab:orange"
    return colour, f"error\n{content}"


figure, axes = plt.subplots(figsize=(8, 4.6), layout="constrained")
for column, outcome in enumerate(outcomes.values()):
    for line, (words, content) in enumerate(outcome):
        colour, text = judge(words, content)
        axes.barh(line, 0.96, 0.92, column - 0.48, color=to_rgba(colour, 0.6))
        axes.text(column, line, text, ha="center", va="center")
axes.set_xticks(range(len(outcomes)), list(outcomes))
labels = ["copy", "PP save", "netCDF save", "save_safely", "boto3"]
axes.set_yticks(range(len(ways)), labels)
axes.invert_yaxis()
axes.xaxis.tick_top()
axes.margins(0)
axes.tick_params(length=0)
axes.spines[:].set_visible(False)
axes.set_title(
    "Five ways to save, four troubles: what Python says, what the store has",
    pad=12,
)
plt.show()

# %%
# Neither a plain copy nor a save straight onto the mount is safe once a refusal comes late.
# (Without permission even the netCDF save ends with an error here: the earlier result cannot be
# emptied, so nothing is written.)
#
# ``save_safely`` turns every trouble into an exception.
# It may leave an ``.upload`` object behind: unfinished, or whole if you may not delete objects.
# In the second case the new result is in place in spite of the error.
#
# boto3 is as safe, and shorter.
# It replaces the earlier object only when the new one is complete, and reads the text of the answer.
# But mounts learn of it late:
# see :ref:`sphx_glr_tutorials_3_every_day_3_when_the_bucket_changes.py`.
#
# A cheaper comparison
# --------------------
#
# Reading a very large object back is a high price to pay.
# The store also reports the object's size and its *ETag*.
# Is the ETag the MD5 checksum of the file?

checksum = hashlib.md5(local.read_bytes()).hexdigest()
for label, options in (("in one piece", []), ("in parts", in_parts)):
    with mount(sandbox.source, mount_point, options):
        copy(mount_point / "result.nc")
    head = s3.head_object(Bucket=sandbox.bucket, Key="result.nc")
    print(f"Uploaded {label}:")
    print("  same size:     ", head["ContentLength"] == local.stat().st_size)
    print("  ETag is the MD5:", head["ETag"].strip('"') == checksum)

# %%
# It is, if the object was uploaded in one piece, and `not encrypted with a KMS key or a key of your own
# <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>`__.
# The size finds what is missing or cut off.
# It does not find an earlier result that has the same size.

# %% C36
# In one call
# -----------
#
# :func:`~s3_mounts.save_cube` bypasses the mount, and compares.
# It takes a path on the mount, and everything else that ``iris.save`` takes.

with mount(sandbox.source, mount_point), sandbox.traffic() as traffic:
    save_cube(cube, mount_point / "result.nc")
size = sandbox.sizes()["result.nc"]
print(f"uploaded:   {traffic.bytes_up / size:.1f} × the size")
print(f"downloaded: {traffic.bytes_down / size:.1f} × the size")

# %%
# Nothing was read back.
# boto3 sends a checksum with each part, and the store keeps it.
# (Where a store keeps none, the object is read back after all.)
#
# Now the quota is used up again.

sandbox.add_file(earlier, "result.nc")
with mount(sandbox.source, mount_point), sandbox.failing("UploadPart"):
    try:
        save_cube(
            cube,
            mount_point / "result.nc",
            local_directory=sandbox.directory,
        )
    except SaveError as error:
        kept = error.local_file

print("In the store:     ", left("result.nc"))
print(f"On the local disk: {kept.stat().st_size / size:.1f} × the size")
sandbox.stop()

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
# Other mounts learn of it late, as with boto3.
#
# What you have seen
# ------------------
#
# * A refused save is an error, but a netCDF save can be the end of Python.
# * Opening an object for writing empties it. An upload in parts can get lost without an error.
# * Of two writers the last one to close wins. A lazy cube that is saved over itself is lost.
# * Save to the local disk, upload to a new key, compare with the store, rename. Or use boto3.
# * ``save_cube`` does it without the mount in one call, and keeps the file if the store refuses it.
#
# If the bucket keeps `versions
# <https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html>`__, what was overwritten can
# be brought back.
#
# **Read next:** :ref:`sphx_glr_tutorials_3_every_day_2_the_unmount_problem.py`.
#
# When it fails in another way: :doc:`/troubleshooting`.
