"""The built site, served as a host of static pages serves it, and the browser that visits it."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, sync_playwright

from proof.project import ROOT

SITE = ROOT / "build" / "html"
PREFIX = urlsplit(os.environ.get("SITE_URL", "/")).path
"""Where on its host the site was built to be: the page of what is not found depends on that."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL = "apt-get update && apt-get install -y chromium fonts-dejavu"


class _Handler(SimpleHTTPRequestHandler):
    """Answers as GitHub Pages does: what is missing gets the site's own page of status 404."""

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix(PREFIX.rstrip("/")))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        if code != 404:
            super().send_error(code, message, explain)
            return
        page = Path(self.directory, "404.html").read_bytes()
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def served(site: Path = SITE) -> Iterator[str]:
    """Serve the site on the loopback interface, and yield its address."""
    handler = functools.partial(_Handler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
        server.shutdown()


def pages(site: Path = SITE) -> list[str]:
    """List the pages of the built site, as paths below its address."""
    paths = (path.relative_to(site) for path in site.rglob("*.html"))
    found = sorted(str(path) for path in paths if path.parts[0] != "_static")
    if not found:
        raise SystemExit(f"expected a built site in {site}, found no page. Run: ./nox -s docs")
    return found


def browser_program() -> str:
    """Find Chromium or Chrome."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    raise SystemExit(f"expected one of {', '.join(BROWSERS)} on PATH, found none. Run: {INSTALL}")


def launch_options() -> dict[str, Any]:
    """Choose the system's browser; root can have no sandbox within it."""
    return {"executable_path": browser_program(), "chromium_sandbox": os.geteuid() != 0}


@contextlib.contextmanager
def browser_at_site() -> Iterator[tuple[Browser, str]]:
    """Start the browser, serve the site, and yield both: the site as its address."""
    with served() as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        yield browser, site
        browser.close()


def main() -> None:
    """See that the site is built, and that there is a browser; root on Debian gets one."""
    print(f"{len(pages())} pages")
    may_install = os.geteuid() == 0 and shutil.which("apt-get")
    if may_install and not any(map(shutil.which, BROWSERS)):
        subprocess.run(INSTALL, shell=True, check=True)
    print(browser_program())


if __name__ == "__main__":
    main()
