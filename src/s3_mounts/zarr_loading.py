"""Load cubes from a Zarr store on a mounted bucket: nothing missing, and in few requests."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import tempfile
import warnings
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

from s3_mounts import saving, zarr
from s3_mounts.errors import StoreError
from s3_mounts.options import AMAZON, store_name
from s3_mounts.store import checksums_for, words

if TYPE_CHECKING:
    from iris.cube import Cube, CubeList
    from mypy_boto3_s3 import S3Client

_SMALL = 2**20  # bytes; what is smaller is read at once
_CUT_OFF = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
"""Where an answer ends too early; boto3 does not try again then."""
_CODING = {"scale_factor", "add_offset", "missing_value", "valid_min", "valid_max", "valid_range"}


def load_checked(path: str | os.PathLike[str], *, source: str | None = None) -> CubeList:
    """Load the cubes of a Zarr store on a mounted bucket, or raise an error if a chunk is missing.

    Iris takes a missing chunk for masked points. Here the store is asked for a list of all objects
    first. Coordinates and other small arrays are read at once. A large array stays lazy: its chunks
    are read when you need them, each in one request, where Iris takes more than a hundred.

    The mount only says which bucket it is: all is read with boto3, for ``s3fs`` asks three times
    for each object. A cube can be read after the mount has gone. Workers of a Dask cluster need
    credentials of their own, as for boto3, and no mount. But where a large array is packed or has
    codecs other than zlib, Iris reads all of the store, through the mount.

    Parameters
    ----------
    path : path-like
        The store, below a mount point of s3fs.
    source : str, optional
        What is mounted, see `save_cube`.

    Returns
    -------
    iris.cube.CubeList
        The cubes, not merged.

    Raises
    ------
    SetupError
        If Iris is older than 3.16.
    MountPointError
        If the path is not on a mounted bucket.
    StoreError
        If there is no whole store: no metadata, or chunks that they promise are missing. Programs
        that leave out chunks without any data, as xarray does, write such stores on purpose. Or if
        the netCDF library lacks a codec: of one that is not zlib, a chunk is read to see. Later,
        when data are computed, if a chunk cannot be read, or was replaced after the load; not where
        Iris reads through the mount.

    Examples
    --------
    >>> from s3_mounts import mount, S3MountsError
    >>> with mount("climate-data", "my_bucket") as folder:
    ...     try:
    ...         load_checked(folder / "missing.zarr")
    ...     except S3MountsError as error:
    ...         print(error)
    expected ... found ...
    """
    iris = zarr._iris()
    s3, mount_point, inside, bucket, key = saving._target(path, source, write=False)
    with tempfile.TemporaryDirectory(prefix="s3-mounts-load-") as folder:
        store = Path(folder, "store")
        try:
            listed = zarr._listed(s3, bucket, key)
            names = [name for name in listed if name.endswith("/.zarray")]
            objects = _Objects(s3, s3.meta.endpoint_url, s3.meta.region_name, bucket, key)

            def fetch(names: Iterable[str]) -> None:
                zarr._each(
                    lambda name: _write(store, name, objects.read(name, listed[name].tag)), names
                )

            metadata = {name for name in listed if "/.z" in f"/{name}"} - {zarr._COPY}
            if zarr._COPY in listed:
                copy = objects.read(zarr._COPY, listed[zarr._COPY].tag)
                metadata -= _write_copied(store, copy, {n: listed[n].tag for n in metadata})
            fetch(metadata)
            group = (store / ".zgroup").read_text() if ".zgroup" in listed else "{}"
            if not names or json.loads(group).get("zarr_format") != 2:
                raise StoreError(
                    f"expected a Zarr store of format 2 in {path}, found {len(listed)} objects,"
                    f" {len(names)} arrays and {group} in .zgroup."
                )
            arrays = {n.rpartition("/")[0]: json.loads((store / n).read_text()) for n in names}
            chunks = {name: _chunk_names(name, array) for name, array in arrays.items()}
            missing = [name for names in chunks.values() for name in names if name not in listed]
            if missing:
                raise StoreError(
                    f"expected {sum(map(len, chunks.values())):,} chunks in {path}, found"
                    f" {len(missing):,} of them missing: {', '.join(missing[:3])}"
                    f"{', ...' if missing[3:] else ''}. Iris alone would take them for masked."
                )
            unusual = {name: chunks[name][:1] for name, array in arrays.items() if _unusual(array)}
            fetch(itertools.chain(*unusual.values()))
            for name in filter(unusual.get, unusual):
                _require_codecs(store, name, arrays[name])
            size = {name: sum(listed[c].size for c in names) for name, names in chunks.items()}
            large = {
                name for name in size if len(arrays[name]["shape"]) > 1 and size[name] > _SMALL
            }
            where = str(mount_point / inside)
            made = {name: _Chunks.of(objects, where, name, store / name) for name in large}
            readers = {name: reader for name, reader in made.items() if reader}
            if len(readers) < len(made):
                return iris.load_raw(zarr._url(mount_point / inside))
            fetch(c for n in chunks if n not in large for c in chunks[n])
            # What is no cube of its own, such as a coordinate of two dimensions, is not lazy.
            with warnings.catch_warnings(action="ignore"):
                lazy = large & {cube.var_name for cube in iris.load_raw(zarr._url(store))}
            fetch(c for name in large - lazy for c in chunks[name])
            cubes = iris.load_raw(zarr._url(store))
        except saving._REFUSALS as error:
            raise StoreError(
                f"expected the store to answer for {path}, but: {words(error)}."
            ) from error
        for cube in cubes:
            if cube.var_name in lazy:
                reader = readers[cube.var_name]
                tags = [listed[name].tag for name in chunks[cube.var_name]]
                cube.data = reader.lazy(tags)
            else:
                cube.data  # noqa: B018
            _realise(cube)
    return cubes


class _Objects:
    """What is below a key. Other processes read it with a client and with keys of their own."""

    def __init__(self, s3: S3Client | None, address: str, region: str, bucket: str, key: str):
        self._s3 = s3
        self._store = address, region
        self.place = bucket, key
        self._process = os.getpid()

    def __reduce__(self) -> Any:
        """Leave the client behind, and with it the keys."""
        return _Objects, (None, *self._store, *self.place)

    def read(self, name: str, tag: str) -> bytes:
        """Read an object, if it has the ETag that was listed."""
        bucket, key = self.place
        what = f"{key}/{name} of the bucket {bucket}"
        # A fork has the connections of its parent, where it would get the answers to others.
        process = os.getpid()
        own = self._s3 if self._process == process else None
        s3 = own or _client(*self._store, process)
        for is_last in (False, False, True):
            try:
                answer = s3.get_object(Bucket=bucket, Key=f"{key}/{name}")
                content = answer["Body"].read()
                break
            except saving._REFUSALS as error:
                if is_last or not isinstance(error, _CUT_OFF):
                    # It may have found no keys.
                    _client.cache_clear()
                    raise StoreError(f"expected to read {what}, but: {words(error)}.") from error
        if answer["ETag"].strip('"') != tag:
            raise StoreError(
                f"expected {what} to be as it was when the store was loaded, found it replaced"
                " since. Load the store again."
            )
        return content


@functools.cache
def _client(address: str, region: str, process: int) -> S3Client:
    # boto3 finds buckets of other regions only at an address of its own.
    own = None if store_name(address) == AMAZON else address
    config = checksums_for(address)
    return boto3.client("s3", endpoint_url=own, region_name=region, config=config)


def _write_copied(store: Path, copy: bytes, tags: Mapping[str, str]) -> set[str]:
    """Write what the copy of the metadata has, where it is not out of date, and name that."""
    with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):
        contents = {n: zarr._encoded(v) for n, v in json.loads(copy)["metadata"].items()}
        known = {n for n in tags.keys() & contents.keys() if zarr._tag(contents[n]) == tags[n]}
        for name in known:
            _write(store, name, contents[name])
        return known
    return set()


def _write(store: Path, name: str, content: bytes) -> None:
    file = store / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _unusual(array: dict[str, Any]) -> list[str]:
    """Name the codecs of an array that not every netCDF library has."""
    codecs = [codec["id"] for codec in (array["compressor"], *(array["filters"] or [])) if codec]
    return [codec for codec in codecs if codec not in ("shuffle", "zlib")]


def _require_codecs(store: Path, name: str, array: dict[str, Any]) -> None:
    """Read a value of an array, whose first chunk is there, to see whether its codecs are known."""
    from netCDF4 import Dataset

    with zarr.netcdf_lock(), Dataset(zarr._url(store)) as found:
        try:
            found[name][(0,) * len(array["shape"])]
        except RuntimeError as error:
            raise StoreError(
                f"expected codecs for {name} that the netCDF library has, found"
                f" {', '.join(_unusual(array))}: {error}. Have the store written with zlib, or read"
                " it with zarr-python."
            ) from error


def _chunk_names(name: str, array: dict[str, Any]) -> list[str]:
    """Name all chunks of an array."""
    separator = array.get("dimension_separator", ".")
    sizes = zip(array["shape"], array["chunks"], strict=True)
    places = itertools.product(*(range(-(-length // step)) for length, step in sizes))
    return [f"{name}/{separator.join(map(str, place)) or '0'}" for place in places]


@dataclass(frozen=True)
class _Chunks:
    """An array whose chunks are read from the store, each in one request."""

    objects: _Objects
    path: str
    name: str
    separator: str
    compressed: bool
    dtype: Any
    shape: list[int]
    chunks: list[int]
    fill: Any

    @classmethod
    def of(cls, objects: _Objects, path: str, name: str, local: Path) -> _Chunks | None:
        """Make it from the metadata, or None where more than this is needed to read it."""
        import numpy as np
        from netCDF4 import default_fillvals

        array = json.loads((local / ".zarray").read_text())
        try:
            attributes = json.loads((local / ".zattrs").read_text(), strict=False)
            dtype = np.dtype(array["dtype"])
        except (OSError, TypeError, ValueError):
            return None
        codec = (array["compressor"] or {"id": None})["id"]
        simple = codec in (None, "zlib") and dtype.kind in "iuf" and array["order"] == "C"
        if not simple or array["filters"] or _CODING & attributes.keys():
            return None
        # As netCDF4 does: what the array has is for chunks that are missing, unless it is named.
        fill = None
        if "_FillValue" in attributes and array["fill_value"] is not None:
            fill = dtype.type(array["fill_value"])
        elif "_FillValue" not in attributes and dtype.itemsize > 1:
            fill = dtype.type(default_fillvals[dtype.str[1:]])
        separator = array.get("dimension_separator", ".")
        sizes = array["shape"], array["chunks"]
        compressed = codec == "zlib"
        return cls(objects, path, name, separator, compressed, dtype, *sizes, fill)

    def lazy(self, tags: list[str]) -> Any:
        """Make a lazy array of chunks that have these ETags."""
        import dask.array as da
        import numpy as np

        sizes = zip(self.shape, self.chunks, strict=True)
        pieces = tuple((*[c] * (n // c), *([n % c] if n % c else [])) for n, c in sizes)
        meta = np.ma.masked_array(np.empty((0,) * len(pieces), self.dtype), mask=True)
        # Each chunk gets its own one, since a worker gets this reader again with each.
        expected = np.array(tags).reshape([len(piece) for piece in pieces])
        make: Any = da
        by_chunk = make.from_array(expected, chunks=1)
        return make.map_blocks(self, by_chunk, chunks=pieces, dtype=self.dtype, meta=meta)

    def __call__(self, tag: Any, block_info: Any = None) -> Any:
        """Read a chunk."""
        import numpy as np

        about = block_info[None]
        place = self.separator.join(map(str, about["chunk-location"]))
        content = self.objects.read(f"{self.name}/{place}", tag.item())
        content = zlib.decompress(content) if self.compressed else content
        whole = np.frombuffer(content, self.dtype).reshape(self.chunks)
        data = whole[tuple(map(slice, about["chunk-shape"]))].copy()
        if self.fill is None:
            return np.ma.masked_array(data)
        is_fill = np.isnan(data) if self.fill != self.fill else data == self.fill
        return np.ma.masked_array(data, is_fill, fill_value=self.fill)


def _realise(cube: Cube) -> None:
    """Read all of a cube that is not its own data."""
    for part in [*cube.dim_coords, *cube.aux_coords]:
        part.points, part.bounds  # noqa: B018
    for part in [*cube.cell_measures(), *cube.ancillary_variables()]:
        part.data  # noqa: B018
    for mesh in filter(None, [cube.mesh]):
        for part in filter(None, mesh.coords()):
            part.points, part.bounds  # noqa: B018
        for part in filter(None, mesh.connectivities()):
            part.indices  # noqa: B018
