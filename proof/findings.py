"""Findings: what real tools do that one would guess wrong, each a script that fails if it changes.

``python -m proof.findings`` runs them all, or those that it is given, and writes what came of them.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proof.project import ROOT

FOLDER = ROOT / "findings"
RESULTS = FOLDER / "results.json"
HEAD = ("surprise", "expected", "versions", "seen", "matters")
CANNOT_RUN = (2, 77)
"""Of a script whose packages could not be installed, or for which something else is missing."""


@dataclass(frozen=True)
class Finding:
    """What the head of a script says.

    Attributes
    ----------
    name : str
        Of the file, without ``.sh``.
    surprise, expected : str
        What happens, and what one would have guessed.
    versions, seen : str
        With which versions, and on which day.
    matters : str
        Where a reader meets it, and what to do.
    page : str
        The page of the site that uses it; may be empty.
    """

    name: str
    surprise: str
    expected: str
    versions: str
    seen: str
    matters: str
    page: str = ""


def parse(script: Path) -> Finding:
    """Read the head of a script.

    Parameters
    ----------
    script : Path
        The script.

    Returns
    -------
    Finding
        What it says.

    Raises
    ------
    ValueError
        If a line is missing. The message names it.
    """
    said: dict[str, str] = {}
    for line in script.read_text().partition("\n\n")[0].splitlines():
        name, _, text = line.removeprefix("# ").partition(": ")
        if name in (*HEAD, "page"):
            said[name] = text.strip()
    missing = [name for name in HEAD if not said.get(name)]
    if missing:
        raise ValueError(f"{script.name}: expected lines '# {missing[0]}: …' in its head.")
    datetime.date.fromisoformat(said["seen"])
    return Finding(name=script.stem, **said)


def scripts() -> list[Path]:
    """List the scripts."""
    return sorted(FOLDER.glob("*.sh"))


def run(script: Path) -> dict[str, Any]:
    """Run a script, and say what came of it.

    Parameters
    ----------
    script : Path
        The script.

    Returns
    -------
    dict
        What came of it, the day, and the seconds that it took.
    """
    started = time.monotonic()
    ended = subprocess.run(["bash", script], capture_output=True, text=True)
    what = "as before" if not ended.returncode else "changed"
    if ended.returncode in CANNOT_RUN:
        what = "cannot be run here"
    print(f"{what:<20}{script.stem}", flush=True)
    if what != "as before":
        print(f"{ended.stdout}{ended.stderr}".strip(), flush=True)
    today = datetime.date.today().isoformat()
    return {"result": what, "date": today, "seconds": round(time.monotonic() - started)}


def main() -> int:
    """Run the scripts whose names are given, or all."""
    names = [script.stem for script in scripts()]
    parser = argparse.ArgumentParser(prog="./nox -s findings --", description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a script, without .sh")
    given = parser.parse_args().names
    if unknown := set(given) - set(names):
        parser.error(f"expected names of scripts in {FOLDER}, found {', '.join(unknown)}")
    chosen = [script for script in scripts() if script.stem in given or not given]
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results = {name: one for name, one in known.items() if name in names}
    for script in chosen:
        results[script.stem] = run(script)
        RESULTS.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n")
    return int(any(results[script.stem]["result"] == "changed" for script in chosen))


if __name__ == "__main__":
    sys.exit(main())
