#!/usr/bin/env bash
# surprise: A netCDF file that marks missing points by `missing_value`, or limits its data by `valid_range`, is masked by Iris, but not when it comes to Iris through xarray and ncdata.
# expected: Both ways give the same cube; xarray itself has made the missing points NaN.
# versions: scitools-iris 3.14.1, ncdata 0.4.0, xarray 2026.9.0, netCDF4 1.7.5.1.post1
# seen: 2026-11-28
# matters: The way without a mount (Python's s3fs, xarray, ncdata): older files have only `missing_value`. Compare the number of masked points once, or mask them by hand.
# output:
#   _FillValue: Iris masks 1, xarray has 1 NaN, xarray and ncdata to Iris mask 1, minimum 1
#   missing_value: Iris masks 1, xarray has 1 NaN, xarray and ncdata to Iris mask 0, minimum -99
#   valid_range: Iris masks 1, xarray has 0 NaN, xarray and ncdata to Iris mask 0, minimum -99

set -euo pipefail

packages=(
  scitools-iris==3.14.1
  numpy==2.4.6
  dask==2026.8.0
  netCDF4==1.7.5.1.post1
  cf-units==3.3.1
  cftime==1.6.6.1
  xxhash==3.8.2
  ncdata==0.4.0
  xarray==2026.9.0
  pandas==3.1.1
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
import iris
import netCDF4
import numpy as np
import xarray
from ncdata.iris_xarray import cubes_from_xarray

for attribute, value in ("_FillValue", -99), ("missing_value", -99), ("valid_range", [0, 50]):
    with netCDF4.Dataset(f"{attribute}.nc", "w") as file:
        file.createDimension("x", 4)
        fill = np.int16(-99) if attribute == "_FillValue" else None
        rain = file.createVariable("rain", "i2", "x", fill_value=fill)
        rain.set_auto_mask(False)
        if fill is None:
            rain.setncattr(attribute, np.array(value, "i2"))
        rain[:] = [1, -99, 3, 4]
    direct = iris.load_cube(f"{attribute}.nc").data
    dataset = xarray.open_dataset(f"{attribute}.nc")
    nan = int(dataset.rain.isnull().sum())
    (cube,) = cubes_from_xarray(dataset)
    print(f"{attribute}: Iris masks {np.ma.count_masked(direct)}, xarray has {nan} NaN,",
          f"xarray and ncdata to Iris mask {np.ma.count_masked(cube.data)}, minimum {cube.data.min()}")
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
