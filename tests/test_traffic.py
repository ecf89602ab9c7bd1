import pytest

from s3_sandbox import Request, Traffic
from s3_sandbox.traffic import access_key, operation_name


@pytest.mark.parametrize(
    ("method", "key", "query", "name"),
    [
        ("GET", "a.nc", "", "GetObject"),
        ("HEAD", "a.nc", "", "HeadObject"),
        ("PUT", "a.nc", "x-id=PutObject", "PutObject"),
        ("DELETE", "a.nc", "", "DeleteObject"),
        ("POST", "a.nc", "uploads", "CreateMultipartUpload"),
        ("PUT", "a.nc", "partNumber=1&uploadId=u", "UploadPart"),
        ("POST", "a.nc", "uploadId=u", "CompleteMultipartUpload"),
        ("DELETE", "a.nc", "uploadId=u", "AbortMultipartUpload"),
        ("GET", "", "list-type=2&prefix=p", "ListObjects"),
        ("GET", "", "uploads", "ListMultipartUploads"),
        ("HEAD", "", "", "HeadBucket"),
        ("POST", "", "delete", "DeleteObjects"),
        ("OPTIONS", "a.nc", "", "OPTIONS"),
    ],
)
def test_operation_has_the_name_of_the_api_reference(method, key, query, name):
    assert operation_name(method, key, query) == name


def test_a_put_with_a_source_is_a_copy():
    assert operation_name("PUT", "a.nc", "", is_copy=True) == "CopyObject"
    assert operation_name("PUT", "a.nc", "uploadId=u", is_copy=True) == "UploadPartCopy"


@pytest.mark.parametrize(
    ("authorization", "query"),
    [
        ("AWS4-HMAC-SHA256 Credential=me/20260101/us-east-1/s3/aws4_request, Signature=x", ""),
        ("AWS4-HMAC-SHA256 SignedHeaders=host,Credential=me/20260101/us-east-1/s3/x", ""),
        ("AWS me:signature=", ""),
        ("", "X-Amz-Expires=9&X-Amz-Credential=me%2F20260101%2Fus-east-1%2Fs3%2Faws4_request"),
        ("", "AWSAccessKeyId=me&Signature=x"),
    ],
)
def test_whoever_signed_a_request_is_known(authorization, query):
    assert access_key(authorization, query) == "me"


@pytest.mark.parametrize("authorization", ["", "Basic me:secret", "AWS4-HMAC-SHA256 Credential="])
def test_a_request_that_is_not_signed_has_no_key(authorization):
    assert access_key(authorization, "list-type=2&prefix=Credential=me/") == ""


def test_traffic_tells_whose_keys_signed_the_requests(sandbox):
    import urllib.request

    import boto3

    mine, yours = (
        boto3.client("s3", aws_access_key_id=name, aws_secret_access_key="x")
        for name in ("mine", "yours")
    )
    air = {"Bucket": sandbox.bucket, "Key": "air_temp.pp"}
    with sandbox.traffic() as traffic:
        mine.list_objects_v2(Bucket=sandbox.bucket)
        yours.head_object(**air)
        urllib.request.urlopen(mine.generate_presigned_url("get_object", Params=air)).close()
        yours.put_bucket_acl(Bucket=sandbox.bucket, ACL="public-read")
        urllib.request.urlopen(f"{sandbox.endpoint}/{sandbox.bucket}").close()
    keys = [request.access_key for request in traffic.log]
    assert keys == ["mine", "yours", "mine", "yours", ""]


def test_requests_are_told_in_the_order_in_which_they_began(sandbox):
    client = sandbox.client
    client.put_object(Bucket=sandbox.bucket, Key="large", Body=bytes(50_000_000))
    with sandbox.traffic() as traffic:
        slow = client.get_object(Bucket=sandbox.bucket, Key="large")["Body"]
        client.head_object(Bucket=sandbox.bucket, Key="large")
        for _ in slow.iter_chunks():
            pass
    client.delete_object(Bucket=sandbox.bucket, Key="large")
    assert [request.operation for request in traffic.log] == ["GetObject", "HeadObject"]


def test_traffic_adds_up_and_shows_a_total():
    traffic = Traffic(
        [
            Request("b", "a.nc", "HeadObject", 200, 0, 0),
            Request("b", "a.nc", "GetObject", 206, 1_500_000, 0),
            Request("b", "a.nc", "GetObject", 206, 500_000, 0),
            Request("b", "b.nc", "PutObject", 200, 0, 250_000),
        ]
    )
    assert traffic.requests == 4
    assert traffic.operations == {"GetObject": 2, "HeadObject": 1, "PutObject": 1}
    assert (traffic.bytes_down, traffic.bytes_up) == (2_000_000, 250_000)
    assert str(traffic).splitlines() == [
        "operation                requests   MB down     MB up",
        "GetObject                       2      2.00      0.00",
        "HeadObject                      1      0.00      0.00",
        "PutObject                       1      0.00      0.25",
        "total                           4      2.00      0.25",
    ]


def test_traffic_is_what_the_store_really_sent(sandbox):
    import boto3

    size = 28304
    s3 = boto3.client("s3")
    with sandbox.traffic() as traffic:
        whole = s3.get_object(Bucket=sandbox.bucket, Key="air_temp.pp")["Body"].read()
        s3.get_object(Bucket=sandbox.bucket, Key="air_temp.pp", Range="bytes=0-99")["Body"].read()
        s3.head_object(Bucket=sandbox.bucket, Key="air_temp.pp")
    assert len(whole) == size
    assert traffic.operations == {"GetObject": 2, "HeadObject": 1}
    assert traffic.bytes_down == size + 100


def test_traffic_counts_only_between_the_two_points_and_only_this_bucket(sandbox):
    import boto3

    s3 = boto3.client("s3")
    s3.head_object(Bucket=sandbox.bucket, Key="air_temp.pp")
    with sandbox.traffic() as traffic:
        s3.create_bucket(Bucket="another-bucket")
        s3.delete_bucket(Bucket="another-bucket")
        s3.put_object(Bucket=sandbox.bucket, Key="new", Body=b"x" * 1000)
    s3.head_object(Bucket=sandbox.bucket, Key="new")
    assert traffic.operations == {"PutObject": 1}
