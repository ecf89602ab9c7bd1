import pytest

from proof import claims
from proof.lessons import LESSONS

TESTS = """\
import pytest

@pytest.mark.proves("C14", "C17")
@pytest.mark.parametrize("x", [1, 2])
def test_one(x):
    pass

def test_two():
    pass

def helper():
    pass
"""


@pytest.mark.parametrize("path", claims.TESTS.glob("test_*.py"), ids=lambda path: path.stem)
def test_no_evidence_is_left_out_where_iris_is_older(path):
    """The record of a document lacks what was left out, and the build takes all of it for stale."""
    assert "needs_iris" not in path.read_text()


def test_every_lesson_proves_a_claim():
    known = claims.read()
    for lesson in LESSONS:
        named = [name for _, names in claims.marks(lesson) for name in names]
        assert named
        assert set(named) <= set(known)


def test_marks_are_found_with_their_line(tmp_path):
    lesson = tmp_path / "lesson.py"
    lesson.write_text('"""Title"""\n\n# %%\n# Text.\n\n# %% C14, C17\n# More.\n')
    assert list(claims.marks(lesson)) == [(6, ["C14", "C17"])]


@pytest.mark.parametrize("text", ["C14 C17", "C1", "c14", "C14,", "proven"])
def test_other_words_are_no_claims(text):
    with pytest.raises(
        ValueError, match=f"here: expected claims such as 'C14, C17', found '{text}"
    ):
        claims.ids(text, "here")


def test_tests_are_found_with_their_claims(tmp_path):
    path = tmp_path / "test_x.py"
    path.write_text(TESTS)
    assert claims.tests(path) == {"test_one": ["C14", "C17"], "test_two": []}


def test_a_ledger_has_four_verdicts(tmp_path):
    ledger = tmp_path / "claims.toml"
    ledger.write_text('[C01]\ntold = "a"\nverdict = "maybe"\ntruth = "b"\n')
    with pytest.raises(ValueError, match=r"expected a verdict of \('true', .* found 'maybe'"):
        claims.read(ledger)
