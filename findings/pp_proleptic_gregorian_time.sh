#!/usr/bin/env bash
# surprise: A save to PP of a cube with the calendar proleptic_gregorian, which xarray writes, loses its time: the cube comes back without one, without a warning.
# expected: For dates of our time the two calendars are the same, so the time is kept.
# versions: scitools-iris 3.14.1, numpy 2.4.6, cf-units 3.3.1
# seen: 2026-11-28
# matters: Cubes that came through xarray or from climate models. For dates after 1582 give the time coordinate the same unit with the calendar standard before you save to PP.
# output:
#   standard: 2020-01-01 06:00:00 (no warning)
#   360_day: 2020-01-01 06:00:00 (no warning)
#   365_day: 2020-01-01 06:00:00 (no warning)
#   proleptic_gregorian: no time (no warning)
#   julian: no time (no warning)
#   366_day: no time (no warning)

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

for calendar in "standard", "360_day", "365_day", "proleptic_gregorian", "julian", "366_day":
    warned = save(cube(calendar=calendar), "a.pp")
    times = [str(coord.cell(0).point) for coord in iris.load_cube("a.pp").coords("time")]
    print(f"{calendar}: {', '.join(times) or 'no time'} ({warned})")
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
