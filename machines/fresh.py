"""Run commands of the README as on a machine that was made for it, and note what came of them.

``python3 -m machines.fresh`` makes a minimal Debian in a folder, clones the project into it, and
runs there what the README says, exactly as it is printed. Nothing is installed before but git,
Python with pip and venv, and the certificates by which git and pip know whom they talk to.
It needs root, a Debian, and the programs ``debootstrap`` and ``unshare``.

What was run, with which versions, is written to ``machines/results``, which the site shows.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from machines import other_s3fs, runs

ROOT = Path(__file__).parents[1]
CACHE = ROOT / "build" / "machines"
README_SESSIONS = ("docs", "tests")
RESULTS = ("build/html", "benchmarks/results.json", "benchmarks/faults.json")
"""What a command may make that is worth a look afterwards, in ``build/machines/made``."""

BASE = ("ca-certificates", "git", "python3", "python3-pip", "python3-venv")
"""All that is installed before the README's first command; Debian's git asks for the first."""

OTHER_S3FS = "/opt/s3fs"
CLONE = "iris-s3-tutorial"

NETWORK = (
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    *("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "SSL_CERT_FILE"),
)
"""The environment variables by which this machine reaches the network; no others are handed on."""

VERSIONS = "import json; from proof import record; print(json.dumps(record.versions()))"


def require_root() -> None:
    """Make sure that a Debian can be made here.

    Raises
    ------
    SystemExit
        If not. The message says all that is missing.
    """
    missing = []
    if os.geteuid():
        missing.append("the rights of root")
    if not shutil.which("apt-get"):
        missing.append("a Debian")
    elif not os.geteuid() and not shutil.which("debootstrap"):
        for words in (["update"], ["install", "--yes", "debootstrap"]):
            subprocess.run(["apt-get", "--quiet", *words], check=False)
    missing += [f"the program {name}" for name in ("debootstrap", "unshare") if not _find(name)]
    if missing:
        raise SystemExit(f"expected {', '.join(missing)}, found none. A fresh machine needs them.")


def _find(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def make_base(release: str, *, renew: bool) -> Path:
    """Make a minimal Debian, or take the one that was made before.

    Parameters
    ----------
    release : str
        Its name, such as ``"trixie"``.
    renew : bool
        Whether to make it anew.

    Returns
    -------
    Path
        The folder. It is never used itself, only copies of it.
    """
    base = CACHE / release
    if renew:
        shutil.rmtree(base, ignore_errors=True)
    if not base.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with _own_folder() as folder:
            made = folder / release
            command = [_find("debootstrap"), "--variant=minbase", f"--include={','.join(BASE)}"]
            _run_apart([*command, release, made, other_s3fs.mirror()])
            made.rename(base)
    return base


def _run_apart(command: list[str | Path | None]) -> None:
    """Run a program with all that it starts and mounts, of which nothing is left when it ends."""
    apart = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child")
    with subprocess.Popen([*apart, *command]) as process:
        try:
            if process.wait():
                raise SystemExit(f"expected {command[0]} to succeed, found {process.returncode}.")
        except BaseException:
            process.kill()  # and with it all that it has started, in a moment
            process.wait()
            time.sleep(1)
            raise


@contextlib.contextmanager
def _own_folder() -> Iterator[Path]:
    """Make a folder for the block; what killed processes have left of theirs is removed first."""
    for left in CACHE.glob("of-*-*"):
        if not Path("/proc", left.name.split("-")[1]).exists():
            shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=f"of-{os.getpid()}-", dir=CACHE) as folder:
        yield Path(folder)


@contextlib.contextmanager
def machine(base: Path) -> Iterator[Path]:
    """Copy a minimal Debian for the block, with the network of this machine.

    Parameters
    ----------
    base : Path
        See `make_base`.

    Yields
    ------
    Path
        The copy.
    """
    with _own_folder() as folder:
        root = folder / "root"
        subprocess.run(["cp", "--archive", base, root], check=True)
        for name in ("resolv.conf", "hosts"):
            shutil.copy(Path("/etc", name), root / "etc" / name)
        ours = Path("/usr/local/share/ca-certificates")
        for certificate in ours.glob("*.crt"):
            shutil.copy(certificate, root / certificate.relative_to("/"))
        # debootstrap leaves both to who starts the system: systemd, or what runs a container.
        enter(root, "ln -s /proc/self/mounts /etc/mtab; update-ca-certificates > /dev/null 2>&1")
        yield root


def enter(root: Path, script: str, *, user: str = "root", mode: str = "600") -> tuple[int, str]:
    """Run a script of bash in a root, and show what it says.

    Parameters
    ----------
    root : Path
        The folder.
    script : str
        The script.
    user : str, default: "root"
        Who runs it, in their home.
    mode : str, default: "600"
        The mode of ``/dev/fuse``.

    Returns
    -------
    status : int
        Its exit status.
    said : str
        What it said.
    """
    clean = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    clean += [f"{name}={os.environ[name]}" for name in NETWORK if name in os.environ]
    command = [
        *("env", "-i", *clean, "setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"),
        *("bash", "-c", f"cd; {script}"),
    ]
    home = "/root" if user == "root" else f"/home/{user}"
    command[2:2] = [f"HOME={home}"]
    lines = []
    with subprocess.Popen(
        [Path(__file__).with_name("enter.sh"), root, mode, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stdout:
                print(line, end="", flush=True)
                lines.append(line)
        except BaseException:
            process.kill()  # and with it all that is in there, in a moment
            time.sleep(1)
            raise
    return process.returncode, "".join(lines)


def printed_command(session: str) -> str:
    """Find the command of the README that runs a session of nox, or write it as there.

    Parameters
    ----------
    session : str
        Its name.

    Returns
    -------
    str
        Such as ``"./nox -s docs"``.
    """
    command = f"./nox -s {session}"
    commands = re.findall(r"(?m)^\$ (.*)$", (ROOT / "README.md").read_text())
    if session in README_SESSIONS and command not in commands:
        raise SystemExit(f"expected the command '{command}' in README.md, found {commands}.")
    return command


def counts(said: str) -> dict[str, int]:
    """Read from what a command has said how much it has run.

    Parameters
    ----------
    said : str
        What it said.

    Returns
    -------
    dict of str to int
        The numbers, by what they count.

    Examples
    --------
    >>> counts("320 passed, 1 skipped in 180.11s (0:03:00)")
    {'passed': 320, 'skipped': 1}
    """
    found = {}
    blocks = re.findall(r"(?m)^\d+ blocks: (\d+) run", said)
    if blocks:
        found["blocks run"] = int(blocks[-1])
    last = re.findall(r"(?m)^=*\s*((?:\d+ [a-z]+,? )+)in [\d.]+s", said)
    for number, what in re.findall(r"(\d+) ([a-z]+)", last[-1] if last else ""):
        found[what] = int(number)
    return found


class Visitor:
    """Somebody who has just cloned the project on a machine.

    Parameters
    ----------
    root : Path
        The machine, see `machine`.
    user : str
        ``"root"``, or the name of an ordinary user, who is made.
    """

    def __init__(self, root: Path, user: str) -> None:
        self.root = root
        self.user = user
        # As the kernel makes it for root, who then opens it; as udev does for the others.
        self.mode = "600" if user == "root" else "666"
        self.before = f"cd {CLONE}"
        home = "root"
        if user != "root":
            enter(root, f"useradd --create-home --shell /bin/bash {user}")
            home = f"home/{user}"
        self.clone = root / home / CLONE
        subprocess.run(["git", "clone", "--quiet", ROOT, self.clone], check=True)
        enter(root, f"chown --recursive {user}: /{home}")

    def take_s3fs(self, release: str) -> None:
        """Put the ``s3fs`` of another release of Debian first on ``PATH``."""
        install = (
            "apt-get -qq update && apt-get -qq install --yes fuse3 > /dev/null &&"
            f" cd {self.clone.relative_to(self.root)} && PYTHONPATH=."
            f" python3 -m machines.other_s3fs {OTHER_S3FS} --release {release} &&"
            f" ln -s {OTHER_S3FS}/s3fs /usr/local/bin/s3fs"
        )
        if enter(self.root, f"cd /; {install}")[0]:
            raise SystemExit(f"expected the s3fs of Debian {release}, found none.")

    def type(self, command: str) -> tuple[int, str]:
        """Run a command in the clone; see `enter`."""
        print(f"\n{self.user}$ {command}", flush=True)
        return enter(self.root, f"{self.before}; {command}", user=self.user, mode=self.mode)

    def run(self, session: str) -> dict[str, int]:
        """Run a command of the README; where it asks root for programs, install them first."""
        command = printed_command(session)
        status, said = self.type(command)
        asked = re.search(r"Install: sudo (.*)", said)
        if status and asked and self.user != "root":
            as_root = asked[1].replace("sudo ", "")
            print(f"\nroot$ {as_root}", flush=True)
            enter(self.root, as_root)
            status, said = self.type(command)
        return {"status": status} | counts(said)

    def versions(self, session: str) -> dict[str, str]:
        """Tell which versions a command has met."""
        _, said = self.type(f".nox/{session}/bin/python -c '{VERSIONS}'")
        found: dict[str, str] = json.loads(said.splitlines()[-1])
        return found


def run(arguments: argparse.Namespace) -> int:
    """Make a machine, run the commands on it, and note what came of them."""
    require_root()
    commit = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    parts = [arguments.release, *([f"s3fs-of-{arguments.s3fs}"] if arguments.s3fs else [])]
    name = "-".join([*parts, *(["user"] if arguments.user else [])])
    with machine(make_base(arguments.release, renew=arguments.renew)) as root:
        visitor = Visitor(root, "reader" if arguments.user else "root")
        if arguments.s3fs:
            visitor.take_s3fs(arguments.s3fs)
        found = {
            "Debian": (root / "etc/debian_version").read_text().strip(),
            "release": arguments.release,
            "user": visitor.user,
            "date": datetime.date.today().isoformat(),
            "commit": commit,
            "runs": {session: visitor.run(session) for session in arguments.sessions},
            "versions": visitor.versions(arguments.sessions[-1]),
        }
        for result in RESULTS:
            _bring(visitor.clone / result, CACHE / "made" / name)
    print(json.dumps(found, indent=1))
    if set(arguments.sessions) == set(README_SESSIONS):
        runs.write(name, found)
    # Some of the tests need another user, or devices, which only root can have.
    never = (
        "status",
        "failed",
        "errors",
        "error",
        *(["skipped"] if visitor.user == "root" else []),
    )
    wrong = [
        f"{session}: {how}"
        for session, counted in found["runs"].items()
        for how in never
        if counted.get(how)
    ]
    if wrong:
        print(f"Expected no failure, and nothing skipped by root, found {', '.join(wrong)}.")
    return int(bool(wrong))


def _bring(result: Path, folder: Path) -> None:
    """Take what was made on the machine out of it, to be looked at."""
    shutil.rmtree(folder / result.name, ignore_errors=True)
    if result.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "--recursive", result, folder], check=True)


def main() -> int:
    """Read the command line.

    Returns
    -------
    int
        The exit status.
    """
    parser = argparse.ArgumentParser(prog="./nox -s fresh --", description=__doc__)
    parser.add_argument(
        "sessions", nargs="*", default=list(README_SESSIONS), help="of nox; those of the README"
    )
    parser.add_argument("--release", default="trixie", help="of Debian (%(default)s)")
    parser.add_argument("--s3fs", metavar="RELEASE", help="take s3fs from another release")
    parser.add_argument("--user", action="store_true", help="as an ordinary user")
    parser.add_argument("--renew", action="store_true", help="make the minimal Debian anew")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
