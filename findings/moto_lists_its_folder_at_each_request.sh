#!/usr/bin/env bash
# surprise: The server of moto lists the folder that moto is installed in at each request, and looks at all that is in it.
# expected: It finds the service that is meant in what it has read when it was started.
# versions: moto 5.2.5, boto3 1.44.8
# seen: 2026-11-28
# matters: A HEAD request costs moto 181 looks at a disk, and tests have many of them. Where only S3 is asked for, "create_backend_app" gives a server without that.
# page: explanation/how_the_site_is_built
# output:
#   moto's server, 10 requests: its own folder listed 10 times, 1810 of its entries looked at
#   its server of S3 alone, 10 requests: its own folder listed 0 times, 0 of its entries looked at

set -euo pipefail

packages=(
  "moto[server]==5.2.5"
  boto3==1.44.8
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
import threading

import boto3
import moto
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

FOLDER = os.path.dirname(moto.__file__)
list_one, look_at_one = os.listdir, os.path.isdir
listed = looked_at = 0


def listdir(path="."):
    global listed
    listed += path == FOLDER
    return list_one(path)


def isdir(path):
    global looked_at
    looked_at += os.path.dirname(path) == FOLDER
    return look_at_one(path)


os.listdir, os.path.isdir = listdir, isdir
for what, application in (
    ("moto's server", DomainDispatcherApplication(create_backend_app)),
    ("its server of S3 alone", create_backend_app("s3")),
):
    server = make_server("127.0.0.1", 0, application, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{server.port}",
        region_name="us-east-1",
        aws_access_key_id="me",
        aws_secret_access_key="x",
    )
    client.create_bucket(Bucket="bucket")
    client.put_object(Bucket="bucket", Key="x", Body=b"x")
    listed = looked_at = 0
    for _ in range(10):
        client.head_object(Bucket="bucket", Key="x")
    counted = f"its own folder listed {listed} times, {looked_at} of its entries looked at"
    print(f"{what}, 10 requests: {counted}")
    server.shutdown()
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
