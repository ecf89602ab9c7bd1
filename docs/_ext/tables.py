"""Tables of what was counted or measured: one way to make them for all pages."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from docutils import nodes

from benchmarks import results

Cell = str | nodes.Node


def table(
    head: Iterable[Cell],
    rows: Iterable[Iterable[Cell]],
    *,
    widths: Iterable[int] = (),
    classes: Iterable[str] = (),
) -> nodes.table:
    """Make a table.

    Parameters
    ----------
    head : iterable of str or Node
        The titles of the columns.
    rows : iterable of iterable of str or Node
        The cells; an ``entry`` stands for itself.
    widths : iterable of int, optional
        How wide the columns are to each other; they are equal by default.
    classes : iterable of str, optional
        For styles.

    Returns
    -------
    table
        For a page.

    Examples
    --------
    >>> table(["Bucket", "Objects"], [["climate-data", "3"]]).astext().split()
    ['Bucket', 'Objects', 'climate-data', '3']
    """
    first = _row(head)
    columns = len(first.children)
    group = nodes.tgroup(cols=columns)
    group += [nodes.colspec(colwidth=width) for width in widths or [1] * columns]
    group += [nodes.thead("", first), nodes.tbody("", *map(_row, rows))]
    return nodes.table("", group, classes=list(classes))


def _row(cells: Iterable[Cell]) -> nodes.row:
    return nodes.row("", *map(_entry, cells))


def _entry(cell: Cell) -> nodes.entry:
    if isinstance(cell, nodes.entry):
        return cell
    content = nodes.Text(cell) if isinstance(cell, str) else cell
    return nodes.entry("", nodes.paragraph("", "", content))


def day(iso: str) -> str:
    """Write a date for a reader.

    Examples
    --------
    >>> day("2026-11-05")
    '5 November 2026'
    """
    return f"{datetime.date.fromisoformat(iso):%-d %B %Y}"


def of_trial(section: str) -> list[nodes.Node]:
    """Show all that a benchmark has found, in its own words.

    Parameters
    ----------
    section : str
        The name of the benchmark in ``benchmarks/results.json``.

    Returns
    -------
    list of Node
        A sentence that says when, a table of the single numbers, and one for each group.
    """
    trial = results.read(section)
    said = f"Measured on {day(trial.pop('date'))} with s3fs {trial.pop('s3fs')}."
    alone = {what: found for what, found in trial.items() if not isinstance(found, dict | list)}
    groups = {what: found for what, found in trial.items() if what not in alone}
    shown: list[nodes.Node] = [nodes.paragraph("", said)]
    if alone:
        shown.append(_columns("What", alone))
    return shown + [_columns(what, found) for what, found in groups.items()]


def _columns(what: str, found: dict[str, Any] | list[dict[str, Any]]) -> nodes.table:
    """Make a table of numbers, or of groups that have the same ones."""
    if isinstance(found, list):
        heads = list(dict.fromkeys(name for row in found for name in row))
        return table(map(_title, heads), [[_written(row[name]) for name in heads] for row in found])
    if not all(isinstance(row, dict) for row in found.values()):
        rows = [[_title(name), _written(number)] for name, number in found.items()]
        return table([_title(what), "Found"], rows)
    heads = list(dict.fromkeys(name for row in found.values() for name in row))
    rows = [
        [_title(name), *(_written(row.get(head, "")) for head in heads)]
        for name, row in found.items()
    ]
    return table([_title(what), *map(_title, heads)], rows)


def _title(name: str) -> str:
    """Begin with a capital, but not the names of programs and formats, such as s3fs and netCDF."""
    first = name.replace(",", " ").split(" ")[0]
    is_name = first == "rclone" or not (first.isalpha() and first.islower())
    return name if is_name else f"{name[:1].upper()}{name[1:]}"


def _written(found: float | str) -> str:
    return f"{found:,}" if isinstance(found, int) else str(found)
