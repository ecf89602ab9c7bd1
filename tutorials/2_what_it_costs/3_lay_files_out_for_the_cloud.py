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
import io
import math
import shutil

import h5py
import iris
import matplotlib.pyplot as plt
import netCDF4
import numpy as np
from matplotlib.colors import LogNorm

from s3_mounts import mount, sparse_read_options
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
    "too large": {"chunksizes": (30, 432, 480)},
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


def chunks_needed(shape, question):
    """Say for each chunk whether it holds a part of the answer."""
    needed = np.zeros(fine.shape, dtype=bool)
    needed[questions[question]] = True
    counts = [n // size for n, size in zip(fine.shape, shape, strict=True)]
    pairs = [n for pair in zip(counts, shape, strict=True) for n in pair]
    return needed.reshape(pairs).any(axis=(1, 3, 5))


def draw_boxes(ax, boxes, face, edge):
    """Draw those boxes of a cube that are True."""
    edges = [np.linspace(0, 1, n + 1) for n in boxes.shape]
    corners = np.meshgrid(*edges, indexing="ij")
    ax.voxels(*corners, boxes, facecolors=face, edgecolors=edge, linewidth=0.4)


drawn = ("chunk = field", "chunk = series", "middle way", "too large")
figure, axes = plt.subplots(
    2,
    4,
    figsize=(8, 4.4),
    layout="constrained",
    subplot_kw={"projection": "3d", "proj_type": "ortho"},
)
for pair, name in zip(axes.T, drawn, strict=True):
    for ax, question in zip(pair, questions, strict=True):
        needed = chunks_needed(layouts[name]["chunksizes"], question)
        boxes = needed.transpose(0, 2, 1)
        draw_boxes(ax, ~boxes, face="#1f77b412", edge="#1f77b450")
        draw_boxes(ax, boxes, face="tab:orange", edge="#7f3f00")
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
# Where in the file?
# ------------------
#
# For a mount it also matters *where* the chunks lie, because each place is a fetch of its own.
# Python can watch a file being read: ``h5py`` reads netCDF-4 files, and takes any object that
# behaves like a file.


class WatchedFile(io.FileIO):
    """A file that notes which parts of it are read."""

    def __init__(self, path):
        super().__init__(path)
        self.parts = []

    def readinto(self, buffer):
        self.parts.append((self.tell() / 1e6, len(buffer) / 1e6))
        return super().readinto(buffer)


def watch(path, question):
    """List the parts of a local file that are read for a question."""
    watched = WatchedFile(path)
    # The cache must hold the largest chunk, or h5py reads it piece by piece.
    with h5py.File(watched, rdcc_nbytes=2**26) as opened:
        opened["air_temperature"][questions[question]]
    return watched.parts


files = {name: sandbox.directory / f"{name}.nc" for name in layouts}
parts = {}
for name, keywords in layouts.items():
    iris.save(fine, files[name], **keywords)
    parts[name] = {q: watch(files[name], q) for q in questions}

# %%
# Each mark is a part of the file that is read.
# The thin marks of *one field* are the description of the data.
# Most of them are at the beginning and the end.

figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
colours = {"one field": "tab:orange", "time series": "tab:blue"}
for line, name in enumerate(layouts):
    for question, shift in (("one field", -0.36), ("time series", 0.02)):
        axes.broken_barh(
            parts[name][question],
            (line + shift, 0.34),
            color=colours[question],
            linewidth=1,
            label=question if line == 0 else None,
        )
axes.set_yticks(range(len(layouts)), list(layouts))
axes.invert_yaxis()
axes.set_xlabel("place in the file, MB")
axes.set_title("Where in the file two questions read, for seven layouts")
figure.legend(loc="outside lower center", ncols=2)
plt.show()

# %%
# And through the mount?
# ----------------------
#
# The options of the mount are those for sparse reads, from
# :ref:`sphx_glr_tutorials_2_what_it_costs_1_read_only_what_you_need.py`.
# Every question gets a new mount, so none can use what another has fetched.

mount_point = sandbox.directory / "my_bucket"
mount_point.mkdir()
options = sparse_read_options(sandbox.directory / "cache")


def move(question):
    """Count the MB that a mount moves for the metadata, and in all."""
    with mount(sandbox.source, mount_point, options) as bucket:
        with sandbox.traffic() as for_metadata:
            cube = iris.load_cube(bucket / "temperature.nc")
        with sandbox.traffic() as for_answer:
            answer = cube[questions[question]].data
    assert (answer == fine.data[questions[question]]).all()
    metadata = for_metadata.bytes_down / 1e6
    return metadata, metadata + for_answer.bytes_down / 1e6


moved = {}
for name in layouts:
    sandbox.add_file(files[name], "temperature.nc")
    metadata, field = move("one field")
    _, series = move("time series")
    moved[name] = metadata, field, series

# %%
# On the left is what ``h5py`` read from the files on the local disk, on the right what the mount
# moves.
# There each question includes the metadata, without which there is no cube.

read = {
    name: [sum(size for _, size in parts[name][q]) for q in questions]
    for name in layouts
}

figure, axes = plt.subplots(
    1,
    2,
    figsize=(8, 4.2),
    layout="constrained",
    sharey=True,
    width_ratios=(2, 3),
)
for ax, title, values, columns in (
    (axes[0], "MB that are read", read, list(questions)),
    (axes[1], "MB that the mount moves", moved, ["metadata", *questions]),
):
    values = np.array(list(values.values()))
    ax.imshow(values, norm=LogNorm(0.1, 2000), cmap="YlOrRd", aspect="auto")
    for (line, across), value in np.ndenumerate(values):
        ax.text(across, line, f"{value:.1f}", ha="center", va="center")
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(layouts)), list(layouts))
    ax.set_title(title, fontsize=10)
figure.suptitle("What two questions cost, layout by layout")
plt.show()

# %% C24
# The right layout makes a question cheap on both sides.
# But the mount rounds up: each place costs a whole fetch, 5 MB for each thread of ``s3fs``.
# So for a mount, **few places** count for more than few bytes.
# Look at the time series of *too small*: few bytes, in many places.
#
# The netCDF library can also fetch byte ranges of a public object from its URL, without a mount.
# Then nothing is rounded up, and what is left is the layout.
# (The sandbox lets everybody read. Elsewhere you must allow it first, as in the next lesson.)

keys = {"contiguous": "plain.nc", "middle way, zlib": "temperature.nc"}
print(f"MB for the time series{'read':>8}{'by ranges':>12}{'by mount':>11}")
for name, key in keys.items():
    url = f"{sandbox.endpoint}/{sandbox.bucket}/{key}#mode=bytes"
    with sandbox.traffic() as traffic:
        iris.load_cube(url)[questions["time series"]].data
    print(
        f"{name:<22}{read[name][1]:>8.1f}{traffic.bytes_down / 1e6:>12.1f}"
        f"{moved[name][2]:>11.1f}"
    )

# %%
# (In an uncut file netCDF reads 64 kB around each number, whereas h5py reads just the number.)
# When to go without a mount is the subject of
# :ref:`sphx_glr_tutorials_2_what_it_costs_4_mount_or_not.py`.
#
# Compress
# --------
#
# ``zlib=True`` compresses each chunk separately, and loses nothing.
# Before that, Iris has netCDF shuffle the bytes: all first bytes together, and so on.
# How much that gains depends on the data.

kinds = {
    "the refined field": fine[:6],
    "the model's own output": iris.load_cube(
        sample_path("A1B_north_america.nc")
    ),
    "noise": fine[:6].copy(
        np.random.default_rng(0).normal(280, 15, fine[:6].shape).astype("f4")
    ),
}


def size_of(cube, **keywords):
    """Save a cube, and say how large the file is."""
    path = sandbox.directory / "compressed.nc"
    iris.save(cube, path, **keywords)
    return path.stat().st_size


print(f"{'size as saved ÷ size with':<26}{'zlib':>8}{'shuffle + zlib':>16}")
for kind, cube in kinds.items():
    as_saved = size_of(cube)
    only_zlib = as_saved / size_of(cube, zlib=True, shuffle=False)
    shuffled = as_saved / size_of(cube, zlib=True)
    print(f"{kind:<26}{only_zlib:>8.2f}{shuffled:>16.2f}")

# %%
# The refined field is interpolated, thus smoother than what a model writes, and compresses better.
# Noise compresses least.
# Try it on your own data; it costs one save.
#
# Where the description lies
# --------------------------
#
# To load a cube, Iris reads the description of the data, not the data.
# How many fetches that takes depends on where it lies.
#
# HDF5, the format beneath netCDF-4, can gather it in *pages* at the beginning.
# netCDF has no option for that, but it can fill a paged file that ``h5py`` has made.


def save_paged(cube, path, **keywords):
    """Save a cube to a file whose description is gathered in pages."""
    h5py.File(
        path, "w", track_order=True, fs_strategy="page", fs_page_size=2**20
    ).close()
    with netCDF4.Dataset(path, "a") as dataset:
        cube.data  # Only data in memory are written; lazy ones would be lost.
        iris.save(cube, dataset, saver="nc", compute=False, **keywords)


def describe(name, path, metadata):
    """Print the size of a file, and what a mount moves for its metadata."""
    size = path.stat().st_size / 1e6
    print(f"{name:<26}{size:>6.1f} MB{metadata:>12.1f} MB")


def measure(name, path):
    """Put a file into the bucket, load the cube from there, describe it."""
    sandbox.add_file(path, "temperature.nc")
    metadata, _ = move("one field")
    describe(name, path, metadata)


path = sandbox.directory / "other.nc"
print(f"{'layout':<26}{'file':>9}{'metadata':>15}")
for name in ("too small", "middle way, zlib"):
    describe(name, files[name], moved[name][0])
    save_paged(fine, path, **layouts[name])
    measure(f"{name}, paged", path)
iris.save(fine, path, netcdf_format="NETCDF3_64BIT")
measure("netCDF-3", path)

# %%
# Pages help a file of very many chunks.
# They harm the better layout: its chunks do not fill whole pages, so the file grows.
# Choose good chunks first.
#
# netCDF-3 costs most of all.
# To see that the file is not HDF5, the netCDF library looks for HDF5's mark at its beginning,
# and then further and further into it, each time at twice the distance.
# Beyond the first few megabytes, each look is a fetch of its own.
#
# Change the layout of a file that you have
# -----------------------------------------
#
# Load it, save it **to the local disk**, and copy it to the bucket.
# :ref:`sphx_glr_tutorials_1_first_steps_2_save_cubes_to_a_bucket.py` explains why.

local = sandbox.directory / "middle_way.nc"
with mount(sandbox.source, mount_point, options) as bucket:
    cube = iris.load_cube(bucket / "plain.nc")
    iris.save(cube, local, chunksizes=(20, 144, 160), zlib=True, complevel=4)
    shutil.copyfile(local, bucket / local.name)
    show_layout(bucket / local.name)
stored = sandbox.sizes()
print("All of it is stored:", stored["middle_way.nc"] == local.stat().st_size)
print(
    f"Size before ÷ after: {stored['plain.nc'] / stored['middle_way.nc']:.1f}"
)

# %%
# A rule of thumb
# ---------------
#
# Which of the uncompressed layouts moves least through the mount, for which question?
# Layouts within 2 % of the best are named together.

shapes = [name for name in layouts if "zlib" not in name]
costs = np.array([moved[name][1:] for name in shapes])
costs = np.column_stack([costs, costs.sum(axis=1)])
print(f"{'you ask for':<13}{'best':>8}{'worst':>10}   the best layout")
for wanted, cost in zip(("fields", "series", "both"), costs.T, strict=True):
    best = " or ".join(np.array(shapes)[cost < 1.02 * cost.min()])
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
# **Read next:** :ref:`sphx_glr_tutorials_2_what_it_costs_4_mount_or_not.py`.
#
# What else is true of mounts: :doc:`/explanation/s3_buckets`.
