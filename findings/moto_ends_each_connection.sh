#!/usr/bin/env bash
# surprise: The server of moto speaks HTTP/1.1 and ends the connection after each answer: a client has to open one for each request.
# expected: As S3 and other stores do, it keeps the connection for the next request of the same client.
# versions: moto 5.2.5, boto3 1.44.8
# seen: 2026-11-28
# matters: What is measured of connections on it is not so on a store: an idle s3fs has none, and to open one can cost more than the answer. This is werkzeug's server, which does so on purpose.
# page: explanation/how_the_site_is_built
# output:
#   10 requests of one client of boto3: 10 connections
#   the answers say: HTTP/1.1, Connection: close

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
import http.client

import boto3
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
accept = server._server.get_request
accepted = 0


def get_request():
    global accepted
    accepted += 1
    return accept()


server._server.get_request = get_request
client = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{port}",
    region_name="us-east-1",
    aws_access_key_id="me",
    aws_secret_access_key="x",
)
client.create_bucket(Bucket="bucket")
accepted = 0
for _ in range(10):
    client.head_bucket(Bucket="bucket")
print(f"10 requests of one client of boto3: {accepted} connections")
connection = http.client.HTTPConnection("127.0.0.1", port)
connection.request("GET", "/moto-api/")
answer = connection.getresponse()
version = {10: "HTTP/1.0", 11: "HTTP/1.1"}[answer.version]
print(f"the answers say: {version}, Connection: {answer.headers['Connection']}")
connection.close()
server.stop()
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
