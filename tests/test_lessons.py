"""Each lesson runs alone, as a script, and leaves nothing behind."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from proof.lessons import LESSONS, RUN
from proof.project import ROOT
from s3_mounts import mount_table


@pytest.fixture
def own_place(tmp_path, monkeypatch):
    """An environment whose temporary files can be told from everybody else's."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", f"{tmp_path}/tmp")
    monkeypatch.setenv("MPLBACKEND", "agg")
    return tmp_path


def assert_nothing_is_left(tmp_path: Path):
    left = [path for path in mount_table.mount_points() if path.is_relative_to(tmp_path)]
    assert not left
    running = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == f"{tmp_path}/tmp":
                running.append(process.cmdline())
        except psutil.Error:
            continue
    assert not running
    assert [path.name for path in tmp_path.rglob("*") if path.name.startswith("s3-mounts")] == []


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_lesson_has_the_form_of_a_lesson(lesson):
    text = lesson.read_text()
    promises = re.findall(r"^\* \*\*(.*?)\*\*", ast.get_docstring(ast.parse(text)), re.MULTILINE)
    assert promises == ["You will learn", "You need", "Time"]
    end = text.rpartition("# %%")[2]
    assert "# What you have seen\n# -" in end
    assert "# **Read next:** :" in end


@pytest.mark.parametrize("lesson", RUN, ids=lambda path: path.stem)
def test_lesson_runs_as_a_script(lesson, own_place):
    before = sorted(ROOT.glob("tutorials/*/*"))
    ended = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-W", "error::FutureWarning", lesson],
        cwd=own_place,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert_nothing_is_left(own_place)
    assert sorted(ROOT.glob("tutorials/*/*")) == before, "it wrote into its own folder"


def test_a_lesson_that_raises_leaves_nothing(own_place):
    lesson = (ROOT / "tutorials/1_first_steps/1_your_first_bucket.py").read_text()
    broken = lesson.replace("print(cube)", "raise RuntimeError('planted')")
    assert broken != lesson
    (own_place / "broken.py").write_text(broken)
    ended = subprocess.run(
        [sys.executable, "broken.py"], cwd=own_place, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert "RuntimeError: planted" in ended.stderr
    assert "fuse.s3fs" in ended.stdout, "it had mounted"
    assert_nothing_is_left(own_place)


ON_ANY_STORE = [
    lesson for lesson in RUN if not re.search(r"\.(traffic|failing)\(", lesson.read_text())
]


@pytest.mark.parametrize("lesson", ON_ANY_STORE, ids=lambda path: path.stem)
def test_a_lesson_runs_on_a_bucket_of_the_readers_own(lesson, sandbox, own_place, monkeypatch):
    """The sandbox's store serves as the reader's own."""
    monkeypatch.setenv("S3_MOUNTS_BUCKET", sandbox.bucket)
    with sandbox.traffic() as traffic:
        ended = subprocess.run(
            [sys.executable, lesson], cwd=own_place, capture_output=True, text=True
        )
    assert ended.returncode == 0, ended.stderr
    written = [r.key for r in traffic.log if r.operation == "PutObject"]
    assert written
    assert all(re.match(r"[a-z-]+-[0-9a-f]{16}/", key) for key in written)
    assert list(sandbox.sizes()) == ["air_temp.pp"]
    assert_nothing_is_left(own_place)
