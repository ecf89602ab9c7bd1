#!/usr/bin/env bash
# surprise: The server of moto keeps the body of each request in memory, after its object is removed, until Python looks for cycles.
# expected: What is removed from the store is gone from its memory, as nothing refers to it any more.
# versions: moto 5.2.5, flask 3.1.3
# seen: 2026-11-29
# matters: A test that writes large objects takes several times their size. moto runs Flask in its debug mode, and there Flask makes a class for each request, to explain errors of forms; the class and the request refer to each other. Setting the application's "debug" to False ends that.
# page: explanation/how_the_site_is_built
# output:
#   as moto starts it: 10 of 10 bodies of 1 MB are kept
#   without debug: 0 of 10 bodies of 1 MB are kept

set -euo pipefail

packages=(
  "moto[server]==5.2.5"
  flask==3.1.3
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
import gc

from moto.moto_server.werkzeug_app import BackendRequest, create_backend_app
from werkzeug.test import Client

application = create_backend_app("s3")
client = Client(application)
signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=me/20260101/us-east-1/s3/aws4_request"}
client.put("/bucket", headers=signed)
gc.disable()
for what, debug in (("as moto starts it", application.debug), ("without debug", False)):
    application.debug = debug
    gc.collect()
    for number in range(10):
        client.put(f"/bucket/{number}", data=b"x" * 1_000_000, headers=signed)
        client.delete(f"/bucket/{number}", headers=signed)
    kept = [one for one in gc.get_objects() if isinstance(one, BackendRequest)]
    bodies = sum(len(one.get_data()) == 1_000_000 for one in kept)
    print(f"{what}: {bodies} of 10 bodies of 1 MB are kept")
    del kept
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
