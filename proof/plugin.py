"""Every code block is a test of pytest.

With ``--record FILE`` only documents that have changed since their last run are run, none where
FUSE cannot work, and the record for the site is written.
"""

from __future__ import annotations

import ctypes
import datetime
import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from sybil.integration.pytest import SybilItem

from proof import claims, record
from proof.build import EVERY, so_far
from proof.documents import DOCUMENTS, blocks_of
from proof.project import ROOT
from proof.reader import BUCKET, SAMPLES, Reader
from s3_mounts import mount_table
from s3_sandbox import start_sandbox
from s3_sandbox.sandbox import OWN_BUCKET, OWN_ENDPOINT
from s3_sandbox.server import Server, shared_server

# glibc would keep what documents have freed: M_MMAP_THRESHOLD, and M_ARENA_MAX for threads.
for _what, _value in {-3: 262_144, -8: 2}.items():
    ctypes.CDLL(None).mallopt(_what, _value)

pytest_collect_file = DOCUMENTS.pytest()

# Sybil's own ends the whole run where a fixture fails with a cause: simplistix/sybil#171.
SybilItem._traceback_filter = pytest.Item._traceback_filter


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option ``--record``."""
    parser.addoption("--record", type=Path, help="write what was run, for the site")


@pytest.fixture(scope="session", autouse=True)
def _no_folder_is_left() -> Iterator[None]:
    """See that of the temporary folders that we make in this process, none is left.

    Those of multiprocessing and of others go when the process ends.
    """
    made: list[Path] = []
    ours = (tempfile.template, "s3-mounts-")

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "tempfile.mkdtemp" and Path(arguments[0]).name.startswith(ours):
            made.append(Path(arguments[0]))

    sys.addaudithook(note)
    temporary = Path(tempfile.gettempdir())
    yield
    left = [folder for folder in made if folder.parent == temporary and folder.exists()]
    assert not left, f"blocks or tests have left folders in {temporary}: {left}"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Start the S3 server that all tests of this process share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(OWN_BUCKET, raising=False)
        patch.delenv(OWN_ENDPOINT, raising=False)
        with shared_server() as server:
            yield server


@pytest.fixture(scope="module")
def _reader(
    _no_folder_is_left: None, server: Server, request: pytest.FixtureRequest
) -> Iterator[Reader]:
    """Make who types the blocks of a document; nothing may be left mounted at its end."""
    environment = mock.patch.dict(os.environ)
    with start_sandbox(BUCKET, SAMPLES) as sandbox, environment:
        reader = Reader(sandbox, request.path.read_text())
        yield reader
        reader.close()
        left = [p for p in mount_table.mount_points() if p.is_relative_to(sandbox.directory)]
    assert not left, f"the document has left mounts: {left}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tell each report of its block or test, and spare what the record already has."""
    known = record.read(config.option.record)["documents"] if config.option.record else {}
    true = {name for name, entry in known.items() if record.is_true(name, entry)}
    impossible = config.option.record and record.problem()
    spared, kept = [], []
    fingerprints: dict[str, str] = {}
    for item in items:
        part = _part(item)
        if part:
            name = str(item.path.relative_to(ROOT))
            item.user_properties.append(("part", part | {"document": name}))
            if config.option.record:
                if name not in fingerprints:
                    fingerprints[name] = record.document_fingerprint(name)
                item.user_properties.append(("fingerprint", fingerprints[name]))
        is_spared = part and (impossible or name in true)
        (spared if is_spared else kept).append(item)
    if spared:
        config.hook.pytest_deselected(items=spared)
        items[:] = kept


def _part(item: pytest.Item) -> dict[str, Any]:
    """Describe what of the record an item is: a block, a test that the site names, or nothing."""
    if isinstance(item, SybilItem):
        block = asdict(item.example.parsed)
        block["line"] = item.example.line + block.pop("offset")
        return block
    if item.path.is_relative_to(claims.TESTS):
        return {"test": item.originalname}
    return {}


class Run:
    """What the reports of a run say of blocks."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.parts: dict[str, list[dict[str, Any]]] = {}
        self.fingerprints: dict[str, str] = {}
        self.failed: set[str] = set()
        self.cells = 0
        self.done = 0
        self.started = self.told = time.monotonic()
        self.seconds = {"blocks": 0.0, "tests": 0.0}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the block or test of a report."""
        properties = dict(report.user_properties)
        part = dict(properties.get("part", {}))
        name = part.pop("document", "")
        self.seconds["blocks" if "source" in part else "tests"] += report.duration
        if part and report.failed:
            self.failed.add(name)
        elif part and (report.skipped or (report.when == "call" and report.passed)):
            if report.skipped:
                part["skipped"] = report.longrepr[2].removeprefix("Skipped: ")
            self.parts.setdefault(name, []).append(part)
            self.fingerprints[name] = properties.get("fingerprint", "")
        if report.when == "call" and report.passed:
            self.cells += properties.get("cells", 0)
        if report.when == "teardown":
            self.done += 1
            self._tell()

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Know how many tests there will be."""
        self.session = session

    def _tell(self) -> None:
        """Say now and then how far all is."""
        now, whole = time.monotonic(), self.session.testscollected
        if now - self.told > EVERY and whole:
            self.told = now
            reporter = self.config.pluginmanager.get_plugin("terminalreporter")
            what = f"{self.done:,} of {whole:,} tests"
            reporter.write_line("\n" + so_far(now - self.started, self.done / whole, what))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the record, of documents of which everything has been run and has passed."""
        if not self.config.option.record:
            return
        today = datetime.date.today().isoformat()
        entries = {}
        for name, parts in self.parts.items():
            blocks = [part for part in parts if "source" in part]
            tests = {p["test"]: p.get("skipped", "") for p in parts if "test" in p}
            if tests:
                whole = tests.keys() == claims.tests(ROOT / name).keys()
            else:
                whole = len(blocks) == len(blocks_of(ROOT / name))
            if whole and name not in self.failed:
                entries[name] = {
                    "fingerprint": self.fingerprints[name],
                    "date": today,
                    "blocks": blocks,
                    "tests": tests,
                }
        record.write(self.config.option.record, entries)
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = pytest.ExitCode.OK

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say how many blocks were run, and how much that took."""
        blocks = [part for parts in self.parts.values() for part in parts if "source" in part]
        if blocks:
            with_reason = sum(bool(block["reason"]) for block in blocks)
            whole = len(blocks) + self.cells
            terminalreporter.write_line(record.summary(whole, with_reason))
            share = self.seconds["blocks"] / (self.seconds["tests"] or math.inf)
            if share:
                terminalreporter.write_line(f"The blocks took {share:.0%} on top of the tests.")


def pytest_configure(config: pytest.Config) -> None:
    """Collect reports in the process that has all of them; let what is run be interrupted."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a script
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Run(config), "proof-run")
