#!/usr/bin/env bash
# surprise: An HDF5 file with a user block in front, as MATLAB writes, is opened by netCDF4 and h5netcdf, refused by Iris ("No format specification could be found"), and read by pyfive as other numbers.
# expected: What netCDF-C opens, Iris loads, since Iris reads through it; and a reader that opens the file gives its numbers.
# versions: scitools-iris 3.14.1, netCDF4 1.7.5.1.post1, h5py 3.16.0, pyfive 1.3.0
# seen: 2026-11-28
# matters: `.mat` files of version 7.3 and products with a text header. Give Iris the open dataset: `iris.load(netCDF4.Dataset(path))`; do not read such a file with pyfive.
# output:
#   user block of 0: netCDF4 right
#   user block of 0: Iris, path: right
#   user block of 0: Iris, open dataset: right
#   user block of 0: pyfive right
#   user block of 512: netCDF4 right
#   user block of 512: Iris, path: ValueError: No format specification could be found for the give
#   user block of 512: Iris, open dataset: right
#   user block of 512: pyfive other numbers

set -euo pipefail

packages=(
  scitools-iris==3.14.1
  numpy==2.4.6
  dask==2026.8.0
  netCDF4==1.7.5.1.post1
  cf-units==3.3.1
  cftime==1.6.6.1
  xxhash==3.8.2
  h5py==3.16.0
  pyfive==1.3.0
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
import h5py
import iris
import netCDF4
import numpy as np
import pyfive

for size in 0, 512:
    path = f"block{size}.nc"
    with h5py.File(path, "w", userblock_size=size, track_order=True) as file:
        file["t"] = np.array([1, 2, 3], "f4")

    def show(label, read):
        try:
            values = np.ma.filled(read(), np.nan)
            result = "right" if values.tolist() == [1, 2, 3] else "other numbers"
        except Exception as error:
            result = f"{type(error).__name__}: {str(error)[:51]}"
        print(f"user block of {size}: {label} {result}")

    show("netCDF4", lambda: netCDF4.Dataset(path)["t"][:])
    show("Iris, path:", lambda: iris.load_cube(path).data)
    show("Iris, open dataset:", lambda: iris.load_cube(netCDF4.Dataset(path)).data)
    show("pyfive", lambda: pyfive.File(path)["t"][:])
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
