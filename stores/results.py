"""What was tried on which store: ``stores/results.json``, written by ``./nox -s stores``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypedDict

FILE = Path(__file__).with_name("results.json")

WORKS, SETTINGS, FAILS, NOT_TRIED = "works", "works with settings", "fails in part", "not tried"


class Outcome(TypedDict, total=False):
    """What came of one trial; it is empty where the trial works as it is."""

    needs: str
    without: str
    fails: str


Row = dict[str, Any]
"""A store, its version, the transport, s3fs, the date; and trials, or why it was not tried."""


def read() -> list[Row]:
    """Read what was tried, in the order of the stores.

    Returns
    -------
    list of dict
        A row for each store, transport and s3fs, and one for each store that was never tried.
    """
    rows: list[Row] = json.loads(FILE.read_text()) if FILE.exists() else []
    return rows


def write(row: Row) -> None:
    """Add what was tried on a store, in place of what was before.

    Parameters
    ----------
    row : dict
        See `read`.
    """
    FILE.write_text(json.dumps(merged(read(), row), indent=1) + "\n")


def merged(known: list[Row], row: Row) -> list[Row]:
    """Add a row to those that are known.

    That a store cannot be tried on a machine does not replace what was found on another one.

    Parameters
    ----------
    known : list of dict
        See `read`.
    row : dict
        Another one.

    Returns
    -------
    list of dict
        All rows that still hold.
    """
    tried = [one["store"] for one in known if "trials" in one]
    if "trials" not in row and row["store"] in tried:
        return known
    others = [
        one
        for one in known
        if _place(one) != _place(row) and (one["store"] != row["store"] or "trials" in one)
    ]
    return sorted([*others, row], key=_place)


def _place(row: Row) -> tuple[str, ...]:
    return tuple(row.get(name, "") for name in ("store", "transport", "s3fs"))


def verdict(row: Row) -> str:
    """Say in a word what came of a row.

    Parameters
    ----------
    row : dict
        See `read`.

    Returns
    -------
    str
        It works only where every trial does, as it is.

    Examples
    --------
    >>> verdict({"trials": {"check": {}}})
    'works'
    >>> verdict({"trials": {"check": {}, "save PP": {"fails": "an error"}}})
    'fails in part'
    """
    if "trials" not in row:
        return NOT_TRIED
    outcomes = row["trials"].values()
    if any("fails" in outcome for outcome in outcomes):
        return FAILS
    return SETTINGS if any("needs" in outcome for outcome in outcomes) else WORKS


def grouped(row: Row, kind: str) -> dict[str, list[str]]:
    """Put together the trials of a row that say the same.

    Parameters
    ----------
    row : dict
        See `read`.
    kind : str
        What of an outcome: ``"needs"`` or ``"fails"``.

    Returns
    -------
    dict of str to list of str
        From what is said to the names of the trials.

    Examples
    --------
    >>> grouped({"trials": {"check": {"needs": "a"}, "save PP": {"needs": "a"}}}, "needs")
    {'a': ['check', 'save PP']}
    """
    found: dict[str, list[str]] = {}
    for name, outcome in row.get("trials", {}).items():
        if kind in outcome:
            found.setdefault(outcome[kind], []).append(name)
    return found
