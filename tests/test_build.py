"""How the first command runs blocks and lessons at the same time, and tells how far they are."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from proof import build
from proof.lessons import RUN
from proof.project import ROOT


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "LOG", tmp_path / "blocks.log")
    monkeypatch.setattr(build, "SITE", tmp_path / "html")
    return build.LOG


def test_the_pages_wait_for_the_blocks(monkeypatch):
    began = time.monotonic()
    with subprocess.Popen(["sleep", "1"]) as blocks:
        monkeypatch.setenv(build.BLOCKS, str(blocks.pid))
        build.wait_for_blocks()
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("number", [None, build.NONE, "ended"])
def test_nothing_is_waited_for_where_nothing_runs(monkeypatch, number):
    if number == "ended":
        with subprocess.Popen(["true"]) as ended:
            pass
        number = str(ended.pid)
    monkeypatch.delenv(build.BLOCKS, raising=False)
    if number:
        monkeypatch.setenv(build.BLOCKS, number)
    build.wait_for_blocks()


@pytest.mark.parametrize(
    ("said", "share", "more"), [("....  [ 50%]\n..", 50, "about 1 min more"), ("", 0, "")]
)
def test_the_line_says_how_far_all_is(log, monkeypatch, said, share, more):
    log.write_text("")
    true = [*RUN]
    monkeypatch.setattr(build, "was_run", lambda lesson: lesson in true)
    progress = build.Progress()
    assert "code blocks 0 %, lessons 0 of 0" in progress.line()
    del true[2:]  # as Sphinx does with what is no longer true, when it starts
    progress.tell()
    log.write_text(said)
    true[2:] = RUN[2:10]
    progress.started -= 60
    line = progress.line()
    assert f"code blocks {share} %, lessons 8 of {len(RUN) - 2}" in line
    assert more in line
    assert more or "more" not in line


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_the_tests_say_how_far_they_are_too(tmp_path, workers):
    tests = "import time\n" + "".join(f"def test_{n}(): time.sleep(0.1)\n" for n in range(20))
    (tmp_path / "test_few.py").write_text(tests)
    command = f"""
import pytest
from proof import plugin

plugin.EVERY = 0.3
pytest.main(["--quiet", "-p", "proof.plugin", "{workers}", "test_few.py"])
"""
    run = [sys.executable, "-c", command]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    said = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert re.search(r"(?m)^ 0:\d\d  1?\d of 20 tests, about 0 min more$", said.stdout), said
    assert "20 passed" in said.stdout


@pytest.mark.parametrize(("blocks", "sphinx", "status"), [(0, 0, 0), (1, 0, 1), (0, 2, 2)])
def test_what_fails_fails_the_build(log, monkeypatch, capsys, blocks, sphinx, status):
    home = build.SITE / "index.html"
    write = f"import pathlib; pathlib.Path({str(home)!r}).write_text('')"
    lines = [
        "tests/test_a.py::test_a[1 and 2] ",
        "[gw1] [ 50%] PASSED tests/test_a.py::test_a[1 and 2] ",
        "[gw0] [100%] FAILED a.rst::line:1,column:1 ",
        "FAILED a.rst::line:1,column:1 - expected ...",
        "3 blocks: 2 run, 1 with a reason",
        "==== 7 passed in 1.5s (0:00:01) ====",
    ]
    commands = iter([f"print(*{lines}, sep='\\n'); exit({blocks})", f"{write}; exit({sphinx})"])
    build.SITE.mkdir()
    play(monkeypatch, commands)
    assert build.build([], []) == status
    shown = capsys.readouterr().out.splitlines()
    if blocks:
        assert shown[:4] == lines[2:]
    else:
        assert shown[:2] == [lines[4], "7 passed in 1.5s (0:00:01)"]


def test_lessons_take_what_blocks_leave(log, monkeypatch, tmp_path):
    told = [tmp_path / "blocks", tmp_path / "sphinx"]
    code = "import os, pathlib; pathlib.Path({!r}).write_text(str(os.nice(0)))"
    play(monkeypatch, (code.format(str(path)) for path in told))
    build.build([], [])
    blocks, sphinx = (int(path.read_text()) for path in told)
    assert blocks < sphinx


def test_a_build_that_writes_no_home_page_fails(log, monkeypatch, capsys):
    play(monkeypatch, iter(["", ""]))
    assert build.build([], []) == 1
    assert "expected" in capsys.readouterr().out.lower()


@pytest.fixture
def handlers():
    """Put back what is done at the signals that end a build."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_ends_both_and_says_how_to_go_on(
    log, monkeypatch, capsys, handlers, number
):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the background of a shell
    build._listen()
    wait = "import time; time.sleep(60)"
    started = play(monkeypatch, iter([wait, wait]))
    threading.Timer(1, signal.raise_signal, [number]).start()
    began = time.monotonic()
    assert build.build([], []) == 130
    assert time.monotonic() - began < 30
    assert [process.returncode for process in started] == [-signal.SIGINT] * 2
    assert "The same command goes on" in capsys.readouterr().out


def play(monkeypatch, codes):
    """Have Python run other code than pytest and Sphinx; return the processes."""
    started = []
    popen = subprocess.Popen

    def start(command, **keywords):
        python = command[: command.index(sys.executable) + 1]
        code = f"import signal; signal.signal(2, signal.SIG_DFL); {next(codes)}"
        started.append(popen([*python, "-c", code], **keywords))
        return started[-1]

    monkeypatch.setattr(build.subprocess, "Popen", start)
    return started


def test_a_lesson_that_is_not_there_is_an_error_that_names_all():
    with pytest.raises(SystemExit, match=r"of one lesson, found 'nothing'.*1_your_first_bucket"):
        build.build_with_one("nothing")
