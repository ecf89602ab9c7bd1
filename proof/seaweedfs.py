"""SeaweedFS, an object store that is not the sandbox's, written in Go."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY, SECRET = "facility-key", "facility-secret"
_SERVICES = ("master", "volume", "filer", "s3")
_SOCKET = "/tmp/seaweedfs-{}-grpc-{}.sock"
_START_LIMIT = 60


@contextlib.contextmanager
def seaweedfs(folder: Path, bucket: str, gigabytes: int = 1) -> Iterator[S3Client]:
    """Run SeaweedFS on the loopback interface, with one bucket, for the block.

    Parameters
    ----------
    folder : Path
        An empty folder for what it stores.
    bucket : str
        The bucket.
    gigabytes : int, default: 1
        How much it may store, in about 1e9 bytes.

    Yields
    ------
    botocore.client.S3
        A client that may do everything.

    Raises
    ------
    RuntimeError
        If it does not start.
    """
    identity = {"name": "facility", "credentials": [{"accessKey": KEY, "secretKey": SECRET}]}
    (folder / "identities.json").write_text(
        json.dumps({"identities": [identity | {"actions": ["Admin"]}]})
    )
    (folder / "data").mkdir()
    ports = _free_ports(8)
    http, grpc = ports[:4], ports[4:]
    options = {
        "dir": folder / "data",
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 64 * gigabytes,
        "volume.max": 20,
        "filer.localSocket": folder / "filer",
        "s3": "true",
        "s3.localSocket": folder / "s3",
        "s3.config": folder / "identities.json",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
    }
    for service, port, other in zip(_SERVICES, http, grpc, strict=True):
        options |= {f"{service}.port": port, f"{service}.port.grpc": other}
    log = folder / "log"
    weed = Path(sysconfig.get_path("scripts"), "weed")
    with log.open("w") as output:
        process = subprocess.Popen(
            # It must not outlive a run that is killed.
            ["setpriv", "--pdeathsig", "KILL", weed, "-logtostderr=true", "server"]
            + [f"-{name}={value}" for name, value in options.items()],
            stdout=output,
            stderr=output,
            # It would take what it can get; with 200 MiB it does little but collect garbage.
            # On two processors it takes a third more of their time.
            env=os.environ | {"GOMEMLIMIT": "350MiB", "GOMAXPROCS": "1"},
        )
    try:
        url = f"http://127.0.0.1:{http[-1]}"
        _await_answer(url, process, log)
        s3 = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )
        _await_room(s3, bucket)
        yield s3
    finally:
        process.kill()
        process.wait()
        for service, port in zip(_SERVICES, grpc, strict=True):
            Path(_SOCKET.format(service, port)).unlink(missing_ok=True)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _await_answer(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            try:
                urllib.request.urlopen(url, timeout=5).close()
            except urllib.error.HTTPError as answer:
                answer.close()
            return
        time.sleep(0.1)
    raise RuntimeError(
        f"expected SeaweedFS at {url}, but it does not answer: {log.read_text()[-2000:]}"
    )


def _await_room(s3: S3Client, bucket: str) -> None:
    # It answers some time before it has a volume to write to.
    deadline = time.monotonic() + _START_LIMIT
    while True:
        try:
            s3.create_bucket(Bucket=bucket)
            s3.put_object(Bucket=bucket, Key="room", Body=b"for more")
        except ClientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            s3.delete_object(Bucket=bucket, Key="room")
            return
