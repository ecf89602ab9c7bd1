"""The handle on the network that fails on demand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from benchmarks.faults import proxy
from benchmarks.faults.proxy import Order


class Network:
    """A way to a store that fails on demand. Use it in a ``with`` block.

    Parameters
    ----------
    store : str
        The address of the store.
    certificate : path-like, optional
        A file with a certificate for 127.0.0.1 and its key, to speak TLS.

    Attributes
    ----------
    url : str
        The address for s3fs. It is on the loopback interface only.
    """

    def __init__(self, store: str, certificate: str | os.PathLike[str] = "") -> None:
        self._process = subprocess.Popen(
            # -P: the modules beside it must not hide others.
            [sys.executable, "-P", proxy.__file__, store, certificate],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.url: str = self._answer()

    def play(self, order: Order) -> None:
        """Have something go wrong from now on, and nothing else."""
        self._tell(order)

    def mend(self) -> int:
        """Have all go well again, and return at how many requests it did not."""
        return self._tell(Order())

    def _tell(self, order: Order) -> int:
        assert self._process.stdin
        self._process.stdin.write(f"{json.dumps(asdict(order))}\n")
        self._process.stdin.flush()
        played: int = self._answer()
        return played

    def _answer(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
