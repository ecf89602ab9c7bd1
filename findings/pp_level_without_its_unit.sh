#!/usr/bin/env bash
# surprise: A save to PP stores the number of a level and forgets its unit: 50000 Pa come back as 50000 hPa, 10 km as 10 m, and a depth or a model level as nothing, without a warning.
# expected: The level is converted to the unit that PP means, or the save refuses.
# versions: scitools-iris 3.14.1, numpy 2.4.6, cf-units 3.3.1
# seen: 2026-11-28
# matters: Much model output has pressure in Pa. Call `coord.convert_units("hPa")` (heights: "m") before a save to PP, and compare the levels after it.
# output:
#   air_pressure 500 hPa -> pressure 500 hPa (no warning)
#   air_pressure 50000 Pa -> pressure 50000 hPa (no warning)
#   height 10 m -> height 10 m (no warning)
#   height 10 km -> height 10 m (no warning)
#   depth 5 m -> nothing (no warning)
#   model_level_number 3 1 -> nothing (no warning)

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

for name, units, value in [
    ("air_pressure", "hPa", 500.0), ("air_pressure", "Pa", 50000.0),
    ("height", "m", 10.0), ("height", "km", 10.0), ("depth", "m", 5.0), ("model_level_number", "1", 3),
]:
    field = cube()
    field.add_aux_coord(DimCoord(value, name, units=units))
    warned = save(field, "a.pp")
    levels = [
        f"{coord.name()} {coord.points[0]:g} {coord.units}"
        for coord in iris.load_cube("a.pp").coords(dimensions=())
        if coord.name() != "time"
    ]
    print(f"{name} {value:g} {units} -> {', '.join(levels) or 'nothing'} ({warned})")
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
