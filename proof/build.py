"""Build the site: run code blocks and lessons at the same time, and tell how far they are.

Blocks mostly wait, for servers and mounts, and lessons compute, so that together they take less
time than one after the other. Lessons take the processor time that blocks leave. Sphinx runs the
lessons, and reads the pages when the blocks, which the variable `BLOCKS` names, are done as well.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from proof.lessons import LESSONS, RUN, too_new
from proof.project import GALLERY, ROOT

BLOCKS = "SITE_BLOCKS"
"""The variable with the number of the process that runs the blocks, or `NONE`."""

NONE = "none"
"""For a site that shows all blocks as not run."""

RECORD = Path("build", "blocks.json")
SITE = Path("build", "html")
LOG = Path("build", "blocks.log")
SPHINX = ("-W", "--keep-going", "-n", "-j2", "-c", ".", "-d", "build/doctrees")
_PASSED = re.compile(r"(?m)^(\[gw\d+\] \[ *\d+%\] PASSED )?[^\s:]+::.*\n")
"""A line on what begins, or has passed, which is written for `Progress`."""
EVERY = 30
"""How often to tell how far all is where that is not a terminal, in seconds."""


def was_run(lesson: Path) -> bool:
    """Tell whether sphinx-gallery will take a lesson as it has left it."""
    noted = (ROOT / GALLERY.parent / lesson.relative_to(ROOT)).with_suffix(".py.md5")
    digest = hashlib.md5(lesson.read_bytes(), usedforsecurity=False).hexdigest()
    return noted.exists() and noted.read_text() == digest


def wait_for_blocks() -> None:
    """Wait until the blocks are done that are run beside this process, if any are."""
    number = os.environ.get(BLOCKS, NONE)
    if number != NONE:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(int(number)).wait()


def so_far(gone: float, share: float, what: str) -> str:
    """Say how long something has taken, how far it is, and how long the rest may take."""
    line = f"{gone // 60:2.0f}:{gone % 60:02.0f}  {what}"
    if 0.2 < share < 1:
        line += f", about {gone * (1 - share) / share / 60:.0f} min more"
    return line


class Progress:
    """A line that says how far all is: one that is rewritten on a terminal."""

    def __init__(self) -> None:
        self.lessons = 0
        self.started = self.told = time.monotonic()

    def line(self) -> str:
        """Say how many blocks and lessons are done, and how long the others may take."""
        # Sphinx forgets lessons that are no longer true when it starts, and then has more to run.
        left = sum(not was_run(lesson) for lesson in RUN)
        self.lessons = max(self.lessons, left)
        done = self.lessons - left
        shares = re.findall(r"\[ *(\d+)%\]", LOG.read_text(errors="replace")) or ["0"]
        share = min(int(shares[-1]) / 100, done / self.lessons if self.lessons else 1)
        what = f"code blocks {shares[-1]} %, lessons {done} of {self.lessons}"
        return so_far(time.monotonic() - self.started, share, what)

    def tell(self) -> None:
        """Rewrite the line, or write another one if it is time."""
        line = self.line()
        if sys.stdout.isatty():
            print(f"\r{line}\033[K", end="", flush=True)
        elif time.monotonic() - self.told > EVERY:
            self.told = time.monotonic()
            print(line, flush=True)


def build(shown: Sequence[str], options: Sequence[str]) -> int:
    """Run the blocks and the lessons, and build the site.

    Parameters
    ----------
    shown : sequence of str
        What pytest is to run.
    options : sequence of str
        For Sphinx.

    Returns
    -------
    int
        An exit status.
    """
    home = SITE / "index.html"
    home.unlink(missing_ok=True)
    LOG.parent.mkdir(exist_ok=True)
    progress = Progress()
    status = _run_both(shown, options, progress)
    if not status and not home.exists():
        # A lesson that calls sys.exit() would end the build with status 0.
        print(f"Expected the site's home page {home}, but the build did not write it.")
        status = 1
    if not status:
        print(f"The site is built. Open {home.resolve()}")
    return status


def _run_both(shown: Sequence[str], options: Sequence[str], progress: Progress) -> int:
    # Two processes, and not the three of all tests: the lessons have two beside them.
    pytest = [sys.executable, "-m", "pytest", "-n2", "--verbose", *shown, f"--record={RECORD}"]
    sphinx = ["nice", sys.executable, "-m", "sphinx", "-q", *SPHINX, *options, "docs", SITE]
    with open(LOG, "w") as log, contextlib.ExitStack() as cleanup:
        blocks = subprocess.Popen(pytest, stdout=log, stderr=subprocess.STDOUT)
        cleanup.callback(_end, blocks)
        site = subprocess.Popen(sphinx, env=os.environ | {BLOCKS: str(blocks.pid)})
        cleanup.callback(_end, site)
        try:
            while blocks.poll() is None or site.poll() is None:
                progress.tell()
                time.sleep(0.2)
        except KeyboardInterrupt:
            print("\nInterrupted. The same command goes on with what is not finished.")
            return 130
    said = LOG.read_text(errors="replace")
    if blocks.returncode:
        print(_PASSED.sub("", said))
    else:
        print("\n".join(re.findall(r"(?m)^\d+ blocks: .*|\d+ passed[^=\n]*[^= \n]", said)))
    return blocks.returncode or site.returncode


def _end(process: subprocess.Popen[bytes]) -> None:
    """Have a process stop as Ctrl-C does, so that it unmounts, and wait until it has."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait()


def build_with_one(name: str) -> int:
    """Build a site with one lesson run, or with those that were run before as well.

    Parameters
    ----------
    name : str
        A part of the lesson's path that no other has.

    Returns
    -------
    int
        An exit status.
    """
    found = [lesson for lesson in LESSONS if name in str(lesson.relative_to(ROOT))]
    if len(found) != 1:
        names = ", ".join(lesson.stem for lesson in found or LESSONS)
        sys.exit(f"Expected a part of the name of one lesson, found {name!r}. There are: {names}.")
    if too_new(found[0]):
        sys.exit(f"Expected a lesson that can be run here, found {name!r}. {too_new(found[0])}")
    pattern = f"sphinx_gallery_conf.filename_pattern={re.escape(found[0].stem)}"
    folder = Path("build", "one")
    place = Path(GALLERY.name, found[0].relative_to(ROOT / "tutorials"))
    # Of the other pages it reads what has changed, for references, and writes none.
    pages = ["docs", folder, Path("docs", place).with_suffix(".rst")]
    command = ["-q", "-j2", "-c", ".", "-d", folder / "doctrees", "-D", pattern, *pages]
    with subprocess.Popen(
        [sys.executable, "-m", "sphinx", *command],
        env=os.environ | {BLOCKS: NONE},
        stderr=subprocess.PIPE,
        text=True,
    ) as sphinx:
        for line in sphinx.stderr or ():
            # Nothing is said of what was not run.
            if "WARNING" not in line or found[0].stem in line:
                print(line, end="", flush=True)
    page = folder / place.with_suffix(".html")
    print(f"The page is {page.resolve()}")
    return sphinx.returncode


def _listen() -> None:
    """End as by Ctrl-C, with all that was started, also where a shell's background ignores it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


def main() -> int:
    """Build the site with the arguments of the command line."""
    _listen()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lesson", metavar="NAME", help="run this one alone, and no code blocks")
    parser.add_argument("shown", nargs="+", help="what has code blocks, and tests that pages name")
    arguments, options = parser.parse_known_args()
    if arguments.lesson:
        return build_with_one(arguments.lesson)
    return build(arguments.shown, options)


if __name__ == "__main__":
    sys.exit(main())
