#!/usr/bin/env bash
# surprise: A virtual HDF5 dataset, a file that points into others, gives fill values without an error: to Iris when a part is not found, to kerchunk and virtualizarr always.
# expected: A part that is not found is an error, and an index of the file points at the parts.
# versions: scitools-iris 3.14.1, netCDF4 1.7.5.1.post1 (HDF5 2.2.0), h5py 3.16.0, kerchunk 0.2.10, virtualizarr 2.5.1
# seen: 2026-11-28
# matters: Aggregations of satellite and model output. Copy the parts to the bucket with the file, under the same relative names; `h5py.Dataset.virtual_sources()` names them.
# output:
#   all parts there: Iris [[1.0, 2.0, 3.0], [11.0, 12.0, 13.0]]
#   all parts there: kerchunk [[-1.0, -1.0, -1.0], [-1.0, -1.0, -1.0]]
#   all parts there: virtualizarr [[-1.0, -1.0, -1.0], [-1.0, -1.0, -1.0]]
#   one part moved: Iris [[1.0, 2.0, 3.0], [-1.0, -1.0, -1.0]]
#   one part moved: kerchunk [[-1.0, -1.0, -1.0], [-1.0, -1.0, -1.0]]
#   one part moved: virtualizarr [[-1.0, -1.0, -1.0], [-1.0, -1.0, -1.0]]

set -euo pipefail

packages=(
  scitools-iris==3.14.1
  numpy==2.4.6
  dask==2026.8.0
  netCDF4==1.7.5.1.post1
  cf-units==3.3.1
  cftime==1.6.6.1
  xxhash==3.8.2
  virtualizarr==2.5.1
  obspec-utils==0.9.0
  obstore==0.12.1
  kerchunk==0.2.10
  zarr==3.1.6
  numcodecs==0.16.6
  fsspec==2026.9.0
  xarray==2026.9.0
  pandas==3.1.1
  h5py==3.16.0
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

import h5py
import iris
import numpy as np
import xarray
from kerchunk.hdf import SingleHdf5ToZarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtualizarr.parsers import HDFParser

layout = h5py.VirtualLayout((2, 3), "f4")
for part in range(2):
    with h5py.File(f"part{part}.h5", "w") as file:
        file["t"] = np.array([1, 2, 3], "f4") + 10 * part
    layout[part] = h5py.VirtualSource(f"part{part}.h5", "t", (3,))
with h5py.File("all.nc", "w", track_order=True) as file:
    file.create_virtual_dataset("t", layout, fillvalue=-1)

def show(label):
    def row(values):
        return np.ma.filled(values, np.nan).astype(float).tolist()

    print(f"{label}: Iris {row(iris.load_cube('all.nc').data)}")
    index = SingleHdf5ToZarr("all.nc").translate()
    dataset = xarray.open_dataset(index, engine="kerchunk", mask_and_scale=False)
    print(f"{label}: kerchunk {row(dataset.t.values)}")
    parse = HDFParser()
    store = parse(url=f"file://{os.getcwd()}/all.nc", registry=ObjectStoreRegistry({"file://": LocalStore()}))
    dataset = xarray.open_zarr(store, consolidated=False, zarr_format=3, mask_and_scale=False)
    print(f"{label}: virtualizarr {row(dataset.t.values)}")

show("all parts there")
os.rename("part1.h5", "moved.h5")
show("one part moved")
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
