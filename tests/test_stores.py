"""What was tried on real stores, what the page shows of it, and that a trial notices what is left.

SeaweedFS stands for all of them here: ``./nox -s stores`` starts the others.
"""

import doctest
import sys

import pytest
from botocore.exceptions import EndpointConnectionError

from proof.project import ROOT, files
from s3_mounts.program import find_s3fs
from stores import BUCKET, results, seaweedfs, trials
from stores.__main__ import STORES
from stores.serving import make_authority

sys.path.insert(0, str(ROOT / "docs" / "_ext"))
import stores_page
import tables
from tables import day

ROWS = results.read()
PAGE = ROOT / "docs" / "how_to" / "other_providers.rst"


def shown(rows):
    """The text of each row of the page's table, cell by cell."""
    _, body = stores_page.tried(rows).traverse(lambda node: node.tagname in ("thead", "tbody"))
    return [[cell.astext() for cell in row.children] for row in body.children]


def test_every_store_that_can_be_started_has_a_row():
    assert {row["store"] for row in ROWS} == {store.NAME for store in STORES.values()}
    tried = {(row["store"], row["transport"]) for row in ROWS if "trials" in row}
    assert {("Ceph RGW", "http"), ("Ceph RGW", "https"), ("OpenStack Swift", "http")} <= tried
    assert {("SeaweedFS", "http"), ("rclone serve s3", "http")} <= tried


def test_what_commands_have_written_names_no_folder_of_who_ran_them():
    written = [path for path in files() if path.suffix == ".json"]
    assert results.FILE in written
    for path in written:
        assert "/.nox" not in path.read_text(), path


def test_the_page_shows_every_row():
    assert "\n.. stores:: tried\n" in PAGE.read_text()
    for row, cells in zip(ROWS, shown(ROWS), strict=True):
        assert cells[0].startswith(row["store"])
        assert cells[1:3] == [row.get("transport", ""), row.get("s3fs", "")]
        assert cells[-1] == day(row["date"])
        for outcome in row.get("trials", {}).values():
            for said in ("needs", "fails"):
                assert outcome.get(said, "") in cells[4]


def test_the_page_shows_what_other_kinds_of_buckets_did():
    page = PAGE.read_text()
    assert "\n.. stores:: buckets\n" in page
    told = stores_page.buckets(ROWS).astext()
    said = [came for row in ROWS for came in row.get("buckets", {}).values()]
    assert said
    for came in said:
        assert all(f"{what}: {word}" in told for what, word in came.items())
    # The page says so.
    assert all(
        came["versions by save_cube"] == "1"
        and int(came["versions by iris.save onto the mount"]) > 1
        for row in ROWS
        for kind, came in row.get("buckets", {}).items()
        if kind == "with versions"
    )


def test_no_row_works_and_has_a_failure():
    for row, cells in zip(ROWS, shown(ROWS), strict=True):
        assert (cells[3] == "works") == (cells[4] == ""), cells
        assert (cells[3] == "not tried") == ("trials" not in row)


def test_every_row_has_every_trial_and_one_outcome_of_it():
    for row in ROWS:
        if "trials" in row:
            assert list(row["trials"]) == list(trials.TRIALS)
            for outcome in row["trials"].values():
                assert set(outcome) in (set(), {"fails"}, {"needs", "without"})


def test_the_examples_are_true():
    assert doctest.testmod(results) == (0, 3)


OLD = {"store": "A", "transport": "http", "s3fs": "1.90", "date": "2026-11-01", "trials": {}}
NOT_TRIED = {"store": "A", "date": "2026-11-02", "not tried": "there is none"}


def test_that_a_store_was_not_tried_here_does_not_replace_what_was_found_elsewhere():
    assert results.merged([], NOT_TRIED) == [NOT_TRIED]
    assert results.merged([OLD], NOT_TRIED) == [OLD]
    assert results.merged([NOT_TRIED], OLD) == [OLD]


def test_a_trial_replaces_that_of_the_same_store_and_s3fs_only():
    new = OLD | {"date": "2026-11-03"}
    other = OLD | {"s3fs": "1.97"}
    assert results.merged([OLD, other], new) == [new, other]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A bucket on SeaweedFS, as the trials find it."""
    folder = tmp_path_factory.mktemp("stores")
    authority = make_authority(folder)
    (folder / "served").mkdir()
    with seaweedfs.start(folder / "served", authority) as served:
        place = trials.Place(served, "http", authority, find_s3fs())
        trials.prepare(place.client())
        yield place
    with pytest.raises(EndpointConnectionError):
        place.client().list_buckets()


def test_a_save_works(place):
    assert trials.outcome("save PP", place) == {}


PROGRAM = r"""
import os, pathlib, sys, tempfile, boto3
s3 = boto3.client("s3")
what, bucket = sys.argv[1:]
if what == "object":
    s3.put_object(Bucket=bucket, Key="left", Body=b"x")
elif what == "upload":
    s3.create_multipart_upload(Bucket=bucket, Key="begun")
elif what == "loss":
    s3.put_object(Bucket=bucket, Key="precious", Body=b"ours")
elif what == "folder":
    tempfile.mkdtemp(prefix="left-")
elif what == "error":
    raise ValueError("with\ntwo lines")
elif not os.environ.get("AWS_REQUEST_CHECKSUM_CALCULATION"):
    sys.exit("no setting")
"""


def program(what):
    return lambda options: [[sys.executable, "-c", PROGRAM, what, BUCKET]]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("object", "it leaves the object left"),
        ("upload", "it leaves the upload begun"),
        ("folder", "on the disk it leaves left-"),
        ("error", "ValueError: with two lines"),
        ("loss", "it leaves the object precious; it loses the object precious"),
    ],
)
def test_a_trial_that_leaves_or_loses_something_fails(place, monkeypatch, what, said):
    monkeypatch.setitem(trials.TRIALS, "made up", program(what))
    assert trials.attempt("made up", place, ()).startswith(said)
    listed = place.client().list_objects_v2(Bucket=BUCKET)
    trials.prepare(place.client())
    assert "left" not in [one["Key"] for one in listed.get("Contents", [])]
    assert "Uploads" not in place.client().list_multipart_uploads(Bucket=BUCKET)


def test_the_setting_that_mends_it_is_found(place, monkeypatch):
    monkeypatch.setitem(trials.TRIALS, "made up", program("setting"))
    assert trials.outcome("made up", place) == {
        "needs": "AWS_REQUEST_CHECKSUM_CALCULATION=when_required",
        "without": "no setting",
    }


def test_a_trial_that_does_not_end_is_ended(place, monkeypatch):
    monkeypatch.setattr(trials, "_LIMIT", 2)
    wait = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setitem(trials.TRIALS, "made up", lambda options: [wait])
    assert trials.attempt("made up", place, ()) == "no end within 2 seconds"


@pytest.mark.parametrize(
    "name", ["s3fs 1.90", "netCDF-4", "rclone mount", "h5netcdf, no cache", "PP"]
)
def test_the_name_of_a_program_or_format_stays_as_it_is(name):
    assert tables._title(name) == name


def test_another_title_begins_with_a_capital():
    assert tables._title("default options") == "Default options"
