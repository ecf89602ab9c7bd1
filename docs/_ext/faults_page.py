"""Show what came of the planted faults, from ``benchmarks/faults.json``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from tables import day, table

from benchmarks.faults.patience import BOUNDED, PATIENT
from proof.project import ROOT

RESULTS = ROOT / "benchmarks" / "faults.json"
KINDS = ("read", "write", "change", "find")

Outcome = dict[str, Any]


class Faults(SphinxDirective):
    """``.. faults:: WHAT KIND``: what was tried and how, tables, or what is told or not told."""

    required_arguments = 1
    optional_arguments = 2

    def run(self) -> list[nodes.Node]:
        """Write it."""
        self.env.note_dependency(str(RESULTS))
        found = json.loads(RESULTS.read_text())
        known = {version: found[version] for version in sorted(found, key=_numbers)}
        what, *arguments = self.arguments
        if what == "tables":
            return self.parse_text_to_nodes(_tabs(known, *arguments))
        return _WRITERS[what](known, *arguments)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


def _outcomes(trial: dict[str, Any], kind: str) -> Iterator[tuple[str, str, Outcome]]:
    for fault, accesses in trial["kinds"][kind].items():
        for access, outcome in accesses.items():
            yield fault, access, outcome


def _is_silent(outcome: Outcome) -> bool:
    return outcome["told"] == "no error" and outcome["data"] != "right"


def _made(known: dict[str, Any]) -> list[nodes.Node]:
    return [nodes.bullet_list("", *(_totals(*one) for one in known.items()))]


def _totals(version: str, trial: dict[str, Any]) -> nodes.list_item:
    outcomes = [one for kind in KINDS for *_, one in _outcomes(trial, kind)]
    silent = sum(map(_is_silent, outcomes))
    lost = sum(one["told"] == "no answer" for one in outcomes) or "None"
    longest = max(one["seconds"] for one in outcomes if one["told"] != "no answer")
    text = (
        f"With s3fs {version} on {day(trial['date'])}: {len(outcomes)} trials. In {silent} of them"
        f" data were wrong or missing without an error. {lost} hung for the whole trial. The"
        f" slowest of the others took {longest:.0f} seconds."
    )
    return nodes.list_item("", nodes.paragraph("", text))


def _silent(known: dict[str, Any], kind: str) -> list[nodes.Node]:
    found: dict[str, dict[str, list[str]]] = {}
    for version, trial in known.items():
        for fault, access, outcome in _outcomes(trial, kind):
            if _is_silent(outcome):
                found.setdefault(fault, {}).setdefault(access, []).append(version)
    listed = nodes.bullet_list()
    for fault, accesses in found.items():
        who = "; ".join(
            access if len(versions) == len(known) else f"{access} (s3fs {', '.join(versions)})"
            for access, versions in accesses.items()
        )
        text = nodes.paragraph("", "", nodes.strong("", fault), nodes.Text(f": {who}."))
        listed += nodes.list_item("", text)
    return [listed] if listed.children else [nodes.paragraph("", "There are none.")]


def _told(known: dict[str, Any], kind: str) -> list[nodes.Node]:
    told = Counter(
        outcome["told"] for trial in known.values() for *_, outcome in _outcomes(trial, kind)
    )
    listed = nodes.bullet_list()
    for message, times in told.most_common():
        often = "once" if times == 1 else f"{times} times"
        text = nodes.paragraph("", "", nodes.literal("", message), nodes.Text(f": {often}."))
        listed += nodes.list_item("", text)
    return [listed]


def _options(known: dict[str, Any]) -> list[nodes.Node]:
    said = {"In these trials s3fs had": BOUNDED, "For a fault that ends, it had": PATIENT}
    listed = nodes.bullet_list()
    for words, options in said.items():
        given = "".join(f" -o {option}" for option in options)
        text = nodes.paragraph("", f"{words} ")
        text += [nodes.literal("", given.strip()), nodes.Text(".")]
        listed += nodes.list_item("", text)
    return [listed]


def _tabs(known: dict[str, Any], kind: str) -> str:
    tabs = "".join(
        f"""
   .. tab-item:: s3fs {version}
      :sync: {version}

      .. faults:: table {kind} {version}
"""
        for version in known
    )
    return f".. tab-set::\n   :sync-group: s3fs\n{tabs}"


def _table(known: dict[str, Any], kind: str, version: str) -> list[nodes.Node]:
    trial = known[version]
    accesses = list(dict.fromkeys(access for _, access, _ in _outcomes(trial, kind)))
    rows = []
    for fault, found in trial["kinds"][kind].items():
        cells = [_cell(found[access]) if access in found else "" for access in accesses]
        seconds = sorted({round(outcome["seconds"]) for outcome in found.values()})
        rows.append([fault, *cells, "–".join(map(str, dict.fromkeys([seconds[0], seconds[-1]])))])
    widths = (3, *(2 for _ in accesses), 1)
    head = ["What goes wrong", *accesses, "Seconds"]
    return [table(head, rows, widths=widths, classes=["faults"])]


def _cell(outcome: Outcome) -> str | nodes.Node:
    told, data = outcome["told"], outcome["data"]
    if _is_silent(outcome):
        lost = "nothing stored" if data == "none" else "wrong"
        also = ", also later" if outcome.get("later", "right") != "right" else ""
        return nodes.strong("", f"no error, {lost}{also}")
    if told == "no error":
        return "right"
    said = told if told == "no answer" else "error"
    if "later" in outcome:
        return f"{said}, also later" if outcome["later"] != "right" else said
    stored = {"right": "all stored", "wrong": "wrong stored", "as before": "as before"}
    return f"{said}, {stored.get(data, 'nothing stored')}"


_WRITERS: dict[str, Callable[..., list[nodes.Node]]] = {
    "made": _made,
    "options": _options,
    "silent": _silent,
    "told": _told,
    "table": _table,
}


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to the build."""
    app.add_directive("faults", Faults)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
