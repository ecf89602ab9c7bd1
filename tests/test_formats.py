"""What is written is recognised by Iris as meant, and loads to the cube that was meant."""

import warnings

import iris
import numpy as np
import pytest
from iris.fileformats import FORMAT_AGENT

from s3_sandbox import sample_path
from s3_sandbox.formats import (
    known_to_iris,
    write_abf,
    write_fieldsfile,
    write_grib1,
    write_little_endian_pp,
    write_nimrod,
    write_samples,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", iris.IrisDeprecation)
    import iris.fileformats.abf


@pytest.fixture(autouse=True)
def future(monkeypatch):
    """What Iris will do by default, for this test alone."""
    with iris.FUTURE.context(date_microseconds=True, lam_pole_offset=True, save_split_attrs=True):
        yield


@pytest.fixture
def cubes():
    """Two months of surface temperature, on the globe."""
    return iris.load_cube(sample_path("GloSea4/ensemble_001.pp"))[:2]


@pytest.fixture
def cube(cubes):
    return cubes[0]


def format_of(path):
    with open(path, "rb") as file:
        return FORMAT_AGENT.get_spec(path.name, file).name


def test_the_samples_are_of_each_format_that_has_files(tmp_path):
    kinds = write_samples(tmp_path)
    assert sorted(kinds) == sorted(path.name for path in tmp_path.iterdir())
    assert len(set(kinds.values())) == len(kinds)
    by_url_or_opened = {"NetCDF OPeNDAP", "NcZarr", "NetCDF dataset"}
    assert known_to_iris() - by_url_or_opened == {format_of(tmp_path / name) for name in kinds}


FIELDSFILES = [
    ("post v5.2", 8, "UM Fieldsfile (FF) post v5.2"),
    ("pre v3.1", 8, "UM Fieldsfile (FF) pre v3.1"),
    ("ancillary", 8, "UM Fieldsfile (FF) ancillary"),
    ("post v5.2", 4, "UM Fieldsfile (FF) converted with ieee to 32 bit"),
    ("ancillary", 4, "UM Fieldsfile (FF) ancillary converted with ieee to 32 bit"),
]


@pytest.mark.parametrize(("kind", "word_bytes", "name"), FIELDSFILES)
def test_a_fieldsfile_holds_the_cube(cubes, tmp_path, kind, word_bytes, name):
    path = tmp_path / "file"
    write_fieldsfile(path, cubes, kind, word_bytes=word_bytes)
    assert format_of(path) == name
    loaded = iris.load_cube(path)
    assert loaded == cubes
    assert loaded.dtype == f"f{word_bytes}"
    assert not np.array_equal(loaded[0].data, loaded[1].data), "each field has its own data"


def test_a_fieldsfile_of_integers(cube, tmp_path):
    cube.data = cube.data.astype("i4")
    write_fieldsfile(tmp_path / "file", cube)
    loaded = iris.load_cube(tmp_path / "file")
    assert loaded.dtype == "i8"
    assert np.array_equal(loaded.data, cube.data)


def test_a_fieldsfile_of_masked_numbers(cube, tmp_path):
    cube.data = np.ma.masked_less(cube.data, 280)
    write_fieldsfile(tmp_path / "file", cube)
    loaded = iris.load_cube(tmp_path / "file")
    assert np.array_equal(loaded.data.mask, cube.data.mask)


@pytest.mark.parametrize(("kind", "word_bytes"), [("new", 8), ("post v5.2", 2), ("pre v3.1", 4)])
def test_no_such_fieldsfile(cube, tmp_path, kind, word_bytes):
    with pytest.raises(ValueError, match="expected one of"):
        write_fieldsfile(tmp_path / "file", cube, kind, word_bytes=word_bytes)
    assert not (tmp_path / "file").exists()


def test_a_field_with_extra_data_is_refused(cube, tmp_path):
    latitude = cube.coord("latitude")
    latitude.bounds = None
    points = latitude.points.copy()
    points[3] += 0.2
    latitude.points = points
    with pytest.raises(ValueError, match="LBEXT"):
        write_fieldsfile(tmp_path / "file", cube)


def test_little_endian_pp_holds_the_cube(cubes, tmp_path):
    path = tmp_path / "file"
    write_little_endian_pp(path, cubes)
    assert format_of(path) == "UM Post Processing file (PP) little-endian"
    assert iris.load_cube(path) == cubes


def test_grib_1_holds_the_field_of_grib_2(tmp_path):
    source = sample_path("polar_stereo.grib2")
    path = tmp_path / "file"
    write_grib1(path, source)
    assert path.read_bytes()[7] == 1, "the edition"
    assert format_of(path) == "GRIB"
    loaded, expected = iris.load_cube(path), iris.load_cube(source)
    assert loaded.name() == "air_temperature"
    assert np.abs(loaded.data - expected.data).max() < 0.1, "it is packed anew"
    assert loaded.coord("time").cell(0).point == expected.coord("time").cell(0).point


def test_no_grib(tmp_path):
    with pytest.raises(ValueError, match="found none"):
        write_grib1(tmp_path / "file", sample_path("air_temp.pp"))


def test_nimrod_holds_the_cube(cube, tmp_path):
    cube.data = np.ma.masked_less(cube.data, 280)
    path = tmp_path / "file"
    write_nimrod(path, cube)
    assert path.stat().st_size == 512 + cube.data.size * 4 + 4 * 4
    assert format_of(path) == "NIMROD"
    loaded = iris.load_cube(path)
    assert loaded.name() == "surface_temperature"
    assert loaded.units == "K"
    assert np.array_equal(loaded.data.mask, cube.data.mask)
    assert np.array_equal(loaded.data.compressed(), cube.data.compressed())
    for name in ("latitude", "longitude"):
        np.testing.assert_allclose(loaded.coord(name).points, cube.coord(name).points, rtol=1e-6)
    assert loaded.coord("time").cell(0).point == cube.coord("time").cell(0).point
    assert {coord.name() for coord in loaded.coords()} == {"latitude", "longitude", "time"}


def test_nimrod_without_a_time(cube, tmp_path):
    cube.remove_coord("time")
    write_nimrod(tmp_path / "file", cube)
    assert not iris.load_cube(tmp_path / "file").coords("time")


def test_nimrod_has_no_30_february(tmp_path):
    cube = iris.load_cube(sample_path("E1.2098.pp"))
    time = cube.coord("time")
    assert time.units.calendar == "360_day"
    time.bounds = None
    february = time.units.num2date(time.points[0]).replace(month=2, day=30)
    time.points = [time.units.date2num(february)]
    with pytest.raises(ValueError, match="day"):
        write_nimrod(tmp_path / "file", cube)
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("ending", ["abf", "abl"])
def test_abf_holds_the_nearest_points(cube, tmp_path, ending):
    path = tmp_path / f"AVHRRBUVI01.2011augb.{ending}"
    spread = np.ptp(cube.data)
    cube.data = np.ma.masked_less((cube.data - cube.data.min()) * (100 / spread), 20)
    write_abf(path, cube)
    assert path.stat().st_size == 2160 * 4320
    assert format_of(path) == ending.upper()
    loaded = iris.load_cube(path)
    assert loaded.name() == {"abf": "FAPAR", "abl": "leaf_area_index"}[ending]
    assert loaded.units == "%"
    bounds = loaded.coord("time").bounds[0]
    assert bounds[1] - bounds[0] == 15, "the second half of August"
    for row, column in [(0, 0), (5, 4319), (700, 2160), (1080, 10), (2159, 3000)]:
        here = loaded.coord("latitude").points[row], loaded.coord("longitude").points[column]
        y = cube.coord("latitude").nearest_neighbour_index(here[0])
        x = cube.coord("longitude").nearest_neighbour_index(here[1] % 360)
        expected = cube.data[y, x]
        if here[1] % 360 > 359.1:  # nearer to the first longitude than to the last
            expected = cube.data[y, 0]
        found = loaded.data[row, column]
        assert np.ma.is_masked(found) == np.ma.is_masked(expected)
        if not np.ma.is_masked(expected):
            assert found == round(float(expected))
    assert 0 < loaded.data.mask.mean() < 0.5


@pytest.mark.parametrize(
    "name", ["leaves.abl", "AVHRRBUVI01.2011augc.abl", "AVHRRBUVI01.2011auga.abc"]
)
def test_a_name_that_says_nothing_to_iris(cube, tmp_path, name):
    with pytest.raises(ValueError, match="expected a name of 24 characters"):
        write_abf(tmp_path / name, cube)


def test_more_than_100_per_cent(cube, tmp_path):
    with pytest.raises(ValueError, match="expected per cent, from 0 to 100"):
        write_abf(tmp_path / "AVHRRBUVI01.2011auga.abl", cube)


@pytest.mark.parametrize("write", [write_nimrod, write_abf])
def test_a_cube_of_another_shape(cubes, tmp_path, write):
    path = tmp_path / "AVHRRBUVI01.2011auga.abl"
    with pytest.raises(ValueError, match="expected a cube with the dimensions latitude"):
        write(path, cubes)
    with pytest.raises(ValueError, match="expected a latitude that ascends"):
        write(path, cubes[0, ::-1])
