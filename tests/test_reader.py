import os
import subprocess

import pytest

from proof.reader import BUCKET, Reader
from s3_sandbox import start_sandbox

PLACE = "page.rst:{}"


@pytest.fixture
def reader(_reader):
    return _reader


def session(reader, text):
    return reader.session(text, PLACE, 10)


def test_commands_are_run_in_one_shell_from_one_block_to_the_next(reader):
    assert not session(reader, "$ mkdir -p somewhere && cd somewhere\n$ there=$PWD")
    assert not session(reader, '$ [ "$PWD" = "$there" ]\n$ basename $PWD\nsomewhere\n$ cd')


def test_a_reader_has_a_home_a_clone_and_the_bucket(reader):
    shown = (
        "$ pwd\n.../home\n$ ls\niris-s3-tutorial\n...\n$ ls iris-s3-tutorial/conf.py\n...conf.py"
    )
    assert not session(reader, f"$ cd\n{shown}")
    assert not session(reader, "$ mkdir b\n$ s3fs climate-data b\n$ ls b\nA1B...\n$ umount b")


def test_commands_may_go_on_over_several_lines(reader):
    assert not session(
        reader, "$ echo one \\\n    two\none two\n$ cat <<END\n> three\n> END\nthree"
    )


def test_what_a_process_in_the_background_says_later_is_not_the_next_commands(reader):
    assert not session(reader, "$ (sleep 0.3; echo late) &\n$ echo one; sleep 0.6\none")


def test_output_may_be_any_bytes(reader):
    assert not session(reader, "$ printf '\\377\\n'; sleep 0.3\n\ufffd")


def test_wrong_output_is_told_with_the_place_of_its_command(reader):
    told = session(reader, "$ echo one\none\n$ echo two\n2")
    assert told.startswith("page.rst:12: what 'echo two' says is not what is shown")
    assert "- 2\n+ two" in told


def test_what_a_silent_command_says_is_told(reader):
    assert "+ surprise" in session(reader, "$ echo surprise")


def test_a_failing_command_is_told(reader):
    told = session(reader, "$ true\n$ (exit 3)\n$ true")
    assert told.startswith("page.rst:11: '(exit 3)' ended with exit status 3")


def test_a_command_may_fail_if_the_reader_sees_that(reader):
    assert not session(reader, "$ (exit 3)\n$ echo $?\n3")
    assert "- 4\n+ 3" in session(reader, "$ (exit 3)\n$ echo $?\n4")


def test_a_block_without_a_command_is_told(reader):
    assert "expected a command after '$ '" in session(reader, "umount my_bucket")


def test_a_command_can_be_interrupted(reader):
    waits = "sh -c 'trap \"echo bye; exit\" INT; echo hi; while :; do sleep 0.1; done'"
    assert not session(reader, f"$ {waits}\nhi\n^Cbye\n$ echo $?\n0")
    assert not session(reader, "$ sleep 61.5\n^C...\n$ echo $?\n130")


def test_a_command_that_does_not_end_is_told(reader, monkeypatch):
    monkeypatch.setattr("proof.reader.TIME_LIMIT", 0.5)
    assert "+ It did not end within 0.5 s." in session(reader, "$ sleep 61.5")
    assert "exit status 137" in session(reader, "$ echo begun; sleep 61.5\n...")


def test_a_command_that_is_to_be_interrupted_but_says_something_else_is_told(reader, monkeypatch):
    monkeypatch.setattr("proof.reader.INTERRUPT_LIMIT", 0.5)
    told = session(reader, "$ echo hello; sleep 61.5\nhi\n^C")
    assert "- hi\n- ^C\n+ hello\n" in told
    assert told.endswith("+ It did not end within 0.5 s.")


def test_only_the_store_is_exchanged(reader):
    """For s3fs by the declared options, for everything else by one variable; in scripts too."""
    store = os.environ["AWS_ENDPOINT_URL"]
    added = f"-o url={store} -o use_path_request_style"
    fake = (
        "$ mkdir -p fake\n$ cat > fake/s3fs <<'END'\n> #!/bin/sh\n"
        "> [ $1 = --version ] || echo s3fs $@\n> END\n$ chmod +x fake/s3fs\n$ before=$PATH\n"
        "$ PATH=$PWD/fake:$PATH\n"
    )
    assert not session(
        reader, f"{fake}$ s3fs climate-data m -o ro\ns3fs climate-data m -o ro {added}"
    )
    assert not session(reader, f"$ bash -c 's3fs climate-data m'\ns3fs climate-data m {added}")
    assert not session(reader, "$ PATH=$before")
    exported = "$ export AWS_ENDPOINT_URL=https://store.example.org"
    for before in (exported, "$ unset AWS_ENDPOINT_URL"):
        assert not session(reader, f"{before}\n$ sh -c 'echo $AWS_ENDPOINT_URL'\n{store}")
    said = "$ sh -c 'echo ${S3_MOUNTS_ENDPOINT_URL-unset}'\n"
    assert not session(reader, f"{said}unset")
    exported = "$ export S3_MOUNTS_ENDPOINT_URL=https://store.example.org"
    assert not session(reader, f"{exported}\n{said}{store}")


def test_an_exit_status_is_a_number(reader):
    assert "expected a number after 'echo $?'" in session(reader, "$ (exit 3)\n$ echo $?\n...")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("$ true\n$ exit 3", "page.rst:11: 'exit 3' has ended the shell."),
        ("$ set -e\n$ true\n$ false", "page.rst:12: 'false' has ended the shell."),
        ("$ while :; do sleep 0.1; done", "did not end, so the shell was ended."),
    ],
)
def test_the_end_of_the_shell_is_told(server, monkeypatch, text, told):
    monkeypatch.setattr("proof.reader.TIME_LIMIT", 0.5)
    with start_sandbox(f"{BUCKET}-2") as sandbox:
        reader = Reader(sandbox)
        assert told in session(reader, text)
        assert "the shell had ended before 'ls'" in session(reader, "$ ls")
        reader.close()


def test_a_script_must_succeed_as_a_whole(reader):
    assert not reader.script("true\ntrue")
    told = reader.script("echo begun\nfalse\necho not reached")
    assert told.startswith("exit status 1 of:\necho begun")
    assert told.endswith("It said:\nbegun\n")


def test_a_script_must_be_understood_by_the_shell(reader):
    """Bash goes on after a condition that it cannot read, as if that were false."""
    told = reader.script('if [ 1 -gex 2 ]; then echo "not reached"; fi')
    assert "-gex: binary operator expected" in told


def test_a_check_reads_the_block(reader):
    assert not reader.script("grep docs", given="$ ./nox -s docs")
    assert reader.script("grep docs", given="$ ./nox -s tests")


def test_python_works_where_the_shell_is(reader):
    session(reader, "$ mkdir -p deep && cd deep")
    before = os.getcwd()
    with reader.at_work():
        assert os.path.basename(os.getcwd()) == "deep"
        assert os.path.expanduser("~") == os.path.dirname(os.getcwd())
    assert os.getcwd() == before
    session(reader, "$ cd")


@pytest.mark.parametrize(("document", "there"), [("$ cd iris-s3-tutorial", True), ("$ cd", False)])
def test_who_is_to_go_into_a_clone_has_one(server, document, there):
    with start_sandbox(f"{BUCKET}-2") as sandbox:
        reader = Reader(sandbox, document)
        assert (reader.home / "iris-s3-tutorial" / "README.md").exists() == there
        reader.close()


def test_nothing_goes_on_after_a_document(server):
    with start_sandbox(f"{BUCKET}-2") as sandbox:
        reader = Reader(sandbox)
        assert not session(reader, "$ sleep 61.25 &")
        reader.close()
        assert subprocess.run(["pgrep", "-f", "sleep 61.25"]).returncode == 1
