"""Tell what was verified: the places of the page "How this site is verified", and its JSON file."""

from __future__ import annotations

import datetime
import json
from collections import Counter

import beside
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
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
        "versions": record.versions(),
        "titles": {name: _title(env, name) for name in pages},
        "pages": pages,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


class Placeholder(nodes.General, nodes.Element):
    """Where the page shows what can be counted only when all pages have been read."""


class Verified(Directive):
    """``.. verified:: WHAT``: the totals, the table, the reasons, the versions, a trial."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Keep the place."""
        self.state.document.settings.env.note_dependency(str(results.FILE))
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
        first, *_, last = map(_day, env.verified_dates * 2)
        when = f"on {first}" if first == last else f"between {first} and {last}"
        paragraphs.append(nodes.paragraph("", f"The blocks of the pages were run {when}."))
    else:
        note = nodes.paragraph("", "The blocks of the pages were not run before this build.")
        paragraphs = [nodes.warning("", note), *paragraphs]
    if app.config.lessons_problem:
        note = nodes.paragraph("", f"Lessons were not run. {app.config.lessons_problem}")
        paragraphs = [nodes.warning("", note), *paragraphs]
    return paragraphs


def _day(iso: str) -> str:
    return f"{datetime.date.fromisoformat(iso):%-d %B %Y}"


def _date(iso: str) -> str:
    return f"on {_day(iso)}"


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
                f"{docs['passed']}, {docs['blocks run']} of them blocks",
                str(tests["passed"]),
                _day(run["date"]),
            ]
        )
    head = ["Debian, user", "Python", "Iris", "s3fs", "FUSE", "First command", "All tests", "Date"]
    return [_table(head, rows)]


def _versions(app: Sphinx) -> list[nodes.Node]:
    found = record.versions().items()
    return [_table(["Program or package", "Version"], [list(one) for one in found])]


def _mutations(app: Sphinx) -> list[nodes.Node]:
    trial = results.read("mutation")
    missed = nodes.bullet_list()
    for change in trial["missed"]:
        text = nodes.paragraph("", f"{change['place']}: ")
        text += [nodes.literal("", change["before"]), nodes.Text(" changed to ")]
        text += nodes.literal("", change["after"])
        missed += nodes.list_item("", text)
    share = trial["noticed"] / trial["tried"]
    said = nodes.paragraph(
        "",
        f"{trial['tried']} of {trial['blocks']} blocks were chosen at random for the trial"
        f" {_date(trial['date'])} with the seed {trial['seed']}. {trial['noticed']} of the changes"
        f" were noticed, {share:.0%}. These were not:",
    )
    return [said, missed]


def _soak(app: Sphinx) -> list[nodes.Node]:
    trial = results.read("soak")
    said = nodes.paragraph(
        "",
        f"The trial {_date(trial['date'])}, with s3fs {trial['s3fs']} and the seed"
        f" {trial['seed']}, had {trial['rounds']} rounds.",
    )
    hanging = "processes that had to be killed, since a signal did not end them in time"
    rows = [[what if what != "hangs" else hanging, str(n)] for what, n in trial["left"].items()]
    kills = [[what, str(count)] for what, count in trial["kills"].items()]
    return [
        said,
        _table(["What was left after all rounds", "How many"], rows),
        _table(["Which process got which signal", "How many times"], [list(row) for row in kills]),
    ]


def _traffic(app: Sphinx) -> list[nodes.Node]:
    trial = results.read("traffic")
    ratios = trial["bytes moved / bytes needed"]
    questions = list(next(iter(ratios.values())))
    rows = [
        [recipe, *(f"{row[question]:.1f} ×" for question in questions)]
        for recipe, row in ratios.items()
    ]
    head = ["", *(f"{question[0].upper()}{question[1:]}" for question in questions)]
    said = nodes.paragraph(
        "",
        f"What a new mount moved for each byte that was needed, of a file of"
        f" {trial['MB of the file']} MB, {_date(trial['date'])} with s3fs {trial['s3fs']}:",
    )
    return [said, _table(head, rows)]


def _load(app: Sphinx) -> list[nodes.Node]:
    trial = results.read("load")
    once, many, row, large = (trial[name] for name in ("at once", "many", "in a row", "large"))
    rows = [
        ["Processes that read and wrote at once", str(once["processes"])],
        ["Of these, right in every byte", str(once["right"])],
        ["Objects in one directory, all listed", f"{many['objects']:,}"],
        ["Requests for that", f"{many['requests']:,}"],
        ["Size of a file that was saved, copied and loaded", f"{large['GB']} GB"],
        ["Numbers in it", f"{large['numbers']:,}"],
        ["Of these, right after all that", f"{large['right']:,}"],
        ["Mounts and unmounts in a row", f"{row['cycles']:,}"],
        ["More processes afterwards", str(row["more processes"])],
        ["More open files afterwards", str(row["more open files"])],
        ["More memory afterwards", f"{row['more MB of memory']} MB"],
    ]
    said = nodes.paragraph("", f"The trial {_date(trial['date'])}, with s3fs {trial['s3fs']}:")
    return [said, _table(["What", "How many"], [list(cells) for cells in rows])]


def _build(app: Sphinx) -> list[nodes.Node]:
    trial = results.read("build")
    seconds = trial["seconds"]
    ratio = trial["first build / (lessons on one processor / processors)"]
    rows = [[what, f"{number:.0f} s"] for what, number in seconds.items()]
    shares = [[who, f"{share:.0%}"] for who, share in trial["share of processor time"].items()]
    said = nodes.paragraph(
        "",
        f"The trial {_date(trial['date'])}, with s3fs {trial['s3fs']} and {trial['processors']}"
        f" processors. Divide what the lessons need on one processor by the number of processors:"
        f" the first build took {ratio} times that.",
    )
    return [
        said,
        _table(["What", "Time"], rows),
        _table(["What used the processors, in the first build", "Share"], shares),
    ]


def _site(app: Sphinx) -> list[nodes.Node]:
    trial = results.read("site")
    heaviest, restless = trial["heaviest page"], trial["largest layout shift"]
    rows = [
        ["Pages", str(trial["pages"]), ""],
        ["Most bytes for one page", f"{heaviest['MB']} MB", heaviest["name"]],
        ["Largest layout shift", str(restless["shift"]), restless["name"]],
        ["First paint, median", f"{trial['median of first paint, ms']} ms", ""],
    ]
    said = nodes.paragraph("", f"Each page was opened {_date(trial['date'])}, with an empty cache:")
    return [said, _table(["What", "Found", "Where"], rows)]


_WRITERS = {
    "totals": _totals,
    "pages": _table_of_pages,
    "reasons": _reasons,
    "machines": _machines,
    "versions": _versions,
    "mutations": _mutations,
    "soak": _soak,
    "load": _load,
    "traffic": _traffic,
    "build": _build,
    "site": _site,
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
    app.add_directive("verified", Verified)
    app.add_node(Placeholder)
    app.connect("doctree-resolved", fill_page)
    beside.connect(app, PAGE, told, lambda env: [PAGE])
    return {"parallel_read_safe": True, "parallel_write_safe": True}
