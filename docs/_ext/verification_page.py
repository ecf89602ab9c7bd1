"""Tell what was verified: the places of the page "How this site is verified", and its JSON file."""

from __future__ import annotations

import json
from collections import Counter

import beside
import lessons
import tables
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective
from tables import day, table
from verified import LESSON, PAGE, Entry, entries_by_page

from benchmarks import results
from machines import runs
from proof import record
from proof.documents import CONFIGURATION, KINDS

COLUMNS = (LESSON, *dict.fromkeys(KINDS.values()), CONFIGURATION)


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


def told(env: BuildEnvironment) -> str:
    """Tell what the page does, as JSON."""
    pages = entries_by_page(env)
    whole = {
        "summary": summary(pages),
        "dates": env.verified_dates,
        "run twice": lessons.twice(env),
        "versions": record.versions(),
        "titles": {name: _title(env, name) for name in pages},
        "pages": pages,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


class Placeholder(nodes.General, nodes.Element):
    """Where the page shows what can be counted only when all pages have been read."""


class Verified(Directive):
    """``.. verified:: WHAT``: the totals, the table, the reasons, the machines, the versions."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Keep the place."""
        return [Placeholder(what=self.arguments[0])]


class Trial(SphinxDirective):
    """``.. trial:: NAME``: what a benchmark has found."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Write it."""
        self.env.note_dependency(str(results.FILE))
        return tables.of_trial(self.arguments[0])


def fill_page(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put what was counted in its places."""
    for place in list(doctree.findall(Placeholder)):
        place.replace_self(_WRITERS[place["what"]](app))


def _totals(app: Sphinx) -> list[nodes.Node]:
    env = app.env
    pages = entries_by_page(env)
    paragraphs = [nodes.paragraph("", "", nodes.strong("", f"{summary(pages)}."))]
    if env.verified_dates:
        first, *_, last = map(day, env.verified_dates * 2)
        when = f"on {first}" if first == last else f"between {first} and {last}"
        paragraphs.append(nodes.paragraph("", f"The blocks of the pages were run {when}."))
    else:
        note = nodes.paragraph("", "The blocks of the pages were not run before this build.")
        paragraphs = [nodes.warning("", note), *paragraphs]
    for docname in lessons.twice(env):
        paragraphs.append(nodes.paragraph("", "Of ", _link(app, docname)))
        paragraphs[-1] += nodes.Text(" you see the second run.")
    if app.config.lessons_problem:
        note = nodes.paragraph("", f"Lessons were not run. {app.config.lessons_problem}")
        paragraphs = [nodes.warning("", note), *paragraphs]
    return paragraphs


def _table_of_pages(app: Sphinx) -> list[nodes.Node]:
    pages = entries_by_page(app.env)
    rows = [
        [_link(app, name), *_counts(entries)]
        for name, entries in sorted(pages.items(), key=lambda item: _place(app, item[0]))
    ]
    whole = [entry for entries in pages.values() for entry in entries]
    head = ["Page", *(f"{kind[0].upper()}{kind[1:]}" for kind in COLUMNS), "With a reason"]
    return [table(head, [*rows, ["All", *_counts(whole)]])]


def _counts(entries: list[Entry]) -> list[str]:
    run = Counter(entry["kind"] for entry in entries if not entry["reason"])
    with_reason = sum(bool(entry["reason"]) for entry in entries)
    return [str(number or "") for number in (*(run[kind] for kind in COLUMNS), with_reason)]


def _reasons(app: Sphinx) -> list[nodes.Node]:
    listed = nodes.bullet_list()
    for name, entries in entries_by_page(app.env).items():
        cells = [entry for entry in entries if entry["reason"] and entry["kind"] == LESSON]
        if cells and not app.config.lessons_problem:
            text = nodes.paragraph("", f"{len(cells)} cells of ", _link(app, name))
            text += nodes.Text(f": {cells[0]['reason']}")
            listed += nodes.list_item("", text)
        for entry in entries:
            if entry["reason"] and entry["kind"] != LESSON:
                first = entry["source"].splitlines()[0]
                text = nodes.paragraph("", "", nodes.literal("", first), nodes.Text(" in "))
                text += [_link(app, name), nodes.Text(f": {entry['reason']}.")]
                if entry["check"]:
                    text += nodes.Text(" Checked in part.")
                listed += nodes.list_item("", text)
    return [listed] if listed.children else [nodes.paragraph("", "There are none.")]


def _machines(app: Sphinx) -> list[nodes.Node]:
    rows = []
    for run in sorted(runs.read(), key=lambda run: (run["Debian"], run["versions"]["s3fs"])):
        versions, docs, tests = run["versions"], run["runs"]["docs"], run["runs"]["tests"]
        rows.append(
            [
                f"{run['Debian']}, {run['user']}",
                *(versions[name] for name in ("Python", "Iris", "s3fs", "FUSE")),
                f"{docs['passed']}, {docs['blocks run']} of them blocks{_left_out(docs)}",
                f"{tests['passed']}{_left_out(tests)}",
                day(run["date"]),
            ]
        )
    head = ["Debian, user", "Python", "Iris", "s3fs", "FUSE", "First command", "All tests", "Date"]
    return [table(head, rows)]


def _left_out(counted: dict[str, int]) -> str:
    return f"; {counted['skipped']} need root" if counted.get("skipped") else ""


def _versions(app: Sphinx) -> list[nodes.Node]:
    found = record.versions().items()
    return [table(["Program or package", "Version"], [list(one) for one in found])]


_WRITERS = {
    "totals": _totals,
    "pages": _table_of_pages,
    "reasons": _reasons,
    "machines": _machines,
    "versions": _versions,
}


def _place(app: Sphinx, name: str) -> tuple[bool, str]:
    return name not in app.env.titles, _title(app.env, name)


def _title(env: BuildEnvironment, name: str) -> str:
    return env.titles[name].astext() if name in env.titles else name


def _link(app: Sphinx, name: str) -> nodes.Node:
    if name not in app.env.titles:
        return nodes.literal("", name)
    address = app.builder.get_relative_uri(PAGE, name)
    return nodes.reference("", _title(app.env, name), refuri=address, internal=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to the build."""
    app.add_directive("verified", Verified)
    app.add_directive("trial", Trial)
    app.add_node(Placeholder)
    app.connect("doctree-resolved", fill_page)
    beside.connect(app, PAGE, told, lambda env: [PAGE])
    return {"parallel_read_safe": True, "parallel_write_safe": True}
