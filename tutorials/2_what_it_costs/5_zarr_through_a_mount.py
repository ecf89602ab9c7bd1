"""
Zarr through a mount
====================

Ask the same questions of a Zarr store and of a netCDF file, both on a mounted bucket.

* **You will learn** what Iris moves to read and to save Zarr, why it asks so often, what brings
  that down, and from which latency on netCDF is the better choice.
* **You need** Iris 3.16, the ``s3fs`` program, FUSE, 1 GB of memory and 300 MB of temporary disk
  space.
  You need no S3 account: the lesson watches the server of the sandbox, so it does not run
  on a bucket of your own.
* **Time**: six minutes to read.
"""

# %%
# A netCDF file is one object.
# A Zarr store is a folder of many: one for each chunk of the data, and small ones for the metadata.
# From version 3.16 on, Iris loads and saves both, through the netCDF library.
#
# So a mount has nothing to guess: to read a chunk of a store, it fetches that object, and no more.
#
# A store on a mount
# ------------------
#
# The address of a store begins with ``file://`` and ends with ``#mode=nczarr,file``.
# The path in between is an absolute one.

# sphinx_gallery_thumbnail_number = 1
import iris
import matplotlib.pyplot as plt
import numpy as np

from s3_mounts import load_checked, mount, save_cube, sparse_read_options
from s3_sandbox import fine_temperature, start_sandbox

# Opt in to what Iris will do by default, so that it has nothing to warn about.
iris.FUTURE.date_microseconds = True
iris.FUTURE.lam_pole_offset = True
iris.FUTURE.save_split_attrs = True

sandbox = start_sandbox("climate-data")
mount_point = sandbox.directory / "my_bucket"
fine = fine_temperature(years=54)
field_size = fine[0].data.nbytes
by_field = {"chunksizes": (1, 444, 588)}
print(fine.summary(shorten=True))
print(f"One field has {field_size / 1e6:.2f} MB, and is one chunk.")

# %% C15
# Save some years with ``iris.save``, straight onto the mount: to a file, and to a store.

address = "file://{}#mode=nczarr,file"

with mount(sandbox.source, mount_point) as bucket:
    targets = {
        "some_years.pp": bucket / "some_years.pp",
        "some_years.zarr": address.format(bucket / "some_years.zarr"),
    }
    for name, target in targets.items():
        with sandbox.traffic() as traffic:
            iris.save(
                fine[:20], target, **(by_field if "zarr" in name else {})
            )
        stored = [size for key, size in sandbox.sizes().items() if name in key]
        ratio = traffic.bytes_up / sum(stored)
        print(
            f"{name:<16}{len(stored):>3} stored, {ratio:>5.2f} × their size uploaded"
        )

# %%
# The PP file was uploaded again and again, each object of the store once.
#
# **But do not save so.**
# What the store gets is not always what you had, and nothing tells you:
# :ref:`sphx_glr_tutorials_3_every_day_5_zarr_what_is_not_kept.py`.
# :func:`~s3_mounts.save_cube` compares before it uploads, and it is used from here on.

local = sandbox.directory / "temperature.nc"
iris.save(fine, local, **by_field)
sandbox.add_file(local)
with mount(sandbox.source, mount_point) as bucket:
    save_cube(fine, bucket / "temperature.zarr", **by_field)
keys = [key for key in sandbox.sizes() if key.startswith("temperature.zarr/")]
print(len(keys), "objects, among them:")
print(*keys[:3], *keys[-4:], sep="\n")

# %%
# Four questions
# --------------
#
# They are those of :ref:`sphx_glr_tutorials_2_what_it_costs_1_read_only_what_you_need.py`: what is
# in it, one field, a series of 24 years at one place, and a mean of all.
# Each way gets a mount of its own, and the sandbox's server counts.

questions = {
    "one field": lambda cube: cube[20].data,
    "time series": lambda cube: cube[-24:, 222, 294].data,
    "full mean": lambda cube: cube.collapsed("time", iris.analysis.MEAN).data,
}
sparse = sparse_read_options(sandbox.directory / "cache")


def from_file(bucket):
    """Load the netCDF file."""
    return iris.load_cube(bucket / "temperature.nc")


def from_store(bucket):
    """Load the store with nothing but Iris."""
    return iris.load_cube(address.format(bucket / "temperature.zarr"))


def from_store_checked(bucket):
    """Load the store with the helper, which is explained below."""
    [cube] = load_checked(bucket / "temperature.zarr")
    return cube


ways = {
    "netCDF, default options": (from_file, []),
    "netCDF, sparse reads": (from_file, sparse),
    "Zarr, Iris alone": (from_store, []),
    "Zarr, load_checked": (from_store_checked, []),
}
counted = {}
for way, (load, options) in ways.items():
    counts = counted[way] = {}
    with mount(sandbox.source, mount_point, options) as bucket:
        with sandbox.traffic() as counts["metadata"]:
            cube = load(bucket)
        answers = []
        for question, ask in questions.items():
            with sandbox.traffic() as counts[question]:
                answers.append(np.allclose(ask(cube), ask(fine)))
    print(f"{way}, right answers: {all(answers)}")

# %% C24, C43
# What they move
# --------------
#
# The dashed lines are the bytes of the chunks that the question needs.
# The options for sparse reads keep what was fetched, so the last question moves less than that.

moved = np.array(
    [[t.bytes_down / 1e6 for t in c.values()] for c in counted.values()]
)
asked = np.array([[t.requests for t in c.values()] for c in counted.values()])
needed = np.array([0, 1, 24, fine.shape[0]]) * field_size / 1e6

figure, panels = plt.subplots(
    1, 4, figsize=(8, 3.6), sharey=True, layout="constrained"
)
colours = ["tab:orange", "gold", "tab:cyan", "tab:blue"]
for column, (axes, question) in enumerate(zip(panels, counts, strict=True)):
    bars = axes.barh(list(ways), moved[:, column], color=colours)
    labels = [
        f"{mb:.3g} MB\n{number} request{'s' if number > 1 else ''}"
        for mb, number in zip(moved[:, column], asked[:, column], strict=True)
    ]
    axes.bar_label(
        bars, labels, padding=3, bbox={"color": "white", "pad": 0.5}
    )
    axes.axvline(needed[column], color="0.4", linestyle="--", zorder=0)
    axes.set_xlim(0, 2.9 * moved[:, column].max())
    axes.set_xticks([])
    axes.set_title(question)
axes.invert_yaxis()
figure.suptitle("What four questions move: netCDF and Zarr on a mount")
plt.show()

# %%
# With default options the store needs no recipe to move what is needed, and hardly more.
# Here are the bytes moved, against those needed, for the four ways in turn:

for column, question in list(enumerate(counts))[1:]:
    ratios = moved[:, column] / needed[column]
    print(f"{question:<12}", *(f"{ratio:>8.2f} ×" for ratio in ratios))

# %%
# Why so many requests?
# ---------------------
#
# The metadata of the store are many small objects, and the netCDF library opens all of them again
# for each piece of data.
# For each, ``s3fs`` asks up to four times about the object before it reads it.

with (
    mount(sandbox.source, mount_point) as bucket,
    sandbox.traffic() as traffic,
):
    from_store(bucket)[20].data
print(traffic.operations)

# %%
# :func:`~s3_mounts.load_checked` asks the store itself, without the mount: for all metadata in one
# object, which ``save_cube`` adds, and for each chunk once, when you need it.
# It also makes sure that all of them are there, which Iris does not.
#
# Which is faster for you?
# ------------------------
#
# It is the model of :ref:`sphx_glr_tutorials_2_what_it_costs_2_choose_your_options.py`: requests
# times the latency, plus bytes divided by the bandwidth.
# **Put in the bandwidth of your own site**, and look for its latency on the axis.

bandwidth = 100  # MB in a second
latency = np.geomspace(0.001, 0.1)  # seconds until a request is answered

figure, panels = plt.subplots(
    1, 3, figsize=(8, 3.6), sharey=True, layout="constrained"
)
for column, (axes, question) in enumerate(zip(panels, counts, strict=False)):
    for row, way in enumerate(ways):
        seconds = asked[row, column] * latency + moved[row, column] / bandwidth
        axes.loglog(latency * 1000, seconds, label=way, color=colours[row])
    axes.set_title(question)
    axes.set_xlabel("latency, ms")
    axes.set_xticks([1, 10, 100], ["1", "10", "100"])
    axes.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
panels[0].set_ylabel("seconds of the model")
figure.legend(
    *axes.get_legend_handles_labels(), loc="outside lower center", ncols=2
)
figure.suptitle(f"Time of the model, at {bandwidth} MB/s")
plt.show()

# %%
# Two lines cross where the bytes that one way saves take as long as its additional requests.
# Here that is, for the helper's way against the best one to read netCDF:

best, ours = list(ways).index("netCDF, sparse reads"), len(ways) - 1
for column, question in enumerate(list(counts)[:3]):
    saved = (moved[best, column] - moved[ours, column]) / bandwidth
    more = asked[ours, column] - asked[best, column]
    crossing = 1000 * saved / more if more > 0 else np.inf
    if 0.1 < crossing < np.inf:
        print(f"{question}: Zarr below {crossing:.1f} ms, else netCDF")
    else:
        print(
            f"{question}: {'Zarr' if crossing > 0.1 else 'netCDF'} at any latency"
        )

# %%
# * **One field after another**, as for maps: Zarr.
# * **Long series** through chunks of fields: netCDF with the options for sparse reads, since one
#   of its requests brings several chunks. Chunks that suit the question help both:
#   :ref:`sphx_glr_tutorials_2_what_it_costs_3_lay_files_out_for_the_cloud.py`.
# * **Where you cannot choose the options** of the mount: Zarr.
# * **For people without Iris 3.16**: netCDF, see below for the others.
#
# The model takes the requests one after another.
# Dask asks for several chunks at once, which helps where there are many.

sandbox.stop()

# %%
# What you have seen
# ------------------
#
# * With default options a mount moves many times what you ask for of a netCDF file, and of a Zarr
#   store hardly more than that.
# * A save straight onto the mount uploads a store once.
# * Iris asks more than a hundred times for one field of a store; ``load_checked`` once.
# * Few requests win over few bytes where the latency is high.
#
# **Read next:** :ref:`sphx_glr_tutorials_3_every_day_5_zarr_what_is_not_kept.py`, before you save
# anything as Zarr.
#
# What else is true of mounts: :doc:`/explanation/s3_buckets`.
