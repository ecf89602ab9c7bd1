#!/usr/bin/env bash
# surprise: cf-python 3.21, given `endpoint_url`, takes what follows `s3://` for a host: of "s3://bucket/x.nc" it asks the store for a bucket "x.nc", opens a local file of that name, and never asks for the object, which is there.
# expected: The object is read, or an error says that it cannot be.
# versions: cf-python 3.21.0, cfdm 1.13.3.0, s3fs 2026.9.0
# seen: 2026-11-28
# matters: A file in the working directory passes for the object, with no error. Give cf-python the path on a mount. With a host before the bucket, "s3://host/bucket/x.nc", it reads the object that is there; where there is none, a local file bucket/x.nc passes for it.
# page: how_to/pipelines
# output:
#   without a local file: DatasetTypeError, "No such file or directory: 'x.nc'"
#   the store was asked for: /x.nc/zarr.json, /x.nc, /x.nc/.zgroup, /x.nc/.zarray
#   with a local file: loaded [7.]
#   the store was asked for: /x.nc/zarr.json, /x.nc, /x.nc/.zgroup, /x.nc/.zarray
#   with a host before the bucket: loaded [1.]

set -euo pipefail

packages=(
  cf-python==3.21.0
  cfdm==1.13.3.0
  cfunits==3.3.7
  cf-units==3.3.1 # brings the library udunits2, which cfunits wants from the system
  h5netcdf==1.8.2
  netCDF4==1.7.5.1.post1
  numpy==2.4.6
  s3fs==2026.9.0
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

if ! command -v ld >/dev/null; then
  echo "could not be tried: Python finds the library by ld, which is missing (binutils)" >&2
  exit 77
fi
units=$(echo venv/lib/python3*/site-packages)
mkdir lib
cp "$units"/cf_units.libs/libudunits2*.so* lib/libudunits2.so.0
ln -s libudunits2.so.0 lib/libudunits2.so
export LD_LIBRARY_PATH=$PWD/lib:$PWD/$units/cf_units.libs
UDUNITS2_XML_PATH=$PWD/$(find "$units/cf_units" -name udunits2.xml)
export UDUNITS2_XML_PATH

cat >finding.py <<'PYTHON'
import http.server
import threading

import cf
import netCDF4

asked = []


class Store(http.server.BaseHTTPRequestHandler):
    """A store that has the object, and notes for what it is asked."""

    def do_GET(self):
        asked.append(self.path.partition("?")[0])
        if asked[-1] == "/bucket/x.nc":
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", '"1"')
            self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)
        else:
            self.send_error(404)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
threading.Thread(target=server.serve_forever, daemon=True).start()
options = {
    "endpoint_url": f"http://127.0.0.1:{server.server_port}",
    "key": "example",
    "secret": "example",
    "config_kwargs": {"s3": {"addressing_style": "path"}, "retries": {"max_attempts": 0}},
}


def try_to_read(when, address="s3://bucket/x.nc"):
    asked.clear()
    try:
        fields = cf.read(address, storage_options=options)
        print(f"{when}: loaded {fields[0].array}")
    except Exception as error:
        words = "No such file or directory: 'x.nc'"
        print(f'{when}: {type(error).__name__}, "{words if words in str(error) else error}"')
    if address == "s3://bucket/x.nc":
        print("the store was asked for:", ", ".join(dict.fromkeys(asked)))


with netCDF4.Dataset("in_the_store.nc", "w") as file:
    file.createDimension("x", 1)
    file.createVariable("stored", "f8", "x")[:] = 1
with open("in_the_store.nc", "rb") as file:
    content = file.read()
try_to_read("without a local file")
with netCDF4.Dataset("x.nc", "w") as file:
    file.createDimension("x", 1)
    file.createVariable("local", "f8", "x")[:] = 7
try_to_read("with a local file")
try_to_read("with a host before the bucket", "s3://host/bucket/x.nc")
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
