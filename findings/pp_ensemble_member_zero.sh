#!/usr/bin/env bash
# surprise: An ensemble of members 0, 1 and 2 saved to PP comes back as two cubes: member 0 has lost its number, since PP means "no ensemble" by 0.
# expected: It comes back as the one cube with three members that it was.
# versions: scitools-iris 3.14.1, numpy 2.4.6, cf-units 3.3.1
# seen: 2026-11-28
# matters: Members that are counted from 0 (ECMWF, xarray). Count from 1 before a save to PP; `iris.load_cube` of such a file fails.
# output:
#   saved members 1 to 3 (no warning)
#     loaded: shape (3, 3, 4), realization [1, 2, 3]
#   saved members 0 to 2 (no warning)
#     loaded: shape (3, 4), realization none
#     loaded: shape (2, 3, 4), realization [1, 2]

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
from cf_units import Unit
from iris.coords import DimCoord
from iris.cube import Cube, CubeList

def cube(name="air_temperature", units="K", dtype="f4", calendar="standard"):
    cube = Cube(np.arange(12, dtype=dtype).reshape(3, 4), name, units=units)
    cube.add_dim_coord(DimCoord([0.0, 10, 20], "latitude", units="degrees"), 0)
    cube.add_dim_coord(DimCoord([0.0, 90, 180, 270], "longitude", units="degrees", circular=True), 1)
    time = Unit("hours since 2020-01-01", calendar=calendar)
    cube.add_aux_coord(DimCoord(6, "time", units=time))
    return cube

iris.FUTURE.date_microseconds = iris.FUTURE.lam_pole_offset = iris.FUTURE.save_split_attrs = True

def save(cube, path, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        iris.save(cube, path, **options)
    return " ".join(str(warning.message) for warning in caught) or "no warning"

for first in 1, 0:
    members = CubeList()
    for member in range(first, first + 3):
        field = cube()
        field.add_aux_coord(DimCoord(member, "realization"))
        members.append(field)
    warned = save(members.merge_cube(), "a.pp")
    print(f"saved members {first} to {first + 2} ({warned})")
    for loaded in iris.load("a.pp"):
        found = [coord.points.tolist() for coord in loaded.coords("realization")]
        print(f"  loaded: shape {loaded.shape}, realization {found[0] if found else 'none'}")
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
