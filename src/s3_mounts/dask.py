"""Mount a bucket on every machine of a Dask cluster.

A lazy cube holds the paths of its files.
So all workers, and whoever makes the cube, must find the bucket at the same path.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from s3_mounts.errors import MountPointError, require_extra
from s3_mounts.sharing import shared_mount

require_extra("distributed", "dask")
from distributed import Worker, WorkerPlugin  # noqa: E402


class MountPlugin(WorkerPlugin):
    """Have every worker of a Dask cluster find a bucket at the same path.

    Give it to ``Client.register_plugin``. Workers that start later mount too, including those that
    replace one that has died. The mount goes when the last worker of its machine closes.

    The workers need what `s3_mounts.mount` needs: the ``s3fs`` program, FUSE, credentials, and the
    address of the store in ``AWS_ENDPOINT_URL``.

    Parameters
    ----------
    source : str
        ``bucket``, or ``bucket:/prefix`` for a part of it.
    path : path-like
        The mount point, an absolute path. It is made where it does not exist. A directory that
        is local to each machine is best.
    options : sequence of str, optional
        Values for ``-o`` of s3fs.

    Raises
    ------
    s3_mounts.MountPointError
        If the path is not absolute. Registering also raises what `s3_mounts.shared_mount`
        raises on a worker.

    Examples
    --------
    >>> from distributed import Client
    >>> with Client(n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
    ...     told = client.register_plugin(MountPlugin("climate-data", os.path.abspath("at_worker")))
    ...     client.submit(os.path.getsize, os.path.abspath("at_worker/air_temp.pp")).result()
    28304
    """

    def __init__(
        self, source: str, path: str | os.PathLike[str], options: Sequence[str] = ()
    ) -> None:
        if not os.path.isabs(path):
            raise MountPointError(
                f"expected an absolute path, the same on every machine, found {str(path)!r}."
            )
        self.source = source
        self.path = os.fspath(path)
        self.options = tuple(options)
        self.name = f"bucket mounted on {self.path}"
        self._mounted = contextlib.ExitStack()

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "_mounted"}

    def setup(self, worker: Worker) -> None:
        self._mounted = contextlib.ExitStack()
        self._mounted.enter_context(shared_mount(self.source, self.path, self.options))

    def teardown(self, worker: Worker) -> None:
        self._mounted.close()
