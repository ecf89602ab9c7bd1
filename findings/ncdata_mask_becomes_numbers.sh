#!/usr/bin/env bash
# surprise: ncdata's `cubes_to_xarray` turns the masked points of a cube into numbers, 9.97e36 for floats, which xarray then averages; the way back does not mask them again.
# expected: Masked points become NaN.
# versions: scitools-iris 3.14.1, ncdata 0.4.0, xarray 2026.9.0, numpy 2.4.6
# seen: 2026-11-28
# matters: Whoever goes on with a cube in xarray. Fill floats with NaN first (`cube.data = cube.data.filled(numpy.nan)`), or save with `fill_value=` and open the file.
# output:
#   f4: mean 1.33 in Iris, 2.49e+36 in xarray, 0 masked after the way back
#   f8: mean 1.33 in Iris, 2.49e+36 in xarray, 0 masked after the way back
#   i2: mean 1.33 in Iris, -8.19e+03 in xarray, 0 masked after the way back
#   i4: mean 1.33 in Iris, -5.37e+08 in xarray, 0 masked after the way back
#   f4, saved with a fill value, opened by xarray: mean 1.33
#   f4, filled with NaN, by cubes_to_xarray: mean 1.33

set -euo pipefail

packages=(
  scitools-iris==3.14.1
  numpy==2.4.6
  dask==2026.8.0
  netCDF4==1.7.5.1.post1
  cf-units==3.3.1
  cftime==1.6.6.1
  xxhash==3.8.2
  ncdata==0.4.0
  xarray==2026.9.0
  pandas==3.1.1
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
import numpy as np
import xarray
from iris.cube import Cube
from ncdata.iris_xarray import cubes_from_xarray, cubes_to_xarray

for dtype in "f4", "f8", "i2", "i4":
    data = np.ma.masked_equal(np.arange(4, dtype=dtype), 2)
    cube = Cube(data, long_name="rain", units="mm")
    dataset = cubes_to_xarray(cube)
    back = cubes_from_xarray(dataset)[0]
    print(f"{dtype}: mean {data.mean():.3g} in Iris, {float(dataset.rain.mean()):.3g} in xarray,",
          f"{np.ma.count_masked(back.data)} masked after the way back")
cube = Cube(np.ma.masked_equal(np.arange(4, dtype="f4"), 2), long_name="rain", units="mm")
iris.save(cube, "rain.nc", fill_value=-1)
print(f"f4, saved with a fill value, opened by xarray: mean {float(xarray.open_dataset('rain.nc').rain.mean()):.3g}")
cube.data = cube.data.filled(np.nan)
print(f"f4, filled with NaN, by cubes_to_xarray: mean {float(cubes_to_xarray(cube).rain.mean()):.3g}")
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
