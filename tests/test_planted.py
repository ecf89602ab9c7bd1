"""Proof of the proof: faults planted in a scratch copy are noticed, with their place."""

import json
import re
import subprocess
import sys

import pytest

from proof import project, record
from proof.project import ROOT

CONSOLE = ".. code-block:: console\n\n   "

PLANTED = {
    "wrong_output": (
        f"{CONSOLE}$ echo one\n   two\n",
        4,
        "what 'echo one' says is not what is shown",
    ),
    "failing_command": (f"{CONSOLE}$ true\n   $ (exit 5)\n", 5, "ended with exit status 5"),
    "unknown_command": (f"{CONSOLE}$ s4fs a b\n", 4, "s4fs: command not found"),
    "nothing_mounted": (f"{CONSOLE}$ mkdir m\n   $ ls m/A1B.2098.pp\n", 5, "cannot access"),
    "unknown_language": (".. code-block:: fortran\n\n   $ ls\n", 4, "found 'fortran'"),
    "no_language": (".. code-block::\n\n   $ ls\n", 4, "found 'none'"),
    "skipped": (f".. skip: next\n\n{CONSOLE}$ false\n", 6, "ended with exit status 1"),
    "python_raises": (".. code-block:: python\n\n   x = 1\n   1 / 0\n", 5, "ZeroDivisionError"),
    "python_answer": (
        ".. code-block:: pycon\n\n   >>> 1 + 1\n   3\n",
        4,
        "Expected:\n    3\nGot:\n    2",
    ),
    "python_without_prompts": (".. code-block:: pycon\n\n   1 / 0\n", 4, "found '1 / 0'"),
    "python_prose": (".. code-block:: pycon\n\n   >>> 1\n   1\n\n   2\n", 4, "found '2'"),
    "python_skip": (
        ".. code-block:: python\n\n   import pytest\n   pytest.skip('x')\n",
        4,
        "found a skip: x",
    ),
    "python_option": (
        ".. code-block:: pycon\n\n   >>> 1 / 0  # doctest: +SKIP\n   2\n",
        4,
        "found options",
    ),
    "python_main": (
        ".. code-block:: python\n\n   if __name__ == '__main__':\n       1 / 0\n",
        5,
        "ZeroDivisionError",
    ),
    "comment_only": (".. code-block:: bash\n\n   # later\n", 4, "found comments only"),
    "one_colon": (".. code-block: console\n\n   $ false\n", None, "expected two colons"),
    "no_reason": (f".. not running a server yet\n\n{CONSOLE}$ false\n", 6, "exit status 1"),
    "other_case": (".. Code-Block:: console\n\n   $ false\n", 4, "exit status 1"),
    "wrong_yaml": (".. code-block:: yaml\n\n   $ s4fs a b\n", 4, "expected a mapping or a list"),
    "pipe_fails": (".. code-block:: bash\n\n   false | true\n", 4, "exit status 1 of:\nfalse"),
    "docstring_style": ("Text.\n\n>>> 1 + 1\n3\n", 4, "Expected:\n    3\nGot:\n    2"),
    "script_fails": (".. code-block:: bash\n\n   false\n   true\n", 4, "exit status 1 of:\nfalse"),
    "wrong_toml": (".. code-block:: toml\n\n   a =\n", 4, "Invalid value"),
    "wrong_unit": (".. code-block:: systemd\n\n   [Daemon]\n   A=b\n", 4, "found 'Daemon'"),
    "wrong_fstab": (".. code-block:: fstab\n\n   a b\n", 4, "fuse.s3fs OPTIONS 0 0"),
    "wrong_check": (
        f".. not run: it is no use\n   check: grep apt\n\n{CONSOLE}$ dnf install s3fs\n",
        7,
        "exit status 1 of:\ngrep apt",
    ),
    "reason_without_words": (f".. not run:\n\n{CONSOLE}$ ls\n", None, "expected a reason"),
    "left_mounted": (f"{CONSOLE}$ mkdir m\n   $ s3fs climate-data m\n", None, "has left mounts"),
}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """A copy of the project with a page for each fault, and one that is right."""
    scratch = project.copy(tmp_path_factory.mktemp("planted") / "project")
    for name, (text, *_) in PLANTED.items():
        (scratch / "docs" / f"{name}.rst").write_text(f"\n{text}")
    (scratch / "docs" / "right.rst").write_text(f"{CONSOLE}$ echo one\n   one\n")
    return scratch


def run(scratch, *names, options=()):
    pages = [f"docs/{name}.rst" for name in names]
    command = [sys.executable, "-m", "pytest", "-n0", *options, *pages]
    return subprocess.run(command, cwd=scratch, capture_output=True, text=True)


@pytest.fixture(scope="module")
def told(scratch):
    """What a run of all pages says."""
    ended = run(scratch, *PLANTED, "right", options=["--continue-on-collection-errors"])
    assert ended.returncode == 1, ended.stdout
    return ended.stdout


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_noticed_with_its_place(told, name):
    _, line, message = PLANTED[name]
    (report,) = (part for part in told.split("\n____") if f"{name}.rst" in part.split("\n")[0])
    assert message in report
    if line:
        assert f"{name}.rst:{line}" in report


def test_a_fixture_that_fails_with_a_cause_is_reported_and_does_not_end_the_run(scratch):
    folder = scratch / "docs" / "broken"
    folder.mkdir()
    (folder / "page.rst").write_text(f"{CONSOLE}$ true\n")
    (folder / "conftest.py").write_text(
        "import pytest\n\n@pytest.fixture\ndef _reader():\n    try:\n        int('x')\n"
        "    except ValueError as error:\n        raise OSError('no server') from error\n"
    )
    told = run(scratch, "broken/page", "right").stdout
    assert "OSError: no server" in told
    assert "1 passed, 1 error" in told


def test_a_copy_has_nothing_that_git_ignores(tmp_path, monkeypatch):
    monkeypatch.setattr(project, "ROOT", tmp_path / "project")
    for line in (ROOT / ".gitignore").read_text().split():
        folder = project.ROOT / line.strip("/").replace("*", "x")
        folder.mkdir(parents=True)
        (folder / "file").touch()
    assert not [path for path in project.copy(tmp_path / "copy").rglob("*") if path.is_file()]
    assert not list(project.files())


def test_what_is_right_passes(told):
    assert "2 passed" in told, "it, and the block before a mount is found to be left"
    assert not re.search("(FAILED|ERROR) docs/right", told)


def test_a_record_has_what_passed_and_only_that(scratch):
    file = scratch / "build" / "blocks.json"
    ended = run(scratch, "right", "wrong_output", "wrong_check", options=["--record", file])
    assert "1 blocks: 1 run, 0 with a reason" in ended.stdout
    (name, entry), *others = json.loads(file.read_text())["documents"].items()
    assert (name, others) == ("docs/right.rst", [])
    assert entry["blocks"] == [
        {"language": "console", "source": "$ echo one\none", "reason": "", "check": "", "line": 3}
    ]

    assert "1 deselected" in run(scratch, "right", options=["--record", file]).stdout, (
        "nothing has changed"
    )
    page = scratch / "docs" / "right.rst"
    page.write_text(f"{page.read_text()}\nMore.\n")
    assert "1 passed" in run(scratch, "right", options=["--record", file]).stdout


def test_a_document_of_which_only_a_part_was_run_is_not_recorded(scratch):
    file = scratch / "build" / "part.json"
    page = scratch / "docs" / "two_blocks.rst"
    page.write_text(f"{CONSOLE}$ true\n\n{CONSOLE}$ false\n")
    assert (
        "1 passed" in run(scratch, "two_blocks", options=["--record", file, "-k", "line:1"]).stdout
    )
    assert json.loads(file.read_text()) == {"documents": {}}


def test_tests_that_the_site_names_are_recorded_if_all_of_a_file_pass(scratch):
    file = scratch / "build" / "tests.json"
    folder = scratch / "tests" / "evidence"
    (folder / "test_right.py").write_text(
        "import pytest\ndef test_a(): pass\ndef test_b(): pytest.skip('why')\n"
    )
    (folder / "test_wrong.py").write_text("def test_c(): pass\ndef test_d(): assert False\n")
    paths = [folder / "test_right.py", folder / "test_wrong.py"]
    run(scratch, options=["--record", file, *paths])
    (name, entry), *others = json.loads(file.read_text())["documents"].items()
    assert (name, others) == ("tests/evidence/test_right.py", [])
    assert entry["tests"] == {"test_a": "", "test_b": "why"}


def test_without_fuse_no_block_is_run_and_the_record_says_so(scratch, no_programs):
    file = scratch / "build" / "without_fuse.json"
    ended = run(scratch, "right", "wrong_output", options=["--record", file])
    assert ended.returncode == 0, ended.stdout
    assert json.loads(file.read_text()) == {"documents": {}}


def test_a_document_is_run_again_when_what_it_depends_on_has_changed(monkeypatch):
    entry = {"fingerprint": record.document_fingerprint("README.md")}
    assert record.is_true("README.md", entry)
    assert not record.is_true("CONTRIBUTING.md", entry)
    assert not record.is_true("GONE.md", entry)
    monkeypatch.setattr(record, "versions", lambda: {"s3fs": "from the future"})
    assert not record.is_true("README.md", entry)
