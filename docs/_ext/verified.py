"""Show of every code block whether it was run, and fail the build on one that nobody accounts for.

What was run is in the record of the last run of the blocks, see `proof.record`; lessons are run
by this build. Blocks are counted as they are rendered, so that included, generated and templated
ones count too.

Without a record the blocks of the pages are shown as not run, and the page "How this site is
verified" says so.
"""

from __future__ import annotations

import datetime
import functools
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

import s3_mounts
from proof import record
from proof.documents import CONFIGURATION, KINDS, blocks_of, documents
from proof.project import GALLERY, ROOT

PAGE = "verification"
LESSON = "lesson cells"
COLUMNS = (LESSON, *dict.fromkeys(KINDS.values()), CONFIGURATION)
MUTATION = ROOT / "benchmarks" / "mutation.json"

Entry = dict[str, Any]
"""What a record knows of a block."""

_CELL = re.compile(r"GENERATED FROM PYTHON SOURCE LINES (\d+)")

logger = logging.getLogger(__name__)


# -- Reading pages ---------------------------------------------------------------------------------


def load_record(app: Sphinx) -> None:
    """Read the record of the last run; see which documents it knows otherwise than before."""
    env = app.env
    before = getattr(env, "verified_documents", {})
    whole = record.read(Path(app.confdir, app.config.verified_record))["documents"]
    true = {name: one for name, one in whole.items() if record.is_true(name, one)}
    env.verified_documents = {name: one["blocks"] for name, one in true.items()}
    env.verified_dates = sorted({one["date"] for one in true.values()})
    names = {*before, *env.verified_documents}
    env.verified_changed = {
        name for name in names if before.get(name) != env.verified_documents.get(name)
    }
    if not hasattr(env, "verified_blocks"):
        env.verified_blocks = {}


def outdated_pages(app: Sphinx, env: BuildEnvironment, *_: set[str]) -> list[str]:
    """Have pages read again whose blocks the record knows otherwise than before."""
    changed = [
        docname
        for docname, blocks in env.verified_blocks.items()
        if any(document in env.verified_changed for document, _, _ in blocks)
    ]
    return [*changed, PAGE]


def mark_blocks(app: Sphinx, doctree: nodes.document) -> None:
    """Mark every block of a page, and note what is known of it."""
    env = app.env
    blocks: list[tuple[str, str, Entry | None]] = []
    unused: dict[str, list[Entry]] = {}
    for node in list(doctree.findall(_is_authored)):
        document = source_of(node, env.docname)
        cell = _CELL.match(_previous(node).astext())
        if document == f"{env.docname}.py" and cell:
            reason = app.config.lessons_problem or ""
            entry = {"kind": LESSON, "reason": reason, "line": int(cell[1]) + 1}
        else:
            known = unused.setdefault(document, list(env.verified_documents.get(document, ())))
            entry = _take(known, node)
        line = "" if document.startswith("src/") else f":{node.line}"
        blocks.append((document, f"{document}{line}: {node.astext()[:60]!r}", entry))
        _mark(node, entry)
    env.verified_blocks[env.docname] = blocks


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
    package = Path(s3_mounts.__file__).parent
    if path.is_relative_to(package):
        return str(Path("src", package.name, path.relative_to(package)))
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def _take(known: list[Entry], node: nodes.Element) -> Entry | None:
    for entry in known:
        same_language = entry["language"] == node.get("language", "pycon")
        if same_language and entry["source"].expandtabs().strip() == node.astext().strip():
            known.remove(entry)
            return entry | {"kind": _kind(entry)}
    return None


def _kind(entry: Entry) -> str:
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
        logger.warning("%s: its blocks were not run since the last change. Run them again.", name)


@functools.cache
def _with_blocks() -> set[str]:
    return {str(path.relative_to(ROOT)) for path in documents() if blocks_of(path)}


def is_complete(path: Path) -> bool:
    """Find out whether all blocks of the project have been run since the last change.

    Parameters
    ----------
    path : Path
        The record.

    Returns
    -------
    bool
        Whether the site may say so.
    """
    known = record.read(path)["documents"]
    return all(name in known and record.is_true(name, known[name]) for name in _with_blocks())


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
                pages.setdefault(document, []).append(entry | {"kind": _kind(entry)})
    return pages


def summary(pages: dict[str, list[Entry]]) -> str:
    """Say in one line what the tests say in their last lines.

    Parameters
    ----------
    pages : dict
        See `entries_by_page`.

    Returns
    -------
    str
        Such as ``"70 blocks: 66 run, 4 with a reason"``.
    """
    entries = [entry for page in pages.values() for entry in page]
    return record.summary(len(entries), sum(bool(entry["reason"]) for entry in entries))


def write_json(app: Sphinx, error: Exception | None) -> None:
    """Write all that the page tells as ``verification.json`` beside it."""
    if error or app.builder.format != "html":
        return
    pages = entries_by_page(app.env)
    whole = {
        "summary": summary(pages),
        "dates": app.env.verified_dates,
        "versions": record.versions(),
        "pages": pages,
    }
    path = Path(app.outdir, f"{PAGE}.json")
    path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")


# -- The page --------------------------------------------------------------------------------------


class Placeholder(nodes.General, nodes.Element):
    """Where the page shows what can be counted only when all pages have been read."""


class Verified(Directive):
    """``.. verified:: WHAT``: the totals, the table, the reasons, the versions or the mutations."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Keep the place."""
        return [Placeholder(what=self.arguments[0])]


def fill_page(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put what was counted in its places."""
    for place in list(doctree.findall(Placeholder)):
        place.replace_self(_WRITERS[place["what"]](app))


def _totals(app: Sphinx) -> list[nodes.Node]:
    env = app.env
    pages = entries_by_page(env)
    paragraphs = [nodes.paragraph("", "", nodes.strong("", f"{summary(pages)}."))]
    if env.verified_dates:
        first, *_, last = map(_date, env.verified_dates * 2)
        when = first if first == last else f"between {first} and {last}"
        paragraphs.append(nodes.paragraph("", f"The blocks of the pages were run {when}."))
    else:
        note = nodes.paragraph("", "The blocks of the pages were not run before this build.")
        paragraphs = [nodes.warning("", note), *paragraphs]
    if app.config.lessons_problem:
        note = nodes.paragraph("", f"Lessons were not run. {app.config.lessons_problem}")
        paragraphs = [nodes.warning("", note), *paragraphs]
    return paragraphs


def _date(iso: str) -> str:
    return f"{datetime.date.fromisoformat(iso):on %-d %B %Y}"


def _table_of_pages(app: Sphinx) -> list[nodes.Node]:
    pages = entries_by_page(app.env)
    rows = [
        [_link(app, name), *_counts(entries)]
        for name, entries in sorted(pages.items(), key=lambda item: _place(app, item[0]))
    ]
    whole = [entry for entries in pages.values() for entry in entries]
    head = ["Page", *(f"{kind[0].upper()}{kind[1:]}" for kind in COLUMNS), "With a reason"]
    return [_table(head, [*rows, ["All", *_counts(whole)]])]


def _counts(entries: list[Entry]) -> list[str]:
    run = Counter(entry["kind"] for entry in entries if not entry["reason"])
    with_reason = sum(bool(entry["reason"]) for entry in entries)
    return [str(number or "") for number in (*(run[kind] for kind in COLUMNS), with_reason)]


def _reasons(app: Sphinx) -> list[nodes.Node]:
    listed = nodes.bullet_list()
    for name, entries in entries_by_page(app.env).items():
        for entry in entries:
            if entry["reason"] and entry["kind"] != LESSON:
                first = entry["source"].splitlines()[0]
                text = nodes.paragraph("", "", nodes.literal("", first), nodes.Text(" in "))
                text += [_link(app, name), nodes.Text(f": {entry['reason']}.")]
                if entry["check"]:
                    text += [nodes.Text(" Checked by "), nodes.literal("", entry["check"])]
                    text += nodes.Text(".")
                listed += nodes.list_item("", text)
    return [listed] if listed.children else [nodes.paragraph("", "There is none.")]


def _versions(app: Sphinx) -> list[nodes.Node]:
    found = record.versions().items()
    return [_table(["Program or package", "Version"], [list(one) for one in found])]


def _mutations(app: Sphinx) -> list[nodes.Node]:
    trial = json.loads(MUTATION.read_text())
    missed = nodes.bullet_list()
    for change in trial["missed"]:
        text = nodes.paragraph("", f"{change['place']}: ")
        text += [nodes.literal("", change["before"]), nodes.Text(" changed to ")]
        text += nodes.literal("", change["after"])
        missed += nodes.list_item("", text)
    share = trial["noticed"] / trial["blocks"]
    said = nodes.paragraph(
        "",
        f"{trial['noticed']} of {trial['blocks']} changes were noticed, {share:.0%}, in the trial"
        f" {_date(trial['date'])} with the seed {trial['seed']}. These were not:",
    )
    return [said, missed]


_WRITERS = {
    "totals": _totals,
    "pages": _table_of_pages,
    "reasons": _reasons,
    "versions": _versions,
    "mutations": _mutations,
}


def _place(app: Sphinx, name: str) -> tuple[bool, str]:
    return name not in app.env.titles, _title(app, name)


def _title(app: Sphinx, name: str) -> str:
    return app.env.titles[name].astext() if name in app.env.titles else name


def _link(app: Sphinx, name: str) -> nodes.Node:
    if name not in app.env.titles:
        return nodes.literal("", name)
    address = app.builder.get_relative_uri(PAGE, name)
    return nodes.reference("", _title(app, name), refuri=address, internal=True)


def _table(head: list[str], rows: list[list[str | nodes.Node]]) -> nodes.table:
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", _row(head))
    group += nodes.tbody("", *map(_row, rows))
    return nodes.table("", group)


def _row(cells: list[str | nodes.Node]) -> nodes.row:
    content = [nodes.Text(cell) if isinstance(cell, str) else cell for cell in cells]
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in content))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to the build."""
    app.add_config_value("verified_record", "build/blocks.json", "", types=(str,))
    app.add_directive("verified", Verified)
    app.add_node(Placeholder)
    app.connect("builder-inited", load_record)
    app.connect("env-get-outdated", outdated_pages)
    app.connect("env-purge-doc", forget_page)
    app.connect("env-merge-info", merge_pages)
    app.connect("doctree-read", mark_blocks)
    app.connect("env-check-consistency", audit)
    app.connect("doctree-resolved", fill_page)
    app.connect("build-finished", write_json)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "env_version": 1}
