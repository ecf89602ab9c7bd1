"""
Lay files out for the cloud
===========================

Save one cube in several layouts, ask every file the same questions, and see what each answer
moves.

* **You will learn** how to see and to choose the layout of a netCDF file, and which layout suits
  which question.
* **You need** the ``s3fs`` program, FUSE, 1.5 GB of memory and 1 GB of temporary disk space.
  You need no S3 account: the lesson watches the server of the sandbox, so it does not run
  on a bucket of your own.
* **Time**: nine minutes to read.
"""

# %%
# A mount fetches the bytes that Iris asks for, and some more.
# Which bytes Iris must ask for was decided when the file was written: by its *layout*.
#
# See the layout of a file
# ------------------------
#
# The data are 60 years of air temperature over North America, 50 MB.
# Save them without any option, and ask ``netCDF4`` how they lie in the file.

# sphinx_gallery_thumbnail_number = 1
import math

import dask.array as da
import iris
import matplotlib.pyplot as plt
import netCDF4
import numpy as np
from matplotlib.colors import LogNorm

from s3_mounts import mount, save_cube, sparse_read_options
from s3_sandbox import fine_temperature, sample_path, start_sandbox

# Opt in to what Iris will do by default, so that it has nothing to warn about.
iris.FUTURE.date_microseconds = True
iris.FUTURE.save_split_attrs = True

sandbox = start_sandbox("climate-data")
fine = fine_temperature(60, 432, 480)


def show_layout(path):
    """Tell how the temperature lies in a file."""
    with netCDF4.Dataset(path) as dataset:
        variable = dataset["air_temperature"]
        print("Shape:     ", variable.shape)
        print("Chunks:    ", variable.chunking())
        print("Compressed:", variable.filters()["zlib"])


plain = sandbox.directory / "plain.nc"
iris.save(fine, plain)
sandbox.add_file(plain)
show_layout(plain)

# %%
# *Contiguous* means uncut: the first year, then the second, and so on.
#
# The other way is *chunked*: the data are cut into boxes of equal shape.
# The netCDF library reads a chunk as a whole, or not at all.
# You choose its shape with ``chunksizes``, in the order of the cube's dimensions.

layouts = {
    "contiguous": {},
    "chunk = field": {"chunksizes": (1, 432, 480)},
    "chunk = series": {"chunksizes": (60, 36, 40)},
    "middle way": {"chunksizes": (20, 144, 160)},
    "too small": {"chunksizes": (6, 36, 40)},
    "too large": {"chunksizes": (30, 216, 240)},
    "middle way, zlib": {"chunksizes": (20, 144, 160), "zlib": True},
}

for name, keywords in layouts.items():
    if shape := keywords.get("chunksizes"):
        count = fine.data.size // math.prod(shape)
        size = math.prod(shape) * fine.dtype.itemsize / 1e6
        print(f"{name:<17}{count:>5} chunks of {size:>5.2f} MB: {shape}")

# %%
# Two questions
# -------------
#
# #. *One field*: what was the year 1900 like?
# #. *A time series*: how warm was Toronto in each of the 60 years?

years = [cell.point.year for cell in fine.coord("time").cells()]
row = fine.coord("latitude").nearest_neighbour_index(43.7)
column = fine.coord("longitude").nearest_neighbour_index(360 - 79.4)
questions = {
    "one field": np.s_[years.index(1900), :, :],
    "time series": np.s_[:, row, column],
}

# %%
# Cut the cube, and colour the chunks that hold a part of the answer.
# Time runs to the right, latitude upwards.

drawn = ("chunk = field", "chunk = series", "middle way", "too large")
look = {"projection": "3d", "proj_type": "ortho"}
size = {"figsize": (8, 4.4), "layout": "constrained"}
figure, axes = plt.subplots(2, 4, subplot_kw=look, **size)
for pair, name in zip(axes.T, drawn, strict=True):
    chunks = dict(enumerate(layouts[name]["chunksizes"]))
    for ax, question in zip(pair, questions, strict=True):
        asked = np.zeros(fine.shape, dtype=bool)
        asked[questions[question]] = True
        needed = da.coarsen(np.any, da.from_array(asked), chunks).compute()
        boxes = needed.transpose(0, 2, 1)
        line = {"linewidth": 0.4}
        ax.voxels(
            ~boxes, facecolors="#1f77b412", edgecolors="#1f77b450", **line
        )
        ax.voxels(boxes, facecolors="tab:orange", edgecolors="#7f3f00", **line)
        ax.set_title(f"{name}\n{question}: {needed.mean():.0%}", fontsize=9)
        ax.set_box_aspect((1.3, 1, 0.9), zoom=1.25)
        ax.set_axis_off()
figure.suptitle(
    "The chunks that a question needs, and their share of the data"
)
plt.show()

# %%
# What is best for one question is worst for the other.
# The middle way is good enough for both.
# Chunks that are too large are good for neither.
#
# What is fetched?
# ----------------
#
# Now ask every file.
# The netCDF library can fetch byte ranges of a public object from its URL, without a mount.
# That shows what the layout costs.
# (So everybody is allowed to read it here. The next lesson has more about that.)
#
# Then the same goes through a mount, with the options for sparse reads from
# :ref:`sphx_glr_tutorials_2_what_it_costs_1_read_only_what_you_need.py`.
# Every question gets a new mount, so none can use what another has fetched.


def move(source, question):
    """Count the MB that cross the network for the metadata, and in all."""
    with sandbox.traffic() as for_metadata:
        cube = iris.load_cube(source)
    with sandbox.traffic() as for_answer:
        answer = cube[questions[question]].data
    assert (answer == fine.data[questions[question]]).all()
    metadata = for_metadata.bytes_down / 1e6
    return metadata, metadata + for_answer.bytes_down / 1e6


mount_point = sandbox.directory / "my_bucket"
options = sparse_read_options(sandbox.directory / "cache")
url = f"{sandbox.endpoint}/{sandbox.bucket}/temperature.nc#mode=bytes"
local = sandbox.directory / "local.nc"
place = {"Bucket": sandbox.bucket, "Key": "temperature.nc"}

by_ranges, by_mount = {}, {}
for name, keywords in layouts.items():
    iris.save(fine, local, **keywords)
    sandbox.add_file(local, "temperature.nc")
    sandbox.client.put_object_acl(**place, ACL="public-read")
    by_ranges[name], by_mount[name] = [], []
    for question in questions:
        by_ranges[name] += move(url, question)
        with mount(sandbox.source, mount_point, options) as bucket:
            by_mount[name] += move(bucket / "temperature.nc", question)

# %% C24
# Each question includes the metadata, without which there is no cube.

# Of metadata and field, and metadata and series, the metadata once.
by_ranges = np.array(list(by_ranges.values()))[:, [0, 1, 3]]
by_mount = np.array(list(by_mount.values()))[:, [0, 1, 3]]
panels = {"byte ranges": by_ranges, "mount": by_mount}
size = {"figsize": (8, 4.2), "layout": "constrained"}
figure, axes = plt.subplots(1, 2, sharey=True, **size)
for ax, (way, moved) in zip(axes, panels.items(), strict=True):
    ax.imshow(moved, norm=LogNorm(0.1, 2000), cmap="YlOrRd", aspect="auto")
    for (row, column), value in np.ndenumerate(moved):
        ax.text(column, row, f"{value:.1f}", ha="center", va="center")
    ax.set_xticks(range(3), ["metadata", *questions])
    ax.set_yticks(range(len(layouts)), list(layouts))
    ax.set_title(f"MB by {way}", fontsize=10)
figure.suptitle("What two questions cost, layout by layout")
plt.show()

# %%
# The right layout makes a question cheap on both sides.
# But the mount rounds up: each *place* in the file costs a whole fetch, 5 MB for each thread of
# ``s3fs``.
# A chunk is a place of its own, and so is each year of an uncut time series.
# So for a mount, **few places** count for more than few bytes.
# Look at the time series of *too small*: few bytes, in many places.
#
# .. tested-by:: tests/evidence/test_layouts.py::test_each_chunk_is_a_place_of_its_own
#
# (In an uncut file the netCDF library reads 64 kB around each number.)
# When to go without a mount is the subject of
# :ref:`sphx_glr_tutorials_2_what_it_costs_4_mount_or_not.py`.
#
# Compress
# --------
#
# ``zlib=True`` compresses each chunk separately, and loses nothing.
# Before that, Iris has netCDF shuffle the bytes: all first bytes together, and so on.
# That gains more than ``zlib`` alone; how much depends on the data.
#
# .. tested-by:: tests/evidence/test_layouts.py::test_shuffled_bytes_compress_better

kinds = {
    "the refined field": fine[:6],
    "the model's own output": iris.load_cube(
        sample_path("A1B_north_america.nc")
    ),
    "noise": fine[:6].copy(
        np.random.default_rng(0).normal(280, 15, fine[:6].shape).astype("f4")
    ),
}


print("size as saved ÷ size with zlib")
for kind, cube in kinds.items():
    iris.save(cube, local)
    as_saved = local.stat().st_size
    iris.save(cube, local, zlib=True)
    print(f"{kind:<26}{as_saved / local.stat().st_size:.2f}")

# %%
# The refined field is interpolated, thus smoother than what a model writes, and compresses better.
# Noise compresses least.
# Try it on your own data; it costs one save.
#
# Where the metadata lie
# ----------------------
#
# To load a cube, Iris reads the description of the data, not the data.
# How many fetches that takes depends on where it lies.
#
# HDF5, the format beneath netCDF-4, can gather it in *pages* at the beginning.
# netCDF has no option for that, but it can fill a paged file that ``h5py`` has made.
# Pages help a file of very many chunks.
# They harm the better layout: its chunks do not fill whole pages, so the file grows.
# Choose good chunks first.
#
# .. tested-by:: tests/evidence/test_layouts.py::test_pages_help_a_file_of_very_many_chunks
#
# .. tested-by:: tests/evidence/test_layouts.py::test_pages_harm_a_good_layout
#
# netCDF-3 costs most of all.
# To see that the file is not HDF5, the netCDF library looks for HDF5's mark at its beginning,
# and then further and further into it, each time at twice the distance.
# Beyond the first few megabytes, each look is a fetch of its own.
#
# .. tested-by:: tests/evidence/test_layouts.py::test_metadata_of_netcdf_3_cost_most
#
# Change the layout of a file that you have
# -----------------------------------------
#
# Load it, and save it with ``save_cube``, which takes the same keywords as ``iris.save``.
# :ref:`sphx_glr_tutorials_1_first_steps_2_save_cubes_to_a_bucket.py` explains why.

with mount(sandbox.source, mount_point, options) as bucket:
    cube = iris.load_cube(bucket / "plain.nc")
    new = bucket / "middle_way.nc"
    save_cube(cube, new, chunksizes=(20, 144, 160), zlib=True, complevel=4)
    show_layout(new)
stored = sandbox.sizes()
print(f"Before ÷ after: {stored['plain.nc'] / stored['middle_way.nc']:.1f}")

# %%
# A rule of thumb
# ---------------
#
# Which of the uncompressed layouts moves least through the mount, for which question?
# Layouts within 2 % of the best are named together.

shapes = np.array([name for name in layouts if "zlib" not in name])
costs = by_mount[: len(shapes), 1:]
costs = np.column_stack([costs, costs.sum(axis=1)])
print(f"{'you ask for':<13}{'best':>8}{'worst':>10}   the best layout")
for wanted, cost in zip(("fields", "series", "both"), costs.T, strict=True):
    best = " or ".join(shapes[cost < 1.02 * cost.min()])
    print(f"{wanted:<13}{cost.min():>5.1f} MB{cost.max():>7.1f} MB   {best}")

sandbox.stop()

# %%
# What you have seen
# ------------------
#
# * ``iris.save`` without options wrote an uncut file. ``chunksizes`` cuts it as you wish.
# * Chunks in the shape of your question make it cheap, and the other question dear.
#   A middle way, in chunks of one or two megabytes, serves both.
# * Through a mount the number of places counts, because each costs a whole fetch.
#   Many small chunks are many places.
# * ``zlib=True`` makes the file smaller, and with it the answers cheaper, and loses nothing.
# * Gathered metadata repair a bad layout in part. A good one does not need them.
#
# In a Zarr store each chunk is an object of its own, and a mount fetches no more than that:
# :ref:`sphx_glr_tutorials_2_what_it_costs_5_zarr_through_a_mount.py`.
#
# **Read next:** :ref:`sphx_glr_tutorials_2_what_it_costs_4_mount_or_not.py`.
#
# What else is true of mounts: :doc:`/explanation/s3_buckets`.
