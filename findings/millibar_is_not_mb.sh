#!/usr/bin/env bash
# surprise: UDUNITS, and so Iris, takes "mb" for a millibarn, an area, and "pa" for a picoare; a pressure in "mb" loads without a warning and cannot be converted to hPa.
# expected: "mb" is a millibar, as people write it, or it is refused.
# versions: scitools-iris 3.14.1, cf-units 3.3.1, netCDF4 1.7.5.1.post1
# seen: 2026-11-28
# matters: Older data and text headers. Set `cube.units = "mbar"` (or "hPa") after the load, and ask `cube.units.is_convertible("Pa")` of every pressure.
# output:
#   mbar: 100 m-1.kg.s-2, a pressure: True
#   hPa: 100 m-1.kg.s-2, a pressure: True
#   mb: 1e-31 m2, a pressure: False
#   Pa: m-1.kg.s-2, a pressure: True
#   pa: 1e-10 m2, a pressure: False
#   a: 100 m2, a pressure: False
#   yr: 31556925.9747 s, a pressure: False
#   loaded: air_pressure / (mb)                 (-- : 1) no invalid units
#   convert_units: Unable to convert from 'Unit('mb')' to 'Unit('hPa')'.

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
import iris
import netCDF4
from cf_units import UT_DEFINITION, Unit

for name in "mbar", "hPa", "mb", "Pa", "pa", "a", "yr":
    unit = Unit(name)
    print(f"{name}: {unit.format(UT_DEFINITION)}, a pressure: {unit.is_convertible('Pa')}")
with netCDF4.Dataset("x.nc", "w") as file:
    file.createDimension("x", 1)
    pressure = file.createVariable("p", "f4", "x")
    pressure.standard_name, pressure.units = "air_pressure", "mb"
    pressure[:] = 1013
cube = iris.load_cube("x.nc")
print("loaded:", cube.summary(shorten=True), cube.attributes.get("invalid_units", "no invalid units"))
try:
    cube.convert_units("hPa")
except ValueError as error:
    print("convert_units:", error)
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
