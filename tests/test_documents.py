"""Every code block of the project is found, whatever its language."""

import ast
import inspect
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.core import publish_doctree
from markdown_it import MarkdownIt
from sybil import Document

from proof.documents import (
    MARKDOWN,
    REST,
    VERIFIERS,
    LessonDocument,
    blocks_of,
    documents,
    evaluate,
)
from proof.project import ROOT

NAMES = [str(path.relative_to(ROOT)) for path in documents()]


@pytest.fixture
def parse(tmp_path):
    """A function that finds the examples of a text."""

    def parse(text, parser=REST, kind=Document, name="page.rst"):
        path = tmp_path / name
        path.write_text(text)
        return list(kind.parse(str(path), parser).examples())

    return parse


def parsed(examples):
    return [
        (example.line + example.parsed.offset, example.parsed.language, example.parsed.source)
        for example in examples
    ]


def test_documents_are_pages_lessons_docstrings_and_what_lies_at_the_top():
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "docs/index.rst",
        "docs/how_to/run_a_lesson.rst",
        "src/s3_mounts/mounting.py",
        "tutorials/1_first_steps/1_your_first_bucket.py",
        "tutorials/1_first_steps/GALLERY_HEADER.rst",
    ):
        assert name in NAMES
    assert not [name for name in NAMES if name.startswith("docs/tutorials")]


def test_blocks_of_every_language_are_found_with_their_lines(parse):
    text = (
        "Title\n=====\n\n.. code-block:: console\n\n   $ ls\n\n"
        ".. code-block:: basic\n   :caption: x\n\n   PRINT 1\n\n"
        "Text.\n\n>>> 1 + 1\n2\n\n.. code-block::\n\n   what\n"
    )
    assert parsed(parse(text)) == [
        (6, "console", "$ ls"),
        (11, "basic", "PRINT 1"),
        (15, "pycon", ">>> 1 + 1\n2"),
        (20, "", "what"),
    ]


def test_fences_of_every_language_are_found_with_their_lines(parse):
    text = "# Title\n\n```console\n$ ls\n```\n\n```\nwhat\n```\n"
    examples = parse(text, MARKDOWN, name="page.md")
    assert parsed(examples) == [(4, "console", "$ ls"), (8, "", "what")]


def test_blocks_in_the_text_of_a_lesson_are_found_with_their_lines(parse):
    text = (
        '"""\nTitle\n=====\n\nText.\n"""\n\n# %%\n# A text cell\n# -----------\n#\n'
        "# .. code-block:: console\n#\n#    $ ls\n\nprint('>>> no block')\n"
    )
    examples = parse(text, kind=LessonDocument, name="lesson.py")
    assert parsed(examples) == [(14, "console", "$ ls")]


def test_a_block_in_a_language_that_nobody_knows_fails(parse):
    (example,) = parse("::\n\n.. code-block:: fortran\n\n   $ ls\n")
    example.namespace["_reader"] = None
    told = evaluate(example)
    assert "page.rst:5: expected a block in one of the languages" in told
    assert "found 'fortran'" in told


def test_a_reason_belongs_to_the_next_block_only(parse):
    text = (
        ".. not run: there is no such\n   machine here\n   check: grep -q brew\n\n"
        ".. code-block:: console\n\n   $ brew install s3fs\n\n.. code-block:: console\n\n   $ ls\n"
    )
    first, second = (example.parsed for example in parse(text))
    assert (first.reason, first.check) == ("there is no such machine here", "grep -q brew")
    assert (second.reason, second.check) == ("", "")


def test_a_reason_in_markdown(parse):
    text = "<!-- not run: no such machine here\n     check: true -->\n```console\n$ brew\n```\n"
    (example,) = parse(text, MARKDOWN, name="page.md")
    assert (example.parsed.reason, example.parsed.check) == ("no such machine here", "true")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".. not run: later\n\n.. code-block:: console\n\n   $ ls\n", "found 'later'"),
        (".. not run:\n\n.. code-block:: console\n\n   $ ls\n", "expected a reason"),
        (
            ".. not run:\n   check: true\n\n.. code-block:: console\n\n   $ ls\n",
            "expected a reason",
        ),
        (
            ".. not run: there is no need\n\nText.\n\n.. code-block:: console\n\n   $ ls\n",
            "expected a code block",
        ),
    ],
)
def test_a_reason_that_is_none_is_an_error(parse, text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_a_block_with_a_reason_is_checked_in_part(parse):
    read = []
    reader = SimpleNamespace(script=lambda check, given: read.append((check, given)) or "told")
    text = ".. not run: there is no need\n   check: c\n\n.. code-block:: fortran\n\n   $ ls\n"
    (example,) = parse(text)
    example.namespace["_reader"] = reader
    assert evaluate(example).endswith("page.rst:6: told")
    assert read == [("c", "$ ls")]


def sources(name):
    return [block.source.strip() for _, block in blocks_of(ROOT / name)]


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".md")])
def test_no_block_of_markdown_is_overlooked(name):
    """A second parser, of all of Markdown, finds the same blocks."""
    tokens = MarkdownIt().parse((ROOT / name).read_text())
    found = [token.content for token in tokens if token.type in ("fence", "code_block")]
    assert [text.strip() for text in found] == sources(name)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("src/")])
def test_no_block_of_a_docstring_is_overlooked(name):
    """docutils finds the same blocks, also in docstrings that are on no page."""
    found = []
    tree = ast.parse((ROOT / name).read_text() if name.endswith(".py") else "")
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = inspect.cleandoc(ast.get_docstring(node) or "")
            doctree = publish_doctree(text, settings_overrides={"report_level": 5})
            blocks = doctree.findall(
                lambda one: isinstance(one, nodes.literal_block | nodes.doctest_block)
            )
            found += [block.astext().strip() for block in blocks]
    if name.endswith(".py"):
        assert sorted(found) == sorted(sources(name))


def test_every_language_of_the_list_in_contributing_is_verified():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("- The languages are"))
    assert {name for name in VERIFIERS if f"`{name}`" in line} == set(VERIFIERS)
