"""Show which stores were tried, from ``stores/results.json``."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from tables import day, table

from stores import results


class Stores(SphinxDirective):
    """``.. stores:: WHAT``: what was ``tried``, or the ``buckets`` of other kinds."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Write it."""
        self.env.note_dependency(str(results.FILE))
        return [_WRITERS[self.arguments[0]](results.read())]


def tried(rows: list[results.Row]) -> nodes.table:
    """Make the table.

    Parameters
    ----------
    rows : list of dict
        See `stores.results.read`.

    Returns
    -------
    table
        It has a row for each.
    """
    head = ["Store", "Over", "s3fs", "Verdict", "What needs a setting, or fails", "Tried on"]
    return table(head, map(_cells, rows), widths=(16, 8, 8, 15, 38, 15), classes=["stores"])


def _cells(row: results.Row) -> list[str | nodes.Node]:
    said: nodes.Node = nodes.line_block("")
    for kind in ("needs", "fails"):
        for told, names in results.grouped(row, kind).items():
            text = nodes.Text(f"{'; '.join(names)}: ")
            said += nodes.line("", "", text, nodes.literal("", told))
    if "not tried" in row:
        said += nodes.line("", row["not tried"])
    return [
        *(_store(row), row.get("transport", ""), row.get("s3fs", "")),
        *(nodes.strong("", results.verdict(row)), nodes.entry("", said), day(row["date"])),
    ]


def buckets(rows: list[results.Row]) -> nodes.table:
    """Make the table of buckets of other kinds.

    Parameters
    ----------
    rows : list of dict
        See `stores.results.read`.

    Returns
    -------
    table
        It has a row for each store, kind and s3fs.
    """
    found = []
    for row in rows:
        for kind, came in row.get("buckets", {}).items():
            lines = (nodes.line("", f"{what}: {said}") for what, said in came.items())
            said = nodes.entry("", nodes.line_block("", *lines))
            found.append([_store(row), row["s3fs"], f"a bucket {kind}", said])
    return table(
        ["Store", "s3fs", "Bucket", "What came of it"],
        found,
        widths=(16, 8, 18, 58),
        classes=["stores"],
    )


def _store(row: results.Row) -> str:
    return " ".join(filter(None, [row["store"], row.get("version")]))


_WRITERS = {"tried": tried, "buckets": buckets}


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to the build."""
    app.add_directive("stores", Stores)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
