import psutil
import pytest

from s3_mounts import mount, mount_table
from s3_sandbox import CommandError, shell


def test_the_command_and_all_that_it_says_are_shown(capsys, tmp_path):
    shell("echo out; echo err >&2; pwd", directory=tmp_path)
    assert capsys.readouterr().out == f"$ echo out; echo err >&2; pwd\nout\nerr\n{tmp_path}\n"


def test_a_failing_command_is_an_error_after_its_words_are_shown(capsys):
    with pytest.raises(CommandError, match="'false' to end with exit status 0, found 1"):
        shell("false")
    assert capsys.readouterr().out == "$ false\n"


def test_a_failure_can_be_expected():
    shell("exit 32", status=32)
    with pytest.raises(CommandError, match="exit status 32, found 0"):
        shell("true", status=32)


def test_a_command_that_does_not_end_is_an_error(capsys):
    with pytest.raises(CommandError, match=r"end within 0\.2 s"):
        shell("echo begun; sleep 60.125; true", timeout=0.2)
    assert "begun" in capsys.readouterr().out
    # A process that was killed may take a moment to go.
    _, alive = psutil.wait_procs(
        [p for p in psutil.process_iter(["cmdline"]) if "60.125" in (p.info["cmdline"] or "")],
        timeout=20,
    )
    assert not alive


def test_a_command_that_cannot_be_killed_does_not_keep_us(sandbox, mount_point, monkeypatch):
    """A look into a mount that hangs waits until the mount is gone."""
    monkeypatch.setattr("s3_sandbox.terminal.KILL_LIMIT", 1)
    mount(sandbox.source, mount_point)
    (server,) = mount_table.servers(mount_point)
    server.suspend()
    with pytest.raises(CommandError, match="end within 1 s"):
        shell("ls my_bucket/new", directory=sandbox.directory, timeout=1)
    mount_table.abandon(mount_point)


def test_s3fs_gets_the_endpoint_options_and_nothing_else(fake_program, capsys, monkeypatch):
    fake_program("s3fs", 'echo "$@"')
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    shell("s3fs bucket dir")
    assert capsys.readouterr().out == (
        "$ s3fs bucket dir\nbucket dir -o url=http://127.0.0.1:9000 -o use_path_request_style\n"
    )


@pytest.mark.parametrize(("version", "added"), [("1.90", ""), ("1.97", " -o compat_dir")])
def test_s3fs_gets_what_a_prefix_needs(fake_program, capsys, monkeypatch, version, added):
    answer = f"echo Amazon Simple Storage Service File System V{version}"
    fake_program("s3fs", f'[ "$1" = --version ] && {answer} || echo "$@"')
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    shell("s3fs bucket:/prefix dir")
    assert capsys.readouterr().out.splitlines()[1] == f"bucket:/prefix dir{added}"


def test_s3fs_is_left_alone_at_amazons_own_store(fake_program, capsys, monkeypatch):
    fake_program("s3fs", 'echo "$@"')
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    shell("s3fs bucket dir")
    assert capsys.readouterr().out == "$ s3fs bucket dir\nbucket dir\n"


def test_a_daemon_that_keeps_its_output_open_does_not_keep_us_waiting(capsys):
    shell("(sleep 3 &) ; echo done", timeout=2)
    assert "done" in capsys.readouterr().out
