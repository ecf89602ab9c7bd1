"""Save cubes into a mounted bucket, so that if there is no error, the store has them.

The file is made on the local disk, uploaded once with boto3, bypassing the mount, and compared with
what the store then has. S3 replaces an object as a whole or not at all, so it goes to the final
name at once: until the end there is what was there before.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib
import os
import shutil
import stat
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from s3_mounts import guardian, mount_table
from s3_mounts.errors import MountPointError, SaveError, import_extra
from s3_mounts.options import endpoint_url, split_source, store_name
from s3_mounts.store import checksums_for, way_out, words

if TYPE_CHECKING:
    from iris.cube import Cube
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

_REFUSALS = (ClientError, BotoCoreError, Boto3Error, ResponseParserError, OSError)
_PART = 8 * 2**20
_MOST_PARTS = 10_000  # see https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_MOST_LINKS = 40  # as the kernel allows in a path
_PIECE = 2**20
LOOK_LIMIT = 20  # seconds for a mount to show a file


def save_cube(
    cubes: Cube | Sequence[Cube],
    path: str | os.PathLike[str],
    *,
    local_directory: str | os.PathLike[str] | None = None,
    max_local_bytes: int | None = None,
    source: str | None = None,
    **keywords: Any,
) -> None:
    """Save cubes to a path on a mounted bucket, or raise an error; use it in place of `iris.save`.

    When it returns, the store has the whole file: its size and its checksum were compared. It was
    uploaded once. If it raises, the store has what was there before, or in rare cases all of the
    new file: when its answer was lost, or the comparison failed.

    The credentials and the address of the store are those of boto3, not those of the mount.

    Parameters
    ----------
    cubes : iris.cube.Cube, or list of iris.cube.Cube
        What to save, lazy or not. They may have been loaded from the same path.
    path : path-like
        The file, below a mount point of s3fs. Its extension gives the format, as for `iris.save`;
        ``.zarr`` is a Zarr store, see the notes. Its directory need not exist.
    local_directory : path-like, optional
        Where on the local disk the file is made, in a new folder that only you may look into and
        that goes at the end; by default see `tempfile.gettempdir`. Where workers of a Dask
        cluster write the file, they must find it at the same path.
    max_local_bytes : int, optional
        How much of the local disk the file may take, estimated from the size of the data in
        memory, uncompressed; by default all that is free. More is refused before it is saved.
    source : str, optional
        What is mounted: ``bucket``, or ``bucket:/prefix``. By default it is taken from the command
        line of the ``s3fs`` process, which has to run on this machine.
    **keywords
        For `iris.save`. For a Zarr store also ``replace=True``: an old one may go.

    Raises
    ------
    MountPointError
        If the path is not on a mounted bucket, or leads out of it by a link, or the bucket is
        mounted read-only.
    StoreError
        If ``AWS_ENDPOINT_URL`` is not an address.
    SaveError
        If the path is a folder or below a file, there is no room on the local disk, the store
        refuses or cannot be reached, or it has something other than what was saved. If the file
        was finished, it is kept: see ``local_file`` of `SaveError`.

    Warns
    -----
    UserWarning
        If the store has the object, but the mount does not show it yet. Other mounts may show what
        they remember, too, for up to ``stat_cache_expire`` seconds.

    Notes
    -----
    Each body is sent with its MD5 checksum, and the ETag is compared where it is one of the
    content; otherwise the object is read back, except from Amazon's store. Options of the mount
    that concern an upload, such as ``storage_class``, have no effect.

    A Zarr store, which needs Iris 3.16, is a folder of many objects. On the local disk it takes its
    size twice, since it is compared in full with a netCDF-4 file of the cubes before the upload;
    `SaveError` names each difference. Numbers and texts in attributes, which `iris.save` changes,
    are kept. ``zlib`` compresses without shuffling, since zarr-python misreads what netCDF-C
    shuffles. Until all objects are stored and compared, nothing there is taken for a store; last
    comes ``.zmetadata``, for xarray. A store that is there is refused, for S3 cannot replace many
    objects at once: with ``replace=True`` it is lost from the first moment. Use `load_checked`.

    Examples
    --------
    >>> import iris
    >>> from s3_mounts import mount
    >>> with mount("climate-data", "my_bucket") as folder:
    ...     cube = iris.load_cube(folder / "A1B_north_america.nc")
    ...     save_cube(cube[-1], folder / "last_year.nc")
    ...     print((iris.load_cube(folder / "last_year.nc").data == cube[-1].data).all())
    True
    """
    iris = import_extra("iris", "iris")
    if keywords.get("append") or not keywords.get("compute", True):
        raise SaveError(
            "expected to save a whole file at once, found append=True or compute=False."
            " Leave it out, or save to the local disk and upload the file when it is complete."
        )
    if Path(path).suffix == ".zarr":
        importlib.import_module("s3_mounts.zarr").save_store(
            cubes, path, source, local_directory, max_local_bytes, **keywords
        )
        return
    s3, mount_point, inside, bucket, key = _target(path, source)
    try:
        kind = _kind(s3, bucket, key, _head(s3, bucket, key))
        oldest = _next_date(s3, bucket, key)
    except _REFUSALS as error:
        raise _silent(path, error) from error
    if kind == stat.S_IFDIR:
        raise SaveError(
            f"expected {path} to be a file or nothing yet, found a folder. Nothing was saved."
            " Choose another name."
        )

    folder = _new_folder(local_directory)
    file = folder / Path(path).name
    try:
        _require_room(cubes, folder, max_local_bytes)
        with _clear_when_full(folder):
            iris.save(cubes, file, **keywords)
    except UnicodeEncodeError as error:
        _remove(folder)
        raise SaveError(
            f"expected text that this release of Iris can save, found {error.object!r}: before 3.16"
            " it saves ASCII letters alone in coordinates and data. Nothing was saved. Use Iris"
            " 3.16, or other letters."
        ) from error
    except BaseException:
        _remove(folder)
        raise

    kept = f"The finished file is kept: {file}"
    try:
        _upload(s3, file, bucket, key, oldest)
        difference = _difference(s3, file, bucket, key)
    except _REFUSALS as error:
        raise SaveError(
            f"expected to store {key} in the bucket {bucket}, but: {words(error)}. What was"
            f" there before is replaced as a whole or not at all. {kept}",
            file,
        ) from error
    except BaseException as error:
        error.add_note(kept)
        raise
    if difference:
        raise SaveError(
            f"expected the store to have what was saved as {key} in the bucket {bucket}, found"
            f" {difference}. Another program may have replaced it meanwhile. {kept}",
            file,
        )
    size = file.stat().st_size
    _remove(folder)
    _tell_if_not_shown(path, mount_point / inside, size)


def _target(
    path: str | os.PathLike[str], source: str | None, *, write: bool = True
) -> tuple[S3Client, Path, str, str, str]:
    """Find where to save: the mount point, the path below it, the bucket and the key."""
    endpoint_url()
    try:
        address = boto3.client("s3").meta.endpoint_url
        s3 = boto3.client("s3", config=checksums_for(address))
        for operation in ("PutObject", "UploadPart"):
            s3.meta.events.register(f"provide-client-params.s3.{operation}", _add_checksum)
        return s3, *_destination(s3, Path(path), source, write)
    except _REFUSALS as error:
        raise _silent(path, error) from error


def _destination(
    s3: S3Client, path: Path, source: str | None, write: bool
) -> tuple[Path, str, str, str]:
    """Find where a path leads, by the objects alone; refuse a file where a folder has to be."""
    for _ in range(_MOST_LINKS):
        mount_point, inside = _below_mount(path, write=write)
        bucket, key = _object_name(mount_point, inside, source, s3)
        names = inside.split("/")
        place = mount_point
        for number, name in enumerate(names, 1):
            rest = names[number:]
            if name == "..":
                path = place.parent.joinpath(*rest)
                break
            here = key.removesuffix("/".join(["", *rest]))
            found = _head(s3, bucket, here)
            to_leave = rest[:1] == [".."]
            kind = _kind(s3, bucket, here, found) if found or to_leave else None
            if found and kind != stat.S_IFDIR and _head(s3, bucket, f"{here}/"):
                raise SaveError(
                    f"expected one thing at {place / name}, found two objects: {here} and {here}/."
                    " A mount shows now the file, now the folder. Nothing was saved. Delete one"
                    " of the two, or choose another name."
                )
            if kind == stat.S_IFLNK:
                target = s3.get_object(Bucket=bucket, Key=here)["Body"].read()
                path = place.joinpath(os.fsdecode(target.strip()), *rest)
                break
            place /= name
            if rest and (kind == stat.S_IFREG or (to_leave and not kind)):
                raise SaveError(
                    f"expected {path} to have folders above it, but {place} is no folder. Nothing"
                    " was saved. Choose another path."
                )
        else:
            return mount_point, inside, bucket, key
    raise SaveError(f"expected {path} to lead somewhere, found links that lead in a circle.")


def _head(
    s3: S3Client, bucket: str, key: str, *, again: bool = True
) -> HeadObjectOutputTypeDef | None:
    try:
        return s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
            return None
        if error.response["Error"]["Code"] != "400" or not again:
            raise
    # If the region is another one, the answer to a GET names it, and boto3 takes that from then on.
    s3.list_objects(Bucket=bucket, MaxKeys=1)
    return _head(s3, bucket, key, again=False)


def _kind(s3: S3Client, bucket: str, key: str, found: HeadObjectOutputTypeDef | None) -> int | None:
    """Tell what a new mount shows for a key: a file, a folder, a link, or nothing."""
    if found:
        kind = 0
        with contextlib.suppress(KeyError, ValueError):
            kind = stat.S_IFMT(int(found["Metadata"]["mode"]))
        is_folder = found.get("ContentType") == "application/x-directory"
        return kind or (stat.S_IFDIR if is_folder else stat.S_IFREG)
    below = s3.list_objects(Bucket=bucket, Prefix=f"{key}/", MaxKeys=1).get("Contents")
    return stat.S_IFDIR if below or _head(s3, bucket, f"{key}_$folder$") else None


def _silent(path: str | os.PathLike[str], error: Exception) -> SaveError:
    return SaveError(
        f"expected the store to answer for {path}, but: {words(error)}. Nothing was saved. Check"
        f" the credentials. {way_out(error)}"
    )


def _tell_if_not_shown(path: str | os.PathLike[str], file: Path, size: int) -> None:
    """Warn if a mount does not show what is stored."""
    if _size_at(file) != size:
        warnings.warn(
            f"{path} is stored, but this mount does not show it yet, or does not answer. It may"
            " remember for up to stat_cache_expire seconds what was there: mount it anew to see it"
            " now. If nothing was there, disable_noobj_cache of s3fs 1.95 or later avoids this.",
            stacklevel=3,
        )


def _below_mount(path: Path, *, write: bool = True) -> tuple[Path, str]:
    """Find the mount point around a path, and the path below it, without a look into the mount."""
    path = Path.cwd() / path
    entry = None
    for folder in (*reversed(path.parents), path):
        place = mount_table.absolute(folder) / path.relative_to(folder)
        entry = mount_table.containing(place.parent)
        if mount_table.is_s3fs(entry):
            if write and not entry.writable:
                raise MountPointError(
                    f"expected {entry.path} to be mounted for writing, found it mounted with the"
                    " option ro. Save elsewhere, or mount it without."
                )
            return entry.path, place.relative_to(entry.path).as_posix()
    raise MountPointError(
        f"expected a path below a bucket mounted by s3fs, but {path} is on a file system of type"
        f" {entry.type if entry else 'unknown'}. Mount the bucket first, or use iris.save for a"
        " local file."
    )


def _object_name(
    mount_point: Path, inside: str, source: str | None, s3: S3Client
) -> tuple[str, str]:
    """Find the bucket and the key of a path below a mount point."""
    if source is None:
        found = mount_table.mounted_source(mount_point)
        if found is None:
            raise MountPointError(
                f"expected one s3fs process that serves {mount_point}, found none or several. Mount"
                " the bucket anew, or name it: source='BUCKET' or 'BUCKET:/PREFIX'."
            )
        source, url = found
        endpoint = s3.meta.endpoint_url
        if store_name(url) != store_name(endpoint):
            raise MountPointError(
                f"expected {mount_point} to be of the store that boto3 uses, {endpoint}, found"
                f" {url}. Set AWS_ENDPOINT_URL to the store of the mount."
            )
    bucket, prefix = split_source(source)
    return bucket, f"{prefix}/{inside}" if prefix else inside


def _next_date(s3: S3Client, bucket: str, key: str) -> float:
    """Find the earliest date of an object from which s3fs sees that it is a new one.

    With ``use_cache`` it compares whole seconds only, and of the same second takes the old data.
    """
    before = _head(s3, bucket, key)
    if not before:
        return 0
    date = before["LastModified"].timestamp()
    with contextlib.suppress(KeyError, ValueError):
        date = max(date, float(before["Metadata"]["mtime"]))
    return date + 1


def _new_folder(parent: str | os.PathLike[str] | None) -> Path:
    parent = Path(parent or tempfile.gettempdir()).resolve()
    if mount_table.is_s3fs(mount_table.containing(parent)):
        raise SaveError(
            f"expected a directory on the local disk for the file, found one on a mounted bucket,"
            f" {parent}. Choose another one with local_directory."
        )
    try:
        return Path(tempfile.mkdtemp(prefix="s3-mounts-save-", dir=parent))
    except OSError as error:
        raise SaveError(
            f"expected to make a folder in {parent}, but: {error.strerror}. Choose another"
            " directory with local_directory."
        ) from error


def _require_room(cubes: Cube | Sequence[Cube], folder: Path, limit: int | None) -> None:
    from iris.cube import Cube

    room = shutil.disk_usage(folder).free if limit is None else limit
    size = sum(map(_estimated_size, [cubes] if isinstance(cubes, Cube) else cubes))
    if size > room:
        raise SaveError(
            f"expected the file, of about {size:,} bytes, to take at most {room:,} bytes of the"
            f" local disk in {folder.parent}. Choose a directory with more room with"
            " local_directory, save in several files, or raise max_local_bytes if you compress."
        )


def _estimated_size(cube: Cube) -> int:
    """Estimate what a cube, which may have no data, takes in a file, without compression."""
    coordinates = [*cube.dim_coords, *cube.aux_coords]
    arrays = [cube.core_data(), *(coordinate.core_points() for coordinate in coordinates)]
    arrays += [c.core_bounds() for c in coordinates if c.has_bounds()]
    return sum(array.nbytes for array in arrays if array is not None)


@contextlib.contextmanager
def _clear_when_full(folder: Path) -> Iterator[None]:
    """Replace an error by a clear one if it comes from a full disk."""
    try:
        yield
    except Exception as error:
        # Each library has words of its own for a full disk, so try it.
        try:
            with tempfile.TemporaryFile(dir=folder) as probe:
                os.posix_fallocate(probe.fileno(), 0, _PIECE)
        except OSError as full:
            raise SaveError(
                f"expected room for the file in {folder.parent}, but: {full.strerror}. Nothing was"
                " stored. Free some space, or choose another directory with local_directory."
            ) from error
        raise


def _remove(folder: Path) -> None:
    # After an error the netCDF library keeps a file open, and so its space on the disk.
    with contextlib.suppress(OSError):
        for file in filter(Path.is_file, folder.rglob("*")):
            os.truncate(file, 0)
    shutil.rmtree(folder, ignore_errors=True)


def _part_size(file: Path) -> int:
    return max(_PART, -(-file.stat().st_size // _MOST_PARTS))


def _upload(s3: S3Client, file: Path, bucket: str, key: str, oldest: float) -> None:
    status = file.stat()
    # What s3fs itself would note.
    notes = {
        "mode": str(status.st_mode),
        "uid": str(status.st_uid),
        "gid": str(status.st_gid),
        "mtime": f"{max(time.time(), oldest):.6f}",
    }
    part = _part_size(file)
    config = TransferConfig(multipart_threshold=part, multipart_chunksize=part)
    s3.upload_file(os.fspath(file), bucket, key, ExtraArgs={"Metadata": notes}, Config=config)


def _add_checksum(params: dict[str, Any], **_: Any) -> None:
    """Have a store refuse a body that is changed on its way, before it replaces anything."""
    digest = hashlib.md5(params["Body"].read(), usedforsecurity=False).digest()
    params["Body"].seek(0)
    params["ContentMD5"] = base64.b64encode(digest).decode()


def _difference(s3: S3Client, file: Path, bucket: str, key: str) -> str | None:
    """Compare a file with an object, and say what the store has where they differ."""
    stored = s3.head_object(Bucket=bucket, Key=key)
    size = file.stat().st_size
    if stored["ContentLength"] != size:
        return f"{stored['ContentLength']} bytes in place of {size}"
    # Some stores give back a checksum that they were sent, so only one of their own is proof.
    # Amazon's may have none, but does compare all that it is sent.
    same = stored.get("ETag", "").strip('"') in _etags(file)
    same = same or store_name(s3.meta.endpoint_url) == store_name(None)
    same = same or _same_content(s3, file, bucket, key)
    return None if same else "other content of the same size"


def _etags(file: Path) -> tuple[str, str]:
    """Compute both forms of a file's ETag, of the content and of the parts' checksums."""
    whole = hashlib.md5(usedforsecurity=False)
    parts = []
    with open(file, "rb") as content:
        while part := content.read(_part_size(file)):
            whole.update(part)
            parts.append(hashlib.md5(part, usedforsecurity=False).digest())
    of_parts = hashlib.md5(b"".join(parts), usedforsecurity=False)
    return whole.hexdigest(), f"{of_parts.hexdigest()}-{len(parts)}"


def _same_content(s3: S3Client, file: Path, bucket: str, key: str) -> bool:
    stored = s3.get_object(Bucket=bucket, Key=key)["Body"]
    with contextlib.closing(stored), open(file, "rb") as content:
        return all(piece == content.read(_PIECE) for piece in stored.iter_chunks(_PIECE))


def _size_at(path: Path) -> int | None:
    """Have a mount ask the store for a file that it may remember, and tell the size it shows."""
    # To open the file does it, but the kernel has a memory of its own, of the content and for a
    # second of the size. Another process looks, since it may hang.
    look = (
        'dd if="$1" iflag=nocache count=0 status=none &&'
        ' { stat --cached=never -c %s "$1" || { sleep 1.1; stat -c %s "$1"; }; }'
    )
    _, shown, _ = guardian.probe(["sh", "-c", look, "sh", path], LOOK_LIMIT)
    return int(shown) if shown else None
