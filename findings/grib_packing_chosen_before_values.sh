#!/usr/bin/env bash
# surprise: eccodes drops the values, with no error, when complex packing is chosen on a fresh message and they are set afterwards: all points get the minimum.
# expected: The order of setting the packing and the values does not matter, as with simple or CCSDS packing.
# versions: eccodes 2.50.0
# seen: 2026-11-28
# matters: Whoever writes GRIB with eccodes: set `packingType` after the values, or set `bitsPerValue` first, and read one field back.
# output:
#   grid_ccsds: values then packing 270 to 281, packing then values 270 to 281, packing, bits, values 270 to 281
#   grid_complex: values then packing 270 to 281, packing then values 270 to 270, packing, bits, values 270 to 281
#   grid_complex_spatial_differencing: values then packing 270 to 281, packing then values 270 to 270, packing, bits, values 270 to 281

set -euo pipefail

packages=(
  eccodes==2.50.0
  numpy==2.4.6
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

values = np.arange(270, 282.0)

def spread(*steps):
    field = message(np.zeros(12))
    for step in steps:
        if step == "values":
            eccodes.codes_set_values(field, values)
        else:
            eccodes.codes_set(field, *step)
    coded = eccodes.codes_get_values(field)
    return f"{coded.min():.0f} to {coded.max():.0f}"

for packing in "grid_ccsds", "grid_complex", "grid_complex_spatial_differencing":
    choose = ("packingType", packing)
    print(f"{packing}: values then packing {spread('values', choose)},",
          f"packing then values {spread(choose, 'values')},",
          f"packing, bits, values {spread(choose, ('bitsPerValue', 16), 'values')}")
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
