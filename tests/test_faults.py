"""What the page on failures shows is from this catalogue, and a few of its faults for real."""

import json
from itertools import groupby

import iris
import pytest

from benchmarks.faults.catalogue import CATALOGUE
from benchmarks.faults.trials import Laboratory
from proof.project import ROOT

PAGE = ROOT / "docs" / "explanation" / "when_the_network_fails.rst"
KNOWN = json.loads((ROOT / "benchmarks" / "faults.json").read_text())

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


@pytest.fixture
def laboratory(sandbox):
    with iris.FUTURE.context(save_split_attrs=True), Laboratory(sandbox) as laboratory:
        yield laboratory


def play(laboratory, kind, title, who):
    [fault] = [fault for fault in CATALOGUE if (fault.kind, fault.title) == (kind, title)]
    [access] = [access for access in fault.accesses() if access.title == who]
    return laboratory.try_one(fault, access)


def silent_faults(trial, kind):
    return {
        title
        for title, accesses in trial["kinds"][kind].items()
        for outcome in accesses.values()
        if outcome["told"] == "no error" and outcome["data"] != "right"
    }


@pytest.mark.parametrize("version", KNOWN)
def test_the_results_are_those_of_the_catalogue(version):
    expected = {
        kind: {fault.title: [access.title for access in fault.accesses()] for fault in faults}
        for kind, faults in groupby(CATALOGUE, key=lambda fault: fault.kind)
    }
    found = {
        kind: {title: list(accesses) for title, accesses in faults.items()}
        for kind, faults in KNOWN[version]["kinds"].items()
    }
    assert found == expected


@pytest.mark.parametrize("version", KNOWN)
def test_the_page_explains_all_reads_that_are_wrong_without_an_error(version):
    page = " ".join(PAGE.read_text().split())
    assert [one for one in silent_faults(KNOWN[version], "read") if f"*{one}*" not in page] == []


def test_the_page_names_the_options_with_which_it_was_waited():
    options = {option for fault in CATALOGUE if fault.kind == "wait" for option in fault.options}
    assert len(options) == 4
    assert [option for option in options if f"``{option}``" not in PAGE.read_text()] == []


@pytest.mark.parametrize("version", KNOWN)
def test_only_one_fault_loses_what_is_written_without_an_error(version):
    assert silent_faults(KNOWN[version], "write") == {"200 at the end, with an error in it"}


@pytest.mark.parametrize("version", KNOWN)
def test_save_cube_never_stores_what_is_wrong(version):
    outcomes = [
        outcome
        for accesses in KNOWN[version]["kinds"]["write"].values()
        for title, outcome in accesses.items()
        if title.startswith("save_cube")
    ]
    assert len(outcomes) == 36
    assert {(one["told"], one["data"]) for one in outcomes} <= {
        ("no error", "right"),
        ("SaveError", "none"),
        ("SaveError", "right"),
    }


def test_a_short_fault_in_a_read_passes_unseen(laboratory):
    outcome = play(laboratory, "read", "Reset in the body, once", "open")
    assert (outcome.told, outcome.data) == ("no error", "right")


def test_a_refused_read_is_an_error_and_later_right(laboratory):
    outcome = play(laboratory, "read", "403 for data", "Iris, PP")
    assert "Error: " in outcome.told
    assert (outcome.data, outcome.later) == ("none", "right")


def test_a_changed_byte_is_read_without_an_error(laboratory):
    outcome = play(laboratory, "read", "One byte changed on the way", "open")
    assert outcome.silent


def test_a_reset_upload_is_an_error(laboratory):
    outcome = play(laboratory, "write", "Reset in a part", "copy")
    assert outcome.told.startswith("OSError")


def test_an_error_in_a_success_loses_the_file_in_silence(laboratory):
    outcome = play(laboratory, "write", "200 at the end, with an error in it", "copy")
    assert outcome.silent
    assert outcome.data == "none"
