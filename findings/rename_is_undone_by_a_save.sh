#!/usr/bin/env bash
# surprise: A cube that came from PP or GRIB, renamed and saved in its format, comes back under its old name: the attribute STASH or GRIB_PARAM wins over the name, without a warning.
# expected: The name that the cube has when it is saved is what is stored.
# versions: scitools-iris 3.14.1, iris-grib 0.21.0, eccodes 2.50.0
# seen: 2026-11-28
# matters: A quantity derived with `cube.rename` is stored as the one it was made from. Remove the attribute (`del cube.attributes["STASH"]`, `["GRIB_PARAM"]`) when you rename.
# output:
#   grib2: with GRIB_PARAM x_wind, without wind_speed
#   pp: with STASH x_wind, without wind_speed

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
import iris.cube
from iris.fileformats.pp import STASH

import eccodes
import numpy as np

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

with open("a.grib2", "wb") as file:
    eccodes.codes_write(message(np.arange(12.0), parameterCategory=2, parameterNumber=2), file)
for ending, attribute in ("grib2", "GRIB_PARAM"), ("pp", "STASH"):
    cube = iris.load_cube("a.grib2")
    cube.data = cube.data.astype("f4")
    if ending == "pp":
        del cube.attributes["GRIB_PARAM"]
        cube.attributes["STASH"] = STASH.from_msi("m01s03i225")
        iris.save(cube, "a.pp")
        cube = iris.load_cube("a.pp")
    cube.rename("wind_speed")
    iris.save(cube, f"b.{ending}")
    with_attribute = iris.load_cube(f"b.{ending}").name()
    del cube.attributes[attribute]
    iris.save(cube, f"c.{ending}")
    print(f"{ending}: with {attribute} {with_attribute}, without {iris.load_cube(f'c.{ending}').name()}")
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
