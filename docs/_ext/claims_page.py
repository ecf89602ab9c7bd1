"""The evidence ledger: every claim, its verdict, where it is proven, and the result in this build.

- Cells of lessons and blocks of pages that prove a claim, see `proof.claims`, can be linked to.
- ``:claim:`C14``` links from a statement to its row of the ledger.
- ``:measured:`C24``` quotes what the evidence of a claim says in this build.
- ``.. tested-by:: FILE::TEST`` names the test that reproduces what a page says.
- ``.. evidence::`` is the ledger itself.

A claim without evidence or source fails the build, and so does one that the main page leaves out.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import beside
from docutils import nodes
from expected import cells
from lessons import CELL
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole
from tables import table

from proof import claims
from proof.lessons import too_new
from proof.project import ROOT

PAGE = "reference/evidence"
MAIN_PAGE = "explanation/s3_buckets"
_PROVES = "proves:"

logger = logging.getLogger(__name__)


@functools.cache
def ledger() -> dict[str, claims.Claim]:
    """Read the ledger once."""
    return claims.read()


# -- Reading pages ---------------------------------------------------------------------------------


class ClaimReference(nodes.Inline, nodes.TextElement):
    """A claim that a statement of a page makes."""


class Measured(nodes.Inline, nodes.TextElement):
    """What the evidence of a claim says, which is known when all pages have been read."""


class Ledger(nodes.General, nodes.Element):
    """Where the ledger is shown."""


class ClaimRole(SphinxRole):
    """Link to the row of a claim: ``:claim:`C14```."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Keep the place."""
        self.env.note_dependency(str(claims.LEDGER))
        return [ClaimReference("", claim=self.text)], []


class MeasuredRole(SphinxRole):
    """Quote what the evidence of a claim says: ``:measured:`C24```."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Keep the place."""
        return [Measured("", claim=self.text)], []


class TestedBy(SphinxDirective):
    """``.. tested-by:: FILE::TEST``: the test that reproduces what is said here."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Say so, and whether it was run, if there is such a test."""
        file, _, test = self.arguments[0].partition("::")
        if test not in _tests().get(file, {}):
            raise self.error(f"expected FILE::TEST, a test that exists, found {self.arguments[0]}")
        self.env.evidence_tests.setdefault(self.env.docname, set()).add(file)
        state = state_of_test(self.env, file, test)
        text = nodes.paragraph("", "Reproduced by the test ", classes=["tested-by"])
        text += nodes.literal("", self.arguments[0])
        text += nodes.Text(" ✓" if state == "run" else f" ({state}).")
        return [text]


class EvidenceDirective(SphinxDirective):
    """``.. evidence::``: the whole ledger."""

    def run(self) -> list[nodes.Node]:
        """Parse what the ledger's file says of each claim; its evidence is found later."""
        place = Ledger()
        for name, claim in ledger().items():
            row = nodes.container(claim=name)
            for text in (claim.told, claim.truth, claim.source):
                row += nodes.container("", *(self.parse_text_to_nodes(text) if text else []))
            place += row
        self.env.note_dependency(str(claims.LEDGER))
        return [place]


@functools.cache
def _tests() -> dict[str, dict[str, list[str]]]:
    paths = sorted(claims.TESTS.glob("test_*.py"))
    return {str(path.relative_to(ROOT)): claims.tests(path) for path in paths}


def state_of_test(env: BuildEnvironment, file: str, test: str) -> str:
    """Say whether the record knows a test as run.

    Parameters
    ----------
    env : BuildEnvironment
        Of this build.
    file, test : str
        The file, relative to the project, and the name of the test.

    Returns
    -------
    str
        ``"run"``, or why it was not run.
    """
    skipped = env.verified_tests.get(file, {}).get(test)
    if skipped is None:
        return "not run in this build"
    return f"not run in this build: {skipped}" if skipped else "run"


def collect(app: Sphinx, doctree: nodes.document) -> None:
    """Make all evidence of a page something that can be linked to, and note it."""
    docname = app.env.docname
    lesson = ROOT / f"{docname}.py"
    if lesson.is_file():
        problem = app.config.lessons_problem or too_new(lesson)
        marked = _cells(doctree, lesson, "not run" if problem else "run")
    else:
        marked = _blocks(doctree)
    proofs = []
    for number, (node, names, state) in enumerate(list(marked), 1):
        anchor = f"evidence-{number}"
        node.parent.insert(node.parent.index(node), nodes.target("", "", ids=[anchor]))
        proofs += [(name, anchor, state) for name in names]
    app.env.evidence_pages[docname] = {
        "proofs": proofs,
        "said": sorted({node["claim"] for node in doctree.findall(ClaimReference)}),
        "quotes": any(True for _ in doctree.findall(Measured)),
        "said_by": _outputs(doctree, lesson) if lesson.is_file() else {},
    }


def _cells(
    doctree: nodes.document, lesson: Path, state: str
) -> Iterator[tuple[nodes.Element, list[str], str]]:
    starts = [
        (int(found[1]), node)
        for node in doctree.findall(nodes.comment)
        if (found := CELL.match(node.astext()))
    ]
    for line, names in claims.marks(lesson):
        yield next(node for start, node in starts if start > line), names, state


def _outputs(doctree: nodes.document, lesson: Path) -> dict[str, str]:
    """Collect what the cells say that prove a claim, from their mark to that of the next cell."""
    marked = list(claims.marks(lesson))
    texts: dict[str, str] = {}
    for line, text in cells(doctree):
        before = [names for start, names in marked if start < line]
        for name in before[-1] if before else ():
            texts[name] = texts.get(name, "") + text + "\n"
    return texts


def _blocks(doctree: nodes.document) -> Iterator[tuple[nodes.Element, list[str], str]]:
    for node in doctree.findall(nodes.comment):
        if node.astext().startswith(_PROVES):
            place = f"{node.source}:{node.line}"
            names = claims.ids(node.astext().removeprefix(_PROVES), place)
            siblings = node.findall(descend=False, siblings=True, include_self=False)
            following = [one for one in siblings if not isinstance(one, nodes.comment)]
            yield node, names, _state_of_block(following, place)


def _state_of_block(following: list[nodes.Node], place: str) -> str:
    """Read what `verified` has made of the block after a comment: ``"run"``, or why not."""
    block, after = [*following, nodes.Text(""), nodes.Text("")][:2]
    marked = block["classes"] if isinstance(block, nodes.container) else []
    if "block-run" in marked or "block-parsed" in marked:
        return "run"
    if "block-not-run" in marked:
        return "not run"
    if isinstance(after, nodes.paragraph) and "block-reason" in after["classes"]:
        return after.astext()
    raise ValueError(f"{place}: expected a code block after '.. {_PROVES}', found none.")


def prepare(app: Sphinx) -> None:
    """Have somewhere to note the evidence of pages."""
    if not hasattr(app.env, "evidence_pages"):
        app.env.evidence_pages = {}
        app.env.evidence_tests = {}


def outdated_pages(app: Sphinx, env: BuildEnvironment, *_: set[str]) -> list[str]:
    """Have pages read again that name a test which the record knows otherwise than before."""
    return [name for name, files in env.evidence_tests.items() if files & env.verified_changed]


def forget_page(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget the evidence of a page that has gone or is read again."""
    env.evidence_pages.pop(docname, None)
    env.evidence_tests.pop(docname, None)


def merge_pages(
    app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment
) -> None:
    """Take over the evidence of the pages that another process has read."""
    env.evidence_pages.update({name: other.evidence_pages[name] for name in docnames})
    for name in docnames & other.evidence_tests.keys():
        env.evidence_tests[name] = other.evidence_tests[name]


# -- What is known when all pages have been read ---------------------------------------------------


def gather(env: BuildEnvironment) -> dict[str, dict[str, Any]]:
    """List what is known of each claim.

    Parameters
    ----------
    env : BuildEnvironment
        Of a build that has read all pages.

    Returns
    -------
    dict of str to dict
        From the id of a claim to its ``"proofs"``, each with the ``"page"``, its ``"title"``, the
        ``"anchor"`` and the ``"state"``, or the ``"test"`` and ``"state"``; the ``"pages"`` that
        state the claim; and the ``"result"`` in this build.
    """
    known: dict[str, dict[str, Any]] = {
        name: {"proofs": [], "pages": [], "result": []} for name in ledger()
    }
    texts: dict[str, str] = {}
    for docname, page in sorted(env.evidence_pages.items(), key=lambda item: _order(item[0])):
        for name, anchor, state in page["proofs"]:
            if name in known:
                title = env.titles[docname].astext()
                proof = {"page": docname, "title": title, "anchor": anchor, "state": state}
                known[name]["proofs"].append(proof)
        for name, text in page["said_by"].items():
            texts[name] = texts.get(name, "") + text
        for name in page["said"]:
            if name in known:
                known[name]["pages"].append(docname)
    for file, tests in _tests().items():
        for test, names in tests.items():
            state = state_of_test(env, file, test)
            for name in names:
                if name in known:
                    known[name]["proofs"].append({"test": f"{file}::{test}", "state": state})
    for name, claim in ledger().items():
        known[name]["result"] = [
            " ".join(found[0].split())
            for words in claim.result
            if (found := re.search(words, texts.get(name, ""), re.MULTILINE))
        ]
    return known


def _order(docname: str) -> tuple[bool, str]:
    return not docname.startswith("tutorials/"), docname


def audit(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of claims that nothing proves, that have no result, or that nobody knows."""
    known = gather(env)
    for name, claim in ledger().items():
        proofs = known[name]["proofs"]
        ran = [proof for proof in proofs if proof["state"] == "run"]
        can_run = env.verified_documents and not app.config.lessons_problem
        if not claim.source and not (ran if can_run else proofs):
            logger.warning(
                "%s: expected evidence that runs, or a source in %s, found neither. Name the claim"
                " where it is proven, see proof/claims.py.",
                name,
                claims.LEDGER.relative_to(ROOT),
            )
        said = len(known[name]["result"])
        if said < len(claim.result) and not app.config.lessons_problem:
            logger.warning(
                "%s: expected that its evidence says %s, found %s.",
                name,
                claim.result,
                known[name]["result"] or "nothing of it",
            )
        if MAIN_PAGE not in known[name]["pages"]:
            logger.warning("%s: expected that %s states it, found nothing.", name, MAIN_PAGE)
    for docname, page in env.evidence_pages.items():
        for name in {*page["said"], *(name for name, _, _ in page["proofs"])} - set(known):
            logger.warning("%s: expected a claim of the ledger, found %r", docname, name)
    for file, tests in _tests().items():
        for name in {name for names in tests.values() for name in names} - set(known):
            logger.warning("%s: expected a claim of the ledger, found %r", file, name)


# -- Writing pages ---------------------------------------------------------------------------------


def fill_page(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put links, results and the ledger in their places."""
    kinds = ClaimReference | Measured | Ledger
    places = list(doctree.findall(lambda node: isinstance(node, kinds)))
    known = gather(app.env) if places else {}
    for place in places:
        match place:
            case ClaimReference():
                place.replace_self(_link_to_claim(app, docname, place["claim"]))
            case Measured():
                result = known.get(place["claim"], {}).get("result")
                place.replace_self(_literals(result or ["not measured in this build"]))
            case Ledger():
                place.replace_self(_table(app, place, known))


def _link_to_claim(app: Sphinx, docname: str, name: str) -> nodes.Node:
    address = f"{app.builder.get_relative_uri(docname, PAGE)}#{name.lower()}"
    claim = ledger().get(name)
    title = f"Evidence: {claim.verdict}" if claim else ""
    link = nodes.reference("", name, refuri=address, internal=True, reftitle=title)
    return nodes.superscript("", "", link, classes=["claim"])


def _table(app: Sphinx, place: Ledger, known: dict[str, dict[str, Any]]) -> nodes.Node:
    counts = Counter(claim.verdict for claim in ledger().values())
    totals = ", ".join(f"{counts[verdict]} {verdict}" for verdict in claims.VERDICTS)
    head = ("Claim", "What you are told, and what is true", "Proven by")
    rows = [_row(app, row, known[row["claim"]]) for row in place.children]
    return nodes.container(
        "",
        nodes.paragraph("", f"{len(ledger())} claims: {totals}."),
        table(head, rows, widths=(16, 50, 34), classes=["evidence"]),
    )


def _row(app: Sphinx, row: nodes.Element, known: dict[str, Any]) -> list[nodes.entry]:
    name = row["claim"]
    verdict = ledger()[name].verdict
    told, truth, source = row.children
    badge = nodes.inline("", verdict, classes=["verdict", f"verdict-{verdict.split()[0]}"])
    first = nodes.entry("", nodes.paragraph("", "", nodes.strong("", name)), ids=[name.lower()])
    first += nodes.paragraph("", "", badge)
    told["classes"].append("told")
    proofs = nodes.bullet_list()
    places: dict[str, list[dict[str, str]]] = {}
    for proof in known["proofs"]:
        places.setdefault(proof.get("page") or proof["test"], []).append(proof)
    for group in places.values():
        proofs += nodes.list_item("", _group(app, group))
    if source.children:
        label = nodes.inline("", "Source: ")
        source.children[0].insert(0, label)
        proofs += nodes.list_item("", *source.children)
    last = nodes.entry("", proofs)
    if known["result"]:
        last += nodes.paragraph("", "In this build: ", *_literals(known["result"]))
    return [first, nodes.entry("", told, truth), last]


def _literals(texts: list[str]) -> list[nodes.Node]:
    parts: list[nodes.Node] = []
    for text in texts:
        parts += [nodes.Text("; "), nodes.literal("", text)]
    return parts[1:]


def _group(app: Sphinx, proofs: list[dict[str, str]]) -> nodes.paragraph:
    """Link to all places of one page: to the first by the page's title, to others by number."""
    text = nodes.paragraph()
    for number, proof in enumerate(proofs, 1):
        if "test" in proof:
            text += nodes.literal("", proof["test"].rpartition("/")[2])
        else:
            address = f"{app.builder.get_relative_uri(PAGE, proof['page'])}#{proof['anchor']}"
            title = proof["title"] if number == 1 else f"({number})"
            text += nodes.reference("", title, refuri=address, internal=True)
        text += nodes.Text(
            " ✓ " if proof["state"] == "run" else f" ({proof['state'].rstrip('.')}) "
        )
    return text


def told(env: BuildEnvironment) -> str:
    """Tell the ledger, as JSON."""
    known = gather(env)
    whole = {
        name: {"told": claim.told, "verdict": claim.verdict, "truth": claim.truth} | known[name]
        for name, claim in ledger().items()
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def shown_on(env: BuildEnvironment) -> list[str]:
    """List the pages that show what other pages prove."""
    shown = [name for name, page in env.evidence_pages.items() if page["said"] or page["quotes"]]
    return [name for name in {*shown, PAGE} if name in env.found_docs]


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to the build, after the marks of blocks."""
    for node in (ClaimReference, Measured, Ledger):
        app.add_node(node)
    app.add_role("claim", ClaimRole())
    app.add_role("measured", MeasuredRole())
    app.add_directive("tested-by", TestedBy)
    app.add_directive("evidence", EvidenceDirective)
    app.connect("builder-inited", prepare)
    app.connect("env-get-outdated", outdated_pages)
    app.connect("env-purge-doc", forget_page)
    app.connect("env-merge-info", merge_pages)
    app.connect("doctree-read", collect, priority=600)
    app.connect("env-updated", audit)
    app.connect("doctree-resolved", fill_page)
    beside.connect(app, PAGE, told, shown_on)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "env_version": 1}
