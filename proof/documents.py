"""The files that have code blocks, and what is done with each block.

A block that cannot be run has a comment before it, ``.. not run: REASON``, in Markdown
``<!-- not run: REASON -->``.
Where a part of it can be checked, the next line of the comment is ``check: COMMAND``, a command
of the shell that reads the block and must succeed.
"""

from __future__ import annotations

import doctest
import re
import unittest
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest
from sphinx_gallery.py_source_parser import split_code_and_text_blocks
from sybil import Document, Example, Region, Sybil
from sybil.evaluators.doctest import DocTest, DocTestRunner
from sybil.parsers.abstract.lexers import BlockLexer
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer, FencedCodeBlockLexer
from sybil.parsers.rest.lexers import DirectiveInCommentLexer, DirectiveLexer
from sybil.sybil import SybilCollection
from sybil.typing import LexemeMapping, Lexer

from proof import configuration, project
from proof.project import GALLERY, ROOT
from proof.reader import Reader

_LOST = re.compile(r"(?im)^[ \t]*\.\.[ \t]+(?:code|code-block|sourcecode)[ \t]*:?(?![:\w-])[ \t].*")
"""A block that docutils takes for a comment."""

_WORDS = 4
_NEXT = re.compile(r"(?:\s*--+>)?\s*")
"""From the end of a comment to what comes next."""


@dataclass(frozen=True)
class Block:
    """A code block of a document.

    Attributes
    ----------
    language : str
        As the document names it.
    source : str
        Its text.
    offset : int
        In which line its text begins, counted from where the example begins.
    reason : str
        Why it is not run; empty if it is.
    check : str
        A command that checks a part of a block that is not run; may be empty.
    """

    language: str
    source: str
    offset: int
    reason: str = ""
    check: str = ""


def run_python(block: Block, example: Example, reader: Reader) -> None:
    """Run Python code, with the names that the blocks before have left."""
    code = compile(
        "\n" * (_line(example) - 1) + block.source, example.path, "exec", dont_inherit=True
    )
    example.namespace.setdefault("__name__", "__main__")
    with reader.at_work(), warnings.catch_warnings(action="ignore"):
        exec(code, example.namespace)


def run_prompts(block: Block, example: Example, reader: Reader) -> str:
    """Run Python code after prompts, and compare what it says."""
    told: list[str] = []
    path = example.path
    examples = []
    for part in doctest.DocTestParser().parse(block.source, path):
        if isinstance(part, doctest.Example):
            if part.options:
                return f"expected code that is compared as it is, found options: {part.source!r}"
            examples.append(part)
        elif part.strip():
            return f"expected code after '>>> ' and what it says, found {part.strip()!r}"
    test = DocTest(examples, example.namespace, path, path, _line(example) - 1, None)
    with reader.at_work(), warnings.catch_warnings(action="ignore"):
        DocTestRunner(doctest.ELLIPSIS).run(test, out=told.append, clear_globs=False)
    return "".join(told)


def run_session(block: Block, example: Example, reader: Reader) -> str:
    """Run a shell session, and compare what each command says."""
    return reader.session(block.source, f"{example.path}:{{}}", _line(example))


def run_script(block: Block, example: Example, reader: Reader) -> str:
    """Run the commands of a shell script."""
    return reader.script(block.source)


def parse(check: Callable[[str], object]) -> Callable[[Block, Example, Reader], str]:
    """Make a verifier of a function that raises ValueError for text that it does not accept."""

    def verify(block: Block, example: Example, reader: Reader) -> str:
        try:
            check(block.source)
        except ValueError as error:
            return str(error)
        return ""

    return verify


def mount(block: Block, example: Example, reader: Reader) -> str:
    """Mount the lines of ``/etc/fstab``."""
    return parse(lambda text: configuration.mount_fstab(text, reader.home))(block, example, reader)


VERIFIERS: dict[str, Callable[[Block, Example, Reader], str | None]] = {
    "python": run_python,
    "pycon": run_prompts,
    "console": run_session,
    "bash": run_script,
    "fstab": mount,
    "ini": parse(configuration.parse_profiles),
    "systemd": parse(configuration.parse_unit),
    "toml": parse(configuration.parse_toml),
    "yaml": parse(configuration.parse_yaml),
}
KINDS = {"python": "Python", "pycon": "Python", "console": "shell", "bash": "shell"}
CONFIGURATION = "configuration"
"""The kind of all other languages."""


def evaluate(example: Example) -> str:
    """Verify a block, or check what can be checked of it; say what is wrong, and where."""
    block: Block = example.parsed
    reader: Reader = example.namespace["_reader"]
    verify = VERIFIERS.get(block.language)
    if block.reason:
        told = reader.script(block.check, given=block.source) if block.check else ""
    elif verify and not re.sub(r"(?m)^\s*#.*|\s", "", block.source):
        told = "expected something to run, found comments only."
    elif verify:
        try:
            told = verify(block, example, reader) or ""
        except (unittest.SkipTest, pytest.skip.Exception) as skipped:
            told = f"expected code that is run to its end, found a skip: {skipped}"
    else:
        told = (
            f"expected a block in one of the languages {', '.join(VERIFIERS)},"
            f" found {block.language or 'none'!r}. Name its language, or say before it why it is"
            " not run: '.. not run: REASON'."
        )
    place = f"{example.path}:{_line(example)}"
    return told if told.startswith(example.path) or not told else f"{place}: {told}"


def _line(example: Example) -> int:
    return example.line + example.parsed.offset


class BlockParser:
    """Find all code blocks of a document, in whatever language, and the reasons before them."""

    def __init__(self, blocks: Iterable[Lexer], reasons: Lexer) -> None:
        self.blocks = blocks
        self.reasons = reasons

    def __call__(self, document: Document) -> Iterable[Region]:
        lost = _LOST.search(document.text)
        if lost:
            raise ValueError(
                f"{document.path}: expected two colons after '{lost[0].strip()}', found fewer."
            )
        reasons = {
            _NEXT.match(document.text, region.end).end(): region.lexemes
            for region in self.reasons(document)
        }
        regions = chain(*(lexer(document) for lexer in self.blocks))
        end = 0
        for region in sorted(regions, key=lambda region: region.start):
            if region.start < end:
                continue
            end = region.end
            place = _NEXT.match(document.text, region.start).end()
            region.parsed = _block(region.lexemes, reasons.pop(place, None), document)
            region.evaluator = evaluate
            yield region
        for lexemes in reasons.values():
            raise ValueError(
                f"{document.path}: expected a code block after 'not run: {lexemes['arguments']}',"
                " found none."
            )


def _block(lexemes: LexemeMapping, reason: LexemeMapping | None, document: Document) -> Block:
    source = lexemes["source"]
    language = lexemes.get("arguments", lexemes.get("language", "pycon")) or ""
    offset = 1 + source.line_offset
    if reason is None:
        return Block(language, source.rstrip(), offset)
    words = f"{reason['arguments'] or ''}\n{reason['source']}"
    why, _, check = (" ".join(part.split()) for part in words.partition("check:"))
    if len(why.split()) < _WORDS:
        raise ValueError(
            f"{document.path}: expected a reason of {_WORDS} words or more in the comment"
            f" 'not run: REASON', found {why!r}."
        )
    return Block(language, source.rstrip(), offset, why, check)


class LessonDocument(Document):
    """The text cells of a lesson; sphinx-gallery runs its code cells."""

    def __init__(self, text: str, path: str) -> None:
        super().__init__(_text_cells(text, path), path)


def _text_cells(text: str, path: str) -> str:
    lines = [""] * (text.count("\n") + 2)
    for kind, content, first in split_code_and_text_blocks(path)[1]:
        if kind == "text":
            content_lines = content.splitlines()
            lines[first - 1 : first - 1 + len(content_lines)] = content_lines
    return "\n".join(lines)


REST = BlockParser(
    [
        DirectiveLexer("(?i:sourcecode|code-block|code)"),
        BlockLexer(re.compile(r"^(?=(?P<prefix>[ \t]*)>>> )", re.MULTILINE), r"\n[ \t]*\n|\s*\Z"),
    ],
    DirectiveInCommentLexer("not run(?=:)"),
)
MARKDOWN = BlockParser(
    [FencedCodeBlockLexer(r"[^\n`]*")], DirectiveInHTMLCommentLexer("not run(?=:)")
)

_path = str(ROOT)
_fixtures = ["_reader"]
DOCUMENTS = SybilCollection(
    [
        Sybil(
            [REST],
            path=_path,
            patterns=["docs/*.rst", "docs/*/*.rst", "docs/*/*/*.rst", "tutorials/*/*.rst"],
            excludes=[f"{GALLERY}/*", f"{GALLERY}/*/*"],
            fixtures=_fixtures,
        ),
        Sybil([MARKDOWN], path=_path, patterns=["*.md"], fixtures=_fixtures),
        Sybil(
            [REST],
            path=_path,
            patterns=["src/*/*.py", "src/*/*/*.py", "proof/*.py"],
            fixtures=_fixtures,
        ),
        Sybil(
            [REST],
            path=_path,
            patterns=["tutorials/*/*.py"],
            document_types={".py": LessonDocument},
            fixtures=_fixtures,
        ),
    ]
)
"""All of them; each document's blocks are run in order, by a reader of its own."""


def documents() -> list[Path]:
    """List the files that may have code blocks.

    Returns
    -------
    list of Path
        Sorted.
    """
    return sorted(
        path for path in project.files() if any(sybil.should_parse(path) for sybil in DOCUMENTS)
    )


def blocks_of(path: Path) -> list[tuple[int, Block]]:
    """Find the blocks of a document.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    list of tuple of int and Block
        The line in which a block's text begins, and the block.
    """
    return [
        (_line(example), example.parsed)
        for sybil in DOCUMENTS
        if sybil.should_parse(path)
        for example in sybil.parse(path).examples()
    ]
