"""The command line: ``s3-mounts``, or ``python -m s3_mounts``."""

from __future__ import annotations

import argparse
import sys

from s3_mounts.doctor import examine


def main() -> int:
    """Print what this machine needs; the status is 1 where something required is missing."""
    parser = argparse.ArgumentParser(prog="s3-mounts", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("doctor", help="say what this machine needs to mount buckets")
    parser.parse_args()
    results = examine()
    print(*results, sep="\n")
    return int(not all(result.passed for result in results))


if __name__ == "__main__":
    sys.exit(main())
