"""The sandbox's S3 server: moto, with a log of what crossed the wire.

It runs in a process of its own, as ``python -m s3_sandbox.moto_app DIRECTORY PORT``.
A server thread in the process that reads the mounted files would deadlock: the reader holds
the interpreter lock while it waits for a page that the server must send.

The process prints its address, serves until its standard input ends, then unmounts and
removes what is left in DIRECTORY.
The input ends when the parent closes it, or when the parent is gone for whatever reason.
"""

from __future__ import annotations

import functools
import gc
import http.client
import io
import json
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from http.client import HTTPMessage
from operator import itemgetter
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import parse_qs
from wsgiref.handlers import SimpleHandler

import moto.s3.models
from moto.core.request import (
    PRESERVED_HEADER_NAMES_ENVIRON_KEY,
    environ_key_for_header,
    should_preserve_original_header_name,
)
from moto.core.request import Request as MotoRequest
from moto.s3.responses import S3Response
from werkzeug.exceptions import HTTPException
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

from s3_sandbox.folders import abandon_below, remove_folder
from s3_sandbox.traffic import Request, access_key, operation_name

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOG_PATH = "/_s3_mounts/requests"
FAULTS_PATH = "/_s3_mounts/faults"
_PIECE = 65_536
_ERROR_CODES = {403: "AccessDenied", 404: "NoSuchKey", 503: "SlowDown"}


class _Content(io.BytesIO):
    """What moto keeps an object in: it gives all that is in it as it was written, not a copy."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def write(self, content: Any) -> int:
        # moto writes an object whole. What is put together here would be copied at each reading.
        super().__init__(content)
        return len(content)


class _Request(MotoRequest):
    """A request as moto takes it, which asks for its address several times, as it was sent."""

    from_wsgi_server = True

    @functools.cached_property
    def raw_url(self) -> str:
        return f"http://{self.host}{self.environ['RAW_URI']}"


def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a request of S3 by moto, without the Flask of its own server.

    That looks up the service, the page and the session, which takes a quarter of the time.
    """
    # What is populated refers to itself, so that its body would stay in memory.
    request = _Request(environ, populate_request=False)
    _, _, *key = request.path.split("/", 2)
    dispatch = S3Response.key_dispatch if any(key) else S3Response.ambiguous_dispatch
    try:
        status, headers, body = dispatch(request, request.raw_url, request.headers)
    except HTTPException as error:
        return error(environ, start_response)
    # Of an empty body it would take the length, also where the headers have that of an object.
    return Response(body or None, status, headers)(environ, start_response)


class RequestLog:
    """A WSGI application that counts what another one receives and sends.

    A body goes out in small pieces, and a piece counts once the socket has taken it, so an
    answer that the client broke off counts only for what was sent.
    ``GET /_s3_mounts/requests?since=N`` answers with the number of requests still under way,
    the number of finished ones, and those after the first ``N``.

    ``PUT /_s3_mounts/faults`` with a JSON object such as ``{"PutObject": 403}`` has the operations
    in it fail with these HTTP statuses from now on, and no others.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        self._lock = threading.Lock()
        self._active = 0
        self._finished: list[tuple[int, Request]] = []
        self._faults: dict[str, int] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == LOG_PATH:
            return self._answer(environ["QUERY_STRING"], start_response)
        if environ["PATH_INFO"] == FAULTS_PATH:
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            self._faults = json.loads(body)
            start_response("204 No Content", [])
            return []
        return self._forward(environ, start_response)

    def _answer(self, query: str, start_response: StartResponse) -> list[bytes]:
        since = int(parse_qs(query)["since"][0])
        with self._lock:
            answer = {
                "active": self._active,
                "finished": len(self._finished),
                "requests": [
                    asdict(r) for _, r in sorted(self._finished[since:], key=itemgetter(0))
                ],
            }
        body = json.dumps(answer).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        return [body]

    def _forward(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        status = 500  # what is answered where nothing else is
        sent = 0
        received = 0

        def note_status(line: str, *arguments: Any) -> Any:
            nonlocal status
            status = int(line.split(maxsplit=1)[0])
            return start_response(line, *arguments)

        bucket, _, key = environ["PATH_INFO"].lstrip("/").partition("/")
        operation = operation_name(
            environ["REQUEST_METHOD"],
            key,
            environ["QUERY_STRING"],
            is_copy="HTTP_X_AMZ_COPY_SOURCE" in environ,
        )
        signed_by = access_key(environ.get("HTTP_AUTHORIZATION", ""), environ["QUERY_STRING"])
        fault = self._faults.get(operation)
        application = _failing(fault) if fault else self._application
        with self._lock:
            number = self._active + len(self._finished)
            self._active += 1
        try:
            received = _read_at_once(environ)
            for chunk in application(environ, note_status):
                for piece in _pieces(chunk):
                    yield piece
                    sent += len(piece)
        finally:
            request = Request(bucket, key, operation, status, sent, received, signed_by)
            with self._lock:
                self._active -= 1
                self._finished.append((number, request))


def _read_at_once(environ: WSGIEnvironment) -> int:
    """Read a request's body, of which moto would make three copies; return its length."""
    whole = (
        None if environ.get("wsgi.input_terminated") else int(environ.get("CONTENT_LENGTH") or 0)
    )
    body = environ["wsgi.input"].read(whole)
    environ["wsgi.input"] = io.BytesIO(body)
    # Without this, moto compares what it reads with the length, and refuses what is cut off.
    if whole == len(body):
        environ["wsgi.input_terminated"] = True
    return len(body)


def _failing(status: int) -> WSGIApplication:
    code = _ERROR_CODES.get(status, "InternalError")
    body = f"<Error><Code>{code}</Code><Message>planted</Message></Error>".encode()

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
        start_response(f"{status} {code}", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    return application


def _pieces(chunk: bytes) -> Iterator[bytes]:
    if not chunk:
        yield chunk
    for start in range(0, len(chunk), _PIECE):
        yield chunk[start : start + _PIECE]


def _parse_headers(stream: BinaryIO, _class: type[HTTPMessage]) -> HTTPMessage:
    """Read the headers of a request."""
    headers = _class()
    while line := stream.readline(_PIECE).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name] = value.strip()
    return headers


class _Answer(SimpleHandler):
    """An answer whose end the client knows, so that it can ask again on the same connection."""

    http_version = "1.1"
    has_end = False

    def finish_content(self) -> None:
        super().finish_content()
        self.has_end = "Content-Length" in self.headers or self.status.startswith("204")  # type: ignore[attr-defined]


class _Handler(WSGIRequestHandler):
    """A connection, which stays open as with a real store; werkzeug ends it after each request.

    It may stay, since `_read_at_once` leaves nothing of a request on it.
    """

    disable_nagle_algorithm = True
    wbufsize = 2 * _PIECE  # headers and body leave together

    def run_wsgi(self) -> None:
        """Answer a request."""
        environ = self.make_environ()
        answer = _Answer(environ["wsgi.input"], self.wfile, sys.stderr, environ)  # type: ignore[arg-type]
        answer.os_environ = {}
        answer.server_software = self.version_string()
        answer.run(self.server.app)
        self.close_connection |= not answer.has_end

    def make_environ(self) -> WSGIEnvironment:
        """Keep what else werkzeug drops: names of a user's metadata that have an underscore.

        So does moto's own handler, whose module needs Flask.
        """
        environ = super().make_environ()
        kept = {}
        for name, value in self.headers.items():
            key = environ_key_for_header(name)
            if should_preserve_original_header_name(name) and key not in environ:
                kept[key] = name
                environ[key] = value
        environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = kept
        return environ

    def handle_expect_100(self) -> bool:
        """Ask for the body at once: what is written here waits for the answer."""
        go_on = super().handle_expect_100()
        self.wfile.flush()
        return go_on

    def log(self, *arguments: Any) -> None:
        """Stay silent: the traffic log has it all."""


def main(directory: Path, port: int) -> None:
    """Serve S3 on the loopback interface until standard input ends."""
    # moto would keep large objects in files, and read one whole for each range of it.
    vars(moto.s3.models)["tempfile"] = SimpleNamespace(SpooledTemporaryFile=_Content)
    # Python would parse headers as those of a mail, which takes a quarter of the time of a request.
    vars(http.client)["parse_headers"] = _parse_headers
    server = make_server(
        "127.0.0.1", port, RequestLog(answer), threaded=True, request_handler=_Handler
    )
    # What has been imported stays; to look for garbage in it takes a twentieth of the time.
    gc.freeze()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.port}", flush=True)
    try:
        sys.stdin.buffer.read()
    finally:
        abandon_below(directory)
        remove_folder(directory)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
