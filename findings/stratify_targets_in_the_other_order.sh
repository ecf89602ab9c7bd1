#!/usr/bin/env bash
# surprise: python-stratify returns NaN for target levels that do not run in the direction of the source levels, and takes the values under a mask for data; it warns of neither.
# expected: Levels inside the range are interpolated in any order, and masked points stay missing.
# versions: stratify 0.4.0, numpy 2.4.6
# seen: 2026-11-28
# matters: Pressure runs downwards, height upwards. Sort the targets as the source is, and fill a masked array with NaN before `stratify.interpolate`.
# output:
#   targets downwards: {900: 0.667, 700: 1.429, 600: 1.714}
#   targets upwards:   {600: 1.714, 700: nan, 900: nan}
#   850 hPa is NaN:    {900: nan, 700: nan, 400: 2.333}
#   850 hPa is masked: {900: 0.667, 700: 1.429, 400: 2.333}

set -euo pipefail

packages=(
  stratify==0.4.0
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
import numpy as np
import stratify

pressure = np.array([1000, 850, 500, 200.0])[:, np.newaxis]
values = np.array([0, 1, 2, 3.0])[:, np.newaxis]

def at(targets, values):
    result = stratify.interpolate(np.array(targets, float), pressure, values, axis=0)
    return dict(zip(targets, result[:, 0].round(3).tolist()))

print("targets downwards:", at([900, 700, 600], values))
print("targets upwards:  ", at([600, 700, 900], values))
print("850 hPa is NaN:   ", at([900, 700, 400], np.where(values == 1, np.nan, values)))
print("850 hPa is masked:", at([900, 700, 400], np.ma.masked_equal(values, 1)))
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
