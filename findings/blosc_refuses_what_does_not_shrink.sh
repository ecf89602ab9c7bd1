#!/usr/bin/env bash
# surprise: Writing with a Blosc compression of netCDF-C fails with "NetCDF: HDF error" where a chunk does not get smaller, so for any variable of a few points.
# expected: A chunk that cannot be compressed is stored as it is, as with zlib and zstd.
# versions: netCDF4 1.7.5.1.post1 (netCDF-C 4.10.1, HDF5 2.2.0), numpy 2.4.6
# seen: 2026-11-28
# matters: Recompressing a file variable by variable: its small coordinates fail, and so does noise. Use zstd or zlib, or leave variables below some kilobytes uncompressed.
# output:
#   zlib: 4 points: written, 4096 points: written, noise: written
#   zstd: 4 points: written, 4096 points: written, noise: written
#   blosc_lz4: 4 points: NetCDF: HDF error, 4096 points: written, noise: NetCDF: HDF error
#   blosc_zstd: 4 points: NetCDF: HDF error, 4096 points: written, noise: NetCDF: HDF error

set -euo pipefail

packages=(
  netCDF4==1.7.5.1.post1
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
import netCDF4
import numpy as np

noise = np.random.default_rng(0).integers(0, 2**31, 4096, "i4")
for compression in "zlib", "zstd", "blosc_lz4", "blosc_zstd":
    results = []
    for label, values in ("4 points", np.arange(4)), ("4096 points", np.arange(4096)), ("noise", noise):
        try:
            with netCDF4.Dataset(f"{compression} {label}.nc", "w") as file:
                file.createDimension("x", len(values))
                file.createVariable("t", "i4", "x", compression=compression)[:] = values
            results.append(f"{label}: written")
        except RuntimeError as error:
            results.append(f"{label}: {error}")
    print(f"{compression}: {', '.join(results)}")
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
