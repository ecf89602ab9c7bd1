"""Run a shell command and show it, with its output, as the reader would see it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import threading

from s3_mounts.errors import SetupError
from s3_mounts.options import endpoint_options, endpoint_url, prefix_options
from s3_sandbox.errors import CommandError

KILL_LIMIT = 5
"""How long to wait for a killed command, in seconds."""


def shell(
    command: str,
    *,
    directory: str | os.PathLike[str] | None = None,
    status: int = 0,
    timeout: float = 120,
) -> None:
    """Run a command in bash, and print the command and what it says.

    An ``s3fs`` in the command is pointed at the current store, by the function that
    `s3_sandbox.terminal.s3fs_function` writes, so that the command that the reader sees is the one
    for their own bucket.

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
    preamble = s3fs_function() if "s3fs" in command else ""
    # A file rather than a pipe: a daemon that keeps it open does not keep us waiting.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            ["bash", "-c", f"{preamble}{command}"],
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
                # What looks into a mount that hangs ends with the mount, and is waited for then.
                waiting = threading.Thread(target=process.wait, daemon=True)
                waiting.start()
                waiting.join(KILL_LIMIT)
            output.seek(0)
            print(output.read().decode(errors="replace"), end="")
    if ended != status:
        raise CommandError(
            f"expected '{command}' to end with exit status {status}, found {ended}."
            " What it said is above."
        )


def s3fs_function() -> str:
    """Write the bash function that points every ``s3fs`` of a terminal at the current store.

    With it the commands that the site shows can be run as they are.

    Returns
    -------
    str
        A definition for bash. It adds the options of `s3_mounts.options.endpoint_options`, and
        for a prefix those of `s3_mounts.options.prefix_options`.

    Examples
    --------
    >>> s3fs_function()
    's3fs() { case "$1" in *:/*) command s3fs "$@" ...'
    """
    endpoint = endpoint_options(endpoint_url())
    try:
        prefix = prefix_options("bucket:/prefix")
    except SetupError:
        prefix = []  # bash will say that there is no such command
    always, with_prefix = (
        shlex.join(word for option in options for word in ("-o", option))
        for options in (endpoint, [*endpoint, *prefix])
    )
    return (
        's3fs() { case "$1" in'
        f' *:/*) command s3fs "$@" {with_prefix} ;;'
        f' *) command s3fs "$@" {always} ;; esac; }}\n'
    )
