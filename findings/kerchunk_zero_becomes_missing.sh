#!/usr/bin/env bash
# surprise: Through a kerchunk index of an HDF5 file that no netCDF library wrote, every 0 becomes NaN: HDF5 reports the fill value 0 where none was set, and kerchunk passes it on as the mark of missing points.
# expected: A file without `_FillValue` has no missing points, however it is opened.
# versions: kerchunk 0.2.10, xarray 2026.9.0, zarr 3.1.6, h5py 3.16.0, h5netcdf 1.8.2
# seen: 2026-11-28
# matters: Radar and satellite products; of rain the dry points go, and the mean rises. Open such an index with `mask_and_scale=False`, or make it with virtualizarr.
# output:
#   h5netcdf.nc: the file [0.0, 0.0, 1.5, 4.5], mean 1.5; kerchunk [0.0, 0.0, 1.5, 4.5], mean 1.5
#   h5py.h5: the file [0.0, 0.0, 1.5, 4.5], mean 1.5; kerchunk [nan, nan, 1.5, 4.5], mean 3.0

set -euo pipefail

packages=(
  kerchunk==0.2.10
  zarr==3.1.6
  numcodecs==0.16.6
  fsspec==2026.9.0
  xarray==2026.9.0
  pandas==3.1.1
  h5py==3.16.0
  numpy==2.4.6
  h5netcdf==1.8.2
)

expected=$(sed -n '/^# output:/,/^$/s/^#   //p' "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

install() {
  if command -v uv; then
    uv venv --python "${PYTHON:-python3}" venv && uv pip install --python venv/bin/python "${packages[@]}"
  else
    "${PYTHON:-python3}" -m venv venv && venv/bin/pip install --no-compile "${packages[@]}"
  fi
}
if ! install >install.log 2>&1; then
  cat install.log >&2
  echo "could not be tried: the packages were not installed" >&2
  exit 2
fi

cat >finding.py <<'PYTHON'
import h5netcdf
import h5py
import numpy as np
import xarray
from kerchunk.hdf import SingleHdf5ToZarr

rain = np.array([0, 0, 1.5, 4.5], "f4")
with h5py.File("h5py.h5", "w") as file:
    file["rain"] = rain
with h5netcdf.File("h5netcdf.nc", "w") as file:
    file.dimensions = {"x": 4}
    file.create_variable("rain", ("x",), data=rain)

for path in "h5netcdf.nc", "h5py.h5":
    direct = xarray.open_dataset(path, engine="h5netcdf", phony_dims="sort").rain
    index = SingleHdf5ToZarr(path).translate()
    indexed = xarray.open_dataset(index, engine="kerchunk").rain
    print(f"{path}: the file {direct.values.tolist()}, mean {float(direct.mean())};",
          f"kerchunk {indexed.values.tolist()}, mean {float(indexed.mean())}")
PYTHON

if ! found=$(venv/bin/python -W ignore finding.py 2>python.log); then
  cat python.log >&2
  found+=" (and Python failed)"
fi

if [[ $found != "$expected" ]]; then
  printf 'changed.\nexpected:\n%s\nfound:\n%s\n' "$expected" "$found" >&2
  exit 1
fi
printf '%s\n' "$found"
