"""What was run on which machine: a file for each in ``machines/results``, written by `fresh`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("results")


def read() -> list[dict[str, Any]]:
    """Read what was run.

    Returns
    -------
    list of dict
        One entry for each machine: its versions, and of each command the exit status and counts.
    """
    return [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]


def write(name: str, found: dict[str, Any]) -> None:
    """Write what was run on one machine.

    Parameters
    ----------
    name : str
        Of the machine.
    found : dict
        See `read`.
    """
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
