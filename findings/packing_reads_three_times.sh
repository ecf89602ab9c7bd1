#!/usr/bin/env bash
# surprise: `iris.save` with `packing="i2"` computes lazy data three times: once for the minimum, once for the maximum, once for the save.
# expected: Once, or twice: the range of the data first, then the values.
# versions: scitools-iris 3.14.1, dask 2026.8.0, netCDF4 1.7.5.1.post1
# seen: 2026-11-28
# matters: A cube loaded from a bucket is fetched three times. Give `packing` as a dictionary with dtype, scale_factor and add_offset, or call `cube.data` first where it fits in memory.
# output:
#   plain: 4 chunks, computed 4 times in all
#   i2: 4 chunks, computed 12 times in all
#   own scale: 4 chunks, computed 4 times in all
#   zlib: 4 chunks, computed 4 times in all

set -euo pipefail

packages=(
  scitools-iris==3.14.1
  numpy==2.4.6
  dask==2026.8.0
  netCDF4==1.7.5.1.post1
  cf-units==3.3.1
  cftime==1.6.6.1
  xxhash==3.8.2
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
import dask.array as da
import iris
import numpy as np
from iris.cube import Cube

reads = []

def fetch(block):
    reads.append(block)
    return block

lazy = da.map_blocks(fetch, da.arange(8.0, chunks=2), meta=np.array([], "f8"))
own = dict(dtype="i2", scale_factor=0.001, add_offset=0.0)
for label, options in ("plain", {}), ("i2", {"packing": "i2"}), ("own scale", {"packing": own}), ("zlib", {"zlib": True}):
    cube = Cube(lazy, long_name="rain", units="mm")
    reads.clear()
    iris.save(cube, "x.nc", **options)
    print(f"{label}: 4 chunks, computed {len(reads)} times in all")
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
