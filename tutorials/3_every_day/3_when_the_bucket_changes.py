"""
When the bucket changes under you
=================================

Another program replaces, removes and adds objects while you have the bucket mounted: see what your
mount shows of it, and when.

* **You will learn** what a mount remembers and for how long, in which cases you read wrong data
  without an error, and a way of working in which you never do.
* **You need** the ``s3fs`` program and FUSE. You need no S3 account.
* **Time**: ten minutes to read.
"""

# %%
# Two readers and a writer
# ------------------------
#
# ``s3fs`` does not ask the store each time that you ask for the size of a file.
# It remembers what it has seen:

# sphinx_gallery_thumbnail_number = 2
import time

import iris
import matplotlib.pyplot as plt
import numpy as np

from s3_mounts import mount, sparse_read_options
from s3_sandbox import fine_temperature, sample_path, start_sandbox
from s3_sandbox.figures import draw_table

iris.FUTURE.date_microseconds = True
iris.FUTURE.lam_pole_offset = True
iris.FUTURE.save_split_attrs = True

sandbox = start_sandbox("climate-data")
sandbox.shell("s3fs --help | grep --after-context 1 'stat_cache_expire '")

# %%
# That is a quarter of an hour.
# So that you see it end, the second of these mounts has a memory of 3 seconds.
# Both show the same bucket.

by_default = mount(sandbox.source, sandbox.directory / "by_default").path
options = ["stat_cache_expire=3"]
short = mount(sandbox.source, sandbox.directory / "short", options).path

# %%
# The writer uses no mount.
# It puts some years of air temperature over North America under a key, one PP field a year.

all_years = iris.load_cube(sample_path("A1B_north_america.nc"))
s3 = sandbox.client


def publish(key, years, correction=0):
    """Put the first years into the bucket, bypassing the mounts."""
    cube = all_years[:years]
    cube.data = cube.data + np.float32(correction)
    local = sandbox.directory / key
    iris.save(cube, local)
    sandbox.add_file(local)
    local.unlink()


publish("growing.pp", 10)
publish("removed.pp", 10)
bytes_of_a_year = sandbox.sizes()["growing.pp"] // 10

# %% C38
# What each of them sees
# ----------------------
#
# Look at three names: before the change, just after it, and four seconds later.

in_question = ("growing.pp", "removed.pp", "added.pp")
seen = {}


def note(step):
    """Write down how many years the store has, and what each mount says of it."""
    in_store = sandbox.sizes()
    for key in in_question:
        sizes = [in_store.get(key, 0)]
        for path in (by_default / key, short / key):
            sizes.append(path.stat().st_size if path.exists() else 0)
        seen[key, step] = [size // bytes_of_a_year for size in sizes]


sandbox.shell("ls by_default")
note("before")
publish("growing.pp", 20)
publish("added.pp", 10)
s3.delete_object(Bucket=sandbox.bucket, Key=f"{sandbox.prefix}removed.pp")
note("just after")
time.sleep(4)
note("4 s later")
sandbox.shell("ls by_default")

# %%
# Blue is what the store has, green what agrees with it, and orange what does not.

steps = ["before", "just after", "4 s later"]
rows = ["the store", "by_default", "short"]
figure, panels = plt.subplots(3, 1, figsize=(8, 5.2), layout="constrained")
for axes, key in zip(panels, in_question, strict=True):
    columns = []
    for step in steps:
        store, *mounts = seen[key, step]
        agree = ["tab:green" if m == store else "tab:orange" for m in mounts]
        words = [f"{n} years" if n else "not there" for n in (store, *mounts)]
        columns.append(zip(words, ["tab:blue", *agree], strict=True))
    titles = steps if axes is panels[0] else ()
    draw_table(axes, zip(*columns, strict=True), rows, titles)
    axes.set_ylabel(key)
figure.suptitle("What the store has of three files, and what two mounts show")
plt.show()

# %%
# * **Sizes and names are remembered**: for 3 seconds by one mount, for 900 by the other.
# * A removed file can still be asked for by its name, even where the listing no longer has it.
# * **What else is remembered depends on the version.**
#   ``s3fs`` 1.90 asks the store for a name that was not there, and for each listing.
#   1.97 remembers both, that a name was not there and what a directory held.
#   Compare the two listings above.
#
# So do not wait for a file by asking the mount for it, again and again.
#
# What you read
# -------------
#
# Opening a file asks the store again.
# That is good, but it comes too late for the size, which the kernel asked for just before.
# The writer makes the file longer once more, and you copy it.

publish("growing.pp", 30)
for _ in range(2):
    sandbox.shell("cp by_default/growing.pp copy.pp")
    copied = iris.load_cube(sandbox.directory / "copy.pp")
    print("The copy has", len(copied.coord("time").points), "of 30 years.")

# %%
# **The first copy is cut off at the old size, without an error.**
# It happens once, since opening the file has told ``s3fs`` the new size.
# On a busy machine it may not happen at all, for the kernel remembers a size for one second.
#
# .. tested-by:: tests/evidence/test_copies.py::test_a_copy_of_a_file_that_has_grown_is_cut_off_without_an_error
#
# Iris opens a file several times while it loads it, so the first opening mends it for the others:

publish("growing.pp", 40)
time.sleep(1.2)  # The kernel remembers a size of its own, for one second.
loaded = iris.load_cube(by_default / "growing.pp")
print("Iris loads", len(loaded.coord("time").points), "of 40 years.")

# %% C31
# A lazy cube is a promise
# ------------------------
#
# A lazy cube has read its coordinates, and will read its data when you use them.
# In between, the object may have been replaced by another one.
# No option can help here, and no memory is to blame.

for ending in ("pp", "nc"):
    for change, years in (
        ("5 K warmer", 20),
        ("10 years shorter", 10),
        ("removed", 0),
    ):
        key = f"promise.{ending}"
        publish(key, 20)
        cube = iris.load_cube(by_default / key)
        if years:
            publish(key, years, correction=5)
        else:
            name = f"{sandbox.prefix}{key}"
            s3.delete_object(Bucket=sandbox.bucket, Key=name)
        try:
            data = cube.data
            off = data.mean() - all_years[: data.shape[0]].data.mean()
            result = f"{data.shape[0]} years, {off:+.1f} K"
        except (ValueError, OSError) as error:
            result = type(error).__name__
        print(f"{key}, {change:<16} gives {result}")

# %%
# You may get an error.
# You may also get the new numbers with the old metadata, or fewer of them than the cube has times.
#
# With a cache: two versions in one cube
# --------------------------------------
#
# The option ``use_cache`` keeps parts of files on the local disk.
# It is what makes reading small parts cheap, see
# :ref:`sphx_glr_tutorials_2_what_it_costs_1_read_only_what_you_need.py`.
#
# A colleague has stored a run that is 5 K too warm.
# You look at its first year.

mount(sandbox.source, sandbox.directory / "colleague")

right = fine_temperature(24, 360, 480)
wrong = right.copy(data=right.data + np.float32(5))
iris.save(wrong, sandbox.directory / "wrong.nc")
iris.save(right, sandbox.directory / "right.nc")
sandbox.shell("touch -d yesterday right.nc")
sandbox.shell("cp wrong.nc colleague/run.nc")

options = sparse_read_options(sandbox.directory / "cache")
bucket = mount(sandbox.source, sandbox.directory / "cached", options)
cached = bucket.path
first = iris.load_cube(cached / "run.nc")[0]
print(f"The first year is {(first - right[0]).data.mean():.1f} K off.")

# %% C38
# The colleague replaces it with the right one, which dates from yesterday.
# ``cp -p`` keeps the date of a file; so do ``rsync -a`` and ``rclone``.

sandbox.shell("cp -p right.nc colleague/run.nc")
mixed = iris.load_cube(cached / "run.nc")
plain = iris.load_cube(by_default / "run.nc")

figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
years = 1860 + np.arange(24)
for label, cube, style, width in (
    ("the wrong run", wrong, "tab:grey", 2),
    ("mounted with use_cache", mixed, "tab:orange", 6),
    ("mounted by default", plain, "tab:blue", 2),
):
    series = cube.data[:, 180, 240]
    axes.plot(
        *(years, series, style),
        label=label,
        linewidth=width,
        zorder=8 - width,
    )
axes.set_title("One point of the replaced run: with a cache, two runs in one")
axes.set_xlabel("year")
axes.set_ylabel("air temperature in K")
figure.legend(loc="outside lower center", ncols=3)
plt.show()

# %%
# **Both runs are in one cube, and nothing has complained.**
# ``s3fs`` compares dates alone: where the new object is not newer than the one in the cache, it
# takes the parts that are cached from the cache, and the others from the store.
#
# If the new object is longer, what was cached is **filled up with zeros**, here shown as ``^@``.

sandbox.shell("echo 'first run' > note.txt; cp note.txt colleague")
sandbox.shell("cat -v cached/note.txt")
sandbox.shell("echo 'second, better run' > note.txt")
sandbox.shell("touch -d yesterday note.txt; cp -p note.txt colleague")
for _ in range(2):
    sandbox.shell("cat -v cached/note.txt; echo")

# %%
# Mounting anew helps, as :func:`~s3_mounts.sparse_read_options` includes ``del_cache``, which
# empties the cache.

bucket.unmount()
mount(sandbox.source, cached, options)
again = iris.load_cube(cached / "run.nc")
print(
    "Mounted anew, it is the right run:",
    bool((again.data == right.data).all()),
)

# %%
# What a short memory costs
# -------------------------
#
# Every look after a short memory has expired costs one request for each file.
#
# Never switch the memory off with ``max_stat_cache_size=0``.
# Then ``s3fs`` 1.90 asks for each file at every listing, and 1.97 forgets files while it lists them:
# you load fewer than there are.
#
# .. tested-by:: tests/evidence/test_short_memory.py::test_what_listing_with_sizes_asks
#
# A way of working that is safe
# -----------------------------
#
# * **Never replace an object.** Every result gets a new key.
#   Names are compared as text, so use dates, or numbers with leading zeros.
# * The writer stores an empty object named ``complete`` last.
# * The reader asks **the store** what is complete, and gives Iris the full path to it.


def newest_complete():
    """Ask the store, not a mount, for the newest run that is complete."""
    return max(
        key.removesuffix("/complete")
        for key in sandbox.sizes()
        if key.endswith("/complete")
    )


marker = sandbox.directory / "complete"
marker.touch()
for run in ("run-01", "run-02"):
    sandbox.add_file(sandbox.directory / "right.nc", f"{run}/temperature.nc")
    if run == "run-02":
        print("While run-02 is stored:", newest_complete())
    sandbox.add_file(marker, f"{run}/complete")
    print(f"When {run} is complete:", newest_complete())

cube = iris.load_cube(by_default / newest_complete() / "temperature.nc")
print("It is whole:", bool((cube.data == right.data).all()))

# %% C01
# Nobody has made a directory for the run, and there is none in the store.
# The mount shows one all the same.

print([key for key in sandbox.sizes() if key.startswith("run-02")])
sandbox.shell("ls by_default/run-02")

# %%
# When the sandbox stops, it takes its mounts with it.

sandbox.stop()

# %%
# What you have seen
# ------------------
#
# * A mount remembers sizes and names for 900 seconds, or for what you give as
#   ``stat_cache_expire``; ``s3fs`` 1.97 remembers listings, too.
# * Opening a file asks the store again, but too late for the size: the first copy after a change may
#   be cut off, as long as the mount remembers the old size.
# * With ``use_cache`` you may read two versions in one cube, until you mount anew with
#   ``del_cache``.
# * A lazy cube over an object that is replaced may be wrong with any options.
# * None of it matters where objects are never replaced, a marker is stored last, and readers ask the
#   store for it.
#
# **Read next:** :ref:`sphx_glr_tutorials_3_every_day_4_credentials_and_other_stores.py`.
#
# To do it yourself: :doc:`/how_to/cache_safely`.
