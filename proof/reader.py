"""Where the blocks of one document are run: a home of its own, a shell, and a bucket.

The reader of a document has a bucket named ``climate-data`` with some files in it, credentials in
the environment, a copy of this project in ``~/iris-s3-tutorial`` if the document names that, and a
bash that starts in the home and stays the same from the first block of the document to the last.
(s3fs looks for ``~/.aws/credentials`` in the home of the account, whatever ``HOME`` says.)

What a document shows is what is run.
Only where the store is differs from what readers type for their own bucket: see `_POINTING`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from proof import project
from proof.compare import difference
from s3_sandbox import Sandbox
from s3_sandbox.terminal import s3fs_function

BUCKET = "climate-data"
SAMPLES = ("air_temp.pp", "A1B.2098.pp", "A1B_north_america.nc", "GloSea4/ensemble_001.pp")
CLONE = "iris-s3-tutorial"
TIME_LIMIT = 300
INTERRUPT_LIMIT = 60

_POINTING = """\
{s3fs_function}
export -f s3fs
set -o functrace
trap 'export AWS_ENDPOINT_URL={url} ${{S3_MOUNTS_ENDPOINT_URL:+S3_MOUNTS_ENDPOINT_URL={url}}}' DEBUG
"""
"""What turns the store of a reader's commands into the sandbox's: for s3fs, and for all others."""

_MISUNDERSTOOD = re.compile(r"(?m)^bash: ")
"""What a shell says of a command; one in a condition ends no script."""


class Reader:
    """Somebody who types what one document shows.

    Parameters
    ----------
    sandbox : Sandbox
        The bucket, and the folder in which the home is made.
    document : str, default: `CLONE`
        The document. The home has a clone only if the document names it.
    """

    def __init__(self, sandbox: Sandbox, document: str = CLONE) -> None:
        self.home = sandbox.directory / "home"
        self.home.mkdir()
        if CLONE in document:
            project.copy(self.home / CLONE)
        self._exchange = sandbox.directory / "exchange"
        self._exchange.mkdir()
        self._bash = subprocess.Popen(
            # Where these tests run in the background, they were told to ignore Ctrl-C.
            ["env", "--default-signal=INT", "bash", "--noprofile", "--norc"],
            cwd=self.home,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self._status = 0
        self._numbers = itertools.count()
        self._type(_POINTING.format(s3fs_function=s3fs_function(), url=sandbox.endpoint))

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "MPLBACKEND": "agg",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TMPDIR": str(self._exchange),
        }

    def session(self, text: str, place: str, line: int) -> str:
        """Type the commands of a shell session one after the other.

        A command may fail only if the next one is ``echo $?``, which shows that it does.

        Parameters
        ----------
        text : str
            Commands after ``$ ``, continued after a backslash or ``> ``, with what they say.
            An output that ends with ``^C`` belongs to a command that is to be interrupted.
        place : str
            How to name a line of the document, with ``{}`` for its number.
        line : int
            The number of the text's first line.

        Returns
        -------
        str
            What is wrong with the first command that does not do what is shown; else nothing.
        """
        commands = list(_commands(text))
        if not commands:
            return f"{place.format(line)}: expected a command after '$ ', found {text!r}"
        following = [command for _, command, _ in commands[1:]]
        for (offset, command, shown), then in zip(commands, [*following, ""], strict=True):
            where = place.format(line + offset)
            try:
                said = self._type(command, interrupt_after=shown)
            except (EOFError, TimeoutError) as error:
                return f"{where}: {error}"
            different = difference(shown, said)
            if different:
                return f"{where}: what '{command}' says is not what is shown:\n{different}"
            if command == "echo $?" and not shown.strip().isdigit():
                return f"{where}: expected a number after 'echo $?', found {shown!r}"
            if self._status and then != "echo $?" and "^C" not in said:
                return (
                    f"{where}: '{command}' ended with exit status {self._status}. If it is meant"
                    f" to fail, show that: the next command is 'echo $?'. It said:\n{said}"
                )
        return ""

    def script(self, text: str, given: str = "") -> str:
        """Run the commands of a script, all of which must succeed, and none be misunderstood.

        Parameters
        ----------
        text : str
            The script.
        given : str, optional
            What it can read.

        Returns
        -------
        str
            What went wrong; else nothing.
        """
        file = self._exchange / "given"
        file.write_text(f"{given}\n")
        said = self._type(f"( set -eo pipefail\n{text}\n) < {file}")
        if self._status or _MISUNDERSTOOD.search(said):
            return f"exit status {self._status} of:\n{text}\nIt said:\n{said}"
        return ""

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Let the current process work where the shell is, with the same home, for the block."""
        os.environ["HOME"] = str(self.home)
        with contextlib.chdir(f"/proc/{self._bash.pid}/cwd"):
            yield

    def close(self) -> None:
        """End the shell and whatever it has left running in the background; also a second time."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.wait()
        for pipe in (self._bash.stdin, self._bash.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _type(self, command: str, interrupt_after: str = "") -> str:
        """Give one command to the shell, and return what it says."""
        if self._bash.poll() is not None:
            raise EOFError(f"the shell had ended before '{command}'.")
        typed = self._exchange / "typed"
        typed.write_text(f"{command}\n")
        # A file, rather than a pipe, does not keep us waiting for daemons that have it open; one
        # for each command, so that what a daemon says later is not taken for the next one's words.
        output = self._exchange / f"output-{next(self._numbers)}"
        output.touch()
        print(
            f"IFS= read -r -d '' TYPED < {typed} || :",
            f"( exit {self._status} )",
            f'eval "$TYPED" > {output} 2>&1 < /dev/null',
            "echo $?",
            sep="\n",
            file=self._bash.stdin,
            flush=True,
        )
        before, interrupt, _ = interrupt_after.rpartition("^C")
        interrupted, late = None, ""
        limit = INTERRUPT_LIMIT if interrupt else TIME_LIMIT
        with selectors.DefaultSelector() as selector:
            selector.register(self._bash.stdout, selectors.EVENT_READ)
            deadline = time.monotonic() + limit
            while not selector.select(timeout=0.1):
                so_far = output.read_text(errors="replace")
                if interrupt and difference(before, so_far) is None:
                    interrupted, interrupt = so_far, ""
                    self._signal(signal.SIGINT)
                if time.monotonic() > deadline:
                    if late:
                        self.close()
                        raise TimeoutError(f"'{command}' did not end, so the shell was ended.")
                    self._signal(signal.SIGKILL)
                    late = f"It did not end within {limit} s.\n"
                    deadline += min(limit, INTERRUPT_LIMIT)
        answer = self._bash.stdout.readline()
        if not answer:
            self.close()
            raise EOFError(f"'{command}' has ended the shell.")
        said = output.read_text(errors="replace") + late
        self._status = int(answer)
        if interrupted is None:
            return said
        return f"{interrupted}^C{said.removeprefix(interrupted)}"

    def _signal(self, number: int) -> None:
        for child in psutil.Process(self._bash.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                child.send_signal(number)


def _commands(text: str) -> Iterator[tuple[int, str, str]]:
    """Split a shell session into commands: the line of each, its text, and what it says."""
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    if starts[:1] != [0]:
        return
    for start, end in itertools.pairwise([*starts, len(lines)]):
        command = lines[start].removeprefix("$ ")
        rest = start + 1
        while rest < end and (command.endswith("\\") or lines[rest].startswith("> ")):
            command += "\n" + lines[rest].removeprefix("> ")
            rest += 1
        yield start, command, "\n".join(lines[rest:end])
