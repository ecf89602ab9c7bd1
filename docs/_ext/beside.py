"""A JSON file beside a page that is filled when all pages have been read.

The file has all that the page tells. So as long as it stays the same, so does the page.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def connect(
    app: Sphinx,
    page: str,
    tell: Callable[[BuildEnvironment], str],
    shown_on: Callable[[BuildEnvironment], list[str]],
) -> None:
    """Write the file at the end of a build, and only pages anew that must tell something else.

    Parameters
    ----------
    app : Sphinx
        The build.
    page : str
        The page.
    tell : callable
        What is told, as JSON.
    shown_on : callable
        The pages on which something of it is shown.
    """

    def outdated(app: Sphinx, env: BuildEnvironment) -> list[str]:
        path = Path(app.outdir, f"{page}.json")
        return [] if path.exists() and path.read_text() == tell(env) else shown_on(env)

    def write(app: Sphinx, error: Exception | None) -> None:
        if not error and app.builder.format == "html":
            path = Path(app.outdir, f"{page}.json")
            # A build of one lesson writes no other page, and makes no folder for it.
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(tell(app.env))

    app.connect("env-updated", outdated)
    app.connect("build-finished", write)
