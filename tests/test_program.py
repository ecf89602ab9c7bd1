import os
from pathlib import Path

import pytest

from s3_mounts import SetupError, program


def test_the_real_program_is_found_and_has_a_version(real_s3fs):
    found = program.find_s3fs()
    assert found == Path(real_s3fs)
    assert program.s3fs_version(found) >= (1, 90)


def test_this_machine_can_mount():
    assert program.kernel_problem() is None
    program.require_fuse()


def test_no_program_says_how_to_install_it(no_programs):
    with pytest.raises(SetupError, match="expected the program s3fs.*found none.*Install it"):
        program.find_s3fs()


def test_the_python_package_of_the_same_name_is_told_apart(no_programs, tmp_path, monkeypatch):
    (tmp_path / "s3fs.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SetupError, match="Python package s3fs is installed, but that is something"):
        program.find_s3fs()


def test_another_program_of_the_same_name_is_told_apart(fake_program):
    other = fake_program("s3fs", "echo some other program")
    with pytest.raises(SetupError, match="answers 'some other program'"):
        program.s3fs_version(other)


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("Amazon Simple Storage Service File System V1.90 (commit:unknown) with GnuTLS", (1, 90)),
        ("Amazon Simple Storage Service File System V1.97 with GnuTLS(gcrypt)", (1, 97)),
    ],
)
def test_versions_are_understood(fake_program, answer, version):
    assert program.s3fs_version(fake_program("s3fs", f"echo '{answer}'")) == version


def test_no_device(monkeypatch, tmp_path):
    monkeypatch.setattr(program, "FUSE_DEVICE", tmp_path / "fuse")
    assert "found none" in program.kernel_problem()
    with pytest.raises(SetupError, match="modprobe fuse"):
        program.require_fuse()


def test_a_device_that_may_not_be_opened(monkeypatch, tmp_path):
    monkeypatch.setattr(program, "FUSE_DEVICE", tmp_path)
    assert "expected to open" in program.kernel_problem()


def test_no_capability(monkeypatch):
    monkeypatch.setattr(program, "_may_ever_mount", lambda: False)
    assert "SYS_ADMIN" in program.kernel_problem()


def test_an_ordinary_user_needs_fusermount(monkeypatch, no_programs):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError, match="fusermount"):
        program.require_fuse()


@pytest.mark.parametrize(
    ("manager", "package", "packages"),
    [
        ("apt-get", "s3fs", "s3fs procps psmisc curl util-linux"),
        ("dnf", "s3fs-fuse", "s3fs-fuse procps-ng psmisc curl util-linux"),
    ],
)
def test_the_install_command_is_that_of_the_package_manager(
    no_programs, fake_program, monkeypatch, manager, package, packages
):
    fake_program(manager, "")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert program.install_command().startswith(manager)
    assert program.install_command().endswith(f" {package}")
    several = program.install_command(["s3fs", "pgrep", "fuser", "curl", "unshare", "findmnt"])
    assert several.endswith(f" {packages}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert program.install_command().startswith(f"sudo {manager}")


def test_without_a_package_manager_conda_is_named(no_programs):
    assert "s3fs-fuse" in program.install_command()
