#!/usr/bin/env bash
# surprise: Of a GRIB 2 message that holds several fields, as wind components often do, Iris and eccodes read the first one and say nothing of the others; cfgrib reads them all.
# expected: All fields are read, since a message with repeated sections is standard GRIB 2.
# versions: scitools-iris 3.14.1, iris-grib 0.21.0, eccodes 2.50.0, cfgrib 0.9.15.1, xarray 2026.9.0
# seen: 2026-11-28
# matters: When a wind component is missing after `iris.load`: call `eccodes.codes_grib_multi_support_on()` before the load.
# output:
#   eccodes: 2t
#   Iris: air_temperature
#   cfgrib: t2m u v
#   Iris, with multi support: air_temperature x_wind y_wind

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
  cfgrib==0.9.15.1
  xarray==2026.9.0
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
import iris.cube

import eccodes
import numpy as np
import xarray

def message(values=None, **keys):
    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    keys = dict(
        Ni=4, Nj=3, iDirectionIncrementInDegrees=1, jDirectionIncrementInDegrees=1,
        latitudeOfFirstGridPointInDegrees=2, latitudeOfLastGridPointInDegrees=0,
        longitudeOfFirstGridPointInDegrees=0, longitudeOfLastGridPointInDegrees=3,
        parameterCategory=0, parameterNumber=0, typeOfFirstFixedSurface=103,
        scaleFactorOfFirstFixedSurface=0, scaledValueOfFirstFixedSurface=2,
    ) | keys
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value)
    if values is not None:
        eccodes.codes_set_values(handle, values)
    return handle

values = np.arange(12.0)
fields = eccodes.codes_grib_multi_new()
eccodes.codes_grib_multi_support_on()
for category, number in (0, 0), (2, 2), (2, 3):
    field = message(values, parameterCategory=category, parameterNumber=number)
    eccodes.codes_grib_multi_append(field, 4, fields)
with open("winds.grib2", "wb") as file:
    eccodes.codes_grib_multi_write(fields, file)
eccodes.codes_grib_multi_support_off()

with open("winds.grib2", "rb") as file:
    names = []
    while (field := eccodes.codes_grib_new_from_file(file)) is not None:
        names.append(eccodes.codes_get(field, "shortName"))
print("eccodes:", *names)
print("Iris:", *(cube.name() for cube in iris.load("winds.grib2")))
dataset = xarray.open_dataset("winds.grib2", engine="cfgrib", backend_kwargs={"indexpath": ""})
print("cfgrib:", *sorted(dataset.data_vars))
eccodes.codes_grib_multi_support_on()
print("Iris, with multi support:", *(cube.name() for cube in iris.load("winds.grib2")))
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
