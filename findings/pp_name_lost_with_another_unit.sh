#!/usr/bin/env bash
# surprise: A temperature in celsius saved to PP comes back as "unknown" in unit "unknown": a field code goes with one unit, and Iris neither converts nor warns.
# expected: It is converted to kelvin, as a save to GRIB 2 does, or its name at least is kept.
# versions: scitools-iris 3.14.1, numpy 2.4.6, cf-units 3.3.1
# seen: 2026-11-28
# matters: Cubes after `convert_units`. Convert back to the unit of the CF standard name before a save to PP.
# output:
#   air_temperature [K]: PP air_temperature [K] (no warning), GRIB air_temperature [K]
#   air_temperature [celsius]: PP unknown [unknown] (no warning), GRIB air_temperature [K]
#   x_wind [m s-1]: PP x_wind [m s-1] (no warning), GRIB x_wind [m s-1]
#   x_wind [knot]: PP unknown [unknown] (no warning), GRIB x_wind [m s-1]

set -euo pipefail

packages=(
  scitools-iris==3.14.1
  numpy==2.4.6
  dask==2026.8.0
  netCDF4==1.7.5.1.post1
  cf-units==3.3.1
  cftime==1.6.6.1
  xxhash==3.8.2
  iris-grib==0.21.0
  eccodes==2.50.0
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

from iris.coord_systems import GeogCS

for name, units in ("air_temperature", "K"), ("air_temperature", "celsius"), ("x_wind", "m s-1"), ("x_wind", "knot"):
    field = cube(name, units)
    warned = save(field, "a.pp")
    for axis in "latitude", "longitude":
        field.coord(axis).coord_system = GeogCS(6371229)
    field.add_aux_coord(DimCoord(0, "forecast_period", units="hours"))
    field.add_aux_coord(DimCoord(2.0, "height", units="m"))
    iris.save(field, "a.grib2")
    pp, grib = iris.load_cube("a.pp"), iris.load_cube("a.grib2")
    print(f"{name} [{units}]: PP {pp.name()} [{pp.units}] ({warned}), GRIB {grib.name()} [{grib.units}]")
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
