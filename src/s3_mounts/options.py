"""Options of s3fs for a purpose, under the names that the installed version takes."""

from __future__ import annotations

import os

from s3_mounts.program import find_s3fs, s3fs_version

_RENAMED_IN = (1, 96)


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
    The number of threads is ``parallel_count`` up to s3fs 1.95 and ``max_thread_count`` since.
    It is 1, but 2 from 1.96 on, where the only thread would wait for itself.
    """
    if s3fs_version(find_s3fs()) < _RENAMED_IN:
        threads = "parallel_count=1"
    else:
        threads = "max_thread_count=2"
    return ["multipart_size=5", threads, f"use_cache={os.fspath(cache)}", "del_cache"]
