"""Save cubes as Zarr into a mounted bucket, with an error wherever data would be lost in silence.

netCDF-C, by which Iris writes Zarr, keeps six digits of a number in an attribute, and cuts text
that looks like a number. So Iris saves netCDF-4 to the local disk; a store is made from that file,
its attributes are written once more, and it is compared with the file in full before the upload.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import itertools
import json
import math
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3_mounts import saving
from s3_mounts.errors import MountPointError, SaveError, SetupError, StoreError, import_extra
from s3_mounts.store import words

if TYPE_CHECKING:
    from iris.cube import Cube
    from mypy_boto3_s3 import S3Client

_UNFINISHED = {"zarr_format": 0}
"""Metadata for which netCDF-C, zarr-python and xarray all refuse a folder."""
_COPY = ".zmetadata"
"""All metadata in one object, of which the specification of format 2 knows nothing, but xarray."""
_THREADS = 10  # as many connections as a client of boto3 keeps


def save_store(
    cubes: Cube | Sequence[Cube],
    path: str | os.PathLike[str],
    source: str | None,
    local_directory: str | os.PathLike[str] | None,
    max_local_bytes: int | None,
    *,
    replace: bool = False,
    **keywords: Any,
) -> None:
    """Save a store, for `s3_mounts.save_cube`."""
    iris = _iris()
    s3, mount_point, inside, bucket, key = saving._target(path, source)
    cubes = [cubes] if isinstance(cubes, iris.cube.Cube) else list(cubes)
    try:
        old = _listed(s3, bucket, key)
        _require_free(path, old, bool(saving._next_date(s3, bucket, key)), replace)
    except saving._REFUSALS as error:
        raise saving._silent(path, error) from error
    for place in itertools.chain(*map(_read_from, cubes)) if old else ():
        with contextlib.suppress(MountPointError):
            if saving._target(place, source)[3:] == (bucket, key):
                raise SaveError(
                    f"expected cubes that do without what {path} has now, found one that reads its"
                    " data from there. Load them first, with cube.data, or choose another name."
                )

    folder = saving._new_folder(local_directory)
    # Other characters have a meaning in the addresses of the netCDF library, or of Iris.
    store = folder / re.sub(r"[^\w.-]", "_", Path(inside).name)
    try:
        # The file and the store are there at the same time.
        saving._require_room([*cubes, *cubes], folder, max_local_bytes)
        with saving._clear_when_full(folder):
            iris.save(cubes, folder / "cubes.nc", **keywords)
            _make_store(folder / "cubes.nc", store)
    except BaseException:
        saving._remove(folder)
        raise
    (folder / "cubes.nc").unlink()
    stored: list[str] = []
    try:
        _upload(s3, store, bucket, key, old, stored)
    except BaseException as error:
        left = (
            f"What was below {key}/ before is untouched."
            if not stored
            else (
                f"Below {key}/ the bucket has {len(stored)} objects of it. Nobody takes them for a"
                f" store, unless the last one, .zgroup, arrived and its answer did not"
                f"{'; the old one is lost' if old else ''}. Save again with replace=True."
            )
        )
        left += f" The finished store is kept: {store}"
        if not isinstance(error, saving._REFUSALS):
            error.add_note(left)
            raise
        raise SaveError(
            f"expected to store {key} in the bucket {bucket}, but: {words(error)}. {left}", store
        ) from error
    size = (store / ".zgroup").stat().st_size
    try:
        _upload_copy(s3, store, bucket, key)
    except BaseException as error:
        error.add_note(f"{key} is stored, but for {_COPY}.")
        raise
    finally:
        saving._remove(folder)
    saving._tell_if_not_shown(path, mount_point / inside / ".zgroup", size)


def _iris() -> Any:
    iris = import_extra("iris", "iris")
    if tuple(map(int, iris.__version__.split(".")[:2])) < (3, 16):
        raise SetupError(
            f"expected Iris 3.16 or later for Zarr, which needs Python 3.12 or later, found Iris"
            f" {iris.__version__}. Save netCDF instead: a name that ends with .nc."
        )
    return iris


def _url(store: Path) -> str:
    return f"file://{store}#mode=nczarr,file"


@dataclass(frozen=True)
class _Object:
    """What a list says of an object."""

    size: int
    tag: str
    date: float


def _tag(content: bytes) -> str:
    return md5(content, usedforsecurity=False).hexdigest()


def _listed(s3: S3Client, bucket: str, key: str) -> dict[str, _Object]:
    """List what is below a key, but for the empty objects that stand for folders."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{key}/")
    found = {
        one["Key"][len(key) + 1 :]: _Object(
            one["Size"], one["ETag"].strip('"'), one["LastModified"].timestamp()
        )
        for page in pages
        for one in page.get("Contents", ())
        if not one["Key"].endswith("/")
    }
    for name in found:
        # It becomes a path on the local disk.
        if not {"", ".", ".."}.isdisjoint(name.split("/")):
            raise StoreError(
                f"expected a Zarr store below {key}/ in the bucket {bucket}, found a key that is no"
                f" path: {name!r}. Look who has put it there."
            )
    return found


def _require_free(path: Any, old: dict[str, _Object], is_file: bool, replace: bool) -> None:
    """Refuse what is no Zarr store of its own, and a store unless it may go."""
    other = [name for name in old if not _is_of_a_store(name)]
    if is_file or other or any(parent.suffix == ".zarr" for parent in Path(path).parents):
        found = f"with {other[0]}" if other else "itself" if is_file else "inside another store"
        raise SaveError(
            f"expected nothing or a Zarr store of its own in {path}, found something else: a file"
            f" {found}. Choose another name."
        )
    if old and not replace:
        raise SaveError(
            f"expected nothing in {path}, found a Zarr store, or a part of one, of"
            f" {len(old)} objects. S3 cannot replace it at once, so cubes that were loaded from it"
            " would silently change. Save under a new name, or, if nobody reads it, with"
            " replace=True."
        )


def _is_of_a_store(name: str) -> bool:
    folder, _, last = name.rpartition("/")
    if last in (".zgroup", ".zattrs", _COPY):
        return True
    return bool(folder) and (last == ".zarray" or last.replace(".", "").isdecimal())


def _read_from(cube: Cube) -> Iterator[Path]:
    """Yield the stores from which the data of a lazy cube will be read."""
    for value in dict(cube.lazy_data().dask).values() if cube.has_lazy_data() else ():
        for part in (value, *getattr(value, "args", ())):
            path = getattr(getattr(part, "value", part), "path", None)
            if isinstance(path, str):
                yield Path(path.removeprefix("file://").partition("#")[0])


def _make_store(file: Path, store: Path) -> None:
    """Make a store of a netCDF-4 file, and raise an error where it differs."""
    from netCDF4 import Dataset

    with netcdf_lock(), Dataset(file) as source:
        source.set_auto_maskandscale(False)
        with Dataset(_url(store), "w") as target:
            _copy(source, target)
        _write_exactly(source, store)
        _write_copy(store)
        with Dataset(_url(store)) as found:
            differences = list(_differences(source, found))
        text = [name for name, variable in source.variables.items() if variable.dtype.kind == "S"]
    if differences:
        raise SaveError(
            "expected a store that has the same as a netCDF-4 file, found one that would change"
            f" {len(differences)} parts. Nothing was stored. Change them, or save netCDF:\n- "
            + "\n- ".join(differences)
        )
    if text:
        warnings.warn(
            "Iris reads this store, but zarr-python does not list it, and xarray refuses all of it:"
            f" text in {', '.join(text)}. Remove that, if others are to read it.",
            stacklevel=5,
        )


def netcdf_lock() -> Any:
    """Keep other threads out of the netCDF library, which is not made for several; so does Iris."""
    iris = importlib.import_module("iris.fileformats.netcdf._thread_safe_nc")
    return iris._GLOBAL_NETCDF4_LOCK


def _attributes(part: Any) -> dict[str, Any]:
    return {name: part.getncattr(name) for name in part.ncattrs() if name != "_FillValue"}


def _copy(source: Any, target: Any) -> None:
    # Each text is written as "x" for now, since netCDF-C makes numbers and worse of some.
    def harmless(part: Any) -> dict[str, Any]:
        return {n: "x" if isinstance(v, str) else v for n, v in _attributes(part).items()}

    target.setncatts(harmless(source))
    for dimension in source.dimensions.values():
        target.createDimension(dimension.name, None if dimension.isunlimited() else dimension.size)
    for name, old in source.variables.items():
        filters = old.filters() or {}
        chunks = old.chunking()
        new = target.createVariable(
            name,
            old.dtype,
            old.dimensions,
            compression="zlib" if filters.get("zlib") else None,
            complevel=filters.get("complevel", 4),
            shuffle=False,  # netCDF-C 4.10.1 notes it so that zarr-python reads other numbers
            chunksizes=chunks if isinstance(chunks, list) else None,
            endian=old.endian(),
            fill_value=getattr(old, "_FillValue", None),
        )
        new.set_auto_maskandscale(False)
        new.setncatts(harmless(old))
        for block in _blocks(old):
            new[block] = old[block]


def _blocks(variable: Any) -> Iterator[Any]:
    """Yield the places of the chunks of an array, or that of all of it."""
    chunks = variable.chunking()
    if not isinstance(chunks, list):
        chunks = variable.shape
    sizes = zip(variable.shape, chunks, strict=True)
    starts = ([slice(n, min(n + step, size)) for n in range(0, size, step)] for size, step in sizes)
    for place in itertools.product(*starts):
        yield place or ...


def _write_exactly(source: Any, store: Path) -> None:
    """Write attributes and fill values again, as netCDF-C reads them."""
    for name, part in {"": source, **source.variables}.items():
        _update(store / name / ".zattrs", {n: _json(v) for n, v in _attributes(part).items()})
        if name and part.dtype.kind in "iuf":
            _update(store / name / ".zarray", {"fill_value": _json(_fill(part))})


def _write_copy(store: Path) -> None:
    """Write all metadata once more, in one object, which saves their readers many requests."""
    metadata = {}
    for file in sorted(store.rglob(".z*")):
        metadata[file.relative_to(store).as_posix()] = content = json.loads(file.read_text())
        file.write_bytes(_encoded(content))
    (store / _COPY).write_bytes(_encoded({"zarr_consolidated_format": 1, "metadata": metadata}))


def _encoded(content: Any) -> bytes:
    """Write JSON in one way only, so that the checksum shows whether a copy is up to date."""
    return json.dumps(content, ensure_ascii=False).encode()


def _update(file: Path, values: dict[str, Any]) -> None:
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_bytes(_encoded(known | values))


def _json(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [_json(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"
    return value


def _fill(variable: Any) -> Any:
    """Find what stands for a masked point."""
    from netCDF4 import default_fillvals

    default = default_fillvals[variable.dtype.str[1:]]
    return getattr(variable, "_FillValue", variable.dtype.type(default))


def _differences(expected: Any, found: Any) -> Iterator[str]:
    """Say what differs: dimensions, names, types, attributes, and all data, bit by bit."""
    expected.set_auto_maskandscale(False)
    found.set_auto_maskandscale(False)
    was, becomes = _about(expected), _about(found)
    for part in {**was, **becomes}:
        old, new = was.get(part, "missing"), becomes.get(part, "missing")
        if old != new:
            yield f"{part}: {old} would become {new}"
        elif part in expected.variables:
            variable, copy = expected[part], found[part]
            pairs = ((variable[place], copy[place]) for place in _blocks(variable))
            changed = sum(max(1, (a != b).sum()) for a, b in pairs if a.tobytes() != b.tobytes())
            if changed:
                yield f"data of {part}: {changed:,} of {variable.size:,} values would become others"


def _about(dataset: Any) -> dict[str, str]:
    """Describe all of a dataset but its data."""
    found = {f"attribute {name}": _told(value) for name, value in _attributes(dataset).items()}
    for dimension in dataset.dimensions.values():
        kind = "unlimited" if dimension.isunlimited() else "fixed"
        found[f"dimension {dimension.name}"] = f"{dimension.size}, {kind}"
    for name, variable in dataset.variables.items():
        found[name] = f"{variable.dtype.str} of {', '.join(variable.dimensions) or 'one point'}"
        for attribute, value in _attributes(variable).items():
            found[f"attribute {attribute} of {name}"] = _told(value)
        if variable.dtype.kind in "iuf":
            found[f"fill value of {name}"] = _told(_fill(variable))
    return found


def _told(value: Any) -> str:
    kind = getattr(value, "dtype", type(value).__name__)
    return f"{value.tolist() if hasattr(value, 'tolist') else value!r} ({kind})"


def _upload(
    s3: S3Client, store: Path, bucket: str, key: str, old: dict[str, _Object], stored: list[str]
) -> None:
    """Upload a store so that at no time a part of it, or a mixture, is taken for one.

    ``stored`` names what is there; ``.zgroup`` is last, and before all else one that none accepts.
    """
    files = {f.relative_to(store).as_posix(): f for f in store.rglob("*") if f.is_file()}
    root = files.pop(".zgroup")
    del files[_COPY]
    oldest = max((one.date + 1 for one in old.values()), default=0.0)

    def put(name: str) -> None:
        saving._upload(s3, files[name], bucket, f"{key}/{name}", oldest)
        stored.append(name)

    def remove(name: str) -> None:
        s3.delete_object(Bucket=bucket, Key=f"{key}/{name}")

    # Some programs know a store by the copy alone.
    for name in (".zgroup", *{_COPY} & old.keys()):
        unfinished = io.BytesIO(json.dumps(_UNFINISHED).encode())
        s3.put_object(Bucket=bucket, Key=f"{key}/{name}", Body=unfinished)
        stored.append(name)
    _each(put, files)
    now = _listed(s3, bucket, key)
    for name, file in files.items():
        same = name in now and now[name].size == file.stat().st_size
        # The tag is a checksum in most cases; where it is none, ask for one.
        if not same or (
            now[name].tag != _tag(file.read_bytes())
            and saving._difference(s3, file, bucket, f"{key}/{name}")
        ):
            raise SaveError(
                f"expected the store to have what was saved as {key}/{name} in the bucket {bucket},"
                " found something else. Another program may have replaced it meanwhile.",
                store,
            )
    _each(remove, old.keys() - files.keys() - {".zgroup", _COPY})
    try:
        saving._upload(s3, root, bucket, f"{key}/.zgroup", oldest)
    except saving._REFUSALS:
        # If only the answer was lost, it is there; the size is that of the unfinished one.
        if not saving._same_content(s3, root, bucket, f"{key}/.zgroup"):
            raise


def _upload_copy(s3: S3Client, store: Path, bucket: str, key: str) -> None:
    """Add to a store that is whole what its readers can do without."""
    try:
        saving._upload(s3, store / _COPY, bucket, f"{key}/{_COPY}", 0)
    except saving._REFUSALS as error:
        warnings.warn(
            f"{key} is stored, but for {_COPY}: {words(error)}. It takes more requests to load.",
            stacklevel=4,
        )


def _each(do: Callable[[str], object], names: Iterable[str]) -> None:
    """Do something with each, several at a time, until the first error."""
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            list(pool.map(do, names))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
