"""Run the lessons in this build, or say that they were not run.

sphinx-gallery runs a lesson again when its script has changed, and several at once in processes of
its own, where Sphinx has ``-j``. This extension adds:

- lessons are run again, all of them, when the helper or a tool below it has changed;
- those that `expected` names are run once more;
- one S3 server serves all lessons of a process, and nothing of a lesson is left after it;
- each lesson's page tells at its top how long the lesson took;
- other pages can show a lesson's figures;
- where FUSE cannot work, the lessons are shown without output, and marked.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import multiprocessing
import os
import re
import shutil
import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst.directives.images import Figure
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx_gallery.gen_gallery import generate_gallery_rst

from proof import record
from proof.build import was_run
from proof.lessons import RUN, too_new
from proof.project import GALLERY, ROOT
from s3_sandbox.sandbox import stop_all
from s3_sandbox.server import shared_server

CELL = re.compile(r"GENERATED FROM PYTHON SOURCE LINES (\d+)")
"""What sphinx-gallery writes before each cell of a lesson."""

logger = logging.getLogger(__name__)
_server = ExitStack()


def fingerprint() -> str:
    """Name the state of everything but the scripts that the lessons' output depends on."""
    ours = ("docs/_ext/lessons.py", "docs/_ext/expected.py")
    return f"{record.fingerprint('src', *ours)}\n{record.problem()}"


def forget_stale_lessons(app: Sphinx) -> None:
    """Remove the gallery of an earlier build that this one must not show again."""
    gallery = Path(app.srcdir, GALLERY.name)
    written = gallery / "fingerprint.txt"
    current = fingerprint()
    if gallery.exists() and (not written.exists() or written.read_text() != current):
        logger.info("The helper or a tool has changed: all lessons are run again.")
        shutil.rmtree(gallery)
    gallery.mkdir(exist_ok=True)
    written.write_text(current)


def choose_processes(app: Sphinx) -> None:
    """Use several processes, if a lesson is to be run, and such as end with Sphinx.

    sphinx-gallery asks for loky. When Sphinx is interrupted, that kills whatever a worker has
    started, also what cleans up after a lesson; and its workers outlive Sphinx.
    """
    several = app.parallel > 1 and not all(map(was_run, RUN))
    app.config.sphinx_gallery_conf["parallel"] = several and app.parallel
    if several:
        import iris.quickplot  # noqa: F401 (once, for these processes are forks of this one)
        from joblib import register_parallel_backend
        from joblib.parallel import BACKENDS

        register_parallel_backend("loky", BACKENDS["multiprocessing"])


def run_again(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Run lessons once more, read their pages again, and note which."""
    conf = app.config.sphinx_gallery_conf
    for docname in docnames:
        Path(app.srcdir, f"{docname}.py.md5").unlink(missing_ok=True)
    choose_processes(app)
    counted = {kind: list(conf[kind]) for kind in ("passing_examples", "stale_examples")}
    generate_gallery_rst(app)
    conf.update(counted)
    for docname in docnames:
        app.events.emit("env-purge-doc", env, docname)
        env.clear_doc(docname)
        app.builder.read_doc(docname)
    env.lessons_run_twice = sorted({*twice(env), *docnames})


def twice(env: BuildEnvironment) -> list[str]:
    """List the pages of lessons that were run once more, see `run_again`."""
    return getattr(env, "lessons_run_twice", [])


def forget_twice(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Take away a page that is read anew."""
    env.lessons_run_twice = [name for name in twice(env) if name != docname]


def reset(gallery_conf: dict[str, Any], script: str, when: str) -> None:
    """Start each lesson clean, and leave nothing of it, even if it raised."""
    if not gallery_conf["plot_gallery"]:
        return
    if when == "before":
        _prepare_process()
    else:
        import iris  # Here, since it takes long, and most builds run no lesson.

        stop_all()
        iris.FUTURE.__dict__.update(iris.Future().__dict__)
        # glibc would keep what the lesson has freed.
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)


@functools.cache
def _prepare_process() -> None:
    """Start the S3 server of this process, once; have the process end with Sphinx."""
    if multiprocessing.parent_process():
        threading.Thread(target=_end_with_sphinx, daemon=True).start()
    # conf.py has it off, for Sphinx. A lesson has it as a script does, but for what Sphinx made.
    gc.freeze()
    gc.enable()
    _server.enter_context(shared_server())


def _end_with_sphinx() -> None:
    """Wait for the end of Sphinx; a worker would go on with its lesson."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)


def stop_server(app: Sphinx, error: Exception | None) -> None:
    """End the S3 server of this process, if lessons were run in it."""
    stop_all()
    _server.close()


def complete_page(app: Sphinx, doctree: nodes.document) -> None:
    """Put the running time of a lesson into its list at the top, or mark it as not run."""
    if not app.env.docname.startswith(f"{GALLERY.name}/") or app.env.docname.endswith("/index"):
        return
    lesson = ROOT / f"{app.env.docname}.py"
    problem = app.config.lessons_problem or too_new(lesson)
    if problem:
        _mark_as_not_run(doctree, problem)
    for timing in list(doctree.findall(nodes.paragraph)):
        if "sphx-glr-timing" in timing["classes"]:
            _show_time(doctree, timing.astext())
            timing.parent.remove(timing)


def _mark_as_not_run(doctree: nodes.document, reason: str) -> None:
    warning = nodes.warning(
        "",
        nodes.paragraph("", "", nodes.strong("", "This lesson was not executed in this build.")),
        nodes.paragraph("", f"You see its code, without output or figures. {reason}"),
    )
    section = next(iter(doctree.findall(nodes.section)))
    section.insert(1, warning)


def _show_time(doctree: nodes.document, timing: str) -> None:
    minutes, seconds = timing.partition("(")[2].split(" minutes ")
    total = 60 * int(minutes) + float(seconds.split()[0])
    for item in doctree.findall(nodes.list_item):
        if item.astext().startswith("Time:"):
            paragraph = item[0]
            text = paragraph.astext().removeprefix("Time").rstrip(".")
            paragraph[:] = [
                nodes.strong("", "Time"),
                nodes.Text(f"{text}; {total:.0f} seconds to run, as measured in this build."),
            ]


class LessonFigure(Figure):
    """A figure that a lesson has drawn in this build: ``.. lesson-figure:: FOLDER/LESSON N``."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        """Show the figure, or nothing where lessons were not run."""
        config = self.state.document.settings.env.config
        if config.lessons_problem:
            return []
        folder, _, lesson = self.arguments[0].rpartition("/")
        name = f"sphx_glr_{lesson}_{int(self.arguments[1]):03}_2_00x.png"
        self.arguments[0] = f"/{GALLERY.name}/{folder}/images/{name}"
        return super().run()


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to the build, before and after sphinx-gallery."""
    app.add_directive("lesson-figure", LessonFigure)
    app.add_config_value("lessons_problem", None, "env", types=(str, type(None)))
    app.connect("builder-inited", forget_stale_lessons, priority=100)
    app.connect("builder-inited", choose_processes, priority=110)
    app.connect("env-purge-doc", forget_twice)
    app.connect("doctree-read", complete_page)
    app.connect("build-finished", stop_server, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
