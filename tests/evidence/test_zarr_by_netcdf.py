"""What the netCDF library, by which Iris saves Zarr, does with a store, on any Iris."""

import netCDF4
import numpy as np
import pytest


@pytest.fixture
def address(tmp_path):
    return f"file://{tmp_path}/x.zarr#mode=nczarr,file"


@pytest.mark.proves("C43")
@pytest.mark.parametrize(
    ("value", "comes_back"),
    [
        (6371229.123, 6371230.0),
        (0.0123456789, 0.0123457),
        ("20200101", "2"),
        ("true", "1"),
        ("CMIP6", "CMIP6"),
        (20200101, 20200101),
    ],
    ids=repr,
)
def test_an_attribute_keeps_six_digits_or_one_letter(address, value, comes_back):
    with netCDF4.Dataset(address, "w") as store:
        store.note = value
    with netCDF4.Dataset(address) as store:
        assert store.note == comes_back


@pytest.mark.proves("C43")
def test_a_chunk_that_is_missing_is_masked(address, tmp_path):
    with netCDF4.Dataset(address, "w") as store:
        store.createDimension("x", 4)
        store.createVariable("a", "f4", "x", chunksizes=[2])[:] = np.arange(4)
    (tmp_path / "x.zarr" / "a" / "1").unlink()
    with netCDF4.Dataset(address) as store:
        assert np.ma.getmaskarray(store["a"][:]).tolist() == [False, False, True, True]
