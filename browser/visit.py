"""Open a page, and find what a reader would stumble over."""

from __future__ import annotations

from dataclasses import dataclass, field

from playwright.sync_api import Page

WATCH_SHIFTS = """
window.shifts = [];
new PerformanceObserver(list => window.shifts.push(...list.getEntries()
  .filter(entry => !entry.hadRecentInput).map(entry => entry.value)))
  .observe({type: "layout-shift", buffered: true});
"""
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
TOO_WIDE = """
() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *")]
    .filter(one => one.getBoundingClientRect().right > width + 1)
    .map(one => `${one.tagName}.${one.className}`);
}
"""


@dataclass
class Visit:
    """What was seen of a page.

    Attributes
    ----------
    errors : list of str
        What the browser's console calls errors.
    missing : list of str
        Addresses that were asked for in vain.
    outside : list of str
        Addresses on other machines.
    too_wide : list of str
        What makes the page scroll sideways.
    requests, transferred : int
        How many files were asked for, and their size in bytes, without compression.
    first_paint : float
        When the first text or picture was there, in milliseconds.
    layout_shift : float
        How far things moved while the page was loaded, as the cumulative layout shift of Web
        Vitals, of which 0.1 counts as good.
    """

    errors: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    too_wide: list[str] = field(default_factory=list)
    requests: int = 0
    transferred: int = 0
    first_paint: float = 0
    layout_shift: float = 0


def visit(page: Page, site: str, name: str) -> Visit:
    """Open a page of the site, down to its end, and tell what was seen.

    Parameters
    ----------
    page : Page
        A new tab.
    site : str
        The address of the site, with a slash at its end.
    name : str
        The page, as a path below it.

    Returns
    -------
    Visit
        What was seen.
    """
    seen = Visit()
    page.on("console", lambda said: said.type == "error" and seen.errors.append(said.text))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("requestfailed", lambda request: seen.missing.append(request.url))
    answers = []
    page.on("response", lambda answer: answers.append(answer))
    page.add_init_script(WATCH_SHIFTS)
    page.goto(site + name, wait_until="networkidle")
    # Some things are loaded, or moved, only when they come into view.
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.wait_for_load_state("networkidle")
    page.evaluate("window.scrollTo(0, 0)")
    for answer in answers:
        if answer.url.startswith(("data:", "blob:")):
            continue
        if not answer.url.startswith(site):
            seen.outside.append(answer.url)
        if answer.status >= 400:
            seen.missing.append(answer.url)
        seen.requests += 1
        seen.transferred += answer.request.sizes()["responseBodySize"]
    seen.too_wide = page.evaluate(TOO_WIDE)
    seen.first_paint = page.evaluate(PAINTED)
    seen.layout_shift = page.evaluate("window.shifts.reduce((sum, one) => sum + one, 0)")
    return seen
