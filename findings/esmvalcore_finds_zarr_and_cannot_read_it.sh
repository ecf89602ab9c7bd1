#!/usr/bin/env bash
# surprise: ESMValCore 2.15 reads a Zarr store by `load()`, but its local data source cannot, where the template that it is given finds one: the file it makes of it is opened as a file.
# expected: What the data source finds and what `load()` reads are the same.
# versions: ESMValCore 2.15.0, scitools-iris 3.16.2, Python 3.12 or later
# seen: 2026-11-28
# matters: A recipe finds its data through a data source. Name netCDF alone in `filename_template`, as the templates that it brings do.
# page: how_to/pipelines
# output:
#   the data source finds: tas.nc, tas.zarr
#   tas.nc by the data source: air_temperature
#   tas.nc by load(): air_temperature
#   tas.zarr by the data source: IsADirectoryError
#   tas.zarr by load(): air_temperature

set -euo pipefail

packages=(
  ESMValCore==2.15.0
  scitools-iris==3.16.2
  xarray==2026.9.0
  zarr==3.4.2
)

if ! "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 12))'; then
  echo "could not be tried: ESMValCore 2.15 needs Python 3.12" >&2
  exit 77
fi

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

# pip has no esmpy, which ESMValCore imports to regrid: that is not asked for here.
cat >"$(echo venv/lib/python3*/site-packages)/esmpy.py" <<'PYTHON'
import sys
from unittest.mock import MagicMock

sys.modules["esmpy"] = MagicMock(__version__="8.8", __spec__=None)
PYTHON

cat >finding.py <<'PYTHON'
from pathlib import Path

import numpy as np
import xarray as xr
from esmvalcore.io.local import LocalDataSource
from esmvalcore.preprocessor import load

folder = Path("data").absolute()
folder.mkdir()
named = {
    "time": {"standard_name": "time", "units": "days since 2000-01-01"},
    "lat": {"standard_name": "latitude", "units": "degrees_north"},
    "lon": {"standard_name": "longitude", "units": "degrees_east"},
}
places = {name: (name, np.arange(2.0), known) for name, known in named.items()}
values = (list(named), np.arange(8.0).reshape(2, 2, 2), {"standard_name": "air_temperature", "units": "K"})
data = xr.Dataset({"tas": values}, coords=places)
data.to_netcdf(folder / "tas.nc")
data.to_zarr(folder / "tas.zarr", zarr_format=2)


def try_to(load, what, path):
    try:
        (cube,) = load(path)
        print(f"{path.name} by {what}: {cube.name()}")
    except OSError as error:
        print(f"{path.name} by {what}: {type(error).__name__}")


source = LocalDataSource(
    name="bucket", project="CMIP6", priority=1, rootpath=folder,
    dirname_template="", filename_template="tas.*",
)
files = sorted(source.find_data(short_name="tas"))
print("the data source finds:", ", ".join(file.name for file in files))
for file in files:
    try_to(lambda file: file.to_iris(), "the data source", file)
    try_to(load, "load()", Path(file))
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
