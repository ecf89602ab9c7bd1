import pytest

from s3_mounts import Request, Traffic
from s3_mounts.traffic import operation_name


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
