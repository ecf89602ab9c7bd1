"""What the evidence ledger does with claims that lack something; the real one is in test_site."""

import sys
from collections import defaultdict
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.core import publish_doctree

from proof.claims import Claim
from proof.project import ROOT

sys.path.insert(0, str(ROOT / "docs" / "_ext"))
import claims_page

CELL_SAYS = "metadata moved 262 MB\nall of it moved 1 MB"


@pytest.fixture
def told(monkeypatch):
    """A function that says what the audit of a ledger warns of."""

    def audit(claim, *, proofs=(), said=True, tests=None, ran=None, problem=None):
        warnings = []
        monkeypatch.setattr(claims_page, "ledger", lambda: {"C01": claim})
        monkeypatch.setattr(claims_page, "_tests", lambda: tests or {})
        monkeypatch.setattr(
            claims_page.logger, "warning", lambda text, *words: warnings.append(text % words)
        )
        env = SimpleNamespace(
            titles=defaultdict(lambda: nodes.title("", "A page")),
            evidence_pages={
                "page": {
                    "proofs": list(proofs),
                    "said": [],
                    "quotes": False,
                    "said_by": {"C01": CELL_SAYS},
                },
                claims_page.MAIN_PAGE: {
                    "proofs": [],
                    "said": ["C01"] if said else [],
                    "quotes": False,
                    "said_by": {},
                },
            },
            verified_documents={"page": []},
            verified_tests={"tests/evidence/test_x.py": ran or {}},
        )
        app = SimpleNamespace(config=SimpleNamespace(lessons_problem=problem))
        claims_page.audit(app, env)
        return warnings

    return audit


PROVEN = ("C01", "evidence-1", "run")
TESTS = {"tests/evidence/test_x.py": {"test_one": ["C01"]}}


def claim(**parts):
    return Claim(told="a", verdict="true", truth="b", **parts)


def test_evidence_that_ran_is_enough(told):
    assert told(claim(), proofs=[PROVEN]) == []
    assert told(claim(), tests=TESTS, ran={"test_one": ""}) == []


def test_so_is_a_source(told):
    assert told(claim(source="somebody")) == []


def test_neither_is_told(told):
    (warning,) = told(claim())
    assert "C01: expected evidence that runs, or a source in docs/reference/claims.toml" in warning


@pytest.mark.parametrize("state", ["not run", "Checked in part: it changes the machine."])
def test_evidence_that_did_not_run_is_none(told, state):
    (warning,) = told(claim(), proofs=[("C01", "evidence-1", state)])
    assert "expected evidence that runs" in warning
    assert "expected evidence that runs" in told(claim(), tests=TESTS)[0]
    skipped = told(claim(), tests=TESTS, ran={"test_one": "only root can"})
    assert "expected evidence that runs" in skipped[0]


def test_where_lessons_cannot_run_their_evidence_is_not_missed(told):
    assert told(claim(), proofs=[("C01", "evidence-1", "not run")], problem="no FUSE") == []


def test_a_result_must_be_said(told):
    assert told(claim(result=["^metadata .* MB"]), proofs=[PROVEN]) == []
    (warning,) = told(claim(result=["^metadata .* GB"]), proofs=[PROVEN])
    assert "expected that its evidence says ['^metadata .* GB'], found nothing of it" in warning


def test_the_main_page_must_state_it(told):
    (warning,) = told(claim(), proofs=[PROVEN], said=False)
    assert warning == "C01: expected that explanation/s3_buckets states it, found nothing."


def test_an_unknown_claim_is_told(told):
    (warning,) = told(claim(), proofs=[PROVEN, ("C99", "evidence-2", "run")])
    assert warning == "page: expected a claim of the ledger, found 'C99'"


BLOCKS = """\
.. proves: C01

.. container:: block-run

   ran

.. proves: C02, C03

.. not run: for a reason

.. container:: block-not-run

   did not

.. container:: other

.. proves: C04

::

   checked

.. class:: block-reason

Checked in part: for a reason.
"""


def test_blocks_of_a_page_are_found_with_what_was_done():
    found = [(names, state) for _, names, state in claims_page._blocks(publish_doctree(BLOCKS))]
    assert found == [
        (["C01"], "run"),
        (["C02", "C03"], "not run"),
        (["C04"], "Checked in part: for a reason."),
    ]


@pytest.mark.parametrize("after", ["", "Text.\n", ".. image:: x.png\n\nText.\n"])
def test_a_proof_without_a_block_is_told(after):
    with pytest.raises(ValueError, match="expected a code block after '.. proves:', found none"):
        list(claims_page._blocks(publish_doctree(f".. proves: C01\n\n{after}")))
