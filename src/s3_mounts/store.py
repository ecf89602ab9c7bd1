"""Ask the object store whether a bucket can be used."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

import botocore.session
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3.exceptions import InsecureRequestWarning

from s3_mounts.credentials import s3fs_credentials
from s3_mounts.errors import StoreError

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client

_AMAZON = "https://s3.amazonaws.com"


def endpoint_url(option: str | None = None) -> str | None:
    """Find the address of the object store.

    Parameters
    ----------
    option : str, optional
        The value of s3fs's option ``url``.

    Returns
    -------
    str or None
        The option, or else ``AWS_ENDPOINT_URL``, which boto3 reads too; None means Amazon's own.

    Raises
    ------
    StoreError
        If it is not an address.
    """
    url = option or os.environ.get("AWS_ENDPOINT_URL")
    if not url:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    place = (
        "the option url"
        if option
        else "AWS_ENDPOINT_URL, or in S3_MOUNTS_ENDPOINT_URL for a lesson"
    )
    expected = f"expected an address such as https://store.example.org in {place}, found"
    if "@" in url:
        raise StoreError(
            f"{expected} one with a name or a password, which everybody could read in the command"
            " line of s3fs. Put keys into ~/.aws/credentials."
        )
    if not usable:
        raise StoreError(f"{expected} {url!r}. Correct it, or unset it for Amazon's own store.")
    return url


def bound_client(
    session: boto3.Session, endpoint: str | None, config: Config | None = None
) -> S3Client:
    """Make a client that stays with one store, whatever the environment says later.

    Parameters
    ----------
    session : boto3.Session
        Whose credentials it uses.
    endpoint : str or None
        The address of the object store; None for Amazon's own.
    config : botocore.config.Config, optional
        How patient it is.

    Returns
    -------
    S3 client of boto3
        The client.
    """
    only_this = Config(ignore_configured_endpoint_urls=True)  # type: ignore[call-arg]
    both = only_this.merge(config) if config else only_this
    return session.client("s3", endpoint_url=endpoint, config=both)


def split_source(source: str) -> tuple[str, str]:
    """Split what s3fs mounts into bucket and prefix.

    Parameters
    ----------
    source : str
        ``bucket`` or ``bucket:/prefix``.

    Returns
    -------
    bucket, prefix : str
        The prefix without slashes at its ends; empty for the whole bucket.

    Raises
    ------
    StoreError
        If there is no bucket in it.

    Examples
    --------
    >>> split_source("climate-data:/monthly/")
    ('climate-data', 'monthly')
    """
    bucket, _, prefix = source.partition(":")
    if not bucket or "/" in bucket or prefix.startswith("//"):
        raise StoreError(
            "expected the name of a bucket, or BUCKET:/PREFIX for a part of it, such as"
            f" 'climate-data:/monthly', found {source!r}."
        )
    return bucket, prefix.strip("/")


def store_name(url: str | None) -> str:
    """Name the store behind an address: all addresses of Amazon's are the same one.

    Parameters
    ----------
    url : str or None
        The address; None for Amazon's own.

    Returns
    -------
    str
        The same for each address of a store.
    """
    parts = urlsplit(url or _AMAZON)
    host = parts.hostname or ""
    if host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return _AMAZON
    return f"{host}:{parts.port or {'http': 80, 'https': 443}.get(parts.scheme)}"


def require_bucket(
    source: str,
    endpoint: str | None = None,
    timeout: float = 10,
    options: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Ask the store for the name of one object, as s3fs will.

    boto3 would do, but making its client takes several times as long as the whole mount.
    So botocore signs and sends this one request.

    Parameters
    ----------
    source : str
        ``bucket`` or ``bucket:/prefix``.
    endpoint : str, optional
        The address of the object store; Amazon's own by default.
    timeout : float, default: 10
        How long to wait for a connection, and for an answer, in seconds.
    options : mapping of str to str, optional
        The options of s3fs, which may say whose credentials to take.

    Raises
    ------
    StoreError
        If the store cannot be reached, knows no such bucket or prefix, or refuses.
    """
    bucket, prefix = split_source(source)
    query = {"list-type": "2", "max-keys": "1"} | ({"prefix": f"{prefix}/"} if prefix else {})
    where = endpoint or "Amazon S3"

    credentials = s3fs_credentials(bucket, options)
    request = AWSRequest("GET", f"{_bucket_url(bucket, endpoint, options)}?{urlencode(query)}")
    if "requester_pays" in options:
        request.headers["x-amz-request-payer"] = "requester"
    if credentials:
        session = botocore.session.Session(include_builtin_handlers=False)
        named = options.get("region") or options.get("endpoint")
        region = named or session.get_config_variable("region") or "us-east-1"
        S3SigV4Auth(credentials, "s3", region).add_auth(request)
    try:
        answer = send(request, timeout, trust="no_check_certificate" in options)
    except BotoCoreError as error:
        raise StoreError(
            f"expected an object store at {where}, but it cannot be reached: {error}."
            " Check the address, the network and any proxy."
        ) from error

    # These name the region that the bucket is in; s3fs follows them by itself.
    elsewhere = answer.status_code in (301, 307) or "AuthorizationHeaderMalformed" in answer.text
    if answer.status_code < 300 or (elsewhere and "x-amz-bucket-region" in answer.headers):
        if prefix and "<KeyCount>0</KeyCount>" in answer.text:
            raise StoreError(
                f"expected objects under the prefix {prefix!r} of the bucket {bucket!r} at"
                f" {where}, found none. Check the spelling."
            )
        return
    raise StoreError(_refusal(answer.status_code, answer.text, bucket, where))


def _bucket_url(bucket: str, endpoint: str | None, options: Mapping[str, str]) -> str:
    """Write the address of a bucket as s3fs does: in the path, or else in the name of the host."""
    address = (endpoint or _AMAZON).rstrip("/")
    from_environment = endpoint and not options.get("url")
    if from_environment or "use_path_request_style" in options:
        return f"{address}/{quote(bucket)}"
    return f"{address.replace('://', f'://{quote(bucket)}.', 1)}/"


def send(request: AWSRequest, timeout: float, *, trust: bool = False) -> AWSResponse:
    """Send one request, through the proxy and with the certificates that are set for it.

    Parameters
    ----------
    request : botocore.awsrequest.AWSRequest
        The request, signed or not.
    timeout : float
        How long to wait for a connection, and for an answer, in seconds.
    trust : bool, default: False
        Take any certificate.

    Returns
    -------
    botocore.awsrequest.AWSResponse
        The answer, whatever its status.

    Raises
    ------
    botocore.exceptions.BotoCoreError
        If there is none.
    """
    session = botocore.session.Session(include_builtin_handlers=False)
    http = URLLib3Session(
        proxies=get_environ_proxies(str(request.url)),
        verify=not trust and (session.get_config_variable("ca_bundle") or True),
        timeout=max(1, math.ceil(timeout)),
    )
    with warnings.catch_warnings(action="ignore", category=InsecureRequestWarning):
        return http.send(request.prepare())


def _refusal(status: int, body: str, bucket: str, where: str) -> str:
    code = re.search(r"<Code>(.*?)</Code>", body)
    words = f"{status} {code[1]}" if code else str(status)
    found = f"expected the bucket {bucket!r} at {where}, but the store answers {words}."
    if status == 404:
        return f"{found} There is no such bucket: check the spelling and the address."
    if status in (401, 403):
        return (
            f"{found} It refuses these credentials: check the access key, the profile, and that"
            " they allow listing this bucket."
        )
    return f"{found} Check the address, and try again later."
