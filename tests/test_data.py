import subprocess
import sys
import tracemalloc

import iris
import numpy as np
import pytest
from distributed import Client
from iris.analysis import Linear
from iris.cube import CubeList

from s3_sandbox import SandboxError, data, fine_temperature, sample_path


def test_a_sample_is_a_file():
    assert sample_path("GloSea4/ensemble_001.pp").is_file()


def test_nothing_similar():
    with pytest.raises(SandboxError, match="found nothing similar"):
        sample_path("zzzzzzzzzz")


def test_a_real_field_is_refined_to_the_size_that_is_asked_for():
    cube = fine_temperature(years=3, latitude=60, longitude=80)
    assert cube.shape == (3, 60, 80)
    assert cube.dtype == "float32"
    assert 240 < cube.data.min() < cube.data.max() < 310


def test_a_field_is_refined_as_iris_interpolates():
    cube = fine_temperature(years=3, latitude=60, longitude=80, skip=7)
    source = iris.load_cube(sample_path("A1B_north_america.nc"))[7:10]
    grid = [(name, cube.coord(name).points) for name in ("latitude", "longitude")]
    np.testing.assert_allclose(cube.data, source.interpolate(grid, Linear()).data, rtol=1e-6)


def test_to_refine_takes_less_than_twice_the_memory_of_what_comes_of_it():
    fine_temperature(1, 9, 9)
    tracemalloc.start()
    cube = fine_temperature(240, 200, 200)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert cube.data.nbytes < most < 2 * cube.data.nbytes


def test_to_refine_gives_the_same_where_workers_of_dask_are_at_hand():
    """They could not write to an array of this process."""
    alone = fine_temperature(2, 9, 9)
    with Client(n_workers=1, threads_per_worker=1, dashboard_address=None):
        assert fine_temperature(2, 9, 9) == alone


def test_a_series_can_be_made_piece_by_piece():
    pieces = CubeList(fine_temperature(2, 9, 9, skip=skip) for skip in (0, 2))
    assert pieces.concatenate_cube() == fine_temperature(4, 9, 9)


@pytest.mark.parametrize("shape", [(0, 9, 9), (241, 9, 9), (1, 1, 9), (1, 9, 1)])
def test_what_cannot_be_refined_is_a_clear_error(shape):
    with pytest.raises(ValueError, match="expected 1 to 240 years"):
        fine_temperature(*shape)


@pytest.mark.parametrize("skip", [-1, 240])
def test_years_that_the_source_does_not_have(skip):
    with pytest.raises(ValueError, match=f"found 1 years after {skip}"):
        fine_temperature(1, 9, 9, skip=skip)


@pytest.mark.parametrize("order", ["cartopy first", "ours first"])
def test_coastlines_are_drawn_without_a_download(order, tmp_path):
    """A coastline that is not packaged would have to come through a proxy that is not there."""
    lines = ["import cartopy.crs as ccrs", "use_packaged_coastlines()"]
    if order == "ours first":
        lines.reverse()
    program = "\n".join(
        [
            "import matplotlib; matplotlib.use('agg')",
            "import matplotlib.pyplot as plt",
            "from s3_sandbox.data import use_packaged_coastlines",
            *lines,
            "axes = plt.axes(projection=ccrs.PlateCarree())",
            "axes.coastlines(resolution='110m')",
            "plt.savefig('map.png')",
        ]
    )
    nowhere = "http://127.0.0.1:1"
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "http_proxy": nowhere,
        "https_proxy": nowhere,
    }
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "map.png").exists()


def test_a_folder_of_the_user_is_left_as_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("CARTOPY_DATA_DIR", str(tmp_path))
    import cartopy

    monkeypatch.setitem(cartopy.config, "pre_existing_data_dir", tmp_path)
    data.use_packaged_coastlines()
    assert cartopy.config["pre_existing_data_dir"] == tmp_path
