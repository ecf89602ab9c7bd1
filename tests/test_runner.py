import os
import shutil
import signal
import threading
import time

import pytest

from s3_mounts import mount, mount_table
from s3_sandbox import Traffic
from s3_sandbox.conformance import operations as trials
from s3_sandbox.conformance import runner as operations
from s3_sandbox.conformance.runner import KINDS, Compared, begin_operations, check_operations

PLANTED = """
import json, os, sys, time

def report(result):
    print(json.dumps(result), flush=True)
    sys.stdin.readline()

for line in iter(sys.stdin.readline, ""):
    name, here, there = json.loads(line)
    mounted = "bucket" in here
    os.makedirs(here)
    report({})
    if name == "hangs" and mounted:
        open(os.environ["PLANTED_PID"], "w").write(str(os.getpid()))
        time.sleep(60)
    if name == "ends" and mounted:
        sys.exit()
    report({})
    if name == "unknown to both":
        result = {"missing": "git"}
    elif name == "breaks" and mounted:
        result = {"error": "Input/output error"}
    else:
        result = {"outcome": "mount" if mounted and name == "differs" else "disk"}
    print(json.dumps(result), flush=True)
"""


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Trials that go wrong, and a directory that passes for a mount."""
    script = tmp_path / "planted.py"
    script.write_text(PLANTED)
    names = ["works", "differs", "hangs", "breaks", "ends", "unknown to both"]
    kinds = ["names", "names", "others", "others", "others", "others"]
    found = {name: trials.Trial(name, kind, None) for name, kind in zip(names, kinds, strict=True)}
    monkeypatch.setattr(operations, "TRIALS", found)
    monkeypatch.setattr(trials, "__file__", str(script))
    monkeypatch.setenv("PLANTED_PID", str(tmp_path / "pid"))
    directory = tmp_path / "bucket"
    directory.mkdir()
    return directory


def test_the_verdict_comes_from_what_happened(planted):
    outcomes = check_operations(planted, planted, timeout=1)
    assert [(o.subject, o.verdict, o.found, o.on_disk) for o in outcomes] == [
        ("works", "works", "disk", "disk"),
        ("differs", "differs", "mount", "disk"),
        ("hangs", "fails", "no answer in 1 s", "disk"),
        ("breaks", "fails", "Input/output error", "disk"),
        ("ends", "fails", "ended without an answer", "disk"),
        ("unknown to both", "untried", "git", "git"),
    ]
    assert {outcome.verdict for outcome in outcomes} == set(operations.VERDICTS)


def test_what_is_not_begun_in_time_is_untried(planted, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    outcomes = check_operations(planted, planted, timeout=1, limit=0.5, scratch=scratch)
    hung = [outcome.subject for outcome in outcomes].index("hangs")
    late = outcomes[hung + 1 :]
    assert {(o.verdict, o.found) for o in late} == {("untried", operations.NOT_IN_TIME)}
    assert len(late) == 3
    assert not os.listdir(scratch)


def test_of_two_at_a_time_one_goes_on_where_the_other_hangs(planted):
    outcomes = check_operations(planted, planted, timeout=5, limit=4, at_once=2)
    assert [o.subject for o in outcomes] == list(operations.TRIALS), "in the same order"
    assert operations.NOT_IN_TIME not in [o.found for o in outcomes]
    assert [o.verdict for o in outcomes][:5] == ["works", "differs", "fails", "fails", "fails"]
    with pytest.raises(ValueError, match="expected at_once=1"):
        check_operations(planted, traffic=Traffic, at_once=2)


@pytest.mark.parametrize("at_once", [1, 3])
def test_an_interrupt_ends_what_is_under_way_and_begins_no_more(planted, at_once):
    main = threading.current_thread()

    def interrupt():
        while not (planted.parent / "pid").exists():
            time.sleep(0.05)
        signal.pthread_kill(main.ident, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        check_operations(planted, planted, timeout=30, at_once=at_once)
    assert time.monotonic() - began < 15
    assert os.listdir(planted) == []
    pid = int((planted.parent / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_nothing_is_left_of_what_hung(planted):
    check_operations(planted, planted, kinds=["others"], timeout=0.5)
    pid = int((planted.parent / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert os.listdir(planted) == []


def test_the_folder_stays_for_whoever_removes_more(planted):
    check_operations(planted, kinds=["names"], keep=True)
    (folder,) = os.listdir(planted)
    assert sorted(os.listdir(planted / folder)) == ["0", "1"]


def test_a_block_that_raises_ends_what_is_under_way_and_begins_no_more(planted):
    began = time.monotonic()

    def fail():
        while not (planted.parent / "pid").exists():
            assert time.monotonic() - began < 15
            time.sleep(0.05)
        raise KeyError

    with pytest.raises(KeyError), begin_operations(planted, planted, timeout=30):
        fail()
    assert time.monotonic() - began < 15
    assert os.listdir(planted) == []


def test_without_another_mount_there_are_no_two_machines(planted):
    assert [outcome.kind for outcome in check_operations(planted)] == ["names", "names"]


ENDS = """
import os, sys
sys.path.insert(0, {folder!r})
import operations as trials

@trials.trial("names", "crashes")
def crash(here, there):
    yield
    os.kill(os.getpid(), 11)

@trials.trial("names", "exits")
def leave(here, there):
    yield
    os._exit(3)

@trials.trial("names", "raises")
def fail(here, there):
    yield
    raise ValueError(f"not {{here}}")

@trials.trial("names", "goes on")
def work(here, there):
    yield
    yield
    return "done"

trials.main()
"""


def test_a_trial_that_ends_its_process_ends_no_other(tmp_path, monkeypatch):
    script = tmp_path / "ends.py"
    script.write_text(ENDS.format(folder=os.path.dirname(trials.__file__)))
    names = ["crashes", "exits", "raises", "goes on"]
    found = {name: trials.Trial(name, "names", None) for name in names}
    monkeypatch.setattr(operations, "TRIALS", found)
    monkeypatch.setattr(trials, "__file__", str(script))
    outcomes = check_operations(tmp_path)
    assert [o.found for o in outcomes] == [
        "SIGSEGV",
        "exit status 3",
        "ValueError: not .",
        "done",
    ]


def test_a_reader_that_fails_answers_for_no_other_trial(tmp_path):
    found = {
        o.subject: o for o in check_operations(tmp_path, tmp_path / "missing", kinds=["content"])
    }
    assert found["four processes read a file"].found == "4 of 4 read something else"
    assert found["map a file, read"].found == "No such file or directory"


def test_an_unknown_kind_is_a_clear_error(tmp_path):
    with pytest.raises(ValueError, match="expected kinds out of content, names.*found 'link'"):
        check_operations(tmp_path, kinds=["names", "link"])
    assert os.listdir(tmp_path) == []


def test_an_outcome_is_a_line_or_two():
    assert str(Compared("fails", "hard link", "not supported", on_disk="as written")) == (
        "fails    hard link                    not supported"
    )
    assert str(Compared("differs", "flock", "allowed", on_disk="refused")).splitlines() == [
        "differs  flock                        allowed",
        "                           on a disk: refused",
    ]


def test_a_disk_has_all_that_a_disk_has(tmp_path):
    outcomes = check_operations(tmp_path, tmp_path)
    assert [o for o in outcomes if o.verdict not in ("works", "untried")] == []
    assert {outcome.kind for outcome in outcomes} == set(KINDS)
    assert [o.subject for o in outcomes if o.kind != "tools" and o.verdict == "untried"] == []
    assert os.listdir(tmp_path) == []


def test_a_program_that_is_not_installed_is_untried(tmp_path, no_programs):
    outcomes = {o.subject: o for o in check_operations(tmp_path, kinds=["tools"], timeout=10)}
    assert outcomes["sed -i"].verdict == "untried"
    assert outcomes["sed -i"].found == "sed"
    assert outcomes["SQLite, 5 transactions"].verdict == "works"


@pytest.fixture
def two_mounts(sandbox):
    """Two mounts of the same bucket, as if on two machines."""
    folders = sandbox.directory / "here", sandbox.directory / "there"
    for folder in folders:
        folder.mkdir()
    with mount(sandbox.source, folders[0]), mount(sandbox.source, folders[1]):
        yield folders


def test_a_mount_differs_from_a_disk_where_we_say_so(sandbox, two_mounts):
    found = check_operations(
        *two_mounts, kinds=["content", "names", "others"], traffic=sandbox.traffic
    )
    outcomes = {outcome.subject: outcome for outcome in found}
    assert list(sandbox.sizes()) == ["air_temp.pp"], "nothing is left"
    assert outcomes["hard link"].verdict == "fails"
    assert outcomes["append 3 bytes"].verdict == "works"
    assert outcomes["make an open file shorter"].verdict == "works"
    assert outcomes["make a closed file shorter"].verdict == "differs"
    assert outcomes["written, not yet closed"].found == "not there"
    assert outcomes["after fsync, not yet closed"].verdict == "works"
    for lock in ("flock", "fcntl lock"):
        assert outcomes[f"{lock}, one machine"].found == "second refused"
        assert outcomes[f"{lock}, two machines"].found == "second allowed"

    append = outcomes["append 3 bytes"].traffic
    assert append.bytes_up == len(trials.CONTENT) + 3, "all of it is uploaded again"
    rename = outcomes["rename a file"].traffic
    assert rename.operations["CopyObject"] == rename.operations["DeleteObject"] == 1
    assert rename.bytes_up == 0
    folder = outcomes["rename a folder of 10 files"].traffic
    assert folder.operations["CopyObject"] == 10


def test_a_mount_that_hangs_does_not_hang_us(sandbox, two_mounts, monkeypatch):
    name = "create a file"
    monkeypatch.setattr(operations, "TRIALS", {name: trials.TRIALS[name]})
    (server,) = mount_table.servers(two_mounts[0])
    server.send_signal(signal.SIGSTOP)
    try:
        before = time.monotonic()
        (outcome,) = check_operations(*two_mounts, timeout=0.5)
        assert time.monotonic() - before < 20
    finally:
        server.send_signal(signal.SIGCONT)
    assert outcome.verdict == "fails"
    assert outcome.found == "no answer in 0.5 s"


@pytest.mark.skipif(not shutil.which("rsync"), reason="there is no rsync")
def test_rsync_sends_nothing_again_from_another_mount(sandbox, tmp_path, monkeypatch):
    name = "rsync -a, 10 files"
    monkeypatch.setattr(operations, "TRIALS", {name: trials.TRIALS[name]})
    here, there = tmp_path / "here", tmp_path / "there"
    for path in (here, there):
        path.mkdir()
    with mount(sandbox.source, here), mount(sandbox.source, there):
        (outcome,) = check_operations(here, there)
    assert (outcome.verdict, outcome.found) == ("works", "10 files, dates kept, 0 sent again")
