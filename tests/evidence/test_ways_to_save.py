"""What the lesson "Save safely" says of ways to save, and does not itself show."""

import ast
import hashlib
import importlib.util
import shutil
import warnings

import iris
import pytest

from proof.project import ROOT
from s3_mounts import SaveError, mount, save_cube, unmount
from s3_sandbox import fine_temperature

LESSON = ROOT / "tutorials" / "3_every_day" / "1_save_safely.py"
KEY = "result.nc"
IN_PARTS = ["multipart_size=5"]


@pytest.fixture(scope="module")
def cube():
    """Five years that take more than one part to upload."""
    return fine_temperature(years=5, latitude=617, longitude=708)


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    """What Iris will do by default, and no second tries of boto3."""
    for name in ("date_microseconds", "lam_pole_offset", "save_split_attrs"):
        monkeypatch.setattr(iris.FUTURE, name, True)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture
def local(sandbox, cube):
    """The finished file; an earlier result of two years is in the bucket."""
    iris.save(cube[:2], sandbox.directory / "earlier.nc")
    iris.save(cube, sandbox.directory / "local.nc")
    sandbox.add_file(sandbox.directory / "earlier.nc", KEY)
    return sandbox.directory / "local.nc"


def content(sandbox, key=KEY):
    """Ask the store for an object."""
    return sandbox.client.get_object(Bucket=sandbox.bucket, Key=key)["Body"].read()


def left(sandbox, local):
    """Say in words what the store has under the key of the earlier result."""
    known = {
        (sandbox.directory / "earlier.nc").read_bytes(): "earlier kept",
        local.read_bytes(): "new stored",
        b"": "nothing left",
    }
    return known.get(content(sandbox), "cut off")


# -- The recipe ------------------------------------------------------------------------------------


@pytest.fixture
def save_and_upload(tmp_path):
    """The function of the lesson, copied into a file of its own, with the imports it is told."""
    (function,) = [
        node
        for node in ast.parse(LESSON.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "save_and_upload"
    ]
    file = tmp_path / "copied.py"
    file.write_text(f"import os\nimport boto3\nimport iris\n\n\n{ast.unparse(function)}\n")
    spec = importlib.util.spec_from_file_location("copied", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.save_and_upload


def test_the_text_says_which_imports_the_recipe_needs():
    assert "with ``import os``, ``import boto3`` and ``import iris`` above it" in LESSON.read_text()


@pytest.mark.proves("C36")
def test_the_recipe_can_be_copied(sandbox, mount_point, cube, local, save_and_upload):
    with mount(sandbox.source, mount_point) as bucket, sandbox.traffic() as traffic:
        save_and_upload(cube, local, sandbox.bucket, KEY)
        assert (iris.load_cube(bucket / KEY).data == cube.data).all()
    assert content(sandbox) == local.read_bytes()
    assert traffic.bytes_up < 1.01 * local.stat().st_size


@pytest.mark.proves("C36", "C37")
@pytest.mark.parametrize(
    ("operation", "status"),
    [("CreateMultipartUpload", 403), ("UploadPart", 403), ("CompleteMultipartUpload", 200)],
)
def test_the_recipe_raises_and_keeps_both_results(
    sandbox, cube, local, save_and_upload, operation, status
):
    with sandbox.failing(operation, status=status), pytest.raises(Exception, match=operation):
        save_and_upload(cube, local, sandbox.bucket, KEY)
    assert left(sandbox, local) == "earlier kept"
    assert (iris.load_cube(local).data == cube.data).all()


def test_the_recipe_finds_that_the_store_has_less(sandbox, cube, local, save_and_upload):
    def upload(client, file, bucket, key):
        client.put_object(Bucket=bucket, Key=key, Body=b"less")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("boto3.s3.inject.upload_file", upload)
        patch.setattr("boto3.DEFAULT_SESSION", None)
        with pytest.raises(OSError, match="found 4 bytes"):
            save_and_upload(cube, local, sandbox.bucket, KEY)


# -- save_cube -------------------------------------------------------------------------------------


@pytest.mark.proves("C37")
@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart"])
def test_a_refusal_is_an_error_of_save_cube_and_of_cp(sandbox, mount_point, cube, local, operation):
    with mount(sandbox.source, mount_point, IN_PARTS) as bucket, sandbox.failing(operation):
        with pytest.raises(SaveError) as raised:
            save_cube(cube, bucket / KEY, local_directory=sandbox.directory)
        with pytest.raises(OSError, match="Operation not permitted|Input/output error"):
            shutil.copyfile(local, bucket / "new.nc")
    assert (iris.load_cube(raised.value.local_file).data == cube.data).all()
    assert left(sandbox, local) == "earlier kept"


# -- Through the mount -----------------------------------------------------------------------------


def save_safely(sandbox, local, bucket):
    """Try, copy to a new key, compare, rename, and compare again."""
    upload = bucket / f"{KEY}.upload"
    upload.write_bytes(b"?")
    shutil.copyfile(local, upload)
    require_stored(sandbox, local, upload.name)
    upload.replace(bucket / KEY)
    require_stored(sandbox, local, KEY)


def require_stored(sandbox, local, key):
    if (
        hashlib.sha256(content(sandbox, key)).digest()
        != hashlib.sha256(local.read_bytes()).digest()
    ):
        raise OSError(f"{key} in the store is not what was saved")


@pytest.mark.proves("C36")
def test_a_new_key_and_a_rename_are_safe_too(sandbox, mount_point, local):
    with mount(sandbox.source, mount_point) as bucket, sandbox.traffic() as traffic:
        save_safely(sandbox, local, bucket)
    size = local.stat().st_size
    assert left(sandbox, local) == "new stored"
    assert traffic.operations["CopyObject"] == 1
    assert 1 <= traffic.bytes_up / size < 1.05
    assert 2 <= traffic.bytes_down / size < 2.05, "each comparison reads it back"


@pytest.mark.proves("C36", "C37")
@pytest.mark.parametrize(
    ("operations", "status"),
    [
        (["PutObject", "CreateMultipartUpload"], 403),
        (["UploadPart"], 403),
        (["CompleteMultipartUpload"], 200),
    ],
)
def test_a_new_key_and_a_rename_keep_what_was_there(
    sandbox, mount_point, local, operations, status
):
    with (
        mount(sandbox.source, mount_point, IN_PARTS) as bucket,
        sandbox.failing(*operations, status=status),
        pytest.raises(Exception, match=r".+"),
    ):
        save_safely(sandbox, local, bucket)
    assert left(sandbox, local) == "earlier kept"


# -- A full disk -----------------------------------------------------------------------------------


@pytest.fixture
def bucket(sandbox, mount_point):
    """A mount whose s3fs may write no more than 4 MB to a file, as if its disk were full."""
    sandbox.shell(f"trap '' XFSZ; ulimit -f 4096; s3fs {sandbox.source} my_bucket")
    yield mount_point
    unmount(mount_point, timeout=60)


@pytest.mark.proves("C37")
def test_a_full_disk_cuts_off_what_was_there(sandbox, bucket, cube, local):
    """An error, but the earlier result is lost: it holds for a copy and for a PP save."""
    with pytest.raises(OSError, match="File too large|No space left|Input/output error"):
        shutil.copyfile(local, bucket / KEY)
    assert left(sandbox, local) in {"cut off", "nothing left"}
    with pytest.raises(OSError, match="written|File too large|No space left|Input/output error"):
        iris.save(cube, bucket / KEY, saver="pp")
    assert left(sandbox, local) in {"cut off", "nothing left"}


@pytest.mark.proves("C36")
def test_a_full_disk_of_s3fs_leaves_what_was_there_to_those_who_do_not_write_over_it(
    sandbox, bucket, cube, local
):
    with pytest.raises(OSError, match="File too large|No space left|Input/output error"):
        save_safely(sandbox, local, bucket)
    assert left(sandbox, local) == "earlier kept"
    with warnings.catch_warnings():
        # s3fs 1.95 goes on showing the file that it could not store.
        warnings.filterwarnings("ignore", ".* is stored, but this mount does not show it yet")
        save_cube(cube, bucket / KEY)
    assert left(sandbox, local) == "new stored"
