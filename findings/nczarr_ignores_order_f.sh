#!/usr/bin/env bash
# surprise: netCDF-C reads a Zarr array that is stored in column order ("order": "F") as if it were in row order: the numbers come back in other places, without an error.
# expected: The order is honoured, or the array is refused, as an unknown codec is.
# versions: netCDF4 1.7.5.1.post1 (netCDF-C 4.10.1), zarr 3.1.6, numpy 2.4.6
# seen: 2026-11-28
# matters: Iris 3.16 reads Zarr through netCDF-C. Look for `"order": "F"` in the `.zarray` files, a choice of whoever wrote them; open such stores with xarray and ncdata.
# output:
#   order C: zarr [[0, 1, 2], [3, 4, 5]], netCDF-C [[0, 1, 2], [3, 4, 5]]
#   order F: zarr [[0, 1, 2], [3, 4, 5]], netCDF-C [[0, 3, 1], [4, 2, 5]]

set -euo pipefail

packages=(
  netCDF4==1.7.5.1.post1
  zarr==3.1.6
  numcodecs==0.16.6
  numpy==2.4.6
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
import os

import netCDF4
import numpy as np
import zarr

values = np.arange(6, dtype="f4").reshape(2, 3)
for order in "C", "F":
    group = zarr.open_group(f"{order}.zarr", mode="w", zarr_format=2)
    array = group.create_array("t", shape=(2, 3), chunks=(2, 3), dtype="f4", order=order, compressors=None)
    array[:] = values
    array.attrs["_ARRAY_DIMENSIONS"] = ["y", "x"]
    python = zarr.open_group(f"{order}.zarr", mode="r")["t"][:]
    with netCDF4.Dataset(f"file://{os.getcwd()}/{order}.zarr#mode=nczarr,file") as file:
        print(f"order {order}: zarr {python.astype(int).tolist()}, netCDF-C {file['t'][:].astype(int).tolist()}")
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
