"""What the tests share: one S3 server, a sandbox, and a check that nothing is left."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import iris
import pytest
from packaging.version import Version

from s3_mounts import mount_table
from s3_sandbox import Sandbox, start_sandbox
from s3_sandbox.server import Server


@pytest.fixture
def sandbox(server: Server) -> Iterator[Sandbox]:
    """A bucket with one sample file, and a folder that must hold no mount afterwards."""
    with start_sandbox("climate-data", ["air_temp.pp"]) as sandbox:
        yield sandbox
        left = [p for p in mount_table.mount_points() if p.is_relative_to(sandbox.directory)]
    assert not left, f"the test has left mounts: {left}"


@pytest.fixture
def mount_point(sandbox: Sandbox) -> Path:
    """An empty directory in the sandbox."""
    directory = sandbox.directory / "my_bucket"
    directory.mkdir()
    return directory


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the folder in which the local files of saves are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def fake_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """A function that puts a shell script first on PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def make(name: str, script: str) -> Path:
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return program

    return make


@pytest.fixture
def no_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture(scope="session")
def real_s3fs() -> str:
    """The path of the real program."""
    found = shutil.which("s3fs")
    assert found, "the tests need the program s3fs: s3-sandbox install"
    return found


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this version of Iris cannot do, as a mark says; a skip would fail in CI."""
    kept, spared = [], []
    for item in items:
        needs = [mark.args[0] for mark in item.iter_markers("needs_iris")]
        too_old = any(Version(iris.__version__) < Version(version) for version in needs)
        (spared if too_old else kept).append(item)
    config.hook.pytest_deselected(items=spared)
    items[:] = kept


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in CI that has skipped anything: no test of ours has a reason to."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
