"""A network that fails on demand, between s3fs and the sandbox's server.

It runs in a process of its own, as ``proxy.py STORE``: a thread of the process that reads the
mount could not answer while that process waits. It prints its address, and then takes orders, a
line of JSON each, until its standard input ends. It answers with the number of requests at which
the fault before was played.

Faults must break HTTP itself, so a library that speaks it properly is of no use here.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

from s3_sandbox.traffic import operation_name

PIECES = 20
PAUSE = 0.15
"""A slow body comes in pieces, with a pause in seconds after each."""

REGION = "eu-west-2"
"""Of a store that takes no other one."""

_SMALL_BUFFER = 65_536
_CODES = {403: "AccessDenied", 404: "NoSuchKey", 503: "SlowDown"}
_NOT_PASSED_ON = {"connection", "content-length", "expect", "host", "transfer-encoding"}


@dataclass
class Order:
    """What is to go wrong.

    Attributes
    ----------
    how : str
        A key of `FAULTS`; ``"refused"`` or ``"unreachable"`` for connections that the network
        refuses or leaves without an answer; empty for nothing.
    operations : sequence of str
        At which S3 operations.
    keys : str
        What the keys of the objects end with.
    times : int
        At how many of the requests, from the first one on; 0 for all.
    status : int
        The HTTP status, where the fault is one.
    """

    how: str = ""
    operations: list[str] = field(default_factory=list)
    keys: str = ""
    times: int = 0
    status: int = 0


class Exchange(BaseHTTPRequestHandler):
    """One connection of s3fs, and the requests on it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    store: ClassVar[str]
    order: ClassVar[Order] = Order()
    played: ClassVar[int] = 0
    open: ClassVar[set[socket.socket]] = set()
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def setup(self) -> None:
        self.open.add(self.request)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.open.discard(self.request)

    def handle_expect_100(self) -> bool:
        """Leave it to whoever reads the body to ask for it."""
        return True

    def do(self) -> None:
        """Answer a request, or do not."""
        self.length = int(self.headers.get("Content-Length") or 0)
        self.is_chunked = self.headers.get("Transfer-Encoding") == "chunked"
        fault = self._fault()
        try:
            if fault:
                fault(self)
            else:
                self.send(*self.forward())
        except OSError:
            self.close_connection = True  # s3fs has given up

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do  # noqa: N815

    def _fault(self) -> Callable[[Exchange], None] | None:
        url = urlsplit(self.path)
        key = url.path.lstrip("/").partition("/")[2]
        is_copy = "x-amz-copy-source" in self.headers
        operation = operation_name(self.command, key, url.query, is_copy=is_copy)
        order = type(self).order
        with self._lock:
            if operation not in order.operations or not key.endswith(order.keys):
                return None
            if order.times and type(self).played >= order.times:
                return None
            type(self).played += 1
        return FAULTS[order.how]

    def body(self, part: float = 1, pause: float = 0) -> bytes:
        """Read the body of the request, or a part of it, perhaps slowly."""
        if (self.length or self.is_chunked) and "Expect" in self.headers:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.is_chunked:
            return b"".join(iter(self.chunk, b""))
        wanted = int(self.length * part)
        if not pause:
            return self.rfile.read(wanted)
        size = wanted // PIECES + 1
        pieces = []
        for start in range(0, wanted, size):
            pieces.append(self.rfile.read(min(size, wanted - start)))
            time.sleep(pause)
        return b"".join(pieces)

    def chunk(self) -> bytes:
        """Read a piece of a body whose length nobody has told; an empty one ends it."""
        size = int(self.rfile.readline(), 16)
        content = self.rfile.read(size)
        self.rfile.readline()
        return content

    def forward(
        self, body: bytes | None = None, **changed: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask the store, and return its status, headers and body."""
        if body is None:
            body = self.body()
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _NOT_PASSED_ON}
        for name, value in changed.items():
            headers.pop(name, None)
            headers |= {name: value} if value else {}
        connection = http.client.HTTPConnection(self.store, timeout=60)
        connection.request(self.command, self.path, body or None, headers)
        answer = connection.getresponse()
        content = answer.read()
        kept = {k: v for k, v in answer.getheaders() if k.lower() not in _NOT_PASSED_ON}
        kept["Content-Length"] = answer.headers.get("Content-Length") or str(len(content))
        connection.close()
        return answer.status, kept, content

    def send(self, status: int, headers: dict[str, str], body: bytes, pause: float = 0) -> None:
        """Send an answer, whatever its headers say, perhaps slowly."""
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        size = len(body) // PIECES + 1 if pause else len(body) or 1
        for start in range(0, len(body), size):
            self.wfile.write(body[start : start + size])
            time.sleep(pause)

    def send_error_body(
        self, status: int, code: str, message: str = "planted", more: str = ""
    ) -> None:
        """Answer as S3 does when something is wrong."""
        body = f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>".encode()
        headers = {"Content-Type": "application/xml", "Content-Length": str(len(body))}
        self.send(status, headers, b"" if self.command == "HEAD" else body)

    def reset(self) -> None:
        """Break the connection off, so that the other side sees a reset."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True

    def wait(self) -> None:
        """Do nothing until the other side gives up."""
        self.close_connection = True
        while self.connection.recv(_SMALL_BUFFER):
            pass


# -- Faults of the network -------------------------------------------------------------------------


def reset(exchange: Exchange) -> None:
    """Break off before an answer."""
    exchange.reset()


def reset_in_upload(exchange: Exchange) -> None:
    """Break off in the middle of the body that is sent."""
    exchange.body(part=0.5)
    exchange.reset()


def reset_in_answer(exchange: Exchange) -> None:
    """Break off in the middle of the body that is received."""
    status, headers, body = exchange.forward()
    exchange.send(status, headers, body[: len(body) // 2])
    time.sleep(PAUSE)  # a reset also takes back what was sent and not yet read
    exchange.reset()


def closed_in_answer(exchange: Exchange) -> None:
    """Close in an orderly way in the middle of the body that is received."""
    status, headers, body = exchange.forward()
    exchange.send(status, headers, body[: len(body) // 2])
    exchange.close_connection = True


def answer_lost(exchange: Exchange) -> None:
    """Have the store do what it is asked, but lose its answer."""
    exchange.forward()
    exchange.reset()


def hang(exchange: Exchange) -> None:
    """Never answer."""
    exchange.body()
    exchange.wait()


def hang_in_answer(exchange: Exchange) -> None:
    """Send half of the body, and then no more."""
    status, headers, body = exchange.forward()
    exchange.send(status, headers, body[: len(body) // 2])
    exchange.wait()


def slow(exchange: Exchange) -> None:
    """Let the body pass slowly, in either direction."""
    answer = exchange.forward(exchange.body(pause=PAUSE))
    exchange.send(*answer, pause=PAUSE)


def changed_up(exchange: Exchange) -> None:
    """Change a byte of what is sent; as S3 does, refuse a body that does not fit its checksums."""
    body = bytearray(exchange.body())
    body[len(body) // 2] ^= 1
    signed = exchange.headers.get("x-amz-content-sha256")
    digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    if exchange.headers.get("Content-MD5", digest) != digest:
        exchange.send_error_body(400, "BadDigest")
    elif signed != hashlib.sha256(body).hexdigest() and signed != "UNSIGNED-PAYLOAD":
        exchange.send_error_body(400, "XAmzContentSHA256Mismatch")
    else:
        exchange.send(*exchange.forward(bytes(body)))


def changed_down(exchange: Exchange) -> None:
    """Change a byte of what is received."""
    status, headers, body = exchange.forward()
    half = len(body) // 2
    exchange.send(status, headers, body[:half] + bytes([body[half] ^ 1]) + body[half + 1 :])


# -- Faults of the store, or of a program between --------------------------------------------------


def status(exchange: Exchange) -> None:
    """Refuse, with the status that is ordered."""
    exchange.body()
    number = exchange.order.status
    exchange.send_error_body(number, _CODES.get(number, "InternalError"))


def changed_unseen(exchange: Exchange) -> None:
    """Change a byte of what is sent, and have the store compare it with no checksum."""
    body = bytearray(exchange.body())
    body[len(body) // 2] ^= 1
    exchange.send(*exchange.forward(bytes(body), **{"Content-MD5": ""}))


def frames_kept(exchange: Exchange) -> None:
    """Store the frames that boto3 puts around pieces of a body, as if they were content."""
    framed = "x-amz-trailer", "x-amz-sdk-checksum-algorithm", "x-amz-decoded-content-length"
    changed = dict.fromkeys((*framed, "Content-Encoding"), "")
    exchange.send(*exchange.forward(**changed, **{"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}))


def frames_refused(exchange: Exchange) -> None:
    """Refuse a body whose length nobody has told, as some stores do."""
    if exchange.is_chunked:
        exchange.body()
        exchange.send_error_body(exchange.order.status, "MissingContentLength", message="")
    else:
        exchange.send(*exchange.forward())


def other_etag(exchange: Exchange) -> None:
    """Give an object an ETag that is no checksum of its content, as with keys of the store."""
    status, headers, body = exchange.forward()
    exchange.send(status, headers | {"ETag": '"' + "0" * 32 + '"'}, body)


def no_etag(exchange: Exchange) -> None:
    """Give an object no ETag."""
    status, headers, body = exchange.forward()
    exchange.send(status, {k: v for k, v in headers.items() if k.lower() != "etag"}, body)


def error_in_success(exchange: Exchange) -> None:
    """Answer 200, with an error in the text, and do nothing."""
    exchange.body()
    exchange.send_error_body(200, "InternalError")


def short(exchange: Exchange) -> None:
    """Send half of what was asked for, with a length that fits what is sent."""
    status, headers, body = exchange.forward()
    body = body[: len(body) // 2]
    exchange.send(status, headers | {"Content-Length": str(len(body))}, body)


def long(exchange: Exchange) -> None:
    """Send more than what was asked for, with a length that fits what is sent."""
    status, headers, body = exchange.forward()
    body += b"?" * 1000
    exchange.send(status, headers | {"Content-Length": str(len(body))}, body)


def other_range(exchange: Exchange) -> None:
    """Send other bytes of the object than those asked for; the headers say so."""
    first, last = map(int, exchange.headers["Range"].removeprefix("bytes=").split("-"))
    status, headers, body = exchange.forward(Range=f"bytes={first + 1000}-{last + 1000}")
    body = body.ljust(last - first + 1, b"?")
    exchange.send(status, headers | {"Content-Length": str(len(body))}, body)


def no_range(exchange: Exchange) -> None:
    """Send the object from its beginning, with status 200, whatever part was asked for."""
    exchange.send(*exchange.forward(Range=""))


def half_length(exchange: Exchange) -> None:
    """Say of an object that it is half as long."""
    status, headers, body = exchange.forward()
    length = str(int(headers["Content-Length"]) // 2)
    exchange.send(status, headers | {"Content-Length": length}, body)


def double_length(exchange: Exchange) -> None:
    """Say of an object that it is twice as long."""
    status, headers, body = exchange.forward()
    length = str(int(headers["Content-Length"]) * 2)
    exchange.send(status, headers | {"Content-Length": length}, body)


def another_region(exchange: Exchange) -> None:
    """Refuse what is signed for another region than this store's, which the answer names."""
    if f"/{REGION}/s3/" in exchange.headers.get("Authorization", ""):
        exchange.send(*exchange.forward())
    else:
        exchange.body()
        region = f"<Region>{REGION}</Region>"
        exchange.send_error_body(400, "AuthorizationHeaderMalformed", more=region)


FAULTS: dict[str, Callable[[Exchange], None]] = {
    fault.__name__: fault
    for fault in (
        *(reset, reset_in_upload, reset_in_answer, closed_in_answer, answer_lost),
        *(hang, hang_in_answer, slow, changed_up, changed_down),
        *(status, error_in_success, short, long, other_range, no_range),
        *(half_length, double_length, changed_unseen),
        *(frames_kept, frames_refused, other_etag, no_etag, another_region),
    )
}


# -- The process -----------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    """A thread for each connection; none of them keeps the process."""

    daemon_threads = True
    block_on_close = False
    tls: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Speak TLS, where that is ordered, in the connection's own thread."""
        if self.tls:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close at once: an orderly end before a reset would hide it."""
        self.close_request(request)


class Listener:
    """What accepts connections, refuses them, or leaves them without an answer."""

    def __init__(self) -> None:
        self.port = 0
        self._full: list[socket.socket] = []
        self.accept()

    def accept(self) -> None:
        """Accept connections, at the same port as before."""
        self._server = Server(("127.0.0.1", self.port), Exchange, bind_and_activate=False)
        self._server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
        self._server.server_bind()
        self._server.server_activate()
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()

    def refuse(self) -> None:
        """Refuse connections, and end those that there are."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(Exchange.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def ignore(self) -> None:
        """Have a queue of connections that is full, and that nobody empties."""
        self.refuse()
        queue = socket.create_server(("127.0.0.1", self.port), backlog=0)
        self._full = [queue]
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(queue.getsockname())
            self._full.append(waiting)

    def restore(self) -> None:
        """Accept connections again."""
        for one in self._full:
            one.close()
        self._full = []
        self.accept()


CONNECTIONS = {"refused": Listener.refuse, "unreachable": Listener.ignore}


def main(store: str, certificate: str = "") -> None:
    """Take orders until standard input ends.

    Parameters
    ----------
    store : str
        The address of the store.
    certificate : str, optional
        A file with a certificate and its key, to speak TLS.
    """
    scheme = "http"
    if certificate:
        scheme = "https"
        Server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        Server.tls.load_cert_chain(certificate)
    Exchange.store = urlsplit(store).netloc
    Exchange.log_message = lambda *_: None  # type: ignore[method-assign]
    listener = Listener()
    _report(f"{scheme}://127.0.0.1:{listener.port}")
    before = ""
    for line in sys.stdin:
        order = Order(**json.loads(line))
        played = Exchange.played
        Exchange.order, Exchange.played = order, 0
        if before in CONNECTIONS:
            listener.restore()
        if order.how in CONNECTIONS:
            CONNECTIONS[order.how](listener)
        before = order.how
        _report(played)


def _report(answer: Any) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
