"""
A cluster with Dask
===================

Share the work on a bucket among the workers of a Dask cluster, kill one of them, and leave nothing
mounted.

* **You will learn** how every worker finds the bucket, what happens when one dies, and what to
  change for SLURM and Kubernetes.
* **You need** the ``s3fs`` program, FUSE and 2 GB of memory.
  You need no S3 account: the lesson watches the server of the sandbox, so it does not run
  on a bucket of your own.
* **Time**: eight minutes to read.
"""

# %%
# A dataset in 24 files
# ---------------------
#
# The bucket holds 240 years of air temperature over North America, ten years in each file.
# The question is how fast it warms, at each place.

# sphinx_gallery_thumbnail_path = "_static/cluster.svg"
import logging
import os
import signal
import subprocess
import sys
import time

import iris
import iris.quickplot as qplt
import matplotlib.pyplot as plt
import numpy as np
from distributed import Client, LocalCluster

from s3_mounts import Mount, shared_mount, whole_file_options
from s3_mounts.dask import MountPlugin
from s3_sandbox import fine_temperature, start_sandbox

iris.FUTURE.date_microseconds = True
iris.FUTURE.save_split_attrs = True

sandbox = start_sandbox("climate-data")
years = np.arange(1860, 2100)
fine = fine_temperature(240, 300, 392)
for start in range(0, 240, 10):
    local = sandbox.directory / f"{years[start]}s.nc"
    iris.save(fine[start : start + 10], local)
    sandbox.add_file(local)
    local.unlink()
dataset = sum(sandbox.sizes().values())
print(f"{len(sandbox.sizes())} files, {dataset / 1e6:.0f} MB in all")

# %%
# A cluster
# ---------
#
# A Dask cluster is a scheduler, which hands out the work, and workers, which do it.
# The scheduler runs in your own Python here.
# The workers are processes that a command starts: on a real cluster on many machines, and here two
# of them on this one.

cluster = LocalCluster(
    n_workers=0,
    host="127.0.0.1",
    dashboard_address="127.0.0.1:0",
    scheduler_kwargs={"local_directory": str(sandbox.directory)},
    silence_logs=logging.ERROR,
)
client = Client(cluster)

command = (
    f"-m dask worker {cluster.scheduler_address} --nworkers 2 --nthreads 1"
    " --host 127.0.0.1 --no-dashboard --local-directory workers"
)
with open(sandbox.directory / "workers.log", "wb") as log:
    workers = subprocess.Popen(
        [sys.executable, *command.split()],
        cwd=sandbox.directory,
        stdout=log,
        stderr=log,
    )
client.wait_for_workers(2, timeout=60)
print("Workers:", len(client.scheduler_info()["workers"]))

# %%
# Mount on every worker
# ---------------------
#
# A lazy cube holds the paths of its files, and takes them along to the workers.
# So **the bucket must be mounted at the same path on every machine**.
#
# So far it is mounted nowhere: ``findmnt`` finds nothing, and fails.

path = sandbox.directory / "my_bucket"
sandbox.shell(
    "findmnt --output SOURCE,FSTYPE --mountpoint my_bucket", status=1
)

# %%
# :class:`~s3_mounts.dask.MountPlugin` has every worker mount it, including those that
# start later.

options = whole_file_options(sandbox.directory / "cache")
client.register_plugin(MountPlugin(sandbox.source, path, options))


def count_files(path):
    """Count the files in a directory."""
    return len(os.listdir(path))


for count in client.run(count_files, path).values():
    print(f"A worker finds {count} files.")

# %% C16, C23, C39
# Both workers are on one machine, and find the bucket through one mount.
# The first of them mounted, and the second one joined: a mount belongs to no process, and every
# process of the user who mounted can use it.

sandbox.shell("findmnt --output SOURCE,FSTYPE --mountpoint my_bucket")

# %%
# Share the work
# --------------
#
# Whoever makes the lazy cube must find the files, too.
# :func:`~s3_mounts.shared_mount` mounts the bucket for you, or joins those who have it
# mounted on your machine already.
# You can leave the mount before the work begins.
#
# The trend is the slope of the line that fits best.
# That is a sum over the years with fixed weights, and each worker can add up its own files.

weights = years - years.mean()
weights /= (weights**2).sum()

with sandbox.traffic() as traffic:
    with shared_mount(sandbox.source, path, options) as bucket:
        cube = iris.load(bucket / "*.nc").concatenate_cube()
    weighted = weights[:, np.newaxis, np.newaxis] * cube.lazy_data()
    trend = weighted.sum(axis=0)
    answer = client.compute(trend).result()

print(f"{cube.lazy_data().npartitions} parts were added up by the workers.")
print(f"Moved: {traffic.bytes_down / dataset:.2f} × the dataset")

# %%
# The workers of a machine also share the cache of its mount, so each byte came once.
# (:ref:`sphx_glr_tutorials_4_beyond_one_machine_1_larger_than_memory.py` shows what happens without
# a cache.)
# On a cluster of many machines, each has a mount and a cache of its own.
#
# Is the answer right?
# The data are still in your memory, to compare.

by_hand = np.tensordot(weights, fine.data.astype("float64"), axes=1)
print("As computed in memory:", np.allclose(answer, by_hand))

warming = cube[0].copy(100 * answer)
warming.units = "K"
plt.figure(figsize=(8, 4.6), layout="constrained")
qplt.contourf(warming, levels=12, cmap="YlOrRd")
plt.gca().coastlines(resolution="110m")
plt.title("Warming in 100 years, by the trend from 1860 to 2099, scenario A1B")
plt.show()

# %%
# Kill a worker
# -------------
#
# Workers die when memory or time runs out.
# Ask for the same again.
# Choose the very worker that has started ``s3fs``, wait until it has something to do, and kill it.

mounted = Mount(sandbox.source, path)
(server,) = mounted.processes
pid = server.ppid()
addresses = {pid: address for address, pid in client.run(os.getpid).items()}
address = addresses[pid]

future = client.compute(trend)
while not (client.processing()[address] or future.done()):
    time.sleep(0.01)
os.kill(pid, signal.SIGKILL)
print("Done before it was killed:", future.done())
print("The same answer:", np.array_equal(future.result(), answer))

# %%
# The scheduler gave the work of the dead worker to the other one.
# Meanwhile a new one was started in its place.

client.wait_for_workers(2, timeout=60)
now = client.run(os.getpid).values()
print("Workers:", len(now))
print("The killed one is among them:", pid in now)
for count in client.run(count_files, path).values():
    print(f"A worker finds {count} files.")

# %%
# The mount was there all the time.
# ``s3fs`` is a process of its own, which outlives the worker that has started it.
# The new worker joined the mount.

print("The same s3fs:", mounted.processes == [server])

# %%
# Leave nothing behind
# --------------------
#
# When a worker closes, it leaves the mount, and the last one on a machine unmounts.
# The kernel knows who is last: every worker holds a lock on a file beside the mount point, and a
# lock goes with its process, however that ends.

client.shutdown()
workers.wait(timeout=60)
cluster.close()

# %% C23, C41
# Nothing is mounted, and the directory is empty.

sandbox.shell(
    "findmnt --output SOURCE,FSTYPE --mountpoint my_bucket", status=1
)
sandbox.shell("ls -A my_bucket")

# %%
# That is not guaranteed.
# Where all workers of a machine are killed at once, nobody is left to unmount.
# Then the next worker to start there joins the mount that it finds, or replaces it if its ``s3fs``
# is dead too.
# And where a file in the bucket is still open, the last worker unmounts lazily.

sandbox.stop()

# %%
# On a real cluster
# -----------------
#
# You have no SLURM and no Kubernetes here, so what follows is checked for its form only.
# In each case, the workers need the ``s3fs`` program, this package, and credentials.
# To see what is missing on them, have a job run ``s3-mounts doctor``.
#
# **SLURM**, with the package dask-jobqueue.
# Replace the cell that starts the cluster.
# The mount point and the cache are on a disk of the node, in a folder of yours.
# ``lifetime`` has the workers close in good order before SLURM ends them, and ``s3fs`` with them.
# ``--exclusive`` allows only one job on each node: ``s3fs`` ends with the job that has mounted, and
# a second job on that node would lose its mount.
#
# .. not run: it needs a SLURM cluster
#    check: python -c "import ast, sys; ast.parse(sys.stdin.read())"
#
# .. code-block:: python
#
#    import getpass
#
#    from dask_jobqueue import SLURMCluster
#    from distributed import Client
#
#    from s3_mounts import whole_file_options
#    from s3_mounts.dask import MountPlugin
#
#    cluster = SLURMCluster(
#        cores=8,
#        processes=4,
#        memory="32 GB",
#        walltime="01:00:00",
#        job_extra_directives=["--exclusive"],
#        worker_extra_args=["--lifetime", "50m", "--lifetime-stagger", "5m"],
#        job_script_prologue=[
#            "export AWS_ENDPOINT_URL=https://store.example.org"
#        ],
#    )
#    folder = f"/tmp/{getpass.getuser()}"
#    cluster.scale(jobs=4)
#    client = Client(cluster)
#    client.register_plugin(
#        MountPlugin(
#            "climate-data",
#            f"{folder}/my_bucket",
#            whole_file_options(f"{folder}/my_cache"),
#        )
#    )
#
# **Kubernetes**.
# A pod may not mount by itself: it needs the device ``/dev/fuse`` and the capability ``SYS_ADMIN``.
# The device comes from a device plugin that the administrators install; a volume of the type
# ``hostPath`` is not enough.
# In this pod the plugin is smarter-device-manager.
#
# .. code-block:: yaml
#
#    apiVersion: v1
#    kind: Pod
#    metadata:
#      name: dask-worker
#    spec:
#      containers:
#        - name: worker
#          image: registry.example.org/iris-with-s3fs
#          command: [dask, worker, "tcp://dask-scheduler:8786"]
#          env:
#            - name: AWS_ENDPOINT_URL
#              value: https://store.example.org
#          envFrom:
#            - secretRef: {name: s3-credentials}
#          securityContext:
#            capabilities:
#              add: [SYS_ADMIN]
#            appArmorProfile:
#              type: Unconfined
#          resources:
#            limits:
#              smarter-devices/fuse: 1
#
# Where you get neither, ask for a storage driver (CSI) that mounts the bucket outside the pod.
#
# What you have seen
# ------------------
#
# * Every machine mounts the bucket at the same path, since lazy cubes hold paths.
# * ``MountPlugin`` does that, also for workers that start later, and one mount serves all workers
#   of a machine.
# * A killed worker costs neither the answer nor the mount.
# * The last worker to close unmounts.
#
# **Read next:** :doc:`/reference/s3_mounts`, for the rest of what the helper can do.
#
# To do it yourself: :doc:`/how_to/pipelines` and :doc:`/how_to/kubernetes`.
