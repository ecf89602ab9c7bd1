#!/usr/bin/env bash
# surprise: netCDF-C sends the password of `.ncrc` and `.netrc` for OPeNDAP only: with `#mode=bytes` the same address is "Unknown file format", while a password in the address itself works.
# expected: The settings named HTTP.CREDENTIALS hold for all that it reads by HTTP.
# versions: netCDF4 1.7.5.1.post1 (netCDF-C 4.10.1)
# seen: 2026-11-28
# matters: A private store behind a password, such as `rclone serve http --user`. Write `http://USER:PASSWORD@HOST/…#mode=bytes`, on a machine where nobody else reads your commands and notebooks.
# output:
#   read from .ncrc: me:secret
#   OPeNDAP, .ncrc: password sent; [Errno -72] NetCDF: Malformed or inaccessible DAP2 DDS or DAP4 DMR response
#   bytes, .ncrc: password not sent; [Errno -51] NetCDF: Unknown file format
#   bytes, in the address: password sent; [1, 2, 3]

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
        known = "with" if self.headers.get("Authorization") == BASIC else "without"
        print(self.command, self.path, known, "password", file=sys.stderr, flush=True)
        kind = self.path.split("/")[1]
        if kind == "private" and self.headers.get("Authorization") != BASIC:
            self.answer(401, WWW_Authenticate='Basic realm="data"')
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
import os
import pathlib
import sys

os.environ["HOME"] = os.getcwd()
pathlib.Path(".netrc").write_text("machine 127.0.0.1 login me password secret\n")
pathlib.Path(".ncrc").write_text(
    "HTTP.CREDENTIALS.USERNAME=me\nHTTP.CREDENTIALS.PASSWORD=secret\n"
    f"HTTP.CREDENTIALS.USERPASSWORD=me:secret\nHTTP.NETRC={os.getcwd()}/.netrc\n"
)
import netCDF4

print("read from .ncrc:", netCDF4.rc_get("HTTP.CREDENTIALS.USERPASSWORD"))
host = f"127.0.0.1:{sys.argv[1]}/private/x.nc"
log = pathlib.Path("server.log")
for label, address in [
    ("OPeNDAP, .ncrc", f"http://{host}"), ("bytes, .ncrc", f"http://{host}#mode=bytes"),
    ("bytes, in the address", f"http://me:secret@{host}#mode=bytes"),
]:
    before = len(log.read_text())
    try:
        with netCDF4.Dataset(address) as file:
            result = file["t"][:].astype(int).tolist()
    except OSError as error:
        result = str(error).split(": '")[0]
    asked = log.read_text()[before:].splitlines()
    sent = any(line.endswith(" with password") for line in asked)
    print(f"{label}: password {'sent' if sent else 'not sent'}; {result}")
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
