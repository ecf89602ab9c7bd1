#!/usr/bin/env bash
# surprise: The time that netCDF-C with `#mode=bytes` computes for one read grows with the square of its bytes: 16 MB in one chunk take over 5 times as long as the same 16 MB in chunks of 1 MB, and so do 16 MB uncut.
# expected: Twice the bytes take twice the time, and one large read is the quickest way to many bytes.
# versions: netCDF4 1.7.5.1.post1 (netCDF-C 4.10.1)
# seen: 2026-11-29
# matters: So a chunk twice as large takes four times as long. By byte ranges read chunks of a few megabytes; of an uncut variable, ask for a part at a time, or copy the file first.
# page: tutorials/2_what_it_costs/4_mount_or_not
# output:
#   local file: right True, one chunk over 5 times as long False, uncut over 5 times as long False
#   byte ranges: right True, one chunk over 5 times as long True, uncut over 5 times as long True

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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """A store that knows byte ranges."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        with open(self.path[1:], "rb") as file:
            content = file.read()
        self.send_response(206 if "Range" in self.headers else 200)
        if given := self.headers.get("Range"):
            first, last = map(int, given.removeprefix("bytes=").split("-"))
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
            content = content[first : last + 1]
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

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
import time

import netCDF4
import numpy as np

values = np.arange(4_000_000, dtype="f4")
layouts = {
    "small": {"chunksizes": [250_000]},
    "one": {"chunksizes": [4_000_000]},
    "uncut": {"contiguous": True},
}
for name, layout in layouts.items():
    with netCDF4.Dataset(f"{name}.nc", "w") as file:
        file.createDimension("x", 4_000_000)
        file.createVariable("t", "f4", ["x"], **layout)[:] = values


def seconds(address):
    """Read all; return the processor time, the smallest of three."""
    took = []
    for _ in range(3):
        with netCDF4.Dataset(address) as file:
            begun = time.thread_time()
            found = file["t"][:]
            took.append(time.thread_time() - begun)
        right.append(np.array_equal(found, values))
    return min(took)


store = f"http://127.0.0.1:{sys.argv[1]}"
for way, address in ("local file", "{}.nc"), ("byte ranges", f"{store}/{{}}.nc#mode=bytes"):
    right = []
    small, one, uncut = (seconds(address.format(name)) for name in layouts)
    print(
        f"{way}: right {all(right)}, one chunk over 5 times as long {one > 5 * small},"
        f" uncut over 5 times as long {uncut > 5 * small}"
    )
    print(way, small, one, uncut, file=sys.stderr)
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
