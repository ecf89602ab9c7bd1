"""Play all faults, and write ``benchmarks/faults.json`` for the site.

With words, only the faults with these in their names are played; the others stay as they are in the
file.
"""

from __future__ import annotations

import datetime
import json
import sys
import time
import warnings
from dataclasses import asdict
from typing import Any

import iris

from benchmarks.faults.catalogue import CATALOGUE
from benchmarks.faults.trials import Laboratory
from proof.project import ROOT
from s3_mounts.program import find_s3fs, s3fs_version
from s3_sandbox import start_sandbox

RESULTS = ROOT / "benchmarks" / "faults.json"
WORKERS = 24


def main() -> None:
    """Play, print and write."""
    warnings.simplefilter("ignore")
    iris.FUTURE.save_split_attrs = True
    words = sys.argv[1:]
    chosen = [f for f in CATALOGUE if not words or any(w in f"{f.kind} {f.title}" for w in words)]
    results: dict[str, dict[str, dict[str, Any]]] = {}
    started = time.monotonic()
    with start_sandbox("climate-data") as sandbox, Laboratory(sandbox, WORKERS) as laboratory:
        for fault, access, outcome in laboratory.try_all(chosen):
            found = {name: value for name, value in asdict(outcome).items() if value != ""}
            results.setdefault(fault.kind, {}).setdefault(fault.title, {})[access.title] = found
            print(
                f"{fault.kind:<7}{fault.title:<36}{access.title:<19}"
                f"{outcome.told:<42}{outcome.data:<10}{outcome.later:<6}{outcome.seconds:>5}"
                f"{'  SILENT' if outcome.silent else ''}",
                flush=True,
            )
    print(f"{time.monotonic() - started:.0f} s")
    _write("{}.{}".format(*s3fs_version(find_s3fs())), results)


def _write(version: str, results: dict[str, dict[str, Any]]) -> None:
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    before = known.get(version, {"kinds": {}})
    kinds: dict[str, dict[str, Any]] = {}
    date = datetime.date.today().isoformat()
    for fault in CATALOGUE:
        played = results.get(fault.kind, {}).get(fault.title)
        kept = before["kinds"].get(fault.kind, {}).get(fault.title)
        if not played and kept:
            date = before["date"]
        if played or kept:
            kinds.setdefault(fault.kind, {})[fault.title] = played or kept
    known[version] = {"date": date, "kinds": kinds}
    RESULTS.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
