"""The scripts that show surprises: their heads, what came of them, and their page."""

import json
import subprocess
import sys

import pytest

from proof import findings
from proof.project import ROOT

RESULTS = json.loads(findings.RESULTS.read_text())
SCRIPTS = findings.scripts()

HEAD = """#!/usr/bin/env bash
# surprise: A sum of two numbers is a third.
# expected: It is none.
# versions: bash 5
# seen: 2026-11-28
# matters: Add with care.
# output:
#   3

"""


@pytest.mark.parametrize("module", ["proof.findings", "machines.fresh", "docs.export_for_iris"])
def test_commands_that_install_nothing_need_nothing_but_python(module):
    """``./nox -s findings``, ``fresh`` and ``export`` run in no environment of their own."""
    command = [sys.executable, "-S", "-c", f"import {module}"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_a_name_that_no_script_has_is_a_clear_error():
    command = [sys.executable, "-m", "proof.findings", "no_such_thing"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "found no_such_thing" in ended.stderr


def test_there_are_many():
    assert len(SCRIPTS) >= 12


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_each_says_what_the_page_shows_and_was_run(script):
    finding = findings.parse(script)
    assert RESULTS[script.stem]["result"] == "as before"
    assert RESULTS[script.stem]["date"] >= finding.seen
    pages = (f"docs/{finding.page}.rst", f"{finding.page}.py")  # the second for lessons
    assert not finding.page or any((findings.ROOT / page).exists() for page in pages)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_each_uses_public_packages_alone_and_pins_them(script):
    text = script.read_text()
    assert "s3_mounts" not in text
    assert "s3_sandbox" not in text
    assert "==" in text
    assert "mktemp -d" in text
    assert "trap" in text


def test_no_result_is_left_of_a_script_that_has_gone():
    assert RESULTS.keys() == {script.stem for script in SCRIPTS}


@pytest.mark.parametrize("missing", findings.HEAD)
def test_a_head_that_lacks_a_line_is_an_error(tmp_path, missing):
    script = tmp_path / "sum.sh"
    lines = [line for line in HEAD.splitlines() if not line.startswith(f"# {missing}")]
    script.write_text("\n".join(lines) + "\n\n")
    with pytest.raises(ValueError, match=rf"sum.sh: expected lines '# {missing}: "):
        findings.parse(script)


@pytest.mark.parametrize(
    ("command", "result"),
    [("echo $((1 + 2))", "as before"), ("exit 1", "changed"), ("exit 77", "cannot be run here")],
)
def test_what_came_of_a_script_is_noted(tmp_path, monkeypatch, capsys, command, result):
    (tmp_path / "sum.sh").write_text(HEAD + command)
    monkeypatch.setattr(findings, "FOLDER", tmp_path)
    monkeypatch.setattr(findings, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr("sys.argv", ["findings"])
    assert findings.main() == (result == "changed")
    written = json.loads((tmp_path / "results.json").read_text())
    assert written["sum"]["result"] == result
