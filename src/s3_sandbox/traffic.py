"""What crossed the network: requests by S3 operation, bytes down and bytes up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qs

MEGABYTE = 1_000_000

_OBJECT_OPERATIONS = {
    "GET": "GetObject",
    "HEAD": "HeadObject",
    "PUT": "PutObject",
    "DELETE": "DeleteObject",
}
_MULTIPART_OPERATIONS = {
    "GET": "ListParts",
    "PUT": "UploadPart",
    "POST": "CompleteMultipartUpload",
    "DELETE": "AbortMultipartUpload",
}
_BUCKET_OPERATIONS = {
    "GET": "ListObjects",
    "HEAD": "HeadBucket",
    "PUT": "CreateBucket",
    "POST": "DeleteObjects",
    "DELETE": "DeleteBucket",
}


def operation_name(method: str, key: str, query: str, *, is_copy: bool = False) -> str:
    """Name the S3 operation that an HTTP request asks for."""
    parameters = parse_qs(query, keep_blank_values=True)
    if not key:
        if method == "GET" and "uploads" in parameters:
            return "ListMultipartUploads"
        return _BUCKET_OPERATIONS.get(method, method)
    if "uploadId" in parameters:
        if method == "PUT" and is_copy:
            return "UploadPartCopy"
        return _MULTIPART_OPERATIONS.get(method, method)
    if method == "POST" and "uploads" in parameters:
        return "CreateMultipartUpload"
    if method == "PUT" and is_copy:
        return "CopyObject"
    return _OBJECT_OPERATIONS.get(method, method)


def access_key(authorization: str, query: str) -> str:
    """Find out whose credentials signed an HTTP request."""
    signed = re.search(r"Credential=([^/,\s]+)/|^AWS ([^:]+):", authorization)
    if signed:
        return signed[1] or signed[2]
    parameters = parse_qs(query)
    scope = parameters.get("X-Amz-Credential") or parameters.get("AWSAccessKeyId") or [""]
    return scope[0].partition("/")[0]


@dataclass(frozen=True)
class Request:
    """One request, as the server saw it.

    Attributes
    ----------
    bucket, key : str
        What the request was about; the key is empty for the bucket itself.
    operation : str
        The S3 operation, such as ``"GetObject"``.
    status : int
        The HTTP status of the answer.
    bytes_down, bytes_up : int
        The bytes of the two bodies that were really sent, without headers.
    access_key : str, default: ""
        The access key ID of the credentials that signed it; empty for an unsigned request.

    Examples
    --------
    >>> Request("climate-data", "air_temp.pp", "GetObject", 206, 1024, 0).bytes_down
    1024
    """

    bucket: str
    key: str
    operation: str
    status: int
    bytes_down: int
    bytes_up: int
    access_key: str = ""


class Traffic:
    """The requests between two points.

    Filled by `Sandbox.traffic` when its ``with`` block ends.

    Attributes
    ----------
    log : list of Request
        The requests, in the order in which they began.

    Examples
    --------
    >>> traffic = Traffic([Request("climate-data", "air_temp.pp", "GetObject", 200, 28304, 0)])
    >>> traffic.requests, traffic.bytes_down, traffic.bytes_up
    (1, 28304, 0)
    >>> print(traffic)
    operation                requests   MB down     MB up
    GetObject                       1      0.03      0.00
    total                           1      0.03      0.00
    """

    def __init__(self, log: Iterable[Request] = ()) -> None:
        self.log = list(log)

    @property
    def requests(self) -> int:
        """The number of requests."""
        return len(self.log)

    @property
    def operations(self) -> dict[str, int]:
        """The number of requests of each S3 operation, the most frequent first."""
        return dict(Counter(request.operation for request in self.log).most_common())

    @property
    def bytes_down(self) -> int:
        """The bytes that the store sent."""
        return sum(request.bytes_down for request in self.log)

    @property
    def bytes_up(self) -> int:
        """The bytes that the store received."""
        return sum(request.bytes_up for request in self.log)

    def __str__(self) -> str:
        """Lay the counts out as a table of operations, with a total."""
        lines = [f"{'operation':<24}{'requests':>9}{'MB down':>10}{'MB up':>10}"]
        for name, count in self.operations.items():
            part = Traffic(r for r in self.log if r.operation == name)
            lines.append(_row(name, count, part))
        lines.append(_row("total", self.requests, self))
        return "\n".join(lines)


def _row(name: str, count: int, traffic: Traffic) -> str:
    down, up = traffic.bytes_down / MEGABYTE, traffic.bytes_up / MEGABYTE
    return f"{name:<24}{count:>9}{down:>10.2f}{up:>10.2f}"
