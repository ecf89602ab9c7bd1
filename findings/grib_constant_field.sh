#!/usr/bin/env bash
# surprise: A GRIB 2 field whose points are all equal is loaded by Iris as zeros, without a warning, even one that Iris has saved itself.
# expected: It is loaded with the value that was saved, as eccodes reads it.
# versions: scitools-iris 3.14.1, iris-grib 0.21.0, eccodes 2.50.0
# seen: 2026-11-28
# matters: Masks, idealised runs and boundary fields in GRIB: compare the minimum and the maximum with what eccodes gives, or load such a field with cfgrib.
# output:
#   constant: saved 280 to 280, eccodes 280 to 280, Iris 0 to 0
#   one point differs: saved 280 to 281, eccodes 280 to 281, Iris 280 to 281

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
import iris
from iris.coord_systems import GeogCS
from iris.coords import DimCoord
from iris.cube import Cube

import eccodes
import numpy as np

cube = Cube(np.full((3, 4), 280.0), "air_temperature", units="K")
globe = GeogCS(6371229)
cube.add_dim_coord(DimCoord([2.0, 1, 0], "latitude", units="degrees", coord_system=globe), 0)
cube.add_dim_coord(DimCoord([0.0, 1, 2, 3], "longitude", units="degrees", coord_system=globe), 1)
cube.add_aux_coord(DimCoord(0, "forecast_period", units="hours"))
cube.add_aux_coord(DimCoord(0, "time", units="hours since 2020-01-01"))
cube.add_aux_coord(DimCoord(2.0, "height", units="m"))

for label in "constant", "one point differs":
    iris.save(cube, "field.grib2")
    loaded = iris.load_cube("field.grib2").data
    with open("field.grib2", "rb") as file:
        field = eccodes.codes_grib_new_from_file(file)
    coded = eccodes.codes_get_values(field)
    print(f"{label}: saved {cube.data.min():.0f} to {cube.data.max():.0f},",
          f"eccodes {coded.min():.0f} to {coded.max():.0f}, Iris {loaded.min():.0f} to {loaded.max():.0f}")
    cube.data[0, 0] = 281
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
