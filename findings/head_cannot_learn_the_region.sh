#!/usr/bin/env bash
# surprise: Where a store names its region in the answer to a GET alone, since one to HEAD has no body, boto3's `head_object` and `download_file` say "Bad Request", and so do `info` and `cat` of Python's s3fs; after one `get_object` of boto3, or one `ls` of s3fs, they work.
# expected: A client that can follow a bucket to its region does so whatever it asks first.
# versions: boto3 1.43.117, s3fs 2026.9.0 (aiobotocore 3.10.0), obstore 0.12.1
# seen: 2026-11-28
# matters: A script works in a notebook that has listed the bucket before, and fails in a job. Give the client the store's region, or, where it is given none, set `AWS_DEFAULT_REGION`; obstore follows nothing.
# page: how_to/other_providers
# output:
#   boto3: head_object ClientError (Bad Request); get_object works; and_then_head_object works
#   boto3 anew: download_file ClientError (Bad Request)
#   s3fs: info OSError (Bad Request); cat OSError (Bad Request)
#   s3fs anew: ls works; and_then_cat works
#   obstore: get GenericError (Bad Request); list GenericError (Bad Request)

set -euo pipefail

packages=(
  boto3==1.43.117
  obstore==0.12.1
  s3fs==2026.9.0
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
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REGION = "RegionOne"
WRONG = (
    "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region is wrong</Message>"
    f"<Region>{REGION}</Region></Error>"
).encode()
LIST = (
    b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>data</Name>'
    b"<Contents><Key>x.txt</Key><Size>5</Size><LastModified>2026-01-01T00:00:00.000Z"
    b"</LastModified></Contents></ListBucketResult>"
)


class Handler(BaseHTTPRequestHandler):
    """A store with one object, whose region is not us-east-1."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        signed_for = re.search("/([^/]*)/s3/", self.headers.get("Authorization", ""))
        if not signed_for or signed_for[1] != REGION:
            self.answer(400, WRONG, Content_Type="application/xml")
        elif "x.txt" in self.path.partition("?")[0]:
            self.answer(200, b"hello", ETag='"5d41402abc4b2a76b9719d911017c592"',
                        Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT")
        else:
            self.answer(200, LIST, Content_Type="application/xml")

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

import boto3
import obstore
import s3fs
from obstore.store import S3Store

store = f"http://127.0.0.1:{sys.argv[1]}"


def told(step):
    try:
        step()
        return "works"
    except Exception as error:
        return f"{type(error).__name__}" + " (Bad Request)" * ("Bad Request" in str(error))


def tell(who, **steps):
    print(f"{who}:", "; ".join(f"{name} {told(step)}" for name, step in steps.items()))


def client():
    keys = {"aws_access_key_id": "me", "aws_secret_access_key": "secret"}
    return boto3.client("s3", endpoint_url=store, region_name="us-east-1", **keys)


def system():
    where = {"endpoint_url": store, "region_name": "us-east-1"}
    return s3fs.S3FileSystem(
        key="me", secret="secret", client_kwargs=where, skip_instance_cache=True
    )


place = {"Bucket": "data", "Key": "x.txt"}
s3 = client()
tell(
    "boto3",
    head_object=lambda: s3.head_object(**place),
    get_object=lambda: s3.get_object(**place),
    and_then_head_object=lambda: s3.head_object(**place),
)
tell("boto3 anew", download_file=lambda: client().download_file("data", "x.txt", "there.txt"))
fs = system()
tell("s3fs", info=lambda: fs.info("data/x.txt"), cat=lambda: fs.cat("data/x.txt"))
fs = system()
tell("s3fs anew", ls=lambda: fs.ls("data"), and_then_cat=lambda: fs.cat("data/x.txt"))
options = {"client_options": {"allow_http": True}, "retry_config": {"max_retries": 0}}
keys = {"access_key_id": "me", "secret_access_key": "secret"}
other = S3Store("data", endpoint=store, region="us-east-1", **keys, **options)
tell("obstore", get=lambda: obstore.get(other, "x.txt"), list=lambda: list(obstore.list(other)))
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
