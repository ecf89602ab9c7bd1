"""
What works on a mount
=====================

Look up which file operations work on a mounted bucket as they do on a disk, which give something
else, and what each asks of the store.

* **You will learn** what programs can rely on, where a mount differs from a disk without an error,
  and which of your tools are affected.
* **You need** the ``s3fs`` program and FUSE.
  You need no S3 account: the lesson watches the server of the sandbox, so it does not run
  on a bucket of your own.
* **Time**: ten minutes to read.
"""

# %%
# The same on a mount and on a disk
# ---------------------------------
#
# :func:`~s3_sandbox.conformance.runner.check_operations` does what programs do with files, once on the local
# disk and once on a mount.
# A second mount of the same bucket stands for another machine, and looks at what was stored.
# Each operation is a few lines of Python in ``src/s3_sandbox/conformance/operations.py``.

import os
import subprocess
import textwrap
from itertools import zip_longest

import matplotlib.pyplot as plt

from s3_mounts import mount
from s3_sandbox import Traffic, start_sandbox
from s3_sandbox.conformance.runner import KINDS, VERDICTS, check_operations
from s3_sandbox.figures import draw_requests, draw_table

sandbox = start_sandbox("climate-data")
here = sandbox.directory / "here"
there = sandbox.directory / "there"
with mount(sandbox.source, here), mount(sandbox.source, there):
    results = check_operations(here, there, traffic=sandbox.traffic)

sandbox.shell("s3fs --version | head -n 1")
verdicts = [result.verdict for result in results]
for verdict in VERDICTS:
    print(f"{verdict:<8}{verdicts.count(verdict):>3}")

# %% C31
# An operation *works* where the mount gave what the disk gave.
# It *differs* where it gave something else, and nobody was told.
# It *fails* where there was an error.
# (Programs that are not installed are *untried*.)

looks = {
    "works": ("✓", "tab:green"),
    "differs": ("≠", "tab:orange"),
    "fails": ("✗", "tab:red"),
    "untried": ("?", "tab:grey"),
}
columns = []
for kind in KINDS:
    column = []
    for result in (r for r in results if r.kind == kind):
        mark, colour = looks[result.verdict]
        words = textwrap.fill(f"{mark} {result.subject}", 21)
        column.append((words, colour))
    columns.append(column)

figure, axes = plt.subplots(figsize=(8, 6.6), layout="constrained")
titles = [textwrap.fill(title, 17) for title in KINDS.values()]
draw_table(axes, zip_longest(*columns), columns=titles, fontsize=8)
axes.set_title(
    "On a mount: ✓ works, ≠ differs from a disk, ✗ fails, ? is not installed"
)
plt.show()

# %% C31
# What is in a file
# -----------------
#
# Each file is 1 MiB in size.


def print_table(kind):
    """Print what came of all operations of a kind."""
    print(*(r for r in results if r.kind == kind), sep="\n")


print_table("content")

# %%
# **Cutting or lengthening a closed file goes wrong without an error.**
# ``s3fs`` 1.90 stores a file of zeros; 1.97 changes nothing.
# (That was `fixed in July 2026 <https://github.com/s3fs-fuse/s3fs-fuse/pull/2931>`__, after 1.97.)
# The problem concerns Python's :func:`os.truncate` with a path, and C's ``truncate``.
# The command ``truncate`` opens the file, as most programs do, and that works.
#
# A file that is removed while somebody reads it gets a new name until it is closed.
# Others see that name.

# %% C31
# Names and links
# ---------------

print_table("names")

# %%
# A bucket has no second name for an object, so there are **no hard links**.
# A symbolic link is an object that holds the path it leads to.
# Other S3 programs see a small file.
#
# A key can have up to `1,024 bytes
# <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>`__, and that is for the
# whole path.
# (The sandbox does not refuse longer ones, so this is not in the table.)

# %% C31
# Permissions, times and numbers
# ------------------------------

print_table("attributes")

# %%
# Permissions, owner and date are kept with the object, so another mount sees them.
# The date of a folder does not show that there is something new in it.
# ``df`` knows no limit: a full quota shows when a save is refused.
#
# Other programs that store objects leave no permissions.
# ``s3fs`` assumes these, whatever the file had before:

local = sandbox.directory / "note.txt"
local.write_text("stored by another program\n")
local.chmod(0o664)
sandbox.add_file(local, "folder/note.txt")
with mount(sandbox.source, here):
    sandbox.shell("stat --format '%A %s %n' note.txt")
    sandbox.shell("stat --format '%A %n' here/folder here/folder/note.txt")

# %% C31
# Two machines, one bucket
# ------------------------
#
# One mount writes, the other looks at once.

print_table("others")

# %%
# * A file is there for others when it is **closed**, or after ``fsync``.
# * **Locks are kept in the mount.** Two machines, and two mounts of one machine, can both hold the
#   same one.
# * A lock file is no help either.
#   ``s3fs`` 1.90 refuses the second one here, 1.97 does not: it remembers that there was none.
#   1.90 asks whether there is one and then creates it, and in between another machine may do the
#   same.
# * What a mount remembers of changed and removed files is the subject of
#   :ref:`sphx_glr_tutorials_3_every_day_3_when_the_bucket_changes.py`.

# %% C31
# Programs
# --------

print_table("tools")

# %%
# On one mount they work, except that with ``s3fs`` 1.90 the files that ``tar`` unpacks get the
# current date.
#
# On two, **SQLite and HDF5 do not notice each other**.
# SQLite has told both writers that their row is stored, and one row is gone.

# %% C15
# What it costs
# -------------
#
# An object can be replaced, but not changed.
# So any change to a small file downloads what is needed of it, and uploads the whole file.
# To rename a file or to change its permissions, ``s3fs`` has the store copy the object.

one_file = [
    "create a file",
    "append 3 bytes",
    "overwrite 3 bytes",
    "read on after its removal",
    "mode of a file (chmod)",
    "date of a file (touch -d)",
    "rename a file",
    "sed -i",
]
many = [
    "rename a folder of 10 files",
    "cp -p, 10 files",
    "tar -x, 10 files",
    "rsync -a, 10 files",
    "SQLite, 5 transactions",
    "git init and commit",
]
traffic = {r.subject: r.traffic or Traffic() for r in results}

figure, (upper, lower) = plt.subplots(
    2, figsize=(8, 6), height_ratios=[8, 6], layout="constrained"
)
draw_requests(upper, {name: traffic[name] for name in one_file})
draw_requests(lower, {name: traffic[name] for name in many})
handles, labels = upper.get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=5)
figure.suptitle("What operations on files of 1 MiB, and programs, ask for")
plt.show()

for name in many:
    print(f"{name:<27}{traffic[name].requests:>5} requests")

# %%
# Each folder on the way to a file is asked for, too.
# A folder is renamed object by object.
# ``rsync`` uploads each file under another name, and then renames it; its option ``--inplace`` does
# not.

# %% C15
# A large file
# ~~~~~~~~~~~~
#
# By default ``s3fs`` uploads in parts from 25 MB on, its ``multipart_threshold``.
# Then it can have the store copy the parts that have not changed.
# Here 3 bytes of a file of 30 MiB are overwritten.

with mount(sandbox.source, here):
    (here / "large").write_bytes(os.urandom(30 * 2**20))
    with sandbox.traffic() as overwrite, open(here / "large", "r+b") as file:
        file.seek(12 * 2**20)
        file.write(b"new")
print(overwrite)

# %% C31
# A listing
# ~~~~~~~~~
#
# There are 100 files in a folder.
# ``ls`` asks for names only, and the mount asks for each file.

s3 = sandbox.client
for number in range(100):
    s3.put_object(Bucket=sandbox.bucket, Key=f"many/{number}.nc", Body=b"x")
with mount(sandbox.source, here):
    for moment in ("first", "again"):
        with sandbox.traffic() as listing:
            subprocess.run(["ls", here / "many"], stdout=subprocess.DEVNULL)
        asked = listing.operations
        print(
            f"{moment}: {asked.get('ListObjects', 0)} LIST,"
            f" {asked.get('HeadObject', 0)} HEAD"
        )

# %%
# A LIST request gives up to 1,000 names, with their sizes.
# The permissions are not in it, so ``s3fs`` sends a HEAD request for each file that it does not
# remember.
# It is the same with many more files, which takes too long to show here.
#
# .. tested-by:: tests/evidence/test_listing.py::test_many_objects_are_listed_and_each_is_asked_for

# %% C31
# A rename that is interrupted
# ----------------------------
#
# On a disk a rename happens as a whole or not at all.
# On a mount it is a copy and a removal.
# Here the store refuses the removal.

with mount(sandbox.source, here):
    for name in ("one", "run/1", "run/2", "run/3"):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text("content")
    with sandbox.failing("DeleteObject"):
        for old, new in (("one", "two"), ("run", "final")):
            try:
                (here / old).rename(here / new)
            except OSError as error:
                print(f"rename {old}: {error.strerror}")
print(*(key for key in sandbox.sizes() if key in ("one", "two")))
print(*(key for key in sandbox.sizes() if key.startswith(("run", "final"))))

# %%
# The file has both names, and the folder is half renamed.
# A program that looks at the right moment sees the same.
# So never take a renamed *folder* as the sign that a result is complete.

# %% C01, C31
# Keys that are not paths
# -----------------------
#
# A key may be any text.
# A path may not.
# These objects were stored by another program.

keys = [
    "plain/file.txt",
    "double//slash",
    "/leading",
    "folder_with_content/",
    "both",
    "both/inside",
    "up/../side",
]
for key in keys:
    s3.put_object(Bucket=sandbox.bucket, Key=key, Body=key.encode())
stored = sandbox.sizes()
with mount(sandbox.source, here):
    for key in keys:
        found = subprocess.run(
            ["cat", f"{here}/{key}"], capture_output=True, timeout=20
        )
        seen = found.stdout == key.encode()
        print(
            f"in the store: {key in stored}  on the mount: {seen!s:<6} {key}"
        )

# %%
# What the mount does not show is not lost: other S3 programs read it.
# Where ``both`` is an object and ``both/`` a prefix, the object hides what is below.
#
# Who needs what
# --------------
#
# * **Iris, netCDF4 and h5py, reading**: opening, seeking and mapping. All of it works.
# * **Saving**: writing, appending and overwriting work, at the price of whole uploads, and with the
#   dangers in :ref:`sphx_glr_tutorials_3_every_day_1_save_safely.py`.
# * **HDF5 file locks** protect a file only from other processes that use the same mount.
# * **Workflow engines and makefiles** compare dates. Those of files are right, those of folders are
#   not.
# * **Editors and** ``sed -i`` write a new file and rename it. That works.
# * **rsync** keeps dates, so it finds what is there already.
# * **git and SQLite** work, but every small file and every transaction is a number of requests, and
#   only one machine may write.
# * **Tools that make hard links**, such as ``cp -l``, fail, or make copies instead.
# * **Many small files**: each costs a HEAD request to list, see
#   :ref:`sphx_glr_tutorials_2_what_it_costs_2_choose_your_options.py`.
#   For Zarr that is little beside what it saves, see
#   :ref:`sphx_glr_tutorials_2_what_it_costs_5_zarr_through_a_mount.py`.
# * **Archived objects**, and keys with two slashes in a row, are listed and cannot be opened, see
#   :doc:`/troubleshooting`.

sandbox.stop()

# %%
# What you have seen
# ------------------
#
# * Most of what programs do with files works on a mount.
# * Hard links and extended attributes fail, with an error.
# * Changing the length of a closed file goes wrong without an error.
# * Locks, and what is written but not closed, do not reach another machine.
# * A rename is a copy and a removal, object by object.
#
# **Read next:** :ref:`sphx_glr_tutorials_3_every_day_1_save_safely.py`.
#
# Who may do what on a mount that several people use: :doc:`/how_to/share_a_mount`.
