#!/usr/bin/env bash
# surprise: One text variable in a Zarr store of netCDF-C makes zarr-python refuse the whole group, numbers too; and a text of zarr-python makes netCDF-C refuse the whole store.
# expected: Each reads what it understands, or a text is the same thing to both.
# versions: netCDF4 1.7.5.1.post1 (netCDF-C 4.10.1), zarr 3.1.6, xarray 2026.9.0
# seen: 2026-11-28
# matters: A scenario name or a station beside the data locks the others out. Keep texts in attributes of stores that both are to read.
# page: tutorials/3_every_day/5_zarr_what_is_not_kept
# output:
#   by netCDF-C, numbers alone: zarr-python reads number, xarray reads number
#   by netCDF-C, with a text: zarr-python ValueError, xarray ValueError
#   by xarray, numbers alone: netCDF-C reads number
#   by xarray, with a text: netCDF-C OSError -137

set -euo pipefail

packages=(
  netCDF4==1.7.5.1.post1
  numpy==2.4.6
  numcodecs==0.16.6
  xarray==2026.9.0
  zarr==3.1.6
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
import os

import netCDF4
import numpy as np
import xarray as xr
import zarr

folder = os.getcwd()


def address(name):
    return f"file://{folder}/{name}.zarr#mode=nczarr,file"


def by_netcdf(name, with_text):
    with netCDF4.Dataset(address(name), "w") as store:
        store.createDimension("x", 2)
        store.createDimension("letters", 3)
        store.createVariable("number", "f8", "x")[:] = [1, 2]
        if with_text:
            texts = np.array([list("abc"), list("def")], "S1")
            store.createVariable("text", "S1", ("x", "letters"))[:] = texts


def by_xarray(name, with_text):
    data = {"number": ("x", [1.0, 2.0])}
    if with_text:
        data["text"] = ("x", ["abc", "def"])
    xr.Dataset(data).to_zarr(f"{name}.zarr", zarr_format=2)


def said(who, read):
    try:
        return f"{who} reads {', '.join(sorted(read()))}"
    except Exception as error:
        number = f" {error.errno}" if isinstance(error, OSError) and error.errno else ""
        return f"{who} {type(error).__name__}{number}"


def zarr_python(name):
    return [key for key, array in zarr.open_group(f"{name}.zarr", mode="r").members() if array[:].any()]


def with_xarray(name):
    data = xr.open_zarr(f"{name}.zarr", consolidated=False)
    return [key for key in data if data[key].load().any()]


def with_netcdf(name):
    with netCDF4.Dataset(address(name)) as store:
        return [key for key in store.variables if store[key][:].any()]


for kind, with_text in (("numbers alone", False), ("with a text", True)):
    name = f"netcdf{with_text}"
    by_netcdf(name, with_text)
    found = said("zarr-python", lambda: zarr_python(name)), said("xarray", lambda: with_xarray(name))
    print(f"by netCDF-C, {kind}: {found[0]}, {found[1]}")
for kind, with_text in (("numbers alone", False), ("with a text", True)):
    name = f"xarray{with_text}"
    by_xarray(name, with_text)
    print(f"by xarray, {kind}: {said('netCDF-C', lambda: with_netcdf(name))}")
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
