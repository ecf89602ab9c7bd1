"""``.. surprises::``: a row for each finding, and for each claim that is wrong, that opens."""

from __future__ import annotations

import json
import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from tables import day

from proof import claims, findings


class Surprises(SphinxDirective):
    """The rows, from the heads of ``findings`` and the verdicts of the ledger."""

    def run(self) -> list[nodes.Node]:
        """Write them."""
        results = json.loads(findings.RESULTS.read_text())
        self.env.note_dependency(str(findings.RESULTS))
        rows = []
        for script in findings.scripts():
            self.env.note_dependency(str(script))
            rows.append(_row(findings.parse(script), results[script.stem]))
        return self.parse_text_to_nodes("\n".join(rows))


class WrongClaims(SphinxDirective):
    """What people are told that is wrong, or not told."""

    def run(self) -> list[nodes.Node]:
        """Write it."""
        self.env.note_dependency(str(claims.LEDGER))
        rows = [
            f".. dropdown:: {claim.told}\n\n   {' '.join(claim.truth.split())} :claim:`{name}`\n"
            for name, claim in claims.read().items()
            if claim.verdict in ("wrong", "not told")
        ]
        return self.parse_text_to_nodes("\n".join(rows))


def _rst(text: str) -> str:
    """Write what the head of a script says, which has no other marks than backquotes."""
    words, *others = text.split("`")
    parts = [re.sub(r"[*_|\\]", r"\\\g<0>", words)]
    for number, part in enumerate(others):
        parts.append(re.sub(r"[*_|\\]", r"\\\g<0>", part) if number % 2 else f"``{part}``")
    return "".join(parts)


def _row(finding: findings.Finding, result: dict[str, str]) -> str:
    page = f" Used on :doc:`/{finding.page}`." if finding.page else ""
    return f"""
.. dropdown:: {_rst(finding.surprise)}

   *You would expect:* {_rst(finding.expected)}

   {_rst(finding.matters)}{page}

   Seen on {day(finding.seen)} with {_rst(finding.versions)}.
   ``findings/{finding.name}.sh`` shows it; on {day(result["date"])} it was {result["result"]}.
"""


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to the build."""
    app.add_directive("surprises", Surprises)
    app.add_directive("wrong-claims", WrongClaims)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
