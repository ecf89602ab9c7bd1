#!/usr/bin/env bash
# surprise: `iris.save(cube, "x.nc", packing="i2")` of a masked cube makes its smallest values missing too, and `packing="u1"` of a plain cube its largest: Iris packs them to the number that marks missing points.
# expected: Every point that was not masked is still there after the load, rounded.
# versions: scitools-iris 3.14.1, numpy 2.4.6, netCDF4 1.7.5.1.post1
# seen: 2026-11-28
# matters: A packed save of rain with missing points loses all the dry ones. Give `packing` as a dictionary with a dtype, and a scale_factor and add_offset that leave the ends free.
# output:
#   plain, i2: 0.0 0.0 1.5 3.0 7.0 (no warning)
#   plain, u1: 0.0 0.0 1.5 3.0 -- (no warning)
#   plain, own scale: 0.0 0.0 1.5 3.0 7.0 (no warning)
#   masked, i2: -- -- 1.5 -- 7.0 (no warning)
#   masked, u1: 0.0 0.0 1.5 -- 7.0 (no warning)
#   masked, own scale: 0.0 0.0 1.5 -- 7.0 (no warning)

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
import warnings

import iris
import numpy as np
from iris.cube import Cube

iris.FUTURE.date_microseconds = iris.FUTURE.lam_pole_offset = iris.FUTURE.save_split_attrs = True

def save(cube, path, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        iris.save(cube, path, **options)
    return " ".join(str(warning.message) for warning in caught) or "no warning"

rain = np.array([0, 0, 1.5, 3, 7], "f4")
wide = dict(dtype="i2", scale_factor=0.001, add_offset=0)
for label, data in ("plain", rain), ("masked", np.ma.masked_equal(rain, 3)):
    for packing in "i2", "u1", wide:
        warned = save(Cube(data, long_name="rain", units="mm"), "a.nc", packing=packing)
        loaded = iris.load_cube("a.nc").data
        values = " ".join("--" if np.ma.is_masked(value) else f"{value:.1f}" for value in loaded)
        print(f"{label}, {'own scale' if packing is wide else packing}: {values} ({warned})")
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
