#!/usr/bin/env bash
# surprise: kerchunk makes an index without a variable whose filter it does not know, such as a checksum with compression (fletcher32), and only warns: xarray then shows a dataset without it.
# expected: The index is refused, or reading the variable fails.
# versions: kerchunk 0.2.10, xarray 2026.9.0, zarr 3.1.6, h5py 3.16.0, netCDF4 1.7.5.1.post1
# seen: 2026-11-28
# matters: An index of many files: compare its variables with those of a file, or call `SingleHdf5ToZarr(..., error="raise")`.
# output:
#   netCDF-C: plain zlib zstd fletcher32 zlib_fletcher32 bzip2 szip
#   kerchunk: plain zlib zstd
#   warnings: 4
#   error="raise": Hdf5FeatureNotSupported

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
  netCDF4==1.7.5.1.post1
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

import netCDF4
import numpy as np
import xarray
from kerchunk.hdf import SingleHdf5ToZarr

with netCDF4.Dataset("x.nc", "w") as file:
    file.createDimension("x", 1000)
    for name, options in {
        "plain": {}, "zlib": {"zlib": True}, "zstd": {"compression": "zstd"}, "fletcher32": {"fletcher32": True},
        "zlib_fletcher32": {"zlib": True, "fletcher32": True}, "bzip2": {"compression": "bzip2"},
        "szip": {"compression": "szip"},
    }.items():
        file.createVariable(name, "f4", "x", **options)[:] = np.arange(1000)
with netCDF4.Dataset("x.nc") as file:
    print("netCDF-C:", *file.variables)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    index = SingleHdf5ToZarr("x.nc").translate()
print("kerchunk:", *xarray.open_dataset(index, engine="kerchunk").variables)
print("warnings:", sum("not supported by kerchunk" in str(warning.message) for warning in caught))
try:
    SingleHdf5ToZarr("x.nc", error="raise").translate()
except Exception as error:
    print(f'error="raise": {type(error).__name__}')
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
