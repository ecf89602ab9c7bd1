"""What s3fs is told: bucket, prefix and address, and options under the names that it takes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from urllib.parse import urlsplit

from s3_mounts.errors import StoreError
from s3_mounts.program import find_s3fs, s3fs_version

AMAZON = "https://s3.amazonaws.com"
_COMPAT_DIR_SINCE = (1, 93)
_RENAMED_IN = (1, 96)
_MISSED_SINCE = (1, 95)  # the oldest seen to report, in every read, what the store no longer has


def option_values(options: Iterable[str]) -> dict[str, str]:
    """Split options of s3fs into names and values."""
    parts = (one.partition("=") for option in options for one in option.split(","))
    return {name: value for name, _, value in parts}


def threads_option(count: int) -> str:
    """Write the option for the number of parallel requests, as the installed s3fs calls it.

    Parameters
    ----------
    count : int
        The number of threads: at least 1, and from s3fs 1.96 on at least 2.

    Returns
    -------
    str
        A value for ``-o``, for `mount`: ``parallel_count`` up to s3fs 1.95,
        ``max_thread_count`` since.

    Raises
    ------
    ValueError
        If there are too few. A single thread of s3fs 1.96 and 1.97 can wait for itself, and then
        whoever reads from the mount hangs for ever.
    SetupError
        If there is no ``s3fs`` program to choose for.

    Examples
    --------
    >>> threads_option(8)
    '...=8'
    """
    name, least = _threads(s3fs_version(find_s3fs()))
    if count < least:
        raise ValueError(
            f"expected at least {least} for {name} of the s3fs that is installed, found {count}."
            f" Ask for {least} or more."
        )
    return f"{name}={count}"


def _threads(version: tuple[int, int]) -> tuple[str, int]:
    """Name the option for threads, and the least number of them that works."""
    if version < _RENAMED_IN:
        return "parallel_count", 1
    return "max_thread_count", 2


def sparse_read_options(cache: str | os.PathLike[str]) -> list[str]:
    """Choose options for reading small parts of large files.

    By default s3fs fetches ``multipart_size`` (10 MB) times the number of its threads (5, or 10
    since 1.96), at every gap and after every opening. These options bring that down to the least
    that s3fs allows, and keep what was read for the next opening of the same file.
    The lesson "Read only what you need" measures them.

    Parameters
    ----------
    cache : path-like
        A directory on a local disk for the parts that were read, and for nothing else. s3fs adds
        to it for as long as the bucket is mounted. When s3fs starts and ends, it deletes all that
        is in the subdirectory with the bucket's name, whoever put it there.

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
    The number of threads is 1, but 2 from 1.96 on, see `threads_option`. Before 1.95
    ``nomultipart`` is among the options: else s3fs hands out zeros, and no error, for an object
    that is deleted while you read it. With it a file that you write is stored in one request,
    which stores refuse above 5 GB. With s3fs 1.90 do not rename files on a mount with a cache:
    they are read as zeros.

    Examples
    --------
    >>> sparse_read_options("cache")[0]
    'multipart_size=5'
    """
    version = s3fs_version(find_s3fs())
    name, least = _threads(version)
    honest = [] if version >= _MISSED_SINCE else ["nomultipart"]
    return ["multipart_size=5", f"{name}={least}", *honest, *whole_file_options(cache)]


def whole_file_options(cache: str | os.PathLike[str]) -> list[str]:
    """Choose options for reading all of a file: of a large one, or of many small ones.

    s3fs prefetches as much as it likes, but keeps what was read for the next opening of the same
    file: every byte crosses the network once. The lesson "Choose your options" measures them.

    Parameters
    ----------
    cache : path-like
        A directory on a local disk with room for all that you read, one for each mount, and used
        for nothing else: see `sparse_read_options`.

    Returns
    -------
    list of str
        Values for ``-o``, for `mount`; the same for every version of s3fs.

    Examples
    --------
    >>> whole_file_options("cache")
    ['use_cache=cache', 'del_cache']
    """
    return [f"use_cache={os.fspath(cache)}", "del_cache"]


def endpoint_options(endpoint: str | None) -> list[str]:
    """List the options that point s3fs at a store other than Amazon's.

    These and those of `prefix_options` are all that differs between a command shown in a lesson and
    the command that was run.

    Parameters
    ----------
    endpoint : str or None
        The address of the store; None for Amazon's own.

    Returns
    -------
    list of str
        Values for ``-o``.

    Examples
    --------
    >>> endpoint_options("http://127.0.0.1:9000")
    ['url=http://127.0.0.1:9000', 'use_path_request_style']
    >>> endpoint_options(None)
    []
    """
    return [f"url={endpoint}", "use_path_request_style"] if endpoint else []


def prefix_options(source: str) -> list[str]:
    """List the options without which s3fs does not mount a prefix.

    Since 1.93 s3fs wants a directory object for the prefix, which most other tools do not make;
    1.96 and 1.97 hang without one, and do not accept every one that there is.

    Parameters
    ----------
    source : str
        ``bucket`` or ``bucket:/prefix``.

    Returns
    -------
    list of str
        Values for ``-o``, under the names that the installed version takes.

    Examples
    --------
    >>> prefix_options("climate-data")
    []
    """
    wanted = split_source(source)[1] and s3fs_version(find_s3fs()) >= _COMPAT_DIR_SINCE
    return ["compat_dir"] if wanted else []


def name_options(source: str, options: Iterable[str]) -> list[str]:
    """List the options by which ``findmnt`` shows the bucket's name, unless others are given."""
    given = option_values(options)
    shown = {"fsname": source, "subtype": "s3fs"}
    # A comma would end the option.
    return [f"{k}={v}" for k, v in shown.items() if k not in given and "," not in v]


def endpoint_url(option: str | None = None) -> str | None:
    """Find the address of the object store."""
    url = option or os.environ.get("AWS_ENDPOINT_URL")
    if not url:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    variables = "AWS_ENDPOINT_URL, or in S3_MOUNTS_ENDPOINT_URL for a lesson"
    place = "the option url" if option else variables
    expected = f"expected an address such as https://store.example.org in {place}, found"
    if "@" in url:
        raise StoreError(
            f"{expected} one with a name or a password, which everybody could read in the command"
            " line of s3fs. Put keys into ~/.aws/credentials."
        )
    if not usable:
        raise StoreError(f"{expected} {url!r}. Correct it, or unset it for Amazon's own store.")
    return url


def split_source(source: str) -> tuple[str, str]:
    """Split what s3fs mounts into bucket and prefix."""
    bucket, _, prefix = source.partition(":")
    if not bucket or "/" in bucket or prefix.startswith("//") or prefix[:1] not in ("", "/"):
        raise StoreError(
            "expected the name of a bucket, or BUCKET:/PREFIX for a part of it, such as"
            f" 'climate-data:/monthly', found {source!r}. s3fs takes no other form, and none for"
            " the bucket of a tenant."
        )
    return bucket, prefix.strip("/")


def store_name(url: str | None) -> str:
    """Name the store behind an address: all addresses of Amazon's are the same one."""
    parts = urlsplit(url or AMAZON)
    host = parts.hostname or ""
    if host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return AMAZON
    return f"{host}:{parts.port or {'http': 80, 'https': 443}.get(parts.scheme)}"
