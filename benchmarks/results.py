"""The one file for what is measured, ``benchmarks/results.json``: a section for each trial.

The pages read their figures from it. Only the faults of the network have a file of their own.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from s3_mounts.program import find_s3fs, s3fs_version

FILE = Path(__file__).with_name("results.json")


def read(section: str) -> dict[str, Any]:
    """Read what the last trial has found.

    Parameters
    ----------
    section : str
        The name of the trial.

    Returns
    -------
    dict
        What it has written, with the ``date`` of the trial and the version of ``s3fs``.
    """
    found: dict[str, Any] = json.loads(FILE.read_text())[section]
    return found


def write(section: str, found: dict[str, Any]) -> None:
    """Write what a trial has found, and leave what the others have.

    Parameters
    ----------
    section : str
        The name of the trial.
    found : dict
        What it has found. The date and the version of ``s3fs`` are added.
    """
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    about = {
        "date": datetime.date.today().isoformat(),
        "s3fs": "{}.{}".format(*s3fs_version(find_s3fs())),
    }
    known[section] = about | found
    ordered = {name: known[name] for name in sorted(known)}
    FILE.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")
