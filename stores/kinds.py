"""Try buckets of other kinds: with versions, with retention, or of a tenant.

Run as ``python -m stores.kinds KIND BUCKET``; the kind is one of `KINDS`. It makes the bucket,
which stays where nobody may delete from it. What comes of it is printed as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import boto3
import iris
from botocore.exceptions import ClientError

from s3_mounts import S3MountsError, mount, save_cube
from s3_sandbox import sample_path

Found = dict[str, str]

_SAMPLE = "GloSea4/ensemble_001.pp"


def versioned(bucket: str, folder: Path) -> Found:
    """Count the versions that each way to save makes, and those that are left after a removal."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    def count() -> int:
        return len(s3.list_object_versions(Bucket=bucket).get("Versions", []))

    found = {}
    cube = iris.load_cube(sample_path(_SAMPLE))[0]
    local = folder / "saved.nc"
    iris.save(cube, local)
    with mount(bucket, folder / "mounted") as mounted:
        for what, save in _ways(local, mounted):
            before = count()
            save()
            found[f"versions by {what}"] = str(count() - before)
        for path in mounted.iterdir():
            path.unlink()
    found["versions kept after all was removed"] = str(count())
    # SeaweedFS keeps room for each bucket, as long as it is there.
    answer = s3.list_object_versions(Bucket=bucket)
    for one in [*answer.get("Versions", []), *answer.get("DeleteMarkers", [])]:
        s3.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
    s3.delete_bucket(Bucket=bucket)
    return found


def _ways(local: Path, mounted: Path) -> list[tuple[str, Callable[[], object]]]:
    iris.FUTURE.save_split_attrs = True
    cube = iris.load_cube(local)
    return [
        ("save_cube", lambda: save_cube(cube, mounted / "saved by us.nc")),
        ("a copy onto the mount", lambda: shutil.copyfile(local, mounted / "copied.nc")),
        ("iris.save onto the mount", lambda: iris.save(cube, mounted / "direct.nc")),
    ]


def locked(bucket: str, folder: Path) -> Found:
    """Save to a bucket with a retention of a day, write over it, and remove it."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration)
    found = {}
    local = folder / "saved.nc"
    iris.save(iris.load_cube(sample_path(_SAMPLE))[0], local)
    for options in ([], ["enable_content_md5"]):
        with mount(bucket, folder / "mounted", options) as mounted:
            for what, save in _ways(local, mounted)[:2]:
                name = f"{what}{', with enable_content_md5' if options else ''}"
                found[name] = _told(save)
            found["a removal on the mount"] = _told((mounted / "copied.nc").unlink)
    answer = s3.list_object_versions(Bucket=bucket)
    versions = answer.get("Versions", [])
    found["versions kept after that"] = str(len(versions))
    one = {name: versions[0][name] for name in ("Key", "VersionId")}
    found["the removal of a version"] = _told(lambda: s3.delete_object(Bucket=bucket, **one))
    return found


def of_a_tenant(bucket: str, folder: Path) -> Found:
    """Mount the bucket of a tenant, with their key and with another one, by both of its names."""
    key, secret = os.environ["TENANT_KEY"], os.environ["TENANT_SECRET"]
    theirs = boto3.client("s3", aws_access_key_id=key, aws_secret_access_key=secret)
    theirs.create_bucket(Bucket=bucket)
    found = {}
    long = f"{os.environ['TENANT']}:{bucket}"
    place = folder / "mounted"
    found["with another key"] = _told(lambda: mount(bucket, place).unmount())
    os.environ.update(AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret)
    found["with the tenant's key"] = _told(lambda: mount(bucket, place).unmount())
    found["named TENANT:BUCKET"] = _told(lambda: mount(long, place).unmount())
    found["named TENANT:BUCKET, to s3fs"] = _s3fs(long, place)
    return found


def _s3fs(source: str, place: Path) -> str:
    place.mkdir(exist_ok=True)
    options = ["-o", f"url={os.environ['AWS_ENDPOINT_URL']}", "-o", "use_path_request_style"]
    done = subprocess.run(["s3fs", source, place, *options], capture_output=True, text=True)
    return f"status {done.returncode}: {' '.join(done.stderr.split()) or 'it says nothing'}"


def _told(action: Callable[[], object]) -> str:
    try:
        action()
    except (OSError, ClientError, S3MountsError) as error:
        return f"{type(error).__name__}: {error}".split("\n")[0]
    return "works"


KINDS: dict[str, Callable[[str, Path], Found]] = {
    "with versions": versioned,
    "with retention": locked,
    "of a tenant": of_a_tenant,
}
"""From each kind of bucket to what is tried on it."""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("bucket")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        print(json.dumps(KINDS[arguments.kind](arguments.bucket, Path(made))))
