"""What a reader does: search, copy, switch the theme, download, and use the keyboard alone."""

import ast
import io
import re
import zipfile
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

from browser.site import SITE
from proof.lessons import LESSONS
from proof.project import ROOT

BUCKETS = "explanation/s3_buckets.html"
FIRST_LESSON = "tutorials/1_first_steps/1_your_first_bucket.html"
DIAGRAM_LESSON = "tutorials/2_what_it_costs/1_read_only_what_you_need.html"


@pytest.fixture
def browser_context_args(browser_context_args):
    return browser_context_args | {
        "viewport": {"width": 1280, "height": 900},
        "permissions": ["clipboard-read", "clipboard-write"],
    }


def test_the_search_finds_a_message_and_opens_its_section(page, site):
    page.goto(site)
    page.keyboard.press("Control+k")
    page.keyboard.type("target is busy")
    page.keyboard.press("Enter")
    page.locator("#search-results a", has_text="target is busy").first.click()
    expect(page).to_have_url(re.compile(r"/troubleshooting\.html.*#"))
    section = page.locator(f"[id='{page.url.rpartition('#')[2]}']")
    expect(section).to_be_in_viewport()
    expect(section.get_by_role("heading").first).to_contain_text("target is busy")


@pytest.mark.parametrize(
    ("name", "shown", "copied"),
    [
        ("index.html", "$ mkdir my_bucket", r"mkdir my_bucket\ns3fs .*\\\n.*del_cache\nls .*"),
        ("index.html", ">>> import iris", r"import iris\nprint\(iris\.load\(.*\)\)"),
        (FIRST_LESSON, "start_sandbox(", r"(?s)import .*start_sandbox\(.*"),
    ],
)
def test_the_copy_button_takes_what_is_typed_without_prompt_and_output(
    page, site, name, shown, copied
):
    page.goto(site + name)
    block = page.locator("div.highlight", has_text=shown).first
    block.hover()
    block.locator("button.copybtn").click()
    found = page.evaluate("navigator.clipboard.readText()").strip()
    assert re.fullmatch(copied, found), found


def test_the_theme_is_switched_and_kept(page, site):
    page.emulate_media(color_scheme="light")
    page.goto(site)
    html = page.locator("html")
    page.locator("button.theme-switch-button:visible").click()
    page.locator("button[data-mode=dark]:visible").click()
    expect(html).to_have_attribute("data-theme", "dark")
    page.goto(site + BUCKETS)
    expect(html).to_have_attribute("data-theme", "dark")


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_the_downloads_of_a_lesson_open(page, site, lesson):
    name = lesson.relative_to(ROOT).with_suffix(".html")
    page.goto(f"{site}{name}")
    links = page.locator(".sphx-glr-download a")
    found = {}
    for number in range(links.count()):
        with page.expect_download() as download:
            links.nth(number).click()
        found[download.value.suggested_filename] = download.value.path().read_bytes()
    kinds = {file.rpartition(".")[2]: content for file, content in found.items()}
    assert sorted(kinds) == ["ipynb", "py", "zip"]
    assert ast.parse(kinds["py"])
    assert nbformat.reads(kinds["ipynb"].decode(), as_version=4).cells
    assert len(zipfile.ZipFile(io.BytesIO(kinds["zip"])).namelist()) == 2


def test_all_lessons_are_downloaded_at_once(page, site):
    page.goto(f"{site}tutorials/index.html")
    links = page.locator(".sphx-glr-download a")
    for number in range(links.count()):
        with page.expect_download() as download:
            links.nth(number).click()
        names = zipfile.ZipFile(download.value.path()).namelist()
        kind = ".py" if "python" in download.value.suggested_filename else ".ipynb"
        assert sum(name.endswith(kind) for name in names) == len(LESSONS)
    assert links.count() == 2


@pytest.mark.parametrize("name", ["index.html", FIRST_LESSON, "troubleshooting.html"])
def test_the_keyboard_alone_reaches_everything(page, site, name):
    page.goto(site + name)
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    expect(skip).to_have_text("Skip to main content")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#main-content$"))
    page.goto(site + name)
    wanted = set(page.evaluate(REACHABLE))
    assert len(wanted) > 20
    reached = set()
    for _ in range(2000):
        page.keyboard.press("Tab")
        where = page.evaluate(FOCUSED)
        if where is None or where["number"] in reached:
            break
        reached.add(where["number"])
        assert where["seen"], f"the focus cannot be seen on {where['html']}"
    assert wanted <= reached


FOCUSABLE = "a[href], button, input, select, summary, [tabindex='0']"
FOCUSED = f"""
() => {{
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const parts = [getComputedStyle(one, "::after"),
    ...[one, ...one.children].map(part => getComputedStyle(part))];
  const ring = parts.some(style => style.outlineStyle !== "none" || style.boxShadow !== "none");
  return {{
    number: [...document.querySelectorAll(`{FOCUSABLE}`)].indexOf(one),
    html: one.outerHTML.slice(0, 100),
    seen: ring,
  }};
}}
"""
REACHABLE = f"""
() => [...document.querySelectorAll(`{FOCUSABLE}`)]
  .map((one, number) => [one, number])
  .filter(([one]) => one.tabIndex >= 0 && !one.disabled
    && one.checkVisibility({{visibilityProperty: true}}))
  .map(([_, number]) => number)
"""


def test_a_dropdown_opens_by_keyboard(page, site):
    page.goto(f"{site}how_to/batch_job.html")
    summary = page.locator("details > summary").first
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.locator("details").first).to_have_attribute("open", "")


def test_a_lost_reader_is_led_back(page, site):
    answer = page.goto(f"{site}how_to/no_such_page.html")
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_contain_text("not found")
    page.get_by_role("main").get_by_role("link", name="home page").click()
    expect(page).to_have_url(f"{site}index.html")


def test_pictures_are_described():
    for path in SITE.rglob("*.html"):
        for picture in re.findall(r"<img\b[^>]*>", path.read_text()):
            described = re.search(r'\balt="([^"]*)"', picture)
            assert described, f"{path}: {picture}"
            assert not re.search(r"\.(png|svg|webp)$", described[1]), f"{path}: {picture}"
            assert described[1] or "sphx-glr-single-img" not in picture, f"{path}: {picture}"


@pytest.mark.parametrize("width", [1280, 375])
@pytest.mark.parametrize(
    "name", ["index.html", BUCKETS, "explanation/how_the_site_is_built.html", DIAGRAM_LESSON]
)
def test_a_diagram_can_be_read(page, site, name, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(site + name)
    (diagram,) = page.locator(".bd-article img[src$='.svg']:visible").all()
    drawing = (SITE / "_images" / Path(diagram.get_attribute("src")).name).read_text()
    scale = diagram.bounding_box()["width"] / int(re.search(r'viewBox="0 0 (\d+)', drawing)[1])
    smallest = min(map(int, re.findall(r'font-size="(\d+)"', drawing)))
    assert smallest * scale > 11


def test_a_figure_opens_alone_and_finer(page, site):
    page.goto(site + FIRST_LESSON)
    figure = page.locator("img.sphx-glr-single-img")
    width = figure.evaluate("figure => figure.naturalWidth")
    figure.click()
    page.wait_for_url("**/_images/*.png")
    assert page.locator("img").evaluate("figure => figure.naturalWidth") == 2 * width


def test_the_cheat_sheet_is_printed_on_one_page(page, site):
    page.goto(f"{site}reference/cheat_sheet.html")
    printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    page.goto(site + BUCKETS)
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))) > 1
