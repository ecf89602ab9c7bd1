"""What the page about batch jobs says of jobs that go wrong, and does not itself show."""

import shutil

import pytest

from proof.documents import blocks_of
from proof.project import ROOT
from proof.reader import Reader
from s3_sandbox import sample_path

PAGE = ROOT / "docs" / "how_to" / "batch_job.rst"
NOTHING_IS_LEFT = """
$ ls -d ${TMPDIR:-/tmp}/job.*
ls: cannot access ...
$ echo $?
2
$ pgrep --full ${TMPDIR:-/tmp}/job.
$ echo $?
1
"""


@pytest.fixture
def reader(sandbox):
    """Somebody who has written the job script of the page."""
    reader = Reader(sandbox)
    try:
        (job,) = [b.source for _, b in blocks_of(PAGE) if b.source.startswith("cat > job.sh")]
        assert not reader.script(job)
        yield reader
    finally:
        reader.close()


def do(reader, commands):
    """Type what a terminal shows."""
    wrong = reader.session(commands, "line {}", 1)
    assert not wrong, wrong


@pytest.mark.proves("C22", "C41")
def test_a_failing_analysis(reader):
    """It has a file of the bucket open; its exit status becomes that of the job."""
    script = 'import sys\nfile = open(sys.argv[1] + "/air_temp.pp")\nsys.exit(3)\n'
    (reader.home / "fails.py").write_text(script)
    do(reader, f"$ bash job.sh fails.py > log 2>&1\n$ echo $?\n3{NOTHING_IS_LEFT}")


@pytest.mark.proves("C22", "C41")
def test_the_time_is_up(reader):
    """The analysis reads, and takes no note of signals; a second one comes during the tidying."""
    (reader.home / "slow.py").write_text(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        'file = open(sys.argv[1] + "/air_temp.pp")\n'
        'print("Reading", flush=True)\n'
        "time.sleep(600)\n"
    )
    do(
        reader,
        "$ bash job.sh slow.py > log 2>&1 &\n"
        "$ job=$!\n"
        "$ timeout 60 bash -c 'until grep --quiet Reading log; do sleep 0.1; done'\n"
        "$ kill -TERM $job; sleep 1; kill -TERM $job\n"
        "$ wait $job\n"
        f"$ echo $?\n143{NOTHING_IS_LEFT}",
    )


@pytest.mark.proves("C36")
def test_a_result_that_is_refused(reader, sandbox):
    """The store takes nothing; the finished result is kept where the job was started."""
    shutil.copy(sample_path("air_temp.pp"), reader.home / "whole.pp")
    (reader.home / "copies.py").write_text(
        "import shutil, sys\nshutil.copy(sys.argv[1] + '/air_temp.pp', sys.argv[2])\n"
    )
    with sandbox.failing("PutObject"):
        do(
            reader,
            "$ bash job.sh copies.py > log 2>&1\n"
            "$ echo $?\n1\n"
            "$ cmp trend-*.nc whole.pp\n"
            f"{NOTHING_IS_LEFT}",
        )


@pytest.mark.proves("C14")
def test_a_mistyped_bucket(reader):
    """The store is asked before anything is mounted."""
    do(
        reader,
        "$ sed s/climate-data/climat-data/ job.sh > mistyped.sh\n"
        "$ bash mistyped.sh analysis.py\n"
        "Traceback (most recent call last):\n"
        "...\n"
        "botocore.exceptions.ClientError: An error occurred (404) ...\n"
        f"$ echo $?\n1{NOTHING_IS_LEFT}",
    )
