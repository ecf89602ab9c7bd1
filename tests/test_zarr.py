"""Whatever Iris loses in silence when it saves or loads Zarr is kept, or is an error."""

import io
import itertools
import json
import os
import pickle
import re
import shutil
import threading
import warnings
from pathlib import Path

import boto3
import dask.array as da
import iris
import iris.aux_factory
import iris.cube
import netCDF4
import numpy as np
import pytest
from botocore.exceptions import EndpointConnectionError, IncompleteReadError, NoCredentialsError
from distributed import Client
from iris.coords import AncillaryVariable, AuxCoord, CellMeasure, CellMethod, DimCoord

from benchmarks import zarr_requests
from s3_mounts import (
    MountPointError,
    SaveError,
    StoreError,
    load_checked,
    mount,
    save_cube,
    zarr,
    zarr_loading,
)
from s3_mounts import saving as saving_module
from s3_sandbox import fine_temperature

pytestmark = [
    pytest.mark.needs_iris("3.16", "earlier ones know no Zarr"),
    pytest.mark.filterwarnings("ignore:.*xarray refuses all of it:UserWarning"),
    pytest.mark.usefixtures("temporary"),
]

FUTURE = {"date_microseconds": True, "lam_pole_offset": True, "save_split_attrs": True}


@pytest.fixture(autouse=True)
def future():
    with iris.FUTURE.context(**FUTURE):
        yield


@pytest.fixture
def folder(sandbox, mount_point):
    with mount(sandbox.source, mount_point):
        yield mount_point


def url(store):
    return f"file://{store}#mode=nczarr,file"


def a_cube(fields=4, side=6, **attributes):
    """A few fields with a coordinate system, bounds and a cell method; all points differ."""
    data = np.arange(fields * side * side, dtype=np.float32).reshape(fields, side, side) / 7
    cube = iris.cube.Cube(data, standard_name="air_temperature", units="K")
    system = iris.coord_systems.GeogCS(6371229)
    for dimension, (name, limit) in enumerate((("latitude", 80), ("longitude", 170)), 1):
        points = np.linspace(-limit, limit, side)
        coordinate = DimCoord(points, name, units="degrees", coord_system=system)
        coordinate.guess_bounds()
        cube.add_dim_coord(coordinate, dimension)
    cube.add_dim_coord(DimCoord(np.arange(fields), "time", units="days since 2000-01-01"), 0)
    cube.add_cell_method(CellMethod("mean", "time", intervals="6 hours"))
    cube.attributes.locals.update({**attributes})
    return cube


def large_cube(fields=6):
    """A cube whose data take more than 1 MB, which a load leaves lazy."""
    return a_cube(fields, 300)


def by_field(cube):
    return {"chunksizes": (1, *cube.shape[1:])}


def objects(sandbox, name):
    return {key for key in sandbox.sizes() if key.startswith(f"{name}/")}


def download(sandbox, name, target):
    """Copy what is below a key into a local folder."""
    s3 = boto3.client("s3")
    for key in objects(sandbox, name):
        if key.endswith("/"):
            continue
        file = target / key
        file.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(sandbox.bucket, key, str(file))
    return target / name


# -- What is lost in silence, row by row -----------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        6371229.123456789,
        np.float32(0.1234567),
        np.array([1.23456789, 2.3456789012]),
        "20200101",
        "true",
        "NaN",
        "null",
        "[1, 2]",
        "-5",
        " 12",
        "1",
    ],
    ids=repr,
)
def test_attributes_keep_value_and_type(folder, tmp_path, value):
    cube = a_cube(note=value)
    iris.save(cube, url(tmp_path / "x.zarr"))
    plain = iris.load_cube(url(tmp_path / "x.zarr")).attributes["note"]
    save_cube(cube, folder / "x.zarr")
    found = iris.load_cube(url(folder / "x.zarr")).attributes["note"]
    np.testing.assert_array_equal(found, value)
    assert np.asarray(found).dtype == np.asarray(value).dtype
    if str(value) not in ("null", "1"):  # these come back by luck
        assert not np.array_equal(plain, value), "plain iris.save keeps it"


def test_an_earth_radius_and_a_scale_factor_are_kept(folder, tmp_path):
    cube = a_cube()
    packing = {"dtype": np.int16, "scale_factor": 0.0123456789, "add_offset": 12.3456789}
    iris.save(cube, url(tmp_path / "x.zarr"), packing=packing)
    plain = iris.load_cube(url(tmp_path / "x.zarr"))
    assert plain.coord_system().semi_major_axis == 6371230
    save_cube(cube, folder / "x.zarr", packing=packing)
    iris.save(cube, tmp_path / "x.nc", packing=packing)
    found, expected = iris.load_cube(url(folder / "x.zarr")), iris.load_cube(tmp_path / "x.nc")
    assert found == expected
    assert found.coord_system().semi_major_axis == 6371229
    assert not np.array_equal(plain.data, expected.data)


def test_metadata_are_valid_json(sandbox, folder, tmp_path):
    cube = a_cube(note="0012")
    iris.save(cube, url(tmp_path / "x.zarr"))
    with pytest.raises(json.JSONDecodeError):
        json.loads((tmp_path / "x.zarr/air_temperature/.zattrs").read_text())
    save_cube(cube, folder / "x.zarr")
    store = download(sandbox, "x.zarr", tmp_path / "down")
    assert json.loads((store / "air_temperature/.zattrs").read_text())["note"] == "0012"
    assert iris.load_cube(url(folder / "x.zarr")).attributes["note"] == "0012"


def test_a_folder_that_is_no_store_is_not_touched(sandbox, folder, tmp_path):
    plain = tmp_path / "x.zarr"
    plain.mkdir()
    (plain / "notes.txt").write_text("precious")
    iris.save(a_cube(), url(plain))
    assert not (plain / "notes.txt").exists()

    (folder / "x.zarr").mkdir()
    (folder / "x.zarr" / "notes.txt").write_text("precious")
    for replace in (False, True):
        with pytest.raises(SaveError, match="found something else: a file with notes.txt"):
            save_cube(a_cube(), folder / "x.zarr", replace=replace)
    assert (folder / "x.zarr" / "notes.txt").read_text() == "precious"
    assert objects(sandbox, "x.zarr") == {"x.zarr/", "x.zarr/notes.txt"}


def test_an_empty_folder_is_no_obstacle(folder):
    (folder / "x.zarr").mkdir()
    save_cube(a_cube(), folder / "x.zarr")
    assert iris.load_cube(url(folder / "x.zarr")).shape == (4, 6, 6)


def test_a_file_of_that_name_is_refused(sandbox, folder):
    (folder / "x.zarr").write_text("precious")
    with pytest.raises(SaveError, match="a file itself"):
        save_cube(a_cube(), folder / "x.zarr", replace=True)
    assert sandbox.sizes()["x.zarr"] == len("precious")


def test_a_place_in_another_store_is_refused(folder):
    save_cube(a_cube(), folder / "x.zarr")
    with pytest.raises(SaveError, match="inside another store"):
        save_cube(a_cube(), folder / "x.zarr" / "y.zarr")


@pytest.mark.parametrize("load", ["iris", "load_checked"])
def test_a_cube_is_not_saved_onto_the_store_it_reads_from(sandbox, folder, tmp_path, load):
    cube = large_cube()
    plain = url(tmp_path / "x.zarr")
    iris.save(cube, plain, **by_field(cube))
    with pytest.raises(Exception):  # noqa: B017, PT011
        iris.save(iris.load_cube(plain) + 1, plain)
    assert not list((tmp_path / "x.zarr").glob("air_temperature/[0-9]*"))

    path = folder / "x.zarr"
    save_cube(cube, path, **by_field(cube))
    before = objects(sandbox, "x.zarr")
    again = iris.load_cube(url(path)) if load == "iris" else load_checked(path)[0]
    again = again + 1
    assert again.has_lazy_data()
    with pytest.raises(SaveError, match="reads its data from there"):
        save_cube(again, path, replace=True)
    assert objects(sandbox, "x.zarr") == before
    again.data  # noqa: B018
    save_cube(again, path, replace=True, **by_field(cube))
    np.testing.assert_array_equal(iris.load_cube(url(path)).data, cube.data + 1)


def test_a_delayed_save_is_refused(sandbox, folder, tmp_path):
    cube = a_cube()
    cube = cube.copy(data=da.from_array(cube.data, chunks=(1, -1, -1)))
    iris.save(cube, url(tmp_path / "x.zarr"), compute=False)
    assert (tmp_path / "x.zarr/air_temperature/0.0.0").exists(), "it should not be written yet"
    with pytest.raises(SaveError, match="compute=False"):
        save_cube(cube, folder / "x.zarr", compute=False)
    assert not objects(sandbox, "x.zarr")


def test_a_missing_chunk_is_an_error(sandbox, folder):
    cube = large_cube()
    save_cube(cube, folder / "x.zarr", **by_field(cube))
    for number in (2, 4):
        boto3.client("s3").delete_object(
            Bucket=sandbox.bucket, Key=f"x.zarr/air_temperature/{number}.0.0"
        )
    plain = iris.load_cube(url(folder / "x.zarr")).data
    assert plain[2].mask.all()
    expected = r"found 2 of them missing: air_temperature/2.0.0, air_temperature/4.0.0\."
    with pytest.raises(StoreError, match=expected):
        load_checked(folder / "x.zarr")


def test_a_chunk_that_goes_after_the_load_is_an_error(sandbox, folder):
    cube = large_cube()
    save_cube(cube, folder / "x.zarr", **by_field(cube))
    plain = iris.load_cube(url(folder / "x.zarr"))
    (checked,) = load_checked(folder / "x.zarr")
    boto3.client("s3").delete_object(Bucket=sandbox.bucket, Key="x.zarr/air_temperature/3.0.0")
    assert plain.data[3].mask.all()
    with pytest.raises(StoreError, match=r"read x.zarr/air_temperature/3\.0\.0 .* 404"):
        checked.data  # noqa: B018


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "i4", "i8", "u1"])
def test_missing_points_are_marked_by_the_exact_fill_value(sandbox, folder, tmp_path, dtype):
    cube = a_cube()
    cube.data = np.ma.masked_array(cube.data.astype(dtype), cube.data > 10)
    keywords = {"fill_value": 250} if dtype == "u1" else {}
    save_cube(cube, folder / "x.zarr", **keywords)
    store = download(sandbox, "x.zarr", tmp_path / "down")
    fill = json.loads((store / "air_temperature/.zarray").read_text())["fill_value"]
    whole = np.concatenate([np.fromfile(f, dtype) for f in store.glob("air_temperature/[0-9]*")])
    assert (whole == np.array(fill, dtype)).sum() == cube.data.mask.sum()
    (found,) = load_checked(folder / "x.zarr")
    np.testing.assert_array_equal(found.data.mask, cube.data.mask)
    assert found.dtype == cube.dtype
    if dtype == "f8":
        iris.save(cube, url(tmp_path / "x.zarr"))
        plain = json.loads((tmp_path / "x.zarr/air_temperature/.zarray").read_text())
        assert plain["fill_value"] != netCDF4.default_fillvals["f8"] == fill


def test_text_that_others_refuse_is_warned_of(folder, tmp_path):
    cube = a_cube()
    cube.add_aux_coord(AuxCoord(["a", "bc", "def", "g"], long_name="station"), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        iris.save(cube, url(tmp_path / "x.zarr"))
    assert '">S1"' in (tmp_path / "x.zarr/station/.zarray").read_text()
    with pytest.warns(UserWarning, match="xarray refuses all of it: text in station"):
        save_cube(cube, folder / "x.zarr")
    (found,) = load_checked(folder / "x.zarr")
    assert found.coord("station").points.tolist() == ["a", "bc", "def", "g"]


def test_compressed_data_are_read_by_others(sandbox, folder, tmp_path, monkeypatch):
    """zarr-python takes the size of an element from the metadata, where netCDF-C writes 0."""
    cube = large_cube()
    iris.save(cube, url(tmp_path / "x.zarr"), zlib=True, **by_field(cube))
    plain = json.loads((tmp_path / "x.zarr/air_temperature/.zarray").read_text())
    assert plain["filters"] == [{"id": "shuffle", "elementsize": 0}]
    save_cube(cube, folder / "x.zarr", zlib=True, **by_field(cube))
    store = download(sandbox, "x.zarr", tmp_path / "down")
    array = json.loads((store / "air_temperature/.zarray").read_text())
    assert array["compressor"] == {"id": "zlib", "level": 4}
    assert not array["filters"]
    monkeypatch.setattr(zarr_loading, "_SMALL", 1000)
    (found,) = load_checked(folder / "x.zarr")
    assert found.has_lazy_data()
    np.testing.assert_array_equal(found.data, cube.data)


def test_a_cluster_may_compute_the_data(folder, tmp_path):
    cube = a_cube()
    cube = cube.copy(data=da.from_array(cube.data, chunks=(1, -1, -1)))
    with Client(processes=False, n_workers=1, dashboard_address=None):
        with pytest.raises(RuntimeError):
            iris.save(cube, url(tmp_path / "x.zarr"))
        save_cube(cube, folder / "x.zarr")
    np.testing.assert_array_equal(iris.load_cube(url(folder / "x.zarr")).data, cube.data)


def test_a_cube_does_not_change_because_another_one_is_saved(folder, tmp_path):
    cube = large_cube()
    plain = url(tmp_path / "x.zarr")
    iris.save(cube, plain, **by_field(cube))
    loaded = iris.load_cube(plain)
    iris.save(cube.copy(data=cube.data + 1), plain, **by_field(cube))
    assert (loaded.data == cube.data + 1).all(), "a cube that was loaded before has changed"
    save_cube(cube, folder / "x.zarr", **by_field(cube))
    (loaded,) = load_checked(folder / "x.zarr")
    with pytest.raises(SaveError, match="found a Zarr store, .* would silently change"):
        save_cube(cube + 1, folder / "x.zarr", **by_field(cube))
    np.testing.assert_array_equal(loaded.data, cube.data)


# -- The store refuses, or the upload is interrupted -----------------------------------------------


def refused_by(program, store):
    """Tell whether a program takes a folder for no store."""
    try:
        program(store)
    except Exception:
        return True
    return False


READERS = {
    "netCDF-C": lambda store: netCDF4.Dataset(url(store)).close(),
    "Iris": lambda store: iris.load_raw(url(store)),
}


@pytest.mark.parametrize("earlier", [False, True])
def test_no_part_of_an_upload_is_taken_for_a_store(sandbox, folder, tmp_path, monkeypatch, earlier):
    path = folder / "x.zarr"
    cube = iris.cube.Cube(np.arange(6.0).reshape(2, 3), long_name="x")
    cube.add_dim_coord(DimCoord([1.5, 2.5], long_name="y"), 0)
    if earlier:
        save_cube(cube[:1], path)
    real = saving_module._upload
    number = 0

    def looked_at(*arguments):
        """Look at what is in the bucket before an upload, as a copy of that moment."""
        nonlocal number
        store = download(sandbox, "x.zarr", tmp_path / f"down{number}")
        number += 1
        # xarray takes a folder with this alone for a store.
        copy = store / ".zmetadata"
        assert not copy.exists() or json.loads(copy.read_text()) == zarr._UNFINISHED
        is_whole = arguments[-2].endswith(".zmetadata")
        for reader in READERS.values():
            assert refused_by(reader, store) != is_whole
        if not is_whole:
            with pytest.raises(StoreError):
                load_checked(path)
        real(*arguments)

    monkeypatch.setattr(saving_module, "_upload", looked_at)
    monkeypatch.setattr(zarr, "_THREADS", 1)
    save_cube(cube, path, replace=earlier)
    assert number == len(objects(sandbox, "x.zarr"))
    found = iris.load_cube(url(download(sandbox, "x.zarr", tmp_path / "end")))
    np.testing.assert_array_equal(found.data, cube.data)


def failing_for(sandbox, ending, real, *, after):
    """Make an upload that fails for a name: before the store has it, or after."""

    def upload(s3, file, bucket, key, oldest):
        if not key.endswith(ending):
            return real(s3, file, bucket, key, oldest)
        if after:
            real(s3, file, bucket, key, oldest)
        raise EndpointConnectionError(endpoint_url=sandbox.endpoint)

    return upload


def test_a_last_answer_that_is_lost_is_no_failure(sandbox, folder, monkeypatch):
    cube = a_cube()
    for is_lost in (False, True):
        upload = failing_for(sandbox, "x.zarr/.zgroup", saving_module._upload, after=is_lost)
        with monkeypatch.context() as patch:
            patch.setattr(saving_module, "_upload", upload)
            if is_lost:
                save_cube(cube, folder / "x.zarr", replace=True)
            else:
                # Amazon's store is believed where it has not refused anything.
                patch.setattr(saving_module, "store_name", lambda _: "the same")
                with pytest.raises(SaveError, match="Nobody takes them for a store"):
                    save_cube(cube, folder / "x.zarr", source=sandbox.bucket)
    np.testing.assert_array_equal(load_checked(folder / "x.zarr")[0].data, cube.data)


def test_a_copy_of_the_metadata_that_is_refused_is_a_warning(sandbox, folder, monkeypatch):
    cube = a_cube()
    upload = failing_for(sandbox, ".zmetadata", saving_module._upload, after=False)
    with monkeypatch.context() as patch:
        patch.setattr(saving_module, "_upload", upload)
        with pytest.warns(UserWarning, match=r"x.zarr is stored, but for .zmetadata: Could not"):
            save_cube(cube, folder / "x.zarr")
    np.testing.assert_array_equal(load_checked(folder / "x.zarr")[0].data, cube.data)


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("done", [0, 7])
def test_a_refused_upload_says_what_is_left(
    sandbox, folder, tmp_path, monkeypatch, temporary, done, replace
):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    path = folder / "x.zarr"
    if replace:
        save_cube(a_cube(), path)
    real = saving_module._upload
    count = 0

    def failing(s3, *arguments):
        nonlocal count
        count += 1
        if count > done:
            with sandbox.failing("PutObject", status=503):
                real(s3, *arguments)
        real(s3, *arguments)

    cube = a_cube() + 1
    with monkeypatch.context() as patch:
        patch.setattr(saving_module, "_upload", failing)
        patch.setattr(zarr, "_THREADS", 1)
        with pytest.raises(SaveError, match=rf"has {done + 1 + replace} objects of it") as caught:
            save_cube(cube, path, replace=replace)
    assert ("the old one is lost" in str(caught.value)) == replace
    kept = caught.value.local_file
    np.testing.assert_array_equal(iris.load_cube(url(kept)).data, cube.data)
    shutil.rmtree(kept.parent)
    assert refused_by(READERS["Iris"], download(sandbox, "x.zarr", tmp_path / "down"))
    with pytest.raises(SaveError, match="replace=True"):
        save_cube(cube, path)
    save_cube(cube, path, replace=True)
    np.testing.assert_array_equal(load_checked(path)[0].data, cube.data)


def test_an_upload_that_is_refused_at_once_leaves_the_old_store_whole(sandbox, folder, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    cube = a_cube()
    save_cube(cube, folder / "x.zarr")
    with (
        sandbox.failing("PutObject"),
        pytest.raises(SaveError, match="What was below x.zarr/ before is untouched"),
    ):
        save_cube(cube + 1, folder / "x.zarr", replace=True)
    np.testing.assert_array_equal(load_checked(folder / "x.zarr")[0].data, cube.data)


def test_an_interrupted_upload_says_what_is_left(folder, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(saving_module, "_upload", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        save_cube(a_cube(), folder / "x.zarr")
    (note,) = caught.value.__notes__
    assert note.startswith("Below x.zarr/ the bucket has 1 objects of it")


def test_what_another_program_changes_meanwhile_is_an_error(sandbox, folder, monkeypatch):
    real = saving_module._upload

    def changed(s3, file, bucket, key, oldest):
        real(s3, file, bucket, key, oldest)
        if key.endswith("/1.0.0"):
            other = io.BytesIO(bytes(file.stat().st_size))
            s3.put_object(Bucket=bucket, Key=key, Body=other)

    monkeypatch.setattr(saving_module, "_upload", changed)
    cube = a_cube()
    with pytest.raises(SaveError, match=r"saved as x.zarr/air_temperature/1.0.0 .* something else"):
        save_cube(cube, folder / "x.zarr", **by_field(cube))


def test_what_is_left_over_of_an_old_store_is_removed(sandbox, folder):
    old = a_cube(fields=7)
    old.add_aux_coord(AuxCoord(np.arange(7), long_name="extra"), 0)
    save_cube(old, folder / "x.zarr", **by_field(old))
    new = a_cube(fields=3)
    save_cube(new, folder / "x.zarr", replace=True, **by_field(new))
    assert not [key for key in objects(sandbox, "x.zarr") if "extra" in key or "/6.0.0" in key]
    assert load_checked(folder / "x.zarr")[0].shape == (3, 6, 6)


# -- What differs is an error ----------------------------------------------------------------------


def test_every_difference_is_named(sandbox, folder, temporary, monkeypatch):
    monkeypatch.setattr(zarr, "_write_exactly", lambda *_: None)
    with pytest.raises(SaveError) as caught:
        save_cube(a_cube(note=0.123456789, word="20200101"), folder / "x.zarr")
    lines = str(caught.value).splitlines()[1:]
    radius = "earth_radius of latitude_longitude: 6371229.0 (float64) would become 6371230.0"
    assert f"- attribute {radius} (float64)" in lines
    assert any(re.match(r"- attribute note .*0.123456789 .* 0.123457", line) for line in lines)
    assert any(re.match(r"- attribute word .*'20200101' .* 'x'", line) for line in lines)
    assert not objects(sandbox, "x.zarr")
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda d: d["air_temperature"].__setitem__((0, 0, 0), -1),
            "data of air_temperature: 1 of",
        ),
        (lambda d: d.renameVariable("latitude", "other"), "latitude: .* would become missing"),
        (lambda d: d.setncattr("more", 1), "attribute more: missing would become 1"),
        (lambda d: d["time"].setncattr("units", b"days"), "attribute units of time"),
        (lambda d: d.createDimension("more", 2), "dimension more: missing would become 2, fixed"),
    ],
)
def test_every_kind_of_difference_is_found(tmp_path, change, words):
    iris.save(a_cube(), tmp_path / "a.nc")
    shutil.copy(tmp_path / "a.nc", tmp_path / "b.nc")
    with netCDF4.Dataset(tmp_path / "b.nc", "a") as changed:
        change(changed)
    with netCDF4.Dataset(tmp_path / "a.nc") as was, netCDF4.Dataset(tmp_path / "b.nc") as becomes:
        assert re.search(words, "\n".join(zarr._differences(was, becomes)))
        assert list(zarr._differences(was, was)) == []


def with_parts():
    cube = a_cube()
    cube.add_ancillary_variable(AncillaryVariable(np.arange(4.0), long_name="quality"), 0)
    cube.add_cell_measure(CellMeasure(np.ones((6, 6)), "cell_area", units="m2"), (1, 2))
    cube.add_aux_coord(AuxCoord(3, long_name="realisation"))
    cube.add_aux_coord(AuxCoord(["a", "b", "c", "de"], long_name="text"), 0)
    cube.attributes.globals["title"] = "20200101"
    return cube


def with_hybrid_height():
    cube = a_cube()
    levels = AuxCoord(np.arange(4) * 10.5, long_name="level_height", units="m")
    cube.add_aux_coord(levels, 0)
    cube.add_aux_coord(AuxCoord(np.linspace(1, 0.3, 4), long_name="sigma"), 0)
    surface = AuxCoord(np.arange(36.0).reshape(6, 6), "surface_altitude", units="m")
    cube.add_aux_coord(surface, (1, 2))
    names = ("level_height", "sigma", "surface_altitude")
    factory = iris.aux_factory.HybridHeightFactory(*map(cube.coord, names))
    cube.add_aux_factory(factory)
    return cube


def on_a_mesh():
    from iris.mesh import Connectivity, MeshXY

    x, y = (
        AuxCoord([0.0, 10, 10, 0], name, units="degrees", var_name=f"node_{name}")
        for name in ("longitude", "latitude")
    )
    faces = Connectivity([[0, 1, 2], [0, 2, 3]], "face_node_connectivity", start_index=0)
    centres = [
        (AuxCoord([1.5, 2.5], n, units="degrees"), a)
        for n, a in (("longitude", "x"), ("latitude", "y"))
    ]
    mesh = MeshXY(2, [(x, "x"), (y, "y")], [faces], face_coords_and_axes=centres)
    cube = iris.cube.Cube(np.array([1.5, 2.5]), long_name="on_faces")
    for coordinate in mesh.to_MeshCoords("face"):
        cube.add_aux_coord(coordinate, 0)
    return cube


KINDS = {
    "with all parts": (with_parts, {}),
    "two cubes": (lambda: [a_cube(), iris.cube.Cube(np.arange(3), long_name="other")], {}),
    "unlimited": (a_cube, {"unlimited_dimensions": ["time"]}),
    "compressed": (a_cube, {"zlib": True, "chunksizes": (3, 4, 5)}),
    "hybrid height": (with_hybrid_height, {}),
    "mesh": (on_a_mesh, {}),
    "real": (lambda: fine_temperature(3, 200, 300), {"chunksizes": (2, 70, 300)}),
    "a point": (lambda: iris.cube.Cube(1.5, long_name="point"), {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_loaded_is_what_netcdf_keeps(sandbox, folder, tmp_path, kind):
    make, keywords = KINDS[kind]
    cubes = make()
    iris.save(cubes, tmp_path / "x.nc", **keywords)
    expected = iris.load_raw(tmp_path / "x.nc")
    save_cube(cubes, folder / "x.zarr", **keywords)
    assert len(expected) >= 1
    for found in (load_checked(folder / "x.zarr"), iris.load_raw(url(folder / "x.zarr"))):
        assert {cube.name() for cube in found} == {cube.name() for cube in expected}
        for cube in found:
            (other,) = expected.extract(cube.name())
            assert cube == other
            assert type(cube.data) is type(other.data)
            assert cube.dtype == other.dtype
            assert repr(cube.attributes) == repr(other.attributes)


# -- Loading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remove", "words"),
    [(".zgroup", "{} in .zgroup"), ("*/.zarray", "0 arrays"), ("**/*", "found 0 objects")],
)
def test_what_is_no_store_is_an_error(sandbox, folder, remove, words):
    save_cube(a_cube(), folder / "x.zarr")
    for file in folder.glob(f"x.zarr/{remove}"):
        if not file.is_dir():
            file.unlink()
    with pytest.raises(StoreError, match=words):
        load_checked(folder / "x.zarr")


def test_a_codec_that_is_missing_is_an_error_when_the_store_is_loaded(folder):
    """Iris says so when the data are read: RuntimeError, undefined filter encountered."""
    save_cube(a_cube(), folder / "x.zarr")
    about = folder / "x.zarr" / "air_temperature" / ".zarray"
    array = json.loads(about.read_text()) | {"compressor": {"id": "gzip", "level": 1}}
    about.write_text(json.dumps(array))
    words = "expected codecs for air_temperature that the netCDF library has, found gzip"
    with pytest.raises(StoreError, match=words):
        load_checked(folder / "x.zarr")


def test_a_codec_that_the_library_has_is_read(sandbox, folder, tmp_path):
    with netCDF4.Dataset(url(tmp_path / "x.zarr"), "w") as made:
        made.createDimension("x", 6)
        made.createVariable("a", "f4", ["x"], compression="zstd")[:] = np.arange(6)
    for file in filter(Path.is_file, tmp_path.glob("x.zarr/**/*")):
        key = file.relative_to(tmp_path).as_posix()
        sandbox.client.put_object(Bucket=sandbox.bucket, Key=key, Body=file.read_bytes())
    (found,) = load_checked(folder / "x.zarr")
    assert found.data.tolist() == [0, 1, 2, 3, 4, 5]


def test_the_copy_of_the_metadata_is_one_of_all(sandbox, folder, tmp_path):
    save_cube(with_parts(), folder / "x.zarr")
    store = download(sandbox, "x.zarr", tmp_path / "down")
    copy = json.loads((store / ".zmetadata").read_text())
    files = [file for file in store.rglob(".z*") if file.name != ".zmetadata"]
    assert copy["zarr_consolidated_format"] == 1
    assert copy["metadata"] == {
        file.relative_to(store).as_posix(): json.loads(file.read_text()) for file in files
    }
    assert len(files) > 20


@pytest.mark.parametrize("copy", ["old", "{}", "no JSON", "null", "[]", '{"metadata": []}'])
def test_a_copy_of_the_metadata_that_is_out_of_date_is_not_used(sandbox, folder, tmp_path, copy):
    save_cube(a_cube(note="old"), folder / "x.zarr")
    key = "x.zarr/.zmetadata"
    if copy != "old":
        sandbox.client.put_object(Bucket=sandbox.bucket, Key=key, Body=copy.encode())
    about = folder / "x.zarr" / "air_temperature" / ".zattrs"
    about.write_text(about.read_text().replace('"old"', '"new"'))
    (found,) = load_checked(folder / "x.zarr")
    assert found.attributes["note"] == "new"


def test_a_cube_is_read_by_other_processes_and_without_the_mount(sandbox, mount_point):
    cube = large_cube()
    with mount(sandbox.source, mount_point) as folder:
        save_cube(cube, folder / "x.zarr", **by_field(cube))
        (found,) = load_checked(folder / "x.zarr")
    sent = pickle.dumps(found.core_data())
    assert b"x.zarr" in sent
    assert sandbox.client._request_signer._credentials.secret_key.encode() not in sent
    np.testing.assert_array_equal(pickle.loads(sent).compute(), cube.data)
    assert found.has_lazy_data()
    np.testing.assert_array_equal(found.data, cube.data)


def test_a_chunk_that_is_replaced_after_the_load_is_an_error(sandbox, folder):
    cube = large_cube()
    save_cube(cube, folder / "x.zarr", **by_field(cube))
    (found,) = load_checked(folder / "x.zarr")
    sandbox.client.put_object(
        Bucket=sandbox.bucket, Key="x.zarr/air_temperature/3.0.0", Body=bytes(cube[0].data.nbytes)
    )
    np.testing.assert_array_equal(found[2].data, cube[2].data)
    with pytest.raises(StoreError, match=r"air_temperature/3\.0\.0 .* replaced since"):
        found.data  # noqa: B018


class Answers:
    """A client whose answers end too early some times, and then have what they should."""

    def __init__(self, *failures):
        self.failures = list(failures)

    def get_object(self, **_):
        return {"Body": self, "ETag": '"tag"'}

    def read(self):
        if self.failures:
            raise self.failures.pop(0)
        return b"content"


CUT_OFF = IncompleteReadError(actual_bytes=1, expected_bytes=2)


def read_by(client, tag="tag"):
    return zarr_loading._Objects(client, "http://127.0.0.1", "here", "b", "k").read("n", tag)


def test_an_answer_that_ends_too_early_is_asked_for_again():
    assert read_by(Answers(CUT_OFF, CUT_OFF)) == b"content"
    for failures, left in [((CUT_OFF,) * 4, 1), ((NoCredentialsError(),) * 2, 1)]:
        client = Answers(*failures)
        with pytest.raises(StoreError, match=r"expected to read k/n of the bucket b, but: \w+ "):
            read_by(client)
        assert len(client.failures) == left


def test_a_fork_reads_by_a_client_of_its_own(monkeypatch):
    assert read_by(Answers()) == b"content"
    asked = []

    def client(*store):
        asked.append(store)
        return Answers()

    client.cache_clear = lambda: None
    monkeypatch.setattr(zarr_loading, "_client", client)
    objects = zarr_loading._Objects(Answers(NoCredentialsError()), "http://a", "here", "b", "k")
    monkeypatch.setattr("os.getpid", lambda: 1)
    assert objects.read("n", "tag") == b"content"
    assert asked == [("http://a", "here", 1)]


def test_keys_that_come_later_are_found(sandbox, monkeypatch, tmp_path):
    sandbox.client.put_object(Bucket=sandbox.bucket, Key="k/n", Body=b"content")
    tag = sandbox.client.head_object(Bucket=sandbox.bucket, Key="k/n")["ETag"].strip('"')
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    keys = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    for name in keys:
        monkeypatch.delenv(name)
    objects = zarr_loading._Objects(None, sandbox.endpoint, "us-east-1", sandbox.bucket, "k")
    with pytest.raises(StoreError, match="Unable to locate credentials"):
        objects.read("n", tag)
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    assert objects.read("n", tag) == b"content"


@pytest.mark.parametrize(
    ("address", "used"),
    [
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("https://s3.us-west-2.amazonaws.com", "https://s3.eu-west-1.amazonaws.com"),
    ],
)
def test_amazon_is_found_by_its_region_in_other_processes(address, used, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert zarr_loading._client(address, "eu-west-1", 0).meta.endpoint_url == used


def test_a_key_that_is_no_path_is_refused(sandbox, folder):
    save_cube(a_cube(), folder / "x.zarr")
    sandbox.client.put_object(Bucket=sandbox.bucket, Key="x.zarr/a//b/.zarray", Body=b"{}")
    with pytest.raises(StoreError, match=r"found a key that is no path: 'a//b/.zarray'"):
        load_checked(folder / "x.zarr")


@pytest.mark.parametrize(
    ("fill", "named"),
    [*itertools.product([0, 7, "NaN"], [False, True]), (None, False)],
)
def test_of_other_programs_the_same_points_are_masked_as_by_iris(sandbox, folder, fill, named):
    """What an array has for missing chunks is no mark of missing points, unless it is named."""
    data = np.tile(np.array([0, 7, np.nan, 3], "<f4"), (600, 300))
    about = {"zarr_format": 2, "shape": data.shape, "chunks": data.shape, "dtype": "<f4"}
    about |= {"fill_value": fill, "order": "C", "compressor": None, "filters": None}
    attributes = {"_ARRAY_DIMENSIONS": ["y", "x"]} | ({"_FillValue": fill} if named else {})
    contents = {
        ".zgroup": json.dumps({"zarr_format": 2}),
        "a/.zarray": json.dumps(about),
        "a/.zattrs": json.dumps(attributes),
        "a/0.0": data.tobytes(),
    }
    for name, content in contents.items():
        sandbox.client.put_object(Bucket=sandbox.bucket, Key=f"x.zarr/{name}", Body=content)
    (found,) = load_checked(folder / "x.zarr")
    (expected,) = iris.load_raw(url(folder / "x.zarr"))
    assert found.has_lazy_data()
    masks = [np.ma.getmaskarray(cube.data) for cube in (found, expected)]
    np.testing.assert_array_equal(*masks)


@pytest.mark.parametrize("name", ["x#1.zarr", "a?[1] é%.zarr"])
def test_a_name_that_means_something_in_an_address_is_no_obstacle(folder, name):
    cube = a_cube()
    save_cube(cube, folder / name)
    np.testing.assert_array_equal(load_checked(folder / name)[0].data, cube.data)


def test_a_load_needs_a_mount_and_may_do_with_one_for_reading(sandbox, mount_point):
    with mount(sandbox.source, mount_point):
        save_cube(a_cube(), mount_point / "x.zarr")
    with pytest.raises(MountPointError):
        load_checked(mount_point / "x.zarr")
    with mount(sandbox.source, mount_point, ["ro"]):
        assert load_checked(mount_point / "x.zarr")[0].shape == (4, 6, 6)


@pytest.mark.parametrize("keywords", [{}, {"packing": "i2"}], ids=["plain", "packed"])
def test_edge_chunks_and_packed_data_are_read_as_iris_reads_them(folder, keywords):
    cube = large_cube()
    cube.data = np.ma.masked_greater(cube.data, 70000)
    save_cube(cube, folder / "x.zarr", chunksizes=(4, 170, 110), **keywords)
    (found,) = load_checked(folder / "x.zarr")
    expected = iris.load_cube(url(folder / "x.zarr"))
    assert found.has_lazy_data()
    assert found == expected
    np.testing.assert_array_equal(found.data.mask, expected.data.mask)
    assert expected.data.mask.any()
    assert (found[1:3, 5, 160:180].data == expected.data[1:3, 5, 160:180]).all()


def test_the_netcdf_library_is_used_by_one_thread_at_a_time(tmp_path):
    """It is not made for several; Iris takes a lock, and so does whoever else uses it here."""
    iris.save(a_cube(), tmp_path / "x.nc")
    files = (tmp_path / "x.nc", tmp_path / "x.zarr")
    other = threading.Thread(target=zarr._make_store, args=files)
    with zarr.netcdf_lock():
        other.start()
        other.join(0.5)
        assert not (tmp_path / "x.zarr").exists()
    other.join()
    assert (tmp_path / "x.zarr" / ".zgroup").exists()


def test_a_large_coordinate_is_read(folder):
    cube = large_cube(2)
    points = np.arange(300.0 * 600).reshape(300, 600)[:, ::2]
    cube.add_aux_coord(AuxCoord(np.tile(points, 1), long_name="altitude"), (1, 2))
    cube.coord("altitude").points = np.round(cube.coord("altitude").points)
    save_cube(cube, folder / "x.zarr", chunksizes=(1, 100, 100))
    (found,) = load_checked(folder / "x.zarr")
    np.testing.assert_array_equal(found.coord("altitude").points, points)


# -- What it costs ---------------------------------------------------------------------------------


def test_the_benchmark_can_have_chunks_read_through_a_mount(sandbox, mount_point, monkeypatch):
    cube = large_cube()
    with mount(sandbox.source, mount_point) as folder:
        save_cube(cube, folder / "x.zarr", **by_field(cube))
    with mount(sandbox.source, mount_point) as folder:
        monkeypatch.setattr(zarr_loading._Objects, "read", zarr_requests.through(folder))
        (found,) = load_checked(folder / "x.zarr")
        with sandbox.traffic() as traffic:
            np.testing.assert_array_equal(found[2].data, cube[2].data)
    assert traffic.requests > 1


def test_what_a_save_and_a_load_cost(sandbox, mount_point, temporary):
    cube = large_cube(30)
    with mount(sandbox.source, mount_point) as folder, sandbox.traffic() as saved:
        save_cube(cube, folder / "x.zarr", **by_field(cube))
    stored = {key: size for key, size in sandbox.sizes().items() if key.startswith("x.zarr/")}
    # Each object once, and the .zgroup that comes first; the rest are lists and looks.
    assert saved.operations["PutObject"] == len(stored) + 1
    assert saved.requests <= len(stored) + 15
    assert saved.bytes_up <= 1.02 * sum(stored.values())
    chunk = cube[0].data.nbytes
    with mount(sandbox.source, mount_point) as folder:
        with sandbox.traffic() as loaded:
            (found,) = load_checked(folder / "x.zarr")
        with sandbox.traffic() as field:
            found[20].data  # noqa: B018
        with sandbox.traffic() as series:
            found[:12, 7, 7].data  # noqa: B018
    assert loaded.requests <= 40
    assert loaded.bytes_down < 40_000
    assert field.requests == 1
    assert field.bytes_down <= 1.05 * chunk
    assert series.requests == 12
    assert series.bytes_down <= 1.05 * 12 * chunk
