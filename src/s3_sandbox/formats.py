"""Write small files in formats that Iris loads but does not save.

They are for a lesson that loads every format, and are not general tools to produce such data: each
writes what its layout needs, and leaves the rest of a header at "missing".
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from s3_sandbox.data import sample_path

if TYPE_CHECKING:
    from iris.cube import Cube

_MISSING_INTEGER = -32768
_FIXED_HEADER = 256
_LONGS, _HEADER = 45, 64

FIELDSFILE_KINDS = {"post v5.2": 20, "pre v3.1": 15, "ancillary": _MISSING_INTEGER}
"""The first word of a fieldsfile, by the kind that Iris takes it for."""

SAVED_BY_IRIS = {
    "classic.nc": {"netcdf_format": "NETCDF3_CLASSIC"},
    "offset64.nc": {"netcdf_format": "NETCDF3_64BIT"},
    "netcdf4.nc": {"netcdf_format": "NETCDF4"},
    "netcdf4_classic.nc": {"netcdf_format": "NETCDF4_CLASSIC"},
    "field.pp": {},
    "field.grib2": {},
}
"""The samples of `write_samples` that Iris can save itself, and what `iris.save` is told."""


def write_samples(directory: str | os.PathLike[str]) -> dict[str, str]:
    """Write a small file of each kind that Iris loads.

    Most of them hold one field: surface temperature, the mean of a month. Iris itself saves netCDF,
    PP and GRIB 2. The mesh, the ash of a volcano and the GRIB file on a polar grid are from
    Iris's sample data. The others are written by the functions of this module.

    Parameters
    ----------
    directory : path-like
        An existing directory for the files.

    Returns
    -------
    dict of str to str
        From the name of each file to the kind of file that it is.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kinds = write_samples(folder)
    >>> kinds["field.pp"], kinds["polar.grib1"]
    ('PP', 'GRIB 1')
    """
    import iris

    folder = Path(directory)
    with iris.FUTURE.context(date_microseconds=True, lam_pole_offset=True, save_split_attrs=True):
        cube = iris.load_cube(sample_path("GloSea4/ensemble_001.pp"))[0]
        for name, keywords in SAVED_BY_IRIS.items():
            iris.save(cube, folder / name, **keywords)
        write_little_endian_pp(folder / "little.pp", cube)
        write_fieldsfile(folder / "new.ff", cube)
        write_fieldsfile(folder / "old.ff", cube, "pre v3.1")
        write_fieldsfile(folder / "ancillary.ff", cube, "ancillary")
        write_fieldsfile(folder / "new32.ff", cube, word_bytes=4)
        write_fieldsfile(folder / "ancillary32.ff", cube, "ancillary", word_bytes=4)
    write_nimrod(folder / "field.nimrod", cube)
    # Such a file holds percentages: here the temperature, as a percentage of its range.
    percent = cube - cube.data.min()
    percent = percent * (100 / percent.data.max())
    for name in ("AVHRRBUVI01.2011auga.abf", "AVHRRBUVI01.2011auga.abl"):
        write_abf(folder / name, percent)
    shutil.copy(sample_path("mesh_C4_synthetic_float.nc"), folder / "mesh.nc")
    shutil.copy(sample_path("NAME_output.txt"), folder / "ash.txt")
    write_grib1(folder / "polar.grib1", sample_path("polar_stereo.grib2"))
    return {
        "classic.nc": "netCDF classic",
        "offset64.nc": "netCDF 64-bit offset",
        "netcdf4.nc": "netCDF-4",
        "netcdf4_classic.nc": "netCDF-4, classic model",
        "mesh.nc": "netCDF, UGRID mesh",
        "field.pp": "PP",
        "little.pp": "PP, little-endian",
        "new.ff": "fieldsfile",
        "old.ff": "fieldsfile, old",
        "ancillary.ff": "fieldsfile, ancillary",
        "new32.ff": "fieldsfile, 32 bit",
        "ancillary32.ff": "ancillary, 32 bit",
        "polar.grib1": "GRIB 1",
        "field.grib2": "GRIB 2",
        "field.nimrod": "NIMROD",
        "ash.txt": "NAME",
        "AVHRRBUVI01.2011auga.abf": "ABF (deprecated)",
        "AVHRRBUVI01.2011auga.abl": "ABL (deprecated)",
    }


def known_to_iris() -> set[str]:
    """List the formats that Iris can tell apart, under the names that it has for them.

    Returns
    -------
    set of str
        The names, without their priority.

    Examples
    --------
    >>> "GRIB" in known_to_iris()
    True
    """
    from iris.fileformats import FORMAT_AGENT

    return set(re.findall(r"\* (.+) \(priority", str(FORMAT_AGENT)))


def write_fieldsfile(
    path: str | os.PathLike[str],
    cube: Cube,
    kind: Literal["post v5.2", "pre v3.1", "ancillary"] = "post v5.2",
    *,
    word_bytes: Literal[4, 8] = 8,
) -> None:
    """Write a UM fieldsfile: a fixed-length header, a lookup table of PP headers, and the data.

    Parameters
    ----------
    path : path-like
        The file to write.
    cube : iris.cube.Cube
        On a regular grid that PP can hold. Iris itself turns it into PP fields, whose headers
        go into the lookup table.
    kind : {"post v5.2", "pre v3.1", "ancillary"}, default: "post v5.2"
        What the file is to be recognised as: the number in its first word.
    word_bytes : {8, 4}, default: 8
        The size of its words: 8 bytes as the UM writes it, or 4 as after a conversion with
        ``ieee``, which Iris does not recognise for "pre v3.1".

    Raises
    ------
    ValueError
        If Iris would not recognise the file, or a field has packed or extra data.

    Notes
    -----
    The layout is that of Unified Model Documentation Paper F3, as ``iris.fileformats._ff`` reads
    it. Of the fixed-length header these words are set, counted from 1: 1, the version; 4, a
    global grid; 5, the type (3, or 4 for an ancillary file); 9, the staggering (3, New Dynamics);
    105 and 106, where the real constants are, and how many; 150 to 152, where the lookup table
    is, the words in an entry, and the entries; 160 and 161, where the data are, and how many
    words.

    Examples
    --------
    >>> import iris
    >>> from s3_sandbox import sample_path
    >>> write_fieldsfile("new.ff", iris.load_cube(sample_path("air_temp.pp")))
    >>> print(iris.load_cube("new.ff").summary(shorten=True))
    air_temperature / (K)               (latitude: 73; longitude: 96)
    """
    recognised = word_bytes == 8 or (word_bytes == 4 and kind != "pre v3.1")
    if kind not in FIELDSFILE_KINDS or not recognised:
        raise ValueError(
            f"expected one of the kinds {', '.join(FIELDSFILE_KINDS)}, and words of 8 bytes, or"
            f" of 4 for all but 'pre v3.1', found {kind!r} and {word_bytes!r}. Iris recognises no"
            " others."
        )
    fields = _pp_fields(cube)
    constants = np.full(6, _MISSING_INTEGER, f">f{word_bytes}")
    table_start = _FIXED_HEADER + len(constants)
    data_start = table_start + _HEADER * len(fields)

    table, data = [], []
    address = data_start
    for longs, reals, values in fields:
        longs[28], longs[29] = address, len(values)  # LBEGIN counts from 0
        address += len(values)
        table += [longs.astype(f">i{word_bytes}"), reals.astype(f">f{word_bytes}")]
        data.append(values.astype(f">{values.dtype.kind}{word_bytes}"))

    header = np.full(_FIXED_HEADER, _MISSING_INTEGER, f">i{word_bytes}")
    words = {
        1: FIELDSFILE_KINDS[kind],
        4: 0,
        5: 4 if kind == "ancillary" else 3,
        9: 3,
        105: _FIXED_HEADER + 1,
        106: len(constants),
        150: table_start + 1,
        151: _HEADER,
        152: len(fields),
        160: data_start + 1,
        161: address - data_start,
    }
    for position, value in words.items():
        header[position - 1] = value
    Path(path).write_bytes(b"".join(part.tobytes() for part in [header, constants, *table, *data]))


def write_little_endian_pp(path: str | os.PathLike[str], cube: Cube) -> None:
    """Write a PP file with its least significant bytes first.

    Parameters
    ----------
    path : path-like
        The file to write.
    cube : iris.cube.Cube
        One that PP can hold.

    Notes
    -----
    A PP file consists of 4-byte words only: Unified Model Documentation Paper F3. So each word
    of the file that Iris saves has its bytes reversed.

    Examples
    --------
    >>> import iris
    >>> from s3_sandbox import sample_path
    >>> write_little_endian_pp("little.pp", iris.load_cube(sample_path("air_temp.pp")))
    >>> print(iris.load_cube("little.pp").summary(shorten=True))
    air_temperature / (K)               (latitude: 73; longitude: 96)
    """
    Path(path).write_bytes(np.frombuffer(_pp_bytes(cube), ">u4").astype("<u4").tobytes())


def write_grib1(path: str | os.PathLike[str], source: str | os.PathLike[str]) -> None:
    """Write a GRIB file of edition 1, from one of edition 2.

    Parameters
    ----------
    path : path-like
        The file to write.
    source : path-like
        A GRIB 2 file.

    Raises
    ------
    ValueError
        If there is no GRIB message in the source.

    Notes
    -----
    ecCodes turns a message into edition 1 when its key ``edition`` is set. For a quantity that
    edition 1 has no number for, it raises an error of its own.

    Examples
    --------
    >>> import iris
    >>> from s3_sandbox import sample_path
    >>> write_grib1("polar.grib1", sample_path("polar_stereo.grib2"))
    >>> len(iris.load("polar.grib1"))
    1
    """
    import eccodes

    with open(source, "rb") as messages, open(path, "wb") as file:
        while (message := eccodes.codes_grib_new_from_file(messages)) is not None:
            try:
                eccodes.codes_set(message, "edition", 1)
                eccodes.codes_write(message, file)
            finally:
                eccodes.codes_release(message)
        if not file.tell():
            raise ValueError(f"expected GRIB messages in {os.fspath(source)}, found none.")


def write_nimrod(path: str | os.PathLike[str], cube: Cube) -> None:
    """Write a NIMROD file with one field: a header of 512 bytes, and the data.

    Parameters
    ----------
    path : path-like
        The file to write.
    cube : iris.cube.Cube
        Two-dimensional, on regular, ascending latitudes and longitudes. Its name is cut to 24
        characters, its unit to 8. Of its coordinates only those two and a scalar time are
        written, without bounds.

    Raises
    ------
    ValueError
        If the cube is not of that form.

    Notes
    -----
    The layout is that of Nimrod System Documentation Paper 2, "Nimrod format for image and model
    field files", as ``iris.fileformats.nimrod`` reads it: big-endian, 31 2-byte integers (from
    byte 1), 28 4-byte floats (63), 45 more (175), 56 characters (355) and 51 2-byte integers
    (411), each -32767 where it is missing; each header and each field is enclosed by its length.
    The data begin at the north-west corner.

    Examples
    --------
    >>> import iris
    >>> from s3_sandbox import sample_path
    >>> write_nimrod("field.nimrod", iris.load_cube(sample_path("A1B_north_america.nc"))[0])
    >>> iris.load_cube("field.nimrod").shape
    (37, 49)
    """
    latitudes, longitudes = _grid(cube)
    general = np.full(31, -32767, ">i2")
    if cube.coords("time", dimensions=()):
        time = cube.coord("time")
        valid = time.units.num2date(time.points[0])
        # A calendar that NIMROD does not have fails here, at a 30 February.
        valid = datetime(valid.year, valid.month, valid.day, valid.hour, valid.minute, valid.second)
        general[:6] = valid.timetuple()[:6]
    else:
        general[0] = 0
    general[11:13] = 0, 4  # real numbers, of 4 bytes
    general[14:17] = 1, *cube.shape  # latitude and longitude; rows; columns
    general[23] = 0  # begins in the top left corner
    general[27] = 1  # on the International 1924 ellipsoid
    floats = np.full(28, -32767, ">f4")
    floats[2:6] = (
        latitudes[-1],
        latitudes[1] - latitudes[0],
        longitudes[0],
        longitudes[1] - longitudes[0],
    )
    texts = [
        text.encode("ascii", "replace")[:size].ljust(size)
        for text, size in ((str(cube.units), 8), ("", 24), (cube.name(), 24))
    ]
    header = b"".join(
        [
            general.tobytes(),
            floats.tobytes(),
            np.full(45, -32767, ">f4").tobytes(),
            *texts,
            np.full(51, -32767, ">i2").tobytes(),
        ]
    )
    data = np.ma.filled(cube.data.astype(">f4"), -32767)[::-1].tobytes()
    with open(path, "wb") as file:
        for record in (header, data):
            length = len(record).to_bytes(4, "big")
            file.write(length + record + length)


def write_abf(path: str | os.PathLike[str], cube: Cube) -> None:
    """Write an ABF or ABL file: one byte for each cell of a global grid of 1/12 degree.

    Parameters
    ----------
    path : path-like
        The file to write. Iris takes all metadata from its name, which is like
        ``AVHRRBUVI01.1985feba.abl``: of 24 characters, with year, month and half of the month
        (``a`` or ``b``), ``.abf`` for absorbed radiation and ``.abl`` for leaf area.
    cube : iris.cube.Cube
        Two-dimensional, on regular, ascending latitudes and longitudes, in per cent from 0 to 100.
        Each cell of the file gets the value of the nearest point, rounded; 255 where that is
        masked.

    Raises
    ------
    ValueError
        If the name or the cube is not of that form.

    Notes
    -----
    The layout is that of ``00README_V01.pdf`` of the data set GIMMS LAI3g, as
    ``iris.fileformats.abf`` reads it: no header, 4,320 columns one after the other, each of 2,160
    bytes from north to south.

    Examples
    --------
    >>> import iris
    >>> from s3_sandbox import sample_path
    >>> percent = iris.load_cube(sample_path("A1B_north_america.nc"))[0]
    >>> percent.data = percent.data % 100
    >>> write_abf("AVHRRBUVI01.2011auga.abf", percent)
    """
    name = Path(path).name
    if not re.fullmatch(r".{9}\d\d\.\d{4}[a-z]{3}[ab]\.ab[fl]", name):
        raise ValueError(
            "expected a name of 24 characters such as 'AVHRRBUVI01.1985feba.abl',"
            f" found {name!r}. Iris reads the metadata from the name."
        )
    latitudes, longitudes = _grid(cube)
    values = np.ma.asanyarray(cube.data)
    if values.count() and not 0 <= values.min() <= values.max() <= 100:
        raise ValueError(
            f"expected per cent, from 0 to 100, found {values.min()} to {values.max()}."
        )
    cell = 1 / 12
    rows = np.arange(2160) * cell + cell / 2 - 90
    columns = np.arange(4320) * cell + cell / 2 - 180
    across = (columns[:, None] - longitudes + 180) % 360 - 180
    nearest = np.abs(rows[:, None] - latitudes).argmin(1), np.abs(across).argmin(1)
    stored = np.ma.filled(values.round().astype("u1"), 255)[np.ix_(*nearest)]
    Path(path).write_bytes(stored[::-1].T.tobytes())


def _grid(cube: Cube) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Take the points of a two-dimensional grid, and refuse what is not regular."""
    names = [coord.name() for coord in cube.coords(dim_coords=True)]
    if cube.ndim != 2 or names != ["latitude", "longitude"]:
        raise ValueError(
            "expected a cube with the dimensions latitude and longitude,"
            f" found {cube.summary(shorten=True)}. Regrid it first."
        )
    grid: list[NDArray[np.float64]] = []
    for name in names:
        points = cube.coord(name).points.astype("f8")
        steps = np.diff(points)
        if len(points) < 2 or not steps[0] > 0 or not np.allclose(steps, steps[0], rtol=1e-3):
            raise ValueError(
                f"expected a {name} that ascends in equal steps, found {points}. Regrid it first."
            )
        grid.append(points)
    return grid[0], grid[1]


def _pp_bytes(cube: Cube) -> bytes:
    import iris

    with tempfile.NamedTemporaryFile(suffix=".pp") as file:
        iris.save(cube, file.name)
        return Path(file.name).read_bytes()


def _pp_fields(cube: Cube) -> list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Have Iris write PP, and take its fields apart: integers and reals of the header, and data."""
    words = np.frombuffer(_pp_bytes(cube), ">u4")
    fields = []
    position = 0
    while position < len(words):
        # Each header and each field is enclosed by its length in bytes.
        header = words[position + 1 : position + 1 + _HEADER]
        longs = header[:_LONGS].view(">i4").astype("i8")
        position += _HEADER + 2
        count = int(words[position]) // 4
        values = words[position + 1 : position + 1 + count]
        position += count + 2
        packing, extra = longs[20], longs[19]
        if packing % 10 or extra:
            raise ValueError(
                f"expected fields without packing and extra data, found LBPACK {packing} and"
                f" LBEXT {extra}. Give a cube on a regular grid."
            )
        kind = ">i4" if longs[38] in (2, 3) else ">f4"
        fields.append((longs, header[_LONGS:].view(">f4"), values.view(kind)))
    return fields
