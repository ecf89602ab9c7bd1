"""What the lesson "What works on a mount" shows with fewer files, which take less time."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from s3_mounts import mount

FILES = 1200
"""More than S3 lists at once. The benchmark of a load does it with 10,000."""
FOLDER = {"many", "many/", "many_$folder$"}
"""What an object would be named that stands for the folder."""


@pytest.mark.proves("C31")
def test_many_objects_are_listed_and_each_is_asked_for(sandbox, mount_point):
    s3 = boto3.client("s3")

    def store(number):
        s3.put_object(Bucket=sandbox.bucket, Key=f"many/{number}.nc", Body=b"x")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(store, range(FILES)))
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
