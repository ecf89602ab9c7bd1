"""What the page about other providers says of a store that has a certificate of its own."""

import datetime
import os
import socket
import ssl
import subprocess
import sys
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from s3_mounts import mount_table, unmount

NAME = "localhost"


def make_certificate(folder):
    """Write a certificate that nobody but its owner knows, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))


PROXY = """
import asyncio, ssl, sys

folder, host, port = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{folder}/certificate.pem", f"{folder}/key.pem")

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
def secure_port(sandbox, tmp_path):
    """The port of the sandbox's store behind TLS."""
    make_certificate(tmp_path)
    store = sandbox.endpoint.removeprefix("http://").split(":")
    with subprocess.Popen(
        [sys.executable, "-c", PROXY, tmp_path, *store],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as proxy:
        yield int(proxy.stdout.readline())
        proxy.kill()


def test_s3fs_trusts_the_certificate_that_it_is_told(sandbox, mount_point, tmp_path, secure_port):
    with (
        socket.create_connection((NAME, secure_port)) as client,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        ssl.create_default_context().wrap_socket(client, server_hostname=NAME)
    subprocess.run(
        [
            *("s3fs", sandbox.source, mount_point, "-o", "use_path_request_style"),
            *("-o", f"url=https://{NAME}:{secure_port}"),
        ],
        env=os.environ | {"CURL_CA_BUNDLE": str(tmp_path / "certificate.pem"), "no_proxy": NAME},
        check=True,
    )
    deadline = time.monotonic() + 20
    while not mount_table.file_system_type(mount_point):
        assert time.monotonic() < deadline, "it is not mounted"
        time.sleep(0.01)
    try:
        listed = subprocess.run(["ls", mount_point], capture_output=True, text=True, timeout=20)
        assert listed.stdout == "air_temp.pp\n"
        unmount(mount_point)
    finally:
        mount_table.abandon(mount_point)
