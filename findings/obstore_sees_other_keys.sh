#!/usr/bin/env bash
# surprise: obstore, below icechunk, virtualizarr and zarr, takes a prefix for a folder and cannot name a key with two slashes: `list` by "dat" or by a whole key finds nothing, where S3 finds the objects.
# expected: A prefix is any beginning of a key, as in S3 itself, and every key of the bucket can be read.
# versions: obstore 0.12.1, boto3 1.44.8, moto 5.2.5
# seen: 2026-11-28
# matters: Code moved from boto3 or fsspec. List the folder and filter by yourself; rename keys with two slashes (they come from joining "prefix/" and "/name").
# output:
#   "dat": boto3 data/1.nc data_old/1.nc
#   "dat": obstore nothing
#   "data": boto3 data/1.nc data_old/1.nc
#   "data": obstore data/1.nc
#   "data/1.nc": boto3 data/1.nc
#   "data/1.nc": obstore nothing
#   "run": boto3 run//1.nc
#   "run": obstore InvalidPathError Encountered object with invalid path: Path "run//1.nc" contained empty path segment
#   get run//1.nc: ValueError Could not parse path: Path "run//1.nc" contained empty path segment

set -euo pipefail

packages=(
  obstore==0.12.1
  boto3==1.44.8
  'moto[server,s3]==5.2.5'
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

port=$(venv/bin/python -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >server.log 2>&1 &
server=$!
for _ in {1..300}; do (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done

cat >finding.py <<'PYTHON'
import sys

import boto3
import obstore
from obstore.store import S3Store

endpoint = f"http://127.0.0.1:{sys.argv[1]}"
client = boto3.client(
    "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="reader", aws_secret_access_key="secret"
)
client.create_bucket(Bucket="bucket")
for key in "data/1.nc", "data_old/1.nc", "run//1.nc":
    client.put_object(Bucket="bucket", Key=key, Body=b"CDF")
store = S3Store(
    "bucket", endpoint=endpoint, region="us-east-1", access_key_id="reader", secret_access_key="secret",
    client_options={"allow_http": True}, virtual_hosted_style_request=False,
)
def attempt(label, action):
    try:
        print(label, action())
    except Exception as error:
        print(label, type(error).__name__, str(error).splitlines()[0])

for prefix in "dat", "data", "data/1.nc", "run":
    found = client.list_objects_v2(Bucket="bucket", Prefix=prefix)
    print(f'"{prefix}": boto3', *(entry["Key"] for entry in found["Contents"]))
    attempt(f'"{prefix}": obstore', lambda: " ".join(meta["path"] for meta in obstore.list(store, prefix=prefix).collect()) or "nothing")
attempt("get run//1.nc:", lambda: bytes(obstore.get(store, "run//1.nc").bytes()))
PYTHON

if ! found=$(venv/bin/python -W ignore finding.py "$port" 2>python.log); then
  cat python.log >&2
  found+=" (and Python failed)"
fi

if [[ $found != "$expected" ]]; then
  printf 'changed.\nexpected:\n%s\nfound:\n%s\n' "$expected" "$found" >&2
  exit 1
fi
printf '%s\n' "$found"
