#!/usr/bin/env bash
# surprise: netCDF-C with `#mode=bytes` follows a redirect and takes the length of the redirect's own body for the size of the file: "HDF error"; a refusal (401, 403) and a missing file (404) are all "Unknown file format".
# expected: A redirect is followed without a trace, and each refusal has a message of its own.
# versions: netCDF4 1.7.5.1.post1 (netCDF-C 4.10.1)
# seen: 2026-11-28
# matters: Data portals and short links redirect. Ask for the last address first (`urllib.request.urlopen(address).url`) and load that; what it raises names the status, too.
# output:
#   open: urllib 200 from /open/x.nc; netCDF-C [1, 2, 3]
#   redirect: urllib 200 from /open/x.nc; netCDF-C [Errno -101] NetCDF: HDF error
#   private: urllib 401; netCDF-C [Errno -51] NetCDF: Unknown file format
#   403: urllib 403; netCDF-C [Errno -51] NetCDF: Unknown file format
#   404: urllib 404; netCDF-C [Errno -51] NetCDF: Unknown file format

set -euo pipefail

packages=(
  netCDF4==1.7.5.1.post1
  numpy==2.4.6
)

expected=$(sed -n '/^# output:/,/^$/s/^#   //p' "$0")
folder=$(mktemp -d)
server=
finish() {
  if [[ -n $server ]]; then
    kill "$server" || true
    wait "$server" || true
  fi 2>/dev/null
  rm -rf "$folder"
}
trap finish EXIT
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

cat >server.py <<'PYTHON'
import base64
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import netCDF4

with netCDF4.Dataset("x.nc", "w") as file:
    file.createDimension("x", 3)
    file.createVariable("t", "f4", "x")[:] = [1, 2, 3]
with open("x.nc", "rb") as file:
    content = file.read()
BASIC = "Basic " + base64.b64encode(b"me:secret").decode()


class Handler(BaseHTTPRequestHandler):
    """A store that knows byte ranges, redirects, passwords and refusals."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        kind = self.path.split("/")[1]
        if kind == "private" and self.headers.get("Authorization") != BASIC:
            self.answer(401, WWW_Authenticate='Basic realm="data"')
        elif kind == "redirect":
            self.answer(302, b"moved" * 10, Location="/open/x.nc")
        elif kind in ("403", "404"):
            self.answer(int(kind))
        elif given := self.headers.get("Range"):
            first, last = map(int, given.removeprefix("bytes=").split("-"))
            part = content[first : last + 1]
            whole = f"bytes {first}-{first + len(part) - 1}/{len(content)}"
            self.answer(206, part, Content_Range=whole, Accept_Ranges="bytes")
        else:
            self.answer(200, content, Accept_Ranges="bytes")

    do_HEAD = do_GET


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
venv/bin/python server.py >port 2>server.log &
server=$!
for _ in {1..100}; do [[ -s port ]] && break; sleep 0.1; done

cat >finding.py <<'PYTHON'
import sys
import urllib.error
import urllib.request

import netCDF4

store = f"http://127.0.0.1:{sys.argv[1]}"
for kind in "open", "redirect", "private", "403", "404":
    try:
        with netCDF4.Dataset(f"{store}/{kind}/x.nc#mode=bytes") as file:
            result = file["t"][:].astype(int).tolist()
    except OSError as error:
        result = str(error).split(": '")[0]
    try:
        answer = urllib.request.urlopen(f"{store}/{kind}/x.nc")
        status = f"{answer.status} from {answer.url.removeprefix(store)}"
    except urllib.error.HTTPError as error:
        status = error.code
    print(f"{kind}: urllib {status}; netCDF-C {result}")
PYTHON

if ! found=$(venv/bin/python -W ignore finding.py "$(<port)" 2>python.log); then
  cat python.log >&2
  found+=" (and Python failed)"
fi

if [[ $found != "$expected" ]]; then
  printf 'changed.\nexpected:\n%s\nfound:\n%s\n' "$expected" "$found" >&2
  exit 1
fi
printf '%s\n' "$found"
