import pytest

from benchmarks import mutation
from benchmarks.mutation import Change, changes, is_noticed
from proof.documents import blocks_of
from proof.lessons import LESSONS
from proof.project import ROOT

PAGES = [ROOT / "README.md", ROOT / "docs" / "index.rst", ROOT / "src" / "s3_mounts" / "options.py"]


@pytest.mark.parametrize("path", [*PAGES, LESSONS[0]], ids=lambda path: path.name)
@pytest.mark.parametrize("seed", range(5))
def test_one_word_of_each_block_is_changed(path, seed):
    found = list(changes(path, seed))
    assert len(found) >= len(blocks_of(path))
    assert path not in LESSONS or len(found) >= 10
    text = path.read_text()
    for change in found:
        changed = change.apply(text)
        differing = [
            (number, before, after)
            for number, (before, after) in enumerate(
                zip(text.split("\n"), changed.split("\n"), strict=True), start=1
            )
            if before != after
        ]
        ((number, before, after),) = differing
        assert number == change.line
        assert before[change.column :].startswith(change.before)
        assert after[change.column :].startswith(change.after)


def test_comments_and_docstrings_are_left_alone():
    lesson = next(path for path in LESSONS if "save_cubes" in path.name)
    lines = lesson.read_text().split("\n")
    chosen = {change.line for seed in range(60) for change in changes(lesson, seed)}
    prose = [lines[line - 1].strip() for line in chosen]
    assert len(chosen) > 60
    assert not [line for line in prose if line.startswith(("#", '"""'))]


def test_a_block_that_stays_gets_the_same_change_whatever_becomes_of_others():
    page = ROOT / "README.md"
    every = list(changes(page, 1))
    some = list(changes(page, 1, 0.5))
    assert 0 < len(some) < len(every)
    assert set(some) < set(every)


def test_what_is_not_run_here_is_not_changed(monkeypatch):
    monkeypatch.setattr(mutation, "RUN", LESSONS[1:])
    assert len(list(changes(LESSONS[0], 1))) == len(blocks_of(LESSONS[0]))


def test_a_change_that_only_a_named_test_notices_is_noticed(tmp_path):
    (tmp_path / "page.rst").write_text(".. tested-by:: test_page.py::test_it\n\none\n")
    test = 'def test_it():\n    assert "one" in open("page.rst").read()\n'
    (tmp_path / "test_page.py").write_text(test)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    assert not is_noticed(tmp_path, Change("page.rst", 3, 0, "one", "one"))
    assert is_noticed(tmp_path, Change("page.rst", 3, 0, "one", "two"))


@pytest.mark.parametrize(("after", "noticed"), [("two", True), ("one", False)])
def test_a_change_is_noticed_if_the_document_fails(tmp_path, monkeypatch, after, noticed):
    page = tmp_path / "page.rst"
    page.write_text("$ echo one")
    monkeypatch.setattr(
        "benchmarks.mutation.verify",
        lambda scratch, name: "" if "one" in page.read_text() else "wrong",
    )
    change = Change("page.rst", 1, 7, "one", after)
    assert is_noticed(tmp_path, change) == noticed
    assert page.read_text() == "$ echo one", "it is as it was"


def test_a_verification_that_does_not_end_counts_as_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(mutation, "LIMIT", 1)
    endless = ["http.server", "--bind", "127.0.0.1", "0"]
    monkeypatch.setattr(mutation, "verify", lambda scratch, name: mutation._wrong(endless, scratch))
    (tmp_path / "page.rst").write_text("$ echo one")
    assert is_noticed(tmp_path, Change("page.rst", 1, 7, "one", "two"))


@pytest.mark.parametrize("arguments", [["--share", "0"], ["docs/404.rst"]])
def test_nothing_to_try_is_an_error(arguments, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["mutate", *arguments])
    with pytest.raises(SystemExit):
        mutation.main()
    assert "expected a block to try, found none" in capsys.readouterr().err
