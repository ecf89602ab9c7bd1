"""Would a wrong block be noticed? Change one word or number of each, and see.

Each block of the project is changed in a scratch copy, one at a time, and its document is verified
as the tests and the build do it. The result is written for the site to show.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import io
import itertools
import os
import queue
import random
import re
import signal
import subprocess
import sys
import tempfile
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sphinx_gallery.py_source_parser import split_code_and_text_blocks

from benchmarks import results
from proof import project
from proof.documents import blocks_of, documents
from proof.lessons import RUN
from proof.project import ROOT

LIMIT = 900
"""How long a verification may take, in seconds: a changed number can make a loop endless."""

_NAMED = re.compile(r"\.\. tested-by::[\s#]+(\S+)")
_TOKEN = re.compile(r"[A-Za-z_]\w*|\d+")


@dataclass(frozen=True)
class Change:
    """One word or number, and what it is changed to.

    Attributes
    ----------
    document : str
        The file.
    line : int
        The line in it.
    column : int
        Where in the line it begins.
    before, after : str
        The word or number.
    """

    document: str
    line: int
    column: int
    before: str
    after: str

    def apply(self, text: str) -> str:
        """Change a document.

        Parameters
        ----------
        text : str
            The document.

        Returns
        -------
        str
            The changed document.
        """
        lines = text.split("\n")
        line = lines[self.line - 1]
        end = self.column + len(self.before)
        assert line[self.column : end] == self.before
        lines[self.line - 1] = f"{line[: self.column]}{self.after}{line[end:]}"
        return "\n".join(lines)


def changes(document: Path, seed: int, share: float = 1) -> Iterator[Change]:
    """Choose a change for each block of a document that is run here.

    A block that stays as it is gets the same change again, whatever became of others.

    Parameters
    ----------
    document : Path
        The file.
    seed : int
        What chooses.
    share : float, default: 1
        The part of the blocks that gets one.

    Yields
    ------
    Change
        For each block that has a word or number, comments and docstrings apart.
    """
    lines = document.read_text().split("\n")
    name = str(document.relative_to(ROOT))
    blocks = [(line, block.language, block.source) for line, block in blocks_of(document)]
    if document in RUN:
        cells = split_code_and_text_blocks(str(document))[1]
        blocks += [(line, "cell", text) for kind, text, line in cells if kind == "code"]
    for first, language, source in blocks:
        tokens = list(_cell_tokens(source) if language == "cell" else _tokens(source))
        chance = random.Random(f"{seed} {name} {source}")
        if not tokens or chance.random() >= share:
            continue
        row, column, before = chance.choice(tokens)
        after = str(int(before) + 1) if before.isdigit() else f"{before}x"
        line = lines[first - 1 + row]
        indent = line.index(source.split("\n")[row])
        yield Change(name, first + row, indent + column, before, after)


def _tokens(source: str) -> Iterator[tuple[int, int, str]]:
    for row, line in enumerate(source.split("\n")):
        for match in _TOKEN.finditer(re.sub(r"(^|\s)#.*", "", line)):
            yield row, match.start(), match[0]


def _cell_tokens(source: str) -> Iterator[tuple[int, int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        prose = token.type == tokenize.COMMENT or token.line.strip().startswith('"""')
        if not prose and token.type in (tokenize.NAME, tokenize.NUMBER, tokenize.STRING):
            for match in _TOKEN.finditer(token.string):
                row = token.start[0] - 1 + token.string.count("\n", 0, match.start())
                if row == token.start[0] - 1:
                    yield row, token.start[1] + match.start(), match[0]


def is_noticed(scratch: Path, change: Change) -> bool:
    """Verify a document that has been changed.

    Parameters
    ----------
    scratch : Path
        A copy of the project, in which the site has been built.
    change : Change
        The change.

    Returns
    -------
    bool
        Whether the tests or the build fail.
    """
    document = scratch / change.document
    original = document.read_text()
    document.write_text(change.apply(original))
    try:
        return bool(verify(scratch, change.document))
    finally:
        document.write_text(original)


def verify(scratch: Path, *documents: str) -> str:
    """Run the blocks of documents and the tests that they name, and build the site for a lesson.

    Parameters
    ----------
    scratch : Path
        A copy of the project.
    *documents : str
        Files of it.

    Returns
    -------
    str
        What is wrong; else nothing.
    """
    # pytest's own collection would import a lesson that it is given, and so run it.
    commands = [["pytest", "-x", "-n0", "-q", "-pno:python", *documents]]
    if any(name.startswith("tutorials/") for name in documents):
        site = ["sphinx", "-W", "--keep-going", "-n", "-q", "-c", ".", "docs", "build/html"]
        commands.insert(0, site)
    texts = [(scratch / name).read_text() for name in documents]
    named = sorted({test for text in texts for test in _NAMED.findall(text)})
    if named:
        commands.append(["pytest", "-x", "-n0", "-q", *named])
    return next(filter(None, (_wrong(command, scratch) for command in commands)), "")


def _wrong(command: list[str], scratch: Path) -> str:
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=scratch,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return f"It did not end within {LIMIT} s."
    passed = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    return "" if process.returncode in passed else said


def main() -> None:
    """Try all blocks, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", metavar="DOCUMENT", nargs="*", help="all by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--share", type=float, default=1, help="the part of the blocks that is tried, such as 0.3"
    )
    arguments = parser.parse_args()
    paths = [ROOT / name for name in arguments.names] or documents()
    chosen = (list(changes(path, arguments.seed, arguments.share)) for path in paths)
    by_document = [found for found in chosen if found]
    if not by_document:
        parser.error("expected a block to try, found none. Raise --share or name other documents.")
    blocks = sum(len(list(changes(path, arguments.seed))) for path in paths)
    tried = sum(map(len, by_document))
    print(f"{tried} of {blocks} blocks, in {len(by_document)} documents, seed {arguments.seed}")

    with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
        jobs = range(min(arguments.jobs, len(by_document)))
        scratches = [project.copy(Path(folder, str(number))) for number in jobs]
        missed = try_all(by_document, scratches)
    for change in missed:
        print(f"not noticed: {change.document}:{change.line}: {change.before} -> {change.after}")
    print(f"{tried - len(missed)} of {tried} changes noticed")
    if not arguments.names:
        write(blocks, tried, missed, arguments.seed)


def try_all(by_document: list[list[Change]], scratches: list[Path]) -> list[Change]:
    """Try the changes, in each scratch copy one at a time.

    Parameters
    ----------
    by_document : list of list of Change
        The changes of each document.
    scratches : list of Path
        Copies of the project.

    Returns
    -------
    list of Change
        Those that nobody noticed.
    """
    free: queue.Queue[Path] = queue.Queue()

    def prepare(scratch: Path, names: list[str]) -> None:
        wrong = verify(scratch, *names)
        if wrong:
            sys.exit(f"expected the documents to pass before any change, but:\n{wrong}")
        free.put(scratch)

    def try_document(found: list[Change]) -> list[Change]:
        scratch = free.get()
        try:
            print(f"{len(found):4} changes of {found[0].document}", flush=True)
            return [change for change in found if not is_noticed(scratch, change)]
        finally:
            free.put(scratch)

    with concurrent.futures.ThreadPoolExecutor(len(scratches)) as pool:
        names = [found[0].document for found in by_document]
        shares = [names[number :: len(scratches)] for number in range(len(scratches))]
        list(pool.map(prepare, scratches, shares))
        return list(itertools.chain(*pool.map(try_document, by_document)))


def write(blocks: int, tried: int, missed: list[Change], seed: int) -> None:
    """Write the result for the site.

    Parameters
    ----------
    blocks : int
        How many blocks the project has.
    tried : int
        How many blocks were changed.
    missed : list of Change
        The changes that nobody noticed.
    seed : int
        What chose the changes.
    """
    result = {
        "seed": seed,
        "blocks": blocks,
        "tried": tried,
        "noticed": tried - len(missed),
        "not noticed": [
            {"place": f"{one.document}:{one.line}", "before": one.before, "after": one.after}
            for one in missed
        ],
    }
    results.write("mutation", result)


if __name__ == "__main__":
    main()
