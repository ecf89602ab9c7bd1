"""Compare what the cells of a lesson say and draw with what they are expected to.

sphinx-gallery notices a lesson that raises, not one whose answers have changed.
What is expected is in ``proof/expected``, a file for each lesson, its cells separated by ``# %%``,
with the placeholders of `proof.compare` for what varies, and the conditions of `proof.conditions`
for what is so with some versions only.
If there is no such file, the build writes it and fails, so that somebody looks at it.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from docutils import nodes
from lessons import CELL, run_again
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx_gallery.scrapers import matplotlib_scraper

from proof import record
from proof.build import was_run
from proof.compare import difference
from proof.conditions import expected_with
from proof.lessons import RUN
from proof.project import EXPECTED, GALLERY, ROOT

logger = logging.getLogger(__name__)


def scrape(block: tuple[Any, ...], block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save the figures of a cell in each resolution, and describe each in a comment of the page."""
    figures = [plt.figure(number) for number in plt.get_fignums()]
    page = matplotlib_scraper(block, block_vars, gallery_conf)
    pictures = block_vars["image_path_iterator"].paths
    for picture in map(Path, pictures[len(pictures) - len(figures) :]):
        for version in picture.parent.glob(f"{picture.stem}*"):
            shrink(version)
    for figure in figures:
        page += "\n\n.. " + "\n   ".join(describe(figure)) + "\n\n"
    return page


def shrink(picture: Path) -> None:
    """Keep the 256 most frequent colours of a picture: it has half the bytes, and looks alike.

    Parameters
    ----------
    picture : Path
        A PNG file.
    """
    with Image.open(picture) as image:
        few = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    few.save(picture)


def describe(figure: Figure) -> list[str]:
    """Tell in words what a figure that has been drawn shows.

    Parameters
    ----------
    figure : Figure
        A figure of Matplotlib.

    Returns
    -------
    list of str
        Its size, the number of things in it, and all its texts.
    """
    width, height = figure.get_size_inches()
    lines = [f"picture of {width:g} by {height:g} inches"]
    for axes in figure.axes:
        counted = ", ".join(
            f"{len(getattr(axes, kind))} {kind}" for kind in ("lines", "patches", "collections")
        )
        lines.append(f"axes with {counted}")
    texts = [text.get_text() for text in figure.findobj(Text) if text.get_visible()]
    lines += [line for text in texts for line in text.splitlines() if line.strip()]
    return lines


def cells(doctree: nodes.document) -> Iterator[tuple[int, str]]:
    """Yield the line of each cell that says or draws something, with that."""
    line = 0
    kinds = nodes.comment | nodes.literal_block | nodes.raw
    for node in doctree.findall(lambda node: isinstance(node, kinds)):
        text = node.astext()
        generated = CELL.match(text)
        if generated:
            line = int(generated[1]) + 1
        elif text.startswith("picture of ") or "sphx-glr-script-out" in node["classes"]:
            yield line, text
        elif isinstance(node, nodes.raw) and "output_html" in text:
            yield line, re.sub(r"(?s)<style>.*?</style>|<[^>]*>", "", text)


def compare_lessons(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Compare all lessons, those also that were not run in this build.

    Those that say something else than expected are run once more, when nothing else is running.
    What they say then counts: a size that the kernel remembers for one second is another answer
    where a machine stalls.
    """
    if app.config.lessons_problem:
        return []
    again = _different(app, env)
    if again:
        for warning in again.values():
            print(f"\n{warning}\nThe lesson is run once more.", flush=True)
        run_again(app, env, list(again))
        for warning in _different(app, env).values():
            logger.warning("%s", warning)
    return list(again)


def _different(app: Sphinx, env: BuildEnvironment) -> dict[str, str]:
    """Find the lessons that say something else than expected, and say what."""
    raised = {
        Path(script).resolve() for script in app.config.sphinx_gallery_conf["failing_examples"]
    }
    found = {}
    for docname in sorted(env.found_docs):
        lesson = ROOT / f"{docname}.py"
        if lesson in RUN and was_run(lesson) and lesson not in raised:
            # Sphinx's own get_doctree() would go on to give the page as it is now.
            page = Path(app.doctreedir, f"{docname}.doctree").read_bytes()
            said = list(cells(pickle.loads(page)))
            found[docname] = compare_lesson(Path(f"{docname}.py"), said)
    return {docname: warning for docname, warning in found.items() if warning}


def compare_lesson(lesson: Path, said: list[tuple[int, str]]) -> str:
    """Tell the first cell of a lesson that does not say what is expected.

    Parameters
    ----------
    lesson : Path
        The script, relative to the project.
    said : list of tuple
        See `cells`.

    Returns
    -------
    str
        A warning, or nothing.
    """
    path = EXPECTED / lesson.relative_to(GALLERY.name).with_suffix(".txt")
    name = path.relative_to(ROOT)
    if not path.exists():
        if said:  # Otherwise it was not run: another one is, and this one is new.
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("# %%\n".join(f"{text.strip()}\n" for _, text in said))
            logger.warning(
                "there was no %s. It is written now: look at it, put '...' or '<2..5>' in place of"
                " what varies, and build again.",
                name,
            )
        return ""
    wanted = expected_with(record.versions(), path.read_text()).split("# %%\n")
    if len(said) != len(wanted):
        return (
            f"{lesson}: expected {len(wanted)} cells that say or draw something, as {name} has"
            f" them, found {len(said)}."
        )
    for (line, text), want in zip(said, wanted, strict=True):
        different = difference(want, text.strip())
        if different:
            return f"{lesson}:{line}: what this cell says is not what {name} expects:\n{different}"
    return ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to the build, before what tells of all pages."""
    app.connect("env-updated", compare_lessons, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
