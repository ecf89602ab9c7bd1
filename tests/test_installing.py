import os
import stat

import pytest

from s3_mounts import SetupError
from s3_mounts.program import SHOWN, missing_programs
from s3_sandbox import installing
from s3_sandbox.installing import install, may_install, share_device


def test_without_a_package_manager_nothing_is_installed(no_programs):
    assert not may_install()


def test_install_runs_the_command_of_root(no_programs, fake_program, monkeypatch, capfd):
    """The fake package manager brings the program at its third call word, ``install``."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    manager = fake_program("apt-get", "")
    manager.write_text(
        f'#!/bin/sh\n[ "$1" = install ] && printf "#!/bin/sh\\n" > {manager.parent}/s3fs'
        f" && /bin/chmod +x {manager.parent}/s3fs\nexit 0\n"
    )
    assert install() == "now installed: s3fs"
    said = capfd.readouterr().out
    assert "missing: s3fs. Installing: apt-get update && apt-get install -y s3fs" in said
    assert install() == "installed: s3fs"


def test_install_that_brings_nothing_is_a_clear_error(no_programs, fake_program, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    fake_program("apt-get", "")
    with pytest.raises(SetupError, match="to install s3fs, curl, but it ended with exit status 0"):
        install(["s3fs", "curl"])


def test_all_that_is_missing_is_named_at_once(no_programs, fake_program, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for name in ("apt-get", "curl", "findmnt", "git", "lsof", "rsync", "unshare"):
        fake_program(name, "")
    assert missing_programs() == ["s3fs", "fuser", "pgrep"]
    expected = "found none: s3fs, fuser, pgrep. .*sudo apt-get install -y s3fs psmisc procps"
    with pytest.raises(SetupError, match=expected):
        install(("s3fs", *SHOWN))


def test_install_that_fails_is_a_clear_error(no_programs, fake_program, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    fake_program("apt-get", "exit 100")
    with pytest.raises(SetupError, match="ended with exit status 100"):
        install()


def test_install_by_a_user_without_rights_names_the_command(no_programs, fake_program, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    fake_program("apt-get", "")
    fake_program("sudo", "exit 1")
    with pytest.raises(SetupError, match="sudo apt-get install -y s3fs"):
        install()


def test_a_user_with_sudo_without_a_password_may_install(no_programs, fake_program, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    fake_program("apt-get", "")
    fake_program("sudo", "exit 0")
    assert may_install()


@pytest.fixture
def device(tmp_path, monkeypatch):
    """A device as the kernel makes it, seen by root, on a machine without udev."""
    device = tmp_path / "fuse"
    device.touch()
    device.chmod(0o600)
    monkeypatch.setattr(installing, "FUSE_DEVICE", device)
    monkeypatch.setattr(installing, "_UDEV", tmp_path / "udev")
    monkeypatch.setattr(installing, "_AS_MADE", (0o600, os.getuid(), os.getgid()))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return device


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_device_is_opened_to_all_as_udev_would(device):
    assert "chmod 666" in share_device()
    assert mode(device) == 0o666
    assert share_device() is None


def test_a_device_that_is_for_a_group_stays_so(device):
    device.chmod(0o660)
    assert share_device() is None
    assert mode(device) == 0o660


def test_the_device_is_left_to_udev(device):
    (device.parent / "udev").touch()
    assert share_device() is None
    assert mode(device) == 0o600


def test_only_root_opens_the_device(device, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert share_device() is None
    assert mode(device) == 0o600
