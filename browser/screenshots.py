"""Take a picture of every page, whole, on a desk and on a phone, in light and dark."""

from __future__ import annotations

import argparse

from browser.site import browser_at_site, pages
from proof.project import ROOT

FOLDER = ROOT / "build" / "screenshots"
SIZES = {
    "desk": {"width": 1280, "height": 900},
    "phone": {"width": 375, "height": 800},
}


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", help="such as index.html; all, if none is named")
    names = parser.parse_args().pages or pages()
    with browser_at_site() as (browser, site):
        for size, viewport in SIZES.items():
            for theme in ("light", "dark"):
                tab = browser.new_context(viewport=viewport, color_scheme=theme).new_page()
                for name in names:
                    tab.goto(site + name, wait_until="networkidle")
                    path = FOLDER / size / theme / name.replace("/", "_").replace(".html", ".png")
                    tab.screenshot(path=path, full_page=True)
    print(f"The pictures of {len(names)} pages are in {FOLDER.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
