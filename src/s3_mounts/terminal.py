"""Run a shell command and show it, with its output, as the reader would see it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import tempfile

from s3_mounts.errors import CommandError
from s3_mounts.mounting import endpoint_options, prefix_options
from s3_mounts.store import endpoint_url


def shell(
    command: str,
    *,
    directory: str | os.PathLike[str] | None = None,
    status: int = 0,
    timeout: float = 120,
) -> None:
    """Run a command in bash, and print the command and what it says.

    An ``s3fs`` in the command gets the options of `s3_mounts.mounting.endpoint_options` added, and
    for a prefix those of `s3_mounts.mounting.prefix_options`, so that the command that the reader
    sees is the one for their own bucket.

    Parameters
    ----------
    command : str
        What the reader would type.
    directory : path-like, optional
        The directory to run it in; the current one by default.
    status : int, default: 0
        The exit status that is expected.
    timeout : float, default: 120
        How long the command may take, in seconds.

    Raises
    ------
    CommandError
        If the command ends with another exit status, or not in time.

    Examples
    --------
    >>> shell("echo hello")
    $ echo hello
    hello
    """
    print(f"$ {command}", flush=True)
    # A file rather than a pipe: a daemon that keeps it open does not keep us waiting.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            ["bash", "-c", f"{_preamble(command)}{command}"],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        try:
            ended = process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise CommandError(
                f"expected '{command}' to end within {timeout:g} s, but it still ran."
            ) from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            output.seek(0)
            print(output.read().decode(errors="replace"), end="")
    if ended != status:
        raise CommandError(
            f"expected '{command}' to end with exit status {status}, found {ended}."
            " What it said stands above."
        )


def _preamble(command: str) -> str:
    source = re.search(r"\bs3fs\s+([^\s-]\S*)", command)
    if not source:
        return ""
    options = [*endpoint_options(endpoint_url()), *prefix_options(source[1])]
    added = shlex.join(word for option in options for word in ("-o", option))
    return f's3fs() {{ command s3fs "$@" {added}; }}\n'
