"""The command line: ``s3-mounts``, or ``python -m s3_mounts``."""

from __future__ import annotations

import argparse
import sys

from s3_mounts.doctor import examine
from s3_mounts.errors import S3MountsError
from s3_mounts.program import SHOWN, install, kernel_problem, share_device


def doctor(arguments: argparse.Namespace) -> int:
    """Print what this machine needs; the status is 1 where something required is missing."""
    results = examine()
    print(*results, sep="\n")
    return int(not all(result.passed for result in results))


def install_program(arguments: argparse.Namespace) -> int:
    """Install the s3fs program and open its device, unless neither could be used here anyway."""
    problem = kernel_problem()
    if problem:
        print(f"FUSE cannot work here, so s3fs is not installed: {problem}")
    else:
        print(install(("s3fs", *SHOWN) if arguments.all else ("s3fs",)))
        shared = share_device()
        if shared:
            print(shared)
    return 0


def moved(arguments: argparse.Namespace) -> int:
    """Say where a command has gone."""
    raise S3MountsError(f"this command has moved: s3-sandbox {arguments.command}")


def main() -> int:
    """Run the command that the command line asks for, and return its exit status."""
    parser = argparse.ArgumentParser(prog="s3-mounts", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    command = commands.add_parser("doctor", help="say what this machine needs to mount buckets")
    command.set_defaults(run=doctor)
    command = commands.add_parser(
        "install", help="install the s3fs program, and open its device, where that is allowed"
    )
    command.add_argument(
        "--all", action="store_true", help=f"what lessons and pages call, too: {', '.join(SHOWN)}"
    )
    command.set_defaults(run=install_program)
    for name in ("check", "sandbox"):
        commands.add_parser(name).set_defaults(run=moved)
    arguments, _ = parser.parse_known_args()
    if arguments.run is not moved:
        arguments = parser.parse_args()
    try:
        status: int = arguments.run(arguments)
    except S3MountsError as error:
        print(f"s3-mounts: {error}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
