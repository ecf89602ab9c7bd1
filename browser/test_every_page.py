"""Every page of the site, on a desk and on a phone, in light and dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from browser.site import pages
from browser.visit import visit

WIDTHS = {"desk": 1280, "phone": 375}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
HEAVIEST = 1_500_000
GOOD_LAYOUT_SHIFT = 0.1


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", pages())
def test_a_page_is_whole_light_and_open_to_all(new_context, site, name, width, theme):
    size = {"width": WIDTHS[width], "height": 900}
    page = new_context(viewport=size, color_scheme=theme, device_scale_factor=2).new_page()
    seen = visit(page, site, name)
    assert page.locator("html").get_attribute("data-theme") == theme
    assert not seen.errors
    assert not seen.missing
    assert not seen.outside
    assert not seen.too_wide
    assert seen.transferred <= HEAVIEST
    assert seen.layout_shift <= GOOD_LAYOUT_SHIFT
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
    assert not [
        (one["id"], node["html"], node["failureSummary"])
        for one in found.response["violations"]
        for node in one["nodes"]
    ]


def test_a_broken_page_is_noticed(new_context, site):
    """The checks above could not fail otherwise."""
    page = new_context(viewport={"width": 375, "height": 900}).new_page()
    broken = """<!doctype html><html><head><title>Broken</title></head><body>
      <img src="missing.png"><img src="http://192.0.2.1/elsewhere.png">
      <div style="width: 500px">wide</div><script>undefined.property</script></body></html>"""
    page.route("**/broken.html", lambda route: route.fulfill(body=broken, content_type="text/html"))
    page.route("http://192.0.2.1/**", lambda route: route.fulfill(body="", status=404))
    seen = visit(page, site, "broken.html")
    assert any("undefined" in error for error in seen.errors)
    assert f"{site}missing.png" in seen.missing
    assert seen.outside == ["http://192.0.2.1/elsewhere.png"]
    assert seen.too_wide
    assert seen.requests == 3
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
    assert {one["id"] for one in found.response["violations"]} >= {"html-has-lang", "image-alt"}
