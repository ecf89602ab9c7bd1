#!/usr/bin/env bash
# surprise: One character variable (`S1`), as Iris writes texts, in a Zarr store of netCDF-C keeps zarr-python from listing the group and xarray from opening it; and a text of xarray makes netCDF-C refuse the whole store.
# expected: Each reads what it understands, or a text is the same thing to both.
# versions: netCDF4 1.7.5.1.post1 (netCDF-C 4.10.1), zarr 3.1.6, xarray 2026.9.0
# seen: 2026-11-28
# matters: A scenario name or a station beside the data locks the others out. Keep texts in attributes of stores that both are to read, or write a netCDF string variable, which they read as bytes, or from xarray bytes; by its name zarr-python still reads a number.
# page: tutorials/3_every_day/5_zarr_what_is_not_kept
# output:
#   of netCDF-C, numbers alone: zarr-python lists: number; by name: number; xarray: number
#   of netCDF-C, characters: zarr-python lists: ValueError; by name: number; xarray: ValueError
#   of netCDF-C, strings: zarr-python lists: number, text; by name: number; xarray: number, text
#   of xarray, numbers alone: netCDF-C: number
#   of xarray, a text: netCDF-C: OSError -137
#   of xarray, bytes: netCDF-C: number, text

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


def by_netcdf(name, text):
    with netCDF4.Dataset(address(name), "w") as store:
        store.createDimension("x", 2)
        store.createDimension("letters", 3)
        store.createVariable("number", "f8", "x")[:] = [1, 2]
        if text == "characters":
            texts = np.array([list("abc"), list("def")], "S1")
            store.createVariable("text", "S1", ("x", "letters"))[:] = texts
        elif text == "strings":
            store.createVariable("text", str, "x")[:] = np.array(["abc", "def"], object)


def by_xarray(name, text):
    data = {"number": ("x", [1.0, 2.0])}
    if text:
        data["text"] = ("x", np.array(["abc", "def"], "U3" if text == "a text" else "S3"))
    xr.Dataset(data).to_zarr(f"{name}.zarr", zarr_format=2)


def said(who, read):
    try:
        return f"{who}: {', '.join(sorted(read()))}"
    except Exception as error:
        number = f" {error.errno}" if isinstance(error, OSError) and error.errno else ""
        return f"{who}: {type(error).__name__}{number}"


def lists(name):
    return dict(zarr.open_group(f"{name}.zarr", mode="r").members())


def by_name(name):
    return ["number"] if zarr.open_group(f"{name}.zarr", mode="r")["number"][:].any() else []


def with_xarray(name):
    data = xr.open_zarr(f"{name}.zarr", consolidated=False)
    return [key for key in data.variables if data[key].load().size]


def with_netcdf(name):
    with netCDF4.Dataset(address(name)) as store:
        return [key for key in store.variables if store[key][:].size]


for text in "", "characters", "strings":
    name = f"netcdf_{text}"
    by_netcdf(name, text)
    steps = ("zarr-python lists", lists), ("by name", by_name), ("xarray", with_xarray)
    found = "; ".join(said(who, lambda read=read: read(name)) for who, read in steps)
    print(f"of netCDF-C, {text or 'numbers alone'}: {found}")
for text in "", "a text", "bytes":
    name = f"xarray_{text.replace(' ', '_')}"
    by_xarray(name, text)
    print(f"of xarray, {text or 'numbers alone'}: {said('netCDF-C', lambda: with_netcdf(name))}")
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
