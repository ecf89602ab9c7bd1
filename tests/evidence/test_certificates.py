"""What the page about other providers says of a store that has a certificate of its own."""

import os
import socket
import ssl
import subprocess
import sys
import time

import pytest
from certificates import make_certificate

from s3_mounts import StoreError, mount, mount_table, unmount

NAME = "localhost"


PROXY = """
import asyncio, ssl, sys

certificate, host, port = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate)

async def pump(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()

async def serve(reader, writer):
    store = await asyncio.open_connection(host, port)
    await asyncio.gather(pump(reader, store[1]), pump(store[0], writer), return_exceptions=True)

async def main():
    server = await asyncio.start_server(serve, "localhost", 0, family=2, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""
"""Stands between clients who speak TLS and the store, who does not, in a process of its own."""


@pytest.fixture
def secure(sandbox):
    """The port of the sandbox's store behind TLS, and the certificate."""
    certificate = make_certificate(sandbox.directory, NAME)
    store = sandbox.endpoint.removeprefix("http://").split(":")
    with subprocess.Popen(
        [sys.executable, "-c", PROXY, certificate, *store],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as proxy:
        yield int(proxy.stdout.readline()), certificate
        proxy.kill()


def test_s3fs_trusts_the_certificate_that_it_is_told(sandbox, mount_point, secure):
    port, certificate = secure
    with (
        socket.create_connection((NAME, port)) as client,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        ssl.create_default_context().wrap_socket(client, server_hostname=NAME)
    subprocess.run(
        [
            *("s3fs", sandbox.source, mount_point, "-o", "use_path_request_style"),
            *("-o", f"url=https://{NAME}:{port}"),
        ],
        env=os.environ | {"CURL_CA_BUNDLE": str(certificate), "no_proxy": NAME},
        check=True,
    )
    deadline = time.monotonic() + 20
    while not mount_table.topmost(mount_point):
        assert time.monotonic() < deadline, "it is not mounted"
        time.sleep(0.01)
    try:
        listed = subprocess.run(["ls", mount_point], capture_output=True, text=True, timeout=20)
        assert listed.stdout == "air_temp.pp\n"
        unmount(mount_point)
    finally:
        mount_table.abandon(mount_point)


def test_the_helper_trusts_what_s3fs_is_told_to_trust(sandbox, mount_point, secure, monkeypatch):
    port, _ = secure
    monkeypatch.setenv("no_proxy", NAME)
    options = [f"url=https://{NAME}:{port}", "use_path_request_style"]
    with pytest.raises(StoreError, match="certificate verify failed.*AWS_CA_BUNDLE"):
        mount(sandbox.source, mount_point, options)
    with mount(sandbox.source, mount_point, [*options, "no_check_certificate"]) as folder:
        assert [path.name for path in folder.iterdir()] == ["air_temp.pp"]


def test_s3fs_of_the_helper_trusts_what_boto3_is_told_to_trust(
    sandbox, mount_point, secure, monkeypatch
):
    port, certificate = secure
    monkeypatch.setenv("no_proxy", NAME)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    options = [f"url=https://{NAME}:{port}", "use_path_request_style"]
    with mount(sandbox.source, mount_point, options) as folder:
        assert [path.name for path in folder.iterdir()] == ["air_temp.pp"]
