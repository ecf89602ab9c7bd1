"""What the servers share: processes that end with the block, ports, and certificates."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "127.0.0.1"
_START_LIMIT = 120
_END_LIMIT = 20


class NotTriedError(Exception):
    """A store cannot be started on this machine; the message says what it lacks."""


@dataclass(frozen=True)
class Served:
    """A store that runs.

    Attributes
    ----------
    version : str
        Its version.
    urls : dict of str to str
        From the transport, ``"http"`` or ``"https"``, to the address.
    key, secret : str
        Of a user who may do everything.
    region : str
        What requests are to be signed for.
    settings : tuple of str
        What is worth a trial where something fails, see `stores.trials.SETTINGS`.
    kinds : tuple of str
        The other kinds of buckets that it has, see `stores.kinds`.
    tenant : dict of str to str
        A user of another tenant, in variables for the environment.
    """

    version: str
    urls: Mapping[str, str]
    key: str
    secret: str
    region: str = "us-east-1"
    settings: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    tenant: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Authority:
    """Files of an authority that nobody else knows, and of a server that it vouches for."""

    certificate: Path
    chain: Path
    key: Path


def make_authority(folder: Path) -> Authority:
    """Make an authority, and a certificate for the loopback address."""
    made = Authority(folder / "authority.pem", folder / "server.pem", folder / "server.key")
    ours, theirs = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    parent = _certificate("an authority", ours, "an authority", ours, ca=True)
    server = _certificate("a store", theirs, "an authority", ours, ca=False)
    pem = [each.public_bytes(serialization.Encoding.PEM) for each in (server, parent)]
    made.certificate.write_bytes(pem[1])
    made.chain.write_bytes(b"".join(pem))
    made.key.write_bytes(
        theirs.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
) -> x509.Certificate:
    subject, parent = (
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, each)]) for each in (name, issuer)
    )
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    address = x509.IPAddress(ipaddress.ip_address(HOST))
    return (
        x509.CertificateBuilder(parent, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + 7 * day)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens to."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


class Processes:
    """Programs that serve, each with a log in a folder."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None):
        self._folder = folder
        self._environment = environment
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str | Path]) -> None:
        """Start one."""
        with self._log(name).open("wb") as log:
            self._running[name] = subprocess.Popen(
                # It must not outlive a run that is killed.
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )

    def await_answer(self, name: str, url: str) -> None:
        """Wait until it answers, whatever it says."""
        unverified = ssl._create_unverified_context() if url.startswith("https") else None
        deadline = time.monotonic() + _START_LIMIT
        while time.monotonic() < deadline and self._running[name].poll() is None:
            with contextlib.suppress(OSError):
                try:
                    urllib.request.urlopen(url, timeout=5, context=unverified).close()
                except urllib.error.HTTPError as answer:
                    answer.close()
                return
            time.sleep(0.1)
        said = self._log(name).read_text(errors="replace").strip()[-500:]
        raise NotTriedError(f"{name} does not answer: {said or 'it says nothing'}")

    def stop(self) -> None:
        """End them, the last one first."""
        for process in reversed(self._running.values()):
            process.terminate()
            try:
                process.wait(_END_LIMIT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"


@contextlib.contextmanager
def processes(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Processes]:
    """Start programs that end with the block."""
    started = Processes(folder, environment)
    try:
        yield started
    finally:
        started.stop()


def output(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> str:
    """Run a program to its end; if it fails, the store cannot be started."""
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_START_LIMIT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotTriedError(f"{Path(command[0]).name} cannot be run: {error}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it says nothing"]
        raise NotTriedError(f"{Path(command[0]).name} fails: {said[-1]}")
    return done.stdout
