"""What was tried on which store: ``stores/results.json``, written by ``./nox -s stores``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypedDict

FILE = Path(__file__).with_name("results.json")
_KEYS = ("store", "transport", "s3fs")


class Outcome(TypedDict, total=False):
    """What came of one trial; it is empty where the trial works as it is."""

    needs: str
    without: str
    fails: str


Row = dict[str, Any]
"""A store, its version, the transport, s3fs, the date; and trials, or why it was not tried."""


def read() -> list[Row]:
    """Read what was tried, the latest trial of each kind."""
    rows: list[Row] = json.loads(FILE.read_text()) if FILE.exists() else []
    return rows


def write(row: Row) -> None:
    """Write a row in place of the one of the same store, transport and s3fs.

    That a store could not be tried on a machine does not replace what was found on another one.
    """
    rows = {tuple(one.get(key, "") for key in _KEYS): one for one in read()}
    place = tuple(row.get(key, "") for key in _KEYS)
    if "trials" in row:
        known = [row["store"], *(row[key] for key in _KEYS[1:])]
        rows = {at: one for at, one in rows.items() if "trials" in one or at[0] != known[0]}
    elif any(at[: len([k for k in place if k])] == tuple(k for k in place if k) for at in rows):
        return
    rows[place] = row
    FILE.write_text(json.dumps([rows[at] for at in sorted(rows)], indent=1) + "\n")
