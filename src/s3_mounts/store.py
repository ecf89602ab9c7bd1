"""Ask the object store whether a bucket can be used."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import quote, urlencode

import botocore.session
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3.exceptions import InsecureRequestWarning

from s3_mounts.credentials import find_credentials
from s3_mounts.errors import StoreError
from s3_mounts.options import AMAZON, split_source, store_name


def require_bucket(
    source: str,
    endpoint: str | None = None,
    timeout: float = 10,
    options: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Ask the store for the name of one object, as s3fs will: quicker than by a client of boto3."""
    bucket, prefix = split_source(source)
    query = {"list-type": "2", "max-keys": "1"} | ({"prefix": f"{prefix}/"} if prefix else {})
    where = endpoint or "Amazon S3"

    request = AWSRequest("GET", f"{_bucket_url(bucket, endpoint, options)}?{urlencode(query)}")
    if "requester_pays" in options:
        request.headers["x-amz-request-payer"] = "requester"
    if credentials := find_credentials(bucket, options)[1]:
        session = botocore.session.Session(include_builtin_handlers=False)
        named = options.get("region") or options.get("endpoint")
        region = named or session.get_config_variable("region") or "us-east-1"
        S3SigV4Auth(credentials, "s3", region).add_auth(request)
    try:
        answer = send(request, timeout, trust="no_check_certificate" in options)
    except BotoCoreError as error:
        raise StoreError(
            f"expected an object store at {where}, but it cannot be reached: {error}."
            f" {way_out(error)}"
        ) from error

    # These name the region that the bucket is in; s3fs follows them by itself.
    elsewhere = answer.status_code in (301, 307) or "AuthorizationHeaderMalformed" in answer.text
    if elsewhere and ("x-amz-bucket-region" in answer.headers or "<Region>" in answer.text):
        return
    if answer.status_code < 300:
        if "<ListBucketResult" not in answer.text:
            raise StoreError(
                f"expected an object store at {where}, found something else: what answers does not"
                f" list the bucket {bucket!r}. Check the address."
            )
        if prefix and "<Contents" not in answer.text:
            raise StoreError(
                f"expected objects under the prefix {prefix!r} of the bucket {bucket!r} at"
                f" {where}, found none. Check the spelling."
            )
        return
    raise StoreError(_refusal(answer.status_code, answer.text, bucket, where))


def checksums_for(endpoint: str | None) -> Config:
    """Choose how boto3 sends checksums: by default in a way that is Amazon's alone.

    Over https it mixes them into the content. Other stores refuse that, or keep it as content.
    """
    if store_name(endpoint) == AMAZON:
        return Config()
    when: Literal["when_required"] = "when_required"
    return Config(request_checksum_calculation=when, response_checksum_validation=when)


def way_out(error: Exception) -> str:
    """Say what to do where a store cannot be reached."""
    if "certificate" in str(error).lower():
        return "Name its authority's file in AWS_CA_BUNDLE; for the command s3fs, CURL_CA_BUNDLE."
    return "Check the address, the network and any proxy."


def words(error: BaseException) -> str:
    """Say what went wrong: the libraries pass on an answer without words as None, or Unknown."""
    answer = error if isinstance(error, ClientError) else error.__context__
    if not isinstance(answer, ClientError):
        return str(error).rstrip(".")
    response: Any = answer.response
    status = str(response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    code, message = (response["Error"].get(name) or "" for name in ("Code", "Message"))
    said = dict.fromkeys(word for word in (status, code) if word not in ("", "Unknown", "None"))
    told = f"the store answers {' '.join(said)} to {answer.operation_name}"
    told += f": {message.rstrip('.')}" if message not in ("", "Unknown", "None") else ""
    if code == "AuthorizationHeaderMalformed":
        told += ". Set AWS_DEFAULT_REGION to the region of the store"
    return told


def _bucket_url(bucket: str, endpoint: str | None, options: Mapping[str, str]) -> str:
    """Write the address of a bucket as s3fs does: in the path, or else in the name of the host."""
    address = (endpoint or AMAZON).rstrip("/")
    from_environment = endpoint and not options.get("url")
    if from_environment or "use_path_request_style" in options:
        return f"{address}/{quote(bucket)}"
    return f"{address.replace('://', f'://{quote(bucket)}.', 1)}/"


def send(request: AWSRequest, timeout: float, *, trust: bool = False) -> AWSResponse:
    """Send one request, through the proxy and with the certificates that are set for it."""
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
