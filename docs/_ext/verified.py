"""Show of every code block whether it was run, and fail the build on one that nobody accounts for.

What was run is in the record of the last run of the blocks, see `proof.record`; lessons are run
by this build. Blocks are counted as they are rendered, so that included, generated and templated
ones count too.

Without a record the blocks of the pages are shown as not run. What was found is told by the page
that `verification_page` fills.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from docutils import nodes
from lessons import CELL
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

import s3_mounts
import s3_sandbox
from proof import build, claims, record
from proof.documents import CONFIGURATION, KINDS, blocks_of, documents
from proof.lessons import too_new
from proof.project import GALLERY, ROOT

PAGE = "verification"
RECORD = ROOT / build.RECORD
LESSON = "lesson cells"

Entry = dict[str, Any]
"""What a record knows of a block."""

logger = logging.getLogger(__name__)


# -- Reading pages ---------------------------------------------------------------------------------


def load_record(app: Sphinx) -> None:
    """Read the record of the last run; see which documents it knows otherwise than before."""
    env = app.env
    before = getattr(env, "verified_documents", {}) | getattr(env, "verified_tests", {})
    build.wait_for_blocks()
    none = os.environ.get(build.BLOCKS) == build.NONE
    whole = {} if none else record.read(RECORD)["documents"]
    if is_complete(whole):
        app.tags.add("verified")
    true = {name: one for name, one in whole.items() if record.is_true(name, one)}
    env.verified_documents = {name: one["blocks"] for name, one in true.items() if one["blocks"]}
    env.verified_tests = {name: one["tests"] for name, one in true.items() if one["tests"]}
    env.verified_dates = sorted({one["date"] for one in true.values()})
    now = env.verified_documents | env.verified_tests
    env.verified_changed = {name for name in {*before, *now} if before.get(name) != now.get(name)}
    if not hasattr(env, "verified_blocks"):
        env.verified_blocks = {}


def outdated_pages(app: Sphinx, env: BuildEnvironment, *_: set[str]) -> list[str]:
    """Have pages read again whose blocks the record knows otherwise than before."""
    return [
        docname
        for docname, blocks in env.verified_blocks.items()
        if any(document in env.verified_changed for document, _, _ in blocks)
    ]


def mark_blocks(app: Sphinx, doctree: nodes.document) -> None:
    """Mark every block of a page, and note what is known of it."""
    env = app.env
    blocks: list[tuple[str, str, Entry | None]] = []
    unused: dict[str, list[Entry]] = {}
    for node in list(doctree.findall(_is_authored)):
        document = source_of(node, env.docname)
        cell = CELL.match(_previous(node).astext())
        if document == f"{env.docname}.py" and cell:
            reason = app.config.lessons_problem or _not_run(ROOT / document)
            entry = {"kind": LESSON, "reason": reason, "line": int(cell[1]) + 1}
        else:
            known = unused.setdefault(document, list(env.verified_documents.get(document, ())))
            entry = _take(known, node)
        line = "" if document.startswith("src/") else f":{node.line}"
        blocks.append((document, f"{document}{line}: {node.astext()[:60]!r}", entry))
        _mark(node, entry)
    env.verified_blocks[env.docname] = blocks


def _not_run(lesson: Path) -> str:
    """Say why a lesson was not run, or nothing."""
    return too_new(lesson) or ("" if build.was_run(lesson) else "It was not run in this build.")


def _previous(node: nodes.Element) -> nodes.Node:
    index = node.parent.index(node)
    return node.parent[index - 1] if index else nodes.Text("")


def _is_authored(node: nodes.Node) -> bool:
    return (
        isinstance(node, nodes.literal_block | nodes.doctest_block)
        and "sphx-glr-script-out" not in node["classes"]
    )


def source_of(node: nodes.Element, docname: str) -> str:
    """Name the file in which a block was written.

    Parameters
    ----------
    node : Element
        The block.
    docname : str
        The page on which it is.

    Returns
    -------
    str
        A path relative to the project.
    """
    if docname.startswith(f"{GALLERY.name}/"):
        if docname.endswith("/index"):
            return f"{docname.removesuffix('index')}GALLERY_HEADER.rst"
        return f"{docname}.py"
    path = Path((node.source or "").partition(":docstring of ")[0])
    for package in (Path(package.__file__).parent for package in (s3_mounts, s3_sandbox)):
        if path.is_relative_to(package):
            return str(Path("src", package.name, path.relative_to(package)))
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def _take(known: list[Entry], node: nodes.Element) -> Entry | None:
    for entry in known:
        same_language = entry["language"] == node.get("language", "pycon")
        if same_language and entry["source"].expandtabs().strip() == node.astext().strip():
            known.remove(entry)
            return entry | {"kind": kind(entry)}
    return None


def kind(entry: Entry) -> str:
    """Name the column of the table in which a block is counted."""
    return KINDS.get(entry["language"].lower(), CONFIGURATION)


def _mark(node: nodes.Element, entry: Entry | None) -> None:
    if isinstance(node.parent, nodes.container) and node.parent.get("literal_block"):
        node = node.parent  # it has a caption
    parsed = entry and entry["kind"] == CONFIGURATION
    if entry and entry["reason"] and entry["kind"] != LESSON:
        text = "Checked in part" if entry["check"] else "Not run"
        reason = nodes.paragraph("", f"{text}: {entry['reason']}.", classes=["block-reason"])
        node.parent.insert(node.parent.index(node) + 1, reason)
    else:
        ran = entry and not entry["reason"]
        mark = "block-parsed" if ran and parsed else "block-run" if ran else "block-not-run"
        marked = nodes.container(classes=[mark])
        node.replace_self(marked)
        marked += node


def forget_page(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget the blocks of a page that has gone or is read again."""
    env.verified_blocks.pop(docname, None)


def merge_pages(
    app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment
) -> None:
    """Take over the blocks of the pages that another process has read."""
    env.verified_blocks.update({name: other.verified_blocks.get(name, []) for name in docnames})


# -- Counting --------------------------------------------------------------------------------------


def audit(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of every block that is neither verified nor given a reason."""
    if not env.verified_documents:
        logger.info("The blocks of the pages were not run before this build.")
        return
    stale = _with_blocks() - set(env.verified_documents)
    stale |= _with_tests() - set(env.verified_tests)
    for blocks in env.verified_blocks.values():
        for document, place, entry in blocks:
            if entry is None and document not in stale:
                logger.warning(
                    "%s: expected a block that was run, or a reason before it, found neither."
                    " Write a code-block in a language that proof/documents.py knows; if it cannot"
                    " be run, with '.. not run: REASON' before it. Then run the blocks again.",
                    place,
                )
    for name in sorted(stale):
        logger.warning("%s: it was not run since the last change. Run it again.", name)


@functools.cache
def _with_blocks() -> set[str]:
    return {str(path.relative_to(ROOT)) for path in documents() if blocks_of(path)}


@functools.cache
def _with_tests() -> set[str]:
    return {str(path.relative_to(ROOT)) for path in claims.TESTS.glob("test_*.py")}


def is_complete(known: dict[str, Any]) -> bool:
    """Find out whether all that the site shows or names has been run since the last change.

    Parameters
    ----------
    known : dict
        The documents of the record.

    Returns
    -------
    bool
        Whether the site may say so.
    """
    if not known:
        return False
    needed = _with_blocks() | _with_tests()
    return all(name in known and record.is_true(name, known[name]) for name in needed)


def entries_by_page(env: BuildEnvironment) -> dict[str, list[Entry]]:
    """List all blocks: by page, and those that are on no page by document.

    Parameters
    ----------
    env : BuildEnvironment
        Of a build that has read all pages.

    Returns
    -------
    dict of str to list of dict
        What is known of each block; each block is listed once.
    """
    pages: dict[str, list[Entry]] = {}
    seen = set()
    for docname, blocks in sorted(env.verified_blocks.items()):
        for document, _, entry in blocks:
            if entry and (document, entry["line"]) not in seen:
                seen.add((document, entry["line"]))
                pages.setdefault(docname, []).append(entry)
    for document, entries in env.verified_documents.items():
        for entry in entries:
            if (document, entry["line"]) not in seen:
                pages.setdefault(document, []).append(entry | {"kind": kind(entry)})
    return pages


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to the build."""
    app.add_lexer("fstab", TextLexer)  # its highlighter knows no such language
    app.connect("builder-inited", load_record, priority=900)  # after the lessons
    app.connect("env-get-outdated", outdated_pages)
    app.connect("env-purge-doc", forget_page)
    app.connect("env-merge-info", merge_pages)
    app.connect("doctree-read", mark_blocks)
    app.connect("env-updated", audit)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "env_version": 1}
