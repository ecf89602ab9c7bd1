#!/usr/bin/env bash
# surprise: moto reads a whole object from its temporary file to answer with one byte of it, and again for each further range; below 5 MB it keeps the object in memory.
# expected: A range costs the server what is asked for, or the server keeps what it has.
# versions: moto 5.2.5, boto3 1.44.8
# seen: 2026-11-28
# matters: What a sparse read of a large object takes on moto grows with the object, not with what is read: count requests and bytes there, not seconds.
# page: explanation/how_the_site_is_built
# output:
#   an object of 64 MiB, its first byte: 64 MiB read from a file
#   the same, ten bytes in ten ranges: 640 MiB read from a file
#   an object of 4 MiB, its first byte: 0 MiB read from a file

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
import boto3
from moto.server import ThreadedMotoServer

MIB = 2**20


def read_so_far():
    with open("/proc/self/io") as counts:
        return int(next(line.split()[1] for line in counts if line.startswith("rchar")))


server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
client = boto3.client(
    "s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1", aws_access_key_id="me", aws_secret_access_key="x"
)
client.create_bucket(Bucket="bucket")


def read(key, first):
    answer = client.get_object(Bucket="bucket", Key=key, Range=f"bytes={first}-{first}")
    assert len(answer["Body"].read()) == 1


for size, what, starts in (
    (64, "its first byte", [0]),
    (64, "ten bytes in ten ranges", range(0, 1000, 100)),
    (4, "its first byte", [0]),
):
    client.put_object(Bucket="bucket", Key="x", Body=bytes(size * MIB))
    read("x", 0)
    before = read_so_far()
    for first in starts:
        read("x", first)
    subject = "the same" if len(starts) > 1 else f"an object of {size} MiB"
    print(f"{subject}, {what}: {round((read_so_far() - before) / MIB)} MiB read from a file")
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
