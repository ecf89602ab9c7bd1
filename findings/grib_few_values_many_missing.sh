#!/usr/bin/env bash
# surprise: A GRIB 2 field with missing points, whose other points are all equal, loads in Iris and fails when its data are read: "Shapes of data and bitmap do not match". Iris saves such fields itself.
# expected: The points are masked and the others keep their value, as cfgrib reads it.
# versions: scitools-iris 3.14.1, iris-grib 0.21.0, eccodes 2.50.0, cfgrib 0.9.15.1, xarray 2026.9.0
# seen: 2026-11-28
# matters: Land masks, dry fields and empty tiles stop an analysis in the middle. Read such files with cfgrib, or fill the missing points before a save to GRIB.
# output:
#   0 and 1: cfgrib finds 0 missing, Iris finds 0
#   0 and 1, some missing: cfgrib finds 3 missing, Iris finds 3
#   1 and missing: cfgrib finds 8 missing, Iris: TranslationError: Shapes of data and bitmap do not match.
#   all missing: cfgrib finds 12 missing, Iris: TranslationError: Shapes of data and bitmap do not match.

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

with open("a.grib2", "wb") as file:
    eccodes.codes_write(message(np.arange(12.0)), file)
cube = iris.load_cube("a.grib2")
land = np.zeros((3, 4))
land[0] = 1
for label, data in [
    ("0 and 1", land), ("0 and 1, some missing", np.ma.masked_array(land, np.eye(3, 4))),
    ("1 and missing", np.ma.masked_equal(land, 0)), ("all missing", np.ma.masked_all((3, 4))),
]:
    cube.data = data
    iris.save(cube, "b.grib2")
    dataset = xarray.open_dataset("b.grib2", engine="cfgrib", backend_kwargs={"indexpath": ""})
    print(f"{label}: cfgrib finds {int(dataset.t2m.isnull().sum())} missing,", end=" ")
    try:
        print("Iris finds", np.ma.count_masked(iris.load_cube("b.grib2").data))
    except Exception as error:
        print(f"Iris: {type(error).__name__}: {error}")
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
