#!/usr/bin/env bash
# surprise: Iris loads only what is in the root of a netCDF file and passes over the variables in groups without a warning; a file that has groups alone loads as no cubes at all.
# expected: Variables in groups are loaded, or Iris says that it left them out.
# versions: scitools-iris 3.14.1, netCDF4 1.7.5.1.post1, ncdata 0.4.0, xarray 2026.9.0
# seen: 2026-11-28
# matters: Satellite products keep their data in groups. Give Iris the group, `iris.load(netCDF4.Dataset(path)["GROUP"])`, or go through xarray (`group=`) and ncdata.
# output:
#   Iris: orbit (0 warnings)
#   xarray with group, ncdata: ozone
#   Iris, the open group: ozone

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
import warnings

import iris
import netCDF4
import xarray
from ncdata.iris_xarray import cubes_from_xarray

with netCDF4.Dataset("x.nc", "w") as file:
    file.createDimension("x", 3)
    file.createVariable("orbit", "f4", "x")[:] = 0
    group = file.createGroup("product")
    group.createVariable("ozone", "f4", "x")[:] = 1
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    names = [cube.var_name for cube in iris.load("x.nc")]
print("Iris:", *names, f"({len(caught)} warnings)")
dataset = xarray.open_dataset("x.nc", group="product")
print("xarray with group, ncdata:", *(cube.var_name for cube in cubes_from_xarray(dataset)))
try:
    print("Iris, the open group:", *(cube.var_name for cube in iris.load(netCDF4.Dataset("x.nc")["product"])))
except Exception as error:
    print(f"Iris, the open group: {type(error).__name__}: {error}")
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
