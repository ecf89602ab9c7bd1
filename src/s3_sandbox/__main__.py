"""The command line: ``s3-sandbox``, or ``python -m s3_sandbox``."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterable, Iterator

from s3_mounts import mount
from s3_mounts.doctor import Result
from s3_mounts.errors import S3MountsError
from s3_mounts.options import endpoint_options
from s3_mounts.program import SHOWN, kernel_problem
from s3_sandbox.conformance.store_check import STEPS, check
from s3_sandbox.errors import SandboxError
from s3_sandbox.installing import install, share_device
from s3_sandbox.sandbox import OWN_BUCKET, start_sandbox

SAMPLES = ("air_temp.pp", "ostia_monthly.nc", "GloSea4/ensemble_001.pp", "GloSea4/ensemble_002.pp")


def sandbox(arguments: argparse.Namespace) -> int:
    """Keep a mounted bucket on a local S3 server until Ctrl-C."""
    if os.environ.get(OWN_BUCKET):
        raise SandboxError(
            f"expected to start a sandbox, but {OWN_BUCKET} selects your own bucket. Unset it."
        )
    with start_sandbox(arguments.bucket, SAMPLES, port=arguments.port) as bucket:
        mount_point = bucket.directory / "mounted"
        mount_point.mkdir()
        with mount(bucket.source, mount_point):
            options = " ".join(f"-o {option}" for option in endpoint_options(bucket.endpoint))
            print(
                f"The bucket {arguments.bucket} is mounted. Look into it from another terminal:\n\n"
                f"    ls -l {mount_point}\n\n"
                "To use boto3, aws or s3fs there yourself:\n\n"
                f"    export AWS_ENDPOINT_URL={bucket.endpoint}\n"
                "    export AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox-secret\n"
                f"    s3fs {bucket.source} EMPTY_DIRECTORY {options}\n\n"
                "Press Ctrl-C to end. Everything in the sandbox goes with it.",
                flush=True,
            )
            try:
                signal.pause()
            except KeyboardInterrupt:
                print("\nEnding the sandbox.")
    return 0


def check_store(arguments: argparse.Namespace) -> int:
    """Print what works on an object store; the status is 1 where something required does not."""
    if not arguments.bucket and not os.environ.get(OWN_BUCKET):
        print("No bucket of yours is named, so this checks the sandbox. Yours: --bucket NAME")
    # Iris, imported by a step, has no use for the threads that OpenBLAS would start for it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    wrong = []
    try:
        with contextlib.closing(check(arguments.options, arguments.bucket)) as results:
            for result in _with_what_is_left(results) if sys.stdout.isatty() else results:
                print(result, flush=True)
                if not result.passed:
                    wrong.append(result)
    except KeyboardInterrupt:
        # Python notes that code from a string was interrupted, as some is in an import, and ends
        # by the signal whatever is returned here; to run such code anew takes the note away.
        exec("")
        print("\nInterrupted. What was written has been removed, or the next sandbox removes it.")
        return 130
    required = [result.subject for result in wrong if result.required]
    others = [result.subject for result in wrong if not result.required]
    print(f"Required, but wrong: {'; '.join(required)}" if required else "All required works.")
    if others:
        print(f"Not as on the sandbox: {'; '.join(others)}")
    return int(bool(required))


def _with_what_is_left(results: Iterable[Result]) -> Iterator[Result]:
    """Say on a terminal what is left while a result is awaited, on a line that goes with it."""
    left = list(STEPS)
    results = iter(results)
    while True:
        line = f"{len(left)} left: {'; '.join(left)}" if left else ""
        print(line[: shutil.get_terminal_size().columns - 1], end="", flush=True)
        result = next(results, None)
        print("\r\033[K", end="", flush=True)
        if not result:
            return
        if result.subject in left:
            left.remove(result.subject)
        yield result


def install_programs(arguments: argparse.Namespace) -> int:
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


def main() -> int:
    """Run the command that the command line asks for, and return its exit status."""
    parser = argparse.ArgumentParser(prog="s3-sandbox", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("sandbox", help="a bucket and its mount to try things on")
    command.add_argument("--bucket", default="climate-data", help="its name (%(default)s)")
    command.add_argument("--port", type=int, default=0, help="of the server (any free one)")
    command.set_defaults(run=sandbox)
    command = commands.add_parser("check", help="say what works on your object store")
    command.add_argument("--bucket", help=f"a bucket of yours, as {OWN_BUCKET}; else the sandbox")
    command.add_argument(
        "-o", dest="options", metavar="OPTION", action="append", default=[], help="of s3fs"
    )
    command.set_defaults(run=check_store)
    command = commands.add_parser(
        "install", help="install the s3fs program, and open its device, where that is allowed"
    )
    command.add_argument(
        "--all", action="store_true", help=f"what lessons and pages call, too: {', '.join(SHOWN)}"
    )
    command.set_defaults(run=install_programs)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status: int = arguments.run(arguments)
    except S3MountsError as error:
        print(f"s3-sandbox: {error}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
