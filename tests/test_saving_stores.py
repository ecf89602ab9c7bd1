"""What `save_cube` does on stores that are not as Amazon's, played by a proxy that speaks TLS."""

import contextlib

import boto3
import pytest
from iris.cube import Cube

from benchmarks.faults.network import Network
from benchmarks.faults.proxy import Order
from s3_mounts import SaveError, mount, save_cube, saving
from s3_mounts.store import checksums_for
from tests.evidence.certificates import make_certificate

pytestmark = pytest.mark.usefixtures("temporary")

KEY = "result.nc"
SMALL = bytes(range(256)) * 16
LARGE = SMALL * 1500  # 6 MB, which are two parts
UPLOADS = ["PutObject", "UploadPart"]
EVERY = [*UPLOADS, "CreateMultipartUpload", "CompleteMultipartUpload", "GetObject", "HeadObject"]
EVERY += ["ListObjects", "ListObjectsV2", "HeadBucket", "GetBucketLocation"]


@pytest.fixture(params=[SMALL, LARGE], ids=["whole", "in parts"])
def content(request, monkeypatch):
    monkeypatch.setattr(saving, "_PART", 5 * 2**20)
    return request.param


@pytest.fixture(params=["as boto3 sends by default", "as it sends when it is required"])
def by_default(request, monkeypatch):
    """What a reader may have set for boto3."""
    if "required" in request.param:
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")


@pytest.fixture
def network(sandbox, monkeypatch):
    """A store that speaks TLS, and that boto3 finds by its environment."""
    certificate = make_certificate(sandbox.directory, "127.0.0.1")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with Network(sandbox.endpoint, certificate) as network:
        monkeypatch.setenv("AWS_ENDPOINT_URL", network.url)
        yield network


@pytest.fixture
def save(sandbox, mount_point, content, network):
    """A function that saves the content in place of an earlier object, past a fault."""
    sandbox.client.put_object(Bucket=sandbox.bucket, Key=KEY, Body=b"the earlier object")

    def saver(cube, target):
        with open(target, "wb") as file:
            file.write(content)

    with mount(sandbox.source, mount_point, [f"url={sandbox.endpoint}", "use_path_request_style"]):

        def save_past(how, *operations, status=0):
            network.play(Order(how, list(operations), status=status))
            save_cube(Cube(0), mount_point / KEY, saver=saver, source=sandbox.source)

        yield save_past


def stored(sandbox):
    return sandbox.client.get_object(Bucket=sandbox.bucket, Key=KEY)["Body"].read()


@pytest.mark.parametrize(
    ("how", "status"), [("frames_kept", 0), ("frames_refused", 411), ("frames_refused", 501)]
)
def test_a_store_that_does_not_know_the_frames_of_boto3_gets_none(
    sandbox, save, network, content, by_default, how, status
):
    save(how, *UPLOADS, status=status)
    assert network.mend() == (1 if content == SMALL else 2), "it was not played"
    assert stored(sandbox) == content


def test_a_store_that_echoes_a_checksum_is_not_believed(sandbox, save, content, by_default):
    with pytest.raises(SaveError, match=r"found other content of the same size") as caught:
        save("changed_unseen", *UPLOADS)
    assert caught.value.local_file.read_bytes() == content


def test_what_is_changed_on_its_way_replaces_nothing_where_the_store_compares(
    sandbox, save, content, by_default
):
    """As most stores do, the proxy compares the body with the checksum that was sent for it."""
    with pytest.raises(SaveError, match="expected to store result.nc"):
        save("changed_up", *UPLOADS)
    assert stored(sandbox) == b"the earlier object"


@pytest.mark.parametrize("how", ["other_etag", "no_etag"])
def test_an_object_whose_etag_is_no_checksum_is_read_back(sandbox, save, content, how):
    with sandbox.traffic() as traffic:
        save(how, "HeadObject")
    assert traffic.operations["GetObject"] == 1
    assert stored(sandbox) == content


def test_an_object_whose_etag_is_its_checksum_is_not_read_back(sandbox, save, content):
    with sandbox.traffic() as traffic:
        save("")
    assert "GetObject" not in traffic.operations


def test_a_store_of_another_region_is_found_and_used(sandbox, save, content):
    """As by s3fs: the region is in the answer to a GET; one to a HEAD has no words."""
    save("another_region", *EVERY)
    assert stored(sandbox) == content


def test_a_refusal_that_is_not_about_the_region_is_told(sandbox, save, content):
    with pytest.raises(SaveError, match="the store answers 400 to HeadObject"):
        save("status", "HeadObject", status=400)
    assert stored(sandbox) == b"the earlier object"


def test_amazon_gets_the_checksums_that_it_knows():
    assert not checksums_for("https://s3.eu-west-1.amazonaws.com")._user_provided_options
    other = checksums_for("https://store.example.org")
    assert other.request_checksum_calculation == "when_required"


def test_the_sandbox_of_a_store_of_ones_own_sends_no_frames_either(sandbox, network):
    from s3_sandbox.folders import bound_client

    network.play(Order("frames_refused", UPLOADS, status=411))
    with contextlib.closing(bound_client(boto3.Session(), network.url)) as client:
        client.put_object(Bucket=sandbox.bucket, Key=KEY, Body=b"content")
    assert stored(sandbox) == b"content"
