"""No page quotes a figure from memory: figures come from what is run, or are named here."""

import re
from pathlib import Path

import pytest
from sphinx_gallery.py_source_parser import split_code_and_text_blocks

from proof.lessons import LESSONS
from proof.project import ROOT

PAGES = [*ROOT.glob("docs/*.rst"), *ROOT.glob("docs/[!t]*/*.rst")]
FIGURE = re.compile(
    r"(?<![\w.,])\d[\d.,]*(?: (?:to|or) \d[\d.,]*)?[ -](?:[kMG]i?B|ms|s|seconds?|minutes?|hours?"
    r"|times|bytes|requests|dollars|per cent)\b|\d ?[%×]"
)
GIVEN = {
    "defaults and limits of s3fs": {
        *("5 MB", "10 MB", "25 MB", "50 MB", "100 MB", "512 MB", "3 seconds", "900 seconds"),
    },
    "limits of S3": {"1,024 bytes", "15 minutes"},
    "what netCDF-C reads at a time": {"64 kB"},
    "the default chunk of Dask": {"128 MiB"},
    "when SLURM sends SIGTERM": {"120 seconds"},
    "how long unmount() tries": {"20 seconds"},
    "what pages and lessons choose": {
        *("1 MB", "4 MB", "6 MB", "8 MB", "43 MB", "10,000 MB", "1 MiB", "30 MiB", "3 bytes"),
        *("2 %", "30 seconds"),
    },
}
NEEDS = re.compile(r"\*\*You need\*\*[^*]*")
"""`benchmarks.lessons` measures these."""


def prose(text: str) -> str:
    """Leave of a page what is neither code nor a comment."""
    lines, code = [], None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if code is not None and line.strip() and indent <= code:
            code = None
        if code is None and re.match(r"\s*\.\. (code-block::|not run:|proves:|only::)", line):
            code = indent if "only::" not in line else None
        elif code is None:
            lines.append(line)
    return NEEDS.sub("", re.sub(r"``[^`]*``", "", "\n".join(lines)))


def text_of(lesson: Path) -> str:
    _, blocks = split_code_and_text_blocks(str(lesson))
    return "\n".join(block.content for block in blocks if block.type == "text")


def figures(text: str) -> set[str]:
    return {re.sub(r"\s+", " ", found[0]).replace("-", " ") for found in FIGURE.finditer(text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_quotes_no_figure_from_memory(page):
    assert figures(prose(page.read_text())) <= set().union(*GIVEN.values())


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_quotes_no_figure_from_memory(lesson):
    assert figures(prose(text_of(lesson))) <= set().union(*GIVEN.values())


def test_every_figure_that_is_named_is_quoted():
    texts = [*(page.read_text() for page in PAGES), *map(text_of, LESSONS)]
    quoted = set().union(*(figures(prose(text)) for text in texts))
    assert set().union(*GIVEN.values()) == quoted


@pytest.mark.parametrize(
    "text",
    ["It moves 260 MB.", "It takes\n12 to 15 seconds.", "That is 30% more.", "2.5× as much."],
)
def test_a_figure_is_found(text):
    assert figures(prose(text))


def test_a_figure_in_code_is_not_prose():
    assert not figures(
        prose(".. code-block:: console\n\n   $ sleep 99 s\n   77 MB\n\nand ``5 s``.")
    )
