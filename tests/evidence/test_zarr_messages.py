"""What is said of a Zarr store that is not loaded."""

import json

import iris
import netCDF4
import pytest

from proof.project import ROOT

SECTION = (
    (ROOT / "docs" / "troubleshooting.rst").read_text().partition("Iris does not load\n---")[2]
)
ARRAY = {
    "zarr_format": 2,
    "shape": [2],
    "chunks": [2],
    "dtype": "<f8",
    "compressor": None,
    "fill_value": None,
    "filters": None,
    "order": "C",
}
GROUP_3 = {"zarr_format": 3, "node_type": "group", "attributes": {}}


def write(folder, files):
    """Write a store."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))


def format_2(**array):
    """Write down the metadata of a store with one array."""
    return {
        ".zgroup": {"zarr_format": 2},
        ".zattrs": {},
        "a/.zarray": ARRAY | array,
        "a/.zattrs": {"_ARRAY_DIMENSIONS": ["x"]},
    }


STORES = {
    "of format 3": ({"zarr.json": GROUP_3}, "Unknown file format"),
    "a folder that is none": ({"note.txt": "a note"}, "Unknown file format"),
    "not there": ({}, "Some object not found"),
    "with the text of xarray": (format_2(dtype="<U1", fill_value=""), "NCZarr error"),
    "with gzip": (
        format_2(compressor={"id": "gzip", "level": 1}),
        "Filter error: undefined filter encountered",
    ),
}


@pytest.mark.parametrize("kind", STORES)
def test_what_the_netcdf_library_says_of_a_store(tmp_path, kind):
    files, words = STORES[kind]
    write(tmp_path / "x.zarr", files)
    for array in (tmp_path / "x.zarr").glob("*/.zarray"):
        (array.parent / "0").write_bytes(bytes(16))
    with (
        pytest.raises((OSError, RuntimeError), match=words),
        netCDF4.Dataset(f"file://{tmp_path}/x.zarr#mode=nczarr,file") as store,
    ):
        store["a"][:]
    assert f"``{words}``" in SECTION.partition("\n---")[0]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("{}/x.zarr", "Is a directory"),
        ("file://{}/x.zarr", "Is a directory"),
        ("file://{}/x.zarr#mode=zarr", "didn't match any files"),
        ("file://{}/x.zarr#mode=nczar,file", "didn't match any files"),
    ],
)
def test_what_iris_says_of_an_address(tmp_path, address, words):
    write(tmp_path / "x.zarr", format_2())
    with pytest.raises(OSError, match=words):
        iris.load(address.format(tmp_path))
    assert f"``{words}``" in SECTION.partition("\n---")[0]
