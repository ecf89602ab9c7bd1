"""What the lesson "What works on a mount" shows with fewer files, which take less time."""

import contextlib
import subprocess
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from s3_mounts import mount

FILES = 1200
"""More than S3 lists at once. The benchmark of a load does it with 10,000."""
FOLDER = {"many", "many/", "many_$folder$"}
"""What an object would be named that stands for the folder."""


@pytest.mark.proves("C31")
def test_many_objects_are_listed_and_each_is_asked_for(sandbox, mount_point):
    # boto3 takes several times as long.
    with contextlib.closing(HTTPConnection(urlsplit(sandbox.endpoint).netloc)) as store:
        for number in range(FILES):
            store.request("PUT", f"/{sandbox.bucket}/many/{number}.nc", b"x")
            answer = store.getresponse()
            assert (answer.status, answer.read()) == (200, b"")
    asked = []
    with mount(sandbox.source, mount_point):
        for _ in range(2):
            with sandbox.traffic() as traffic:
                listed = subprocess.run(
                    ["ls", mount_point / "many"], capture_output=True, text=True, check=True
                ).stdout.split()
            assert sorted(listed) == sorted(f"{number}.nc" for number in range(FILES))
            assert traffic.operations["ListObjects"] >= FILES / 1000
            asked.append([r.key for r in traffic.log if r.operation == "HeadObject"])
    first, again = asked
    assert set(first) - FOLDER == {f"many/{number}.nc" for number in range(FILES)}
    assert set(again) <= FOLDER
    assert len(again) <= 1
