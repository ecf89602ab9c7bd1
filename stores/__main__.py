"""Start each store, try what readers do on it, and write what came of it."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib.metadata
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from machines import other_s3fs
from proof.project import ROOT
from s3_mounts.program import find_s3fs, require_fuse, s3fs_version
from stores import ceph, rclone, results, seaweedfs, swift
from stores.serving import NotTriedError, make_authority
from stores.trials import TRIALS, Place, outcome, prepare, try_kind

STORES = {"seaweedfs": seaweedfs, "rclone": rclone, "ceph": ceph, "swift": swift}
OWN = "own"
"""The s3fs that is installed, beside which Debian's releases have others."""


def programs(releases: list[str]) -> Iterator[tuple[Path, str]]:
    """Find the s3fs to try with, and the version of each."""
    for release in releases:
        try:
            program = (
                find_s3fs()
                if release == OWN
                else other_s3fs.unpack(ROOT / "build" / f"s3fs-{release}", release)
            )
        except SystemExit as error:
            print(f"not tried: the s3fs of {release}: {error}", flush=True)
        else:
            yield program, "{}.{}".format(*s3fs_version(program))


def try_store(name: str, transports: list[str], s3fs: list[tuple[Path, str]]) -> None:
    """Start a store, and try everything on it."""
    store = STORES[name]
    about = {"store": store.NAME, "date": datetime.date.today().isoformat()}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stores-")))
        authority = make_authority(folder)
        (folder / name).mkdir()
        try:
            served = stack.enter_context(store.start(folder / name, authority))
        except (NotTriedError, RuntimeError) as error:
            print(f"{store.NAME}: not tried: {error}", flush=True)
            results.write(about | {"not tried": str(error)})
            return
        for transport in [one for one in served.urls if one in transports]:
            for program, version in s3fs:
                place = Place(served, transport, authority, program)
                print(f"{store.NAME} {served.version}, {transport}, s3fs {version}", flush=True)
                how = {"version": served.version, "transport": transport, "s3fs": version}
                results.write(about | how | try_place(place))


def try_place(place: Place) -> results.Row:
    """Try everything on a bucket of a store."""
    prepare(place.client())
    row: results.Row = {"boto3": importlib.metadata.version("boto3"), "trials": {}, "buckets": {}}
    for trial in TRIALS:
        found = row["trials"][trial] = outcome(trial, place)
        told = [f"{word} {said}" for word, said in found.items()]
        print(f"  {trial}: {', '.join(told) or 'works'}", flush=True)
    if place.transport == "http":
        for kind in place.served.kinds:
            row["buckets"][kind] = try_kind(kind, place)
            print(f"  a bucket {kind}: {row['buckets'][kind]}", flush=True)
    return row


def main() -> None:
    """Try the stores that are asked for."""
    parser = argparse.ArgumentParser(prog="./nox -s stores --", description=__doc__)
    parser.add_argument("--store", choices=STORES, action="append", help="one of them")
    parser.add_argument("--transport", choices=("http", "https"), action="append")
    parser.add_argument("--s3fs", metavar="RELEASE", action="append", help="of Debian, or own")
    arguments = parser.parse_args()
    # It ends as by Ctrl-C, and takes with it what it has started.
    for number in (signal.SIGINT, signal.SIGTERM):  # which a shell ignores in the background
        signal.signal(number, signal.default_int_handler)
    require_fuse()
    s3fs = list(programs(arguments.s3fs or [OWN, "sid"]))
    for name in arguments.store or STORES:
        try_store(name, arguments.transport or ["http", "https"], s3fs)


if __name__ == "__main__":
    main()
