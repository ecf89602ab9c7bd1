"""Measure how light the pages of the built site are, on a desk with a cold cache.

Transferred bytes are counted without compression. Writes the worst of all pages, and where it was
seen, to ``benchmarks/results.json``.
"""

import statistics

from benchmarks import results
from browser.site import browser_at_site, pages
from browser.visit import Visit, visit


def main() -> None:
    """Visit every page, print what was seen, and store the worst."""
    seen: dict[str, Visit] = {}
    with browser_at_site() as (browser, site):
        for name in pages():
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            seen[name] = one = visit(context.new_page(), site, name)
            context.close()
            print(
                f"{name:<70}{one.transferred / 1e6:>6.2f} MB{one.requests:>4} requests"
                f"{one.first_paint:>6.0f} ms{one.layout_shift:>7.3f}",
                flush=True,
            )
    heaviest = max(seen, key=lambda name: seen[name].transferred)
    restless = max(seen, key=lambda name: seen[name].layout_shift)
    found = {
        "pages": len(seen),
        "heaviest page": {"name": heaviest, "MB": round(seen[heaviest].transferred / 1e6, 2)},
        "largest layout shift": {
            "name": restless,
            "shift": round(seen[restless].layout_shift, 3),
        },
        "median of first paint, ms": round(
            statistics.median(one.first_paint for one in seen.values())
        ),
    }
    results.write("site", found)


if __name__ == "__main__":
    main()
