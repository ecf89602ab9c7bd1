import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from machines import fresh, runs
from proof.project import ROOT
from s3_mounts.program import SHOWN

ALL = runs.read()


@pytest.mark.parametrize("run", ALL, ids=lambda run: f"{run['release']} {run['versions']['s3fs']}")
def test_the_site_shows_no_run_that_failed_or_in_which_root_skipped(run):
    for command in ("docs", "tests"):
        counted = run["runs"][command]
        assert counted["status"] == 0
        assert counted["passed"] > 300
        assert not counted.keys() & {"failed", "error", "errors"}
        assert counted.get("skipped", 0) <= (0 if run["user"] == "root" else 20)
    assert run["runs"]["docs"]["blocks run"] > 150


def test_all_was_run_on_the_oldest_and_on_the_newest_machine():
    found = {
        (run["release"], minor(run["versions"]["Iris"]), run["versions"]["s3fs"]) for run in ALL
    }
    assert {("bookworm", "3.14", "1.90"), ("trixie", "3.16", "1.95")} <= found
    assert {("trixie", "3.16", "1.90"), ("trixie", "3.16", "1.97")} <= found


def minor(version):
    return version.rpartition(".")[0]


def test_the_commands_are_those_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    for session in ("docs", "tests"):
        assert f"\n$ {fresh.printed_command(session)}\n" in readme


def test_the_readme_names_every_program_that_is_installed():
    named = re.search(r"call are (.*?) and `(\w+)`\.", (ROOT / "README.md").read_text())
    programs = [*re.findall(r"`(\w+)`", named[1]), named[2]]
    assert programs == ["s3fs", *SHOWN]


def test_what_a_run_has_said_is_counted():
    said = (
        "200 blocks: 169 run, 31 with a reason\nThe blocks took 69% on top of the tests.\n"
        "22 failed, 298 passed, 5 errors in 180.11s (0:03:00)\n"
        "==== 9 failed, 1089 passed, 1 skipped in 655.95s (0:10:55) ====\n"
    )
    assert fresh.counts(said) == {"blocks run": 169, "failed": 9, "passed": 1089, "skipped": 1}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a machine")
def test_nothing_is_left_of_a_machine_whose_making_is_interrupted(
    tmp_path, monkeypatch, fake_program
):
    """debootstrap mounts /proc in what it makes; to remove that would go into it."""
    debootstrap = fake_program(
        "debootstrap",
        f"""
        for made; do case $made in */trixie) break;; esac; done
        mkdir -p "$made/proc" && mount -t tmpfs tmpfs "$made/proc" && touch "$made/proc/file"
        (while sleep 0.05; do touch "$made/more"; done) &
        touch {tmp_path}/begun
        wait
        """,
    )
    monkeypatch.setattr(fresh, "CACHE", tmp_path / "machines")
    monkeypatch.setattr(fresh, "_find", lambda program: str(debootstrap))

    def interrupt():
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    with ThreadPoolExecutor() as threads:
        threads.submit(interrupt)
        with pytest.raises(KeyboardInterrupt):
            fresh.make_base("trixie", renew=False)
    assert list(fresh.CACHE.iterdir()) == []
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()


def test_what_a_machine_needs_is_said_at_once(monkeypatch, no_programs):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(fresh, "_find", lambda program: None)
    with pytest.raises(SystemExit, match="root, a Debian, the program debootstrap, .* unshare,"):
        fresh.require_root()
