"""Options of s3fs for a purpose, under the names that the installed version takes."""

from __future__ import annotations

import os

from s3_mounts.program import find_s3fs, s3fs_version

_RENAMED_IN = (1, 96)


def threads_option(count: int) -> str:
    """Write the option for the number of parallel requests, as the installed s3fs calls it.

    Parameters
    ----------
    count : int
        The number of threads. From s3fs 1.96 on at least 2: a single one can wait for itself.

    Returns
    -------
    str
        A value for ``-o``, for `mount`: ``parallel_count`` up to s3fs 1.95,
        ``max_thread_count`` since.

    Raises
    ------
    SetupError
        If there is no ``s3fs`` program to choose for.
    """
    renamed = s3fs_version(find_s3fs()) >= _RENAMED_IN
    return f"{'max_thread_count' if renamed else 'parallel_count'}={count}"


def sparse_read_options(cache: str | os.PathLike[str]) -> list[str]:
    """Choose options for reading small parts of large files.

    By default s3fs fetches far more than it is asked for: ``multipart_size`` (10 MB) times the
    number of its threads (5, or 10 since 1.96), at every gap and after every opening.
    These options bring that down to the least that s3fs allows, and keep what was read for the
    next opening of the same file. The lesson "Read only what you need" measures them.

    Parameters
    ----------
    cache : path-like
        A directory on a local disk for the parts that were read. s3fs adds to it for as long as
        the bucket is mounted, and empties it when it starts and ends.

    Returns
    -------
    list of str
        Values for ``-o``, for `mount`.

    Raises
    ------
    SetupError
        If there is no ``s3fs`` program to choose for.

    Notes
    -----
    The number of threads is 1, but 2 from 1.96 on, see `threads_option`.
    """
    threads = 1 if s3fs_version(find_s3fs()) < _RENAMED_IN else 2
    return [
        "multipart_size=5",
        threads_option(threads),
        f"use_cache={os.fspath(cache)}",
        "del_cache",
    ]
