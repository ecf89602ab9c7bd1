"""The site as a whole: built from a clean copy, with every lesson really executed."""

import contextlib
import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import nbformat
import psutil
import pytest
from PIL import Image

from proof import claims, record
from proof.documents import blocks_of, documents
from proof.lessons import LESSONS, RUN, code_cells, figures, too_new
from proof.project import ROOT, copy
from s3_mounts import mount_table

NEW_LESSON = '''\
"""
A lesson that is new
====================

See what is in a bucket.

* **You will learn** what is in it.
* **You need** the ``s3fs`` program and FUSE.
* **Time**: one minute to read.
"""

# %%
# A sandbox has a bucket, and in it what you ask for.

import os

from s3_mounts import mount
from s3_sandbox import start_sandbox

sandbox = start_sandbox("climate-data", ["air_temp.pp"])
mount_point = sandbox.directory / "my_bucket"
mount_point.mkdir()
with mount(sandbox.source, mount_point) as bucket:
    print(os.listdir(bucket))

sandbox.stop()

# %%
# What you have seen
# ------------------
#
# * There is a file in the bucket.
#
# **Read next:** :doc:`/how_to/index`.
'''

BROKEN_LESSON = '''\
"""
Broken
======

It mounts, then {what}.
"""

from s3_mounts import mount
from s3_sandbox import start_sandbox

sandbox = start_sandbox("broken")
(sandbox.directory / "m").mkdir()
mount(sandbox.source, sandbox.directory / "m")
print(sandbox.directory)
{code}
'''

SITE_URL = "https://example.org/iris-s3-tutorial/"
SOURCE_URL = "https://example.org/source"
SECRET = "plantedSecret/0123456789abcdefghijklmno+"


def command(project: Path) -> list[str]:
    options = ["-W", "--keep-going", "-n", "--color", "-j2", "-c", ".", "-d", "build/doctrees"]
    return [sys.executable, "-m", "sphinx", *options, "docs", "build/html"]


def build(project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(project),
        cwd=project,
        env=os.environ
        | {"TMPDIR": str(project.parent), "SITE_URL": SITE_URL, "SOURCE_URL": SOURCE_URL}
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def told_by(built: subprocess.CompletedProcess[str]) -> str:
    """Give what a build says, its warnings first: a log of many failures may be cut."""
    warnings = re.findall(r".*WARNING(?:.*\n){1,30}", built.stdout)
    return "\n".join([*warnings, built.stdout])


def left_by(project: Path) -> list[Path]:
    mounts = [p for p in mount_table.mount_points() if p.is_relative_to(project.parent)]
    return mounts + list(project.parent.glob("s3-mounts*"))


def running_in(folder: Path) -> list[list[str]]:
    """List the processes whose temporary files go to a folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("TMPDIR") == str(folder):
                found.append(process.cmdline())
    return found


def page(project: Path, lesson: Path) -> str:
    relative = lesson.relative_to(ROOT).with_suffix(".html")
    return (project / "build" / "html" / relative).read_text()


def write_record(project: Path) -> None:
    """Write a record as if all blocks had been run: other tests run them."""
    entries = {}
    for path in documents():
        blocks = [
            {
                "language": block.language,
                "source": block.source,
                "reason": block.reason,
                "check": block.check,
                "line": line,
            }
            for line, block in blocks_of(path)
        ]
        entries |= {path: {"blocks": blocks, "tests": {}}} if blocks else {}
    for path in claims.TESTS.glob("test_*.py"):
        entries[path] = {"blocks": [], "tests": dict.fromkeys(claims.tests(path), "")}
    for path in list(entries):
        name = str(path.relative_to(ROOT))
        stamp = {"fingerprint": record.document_fingerprint(name), "date": "2001-02-03"}
        entries[name] = stamp | entries.pop(path)
    record.write(project / "build" / "blocks.json", entries)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A clean copy of the project with the site built in it."""
    project = copy(tmp_path_factory.mktemp("site") / "project")
    write_record(project)
    built = build(project, AWS_SECRET_ACCESS_KEY=SECRET, AWS_SESSION_TOKEN=SECRET)
    assert built.returncode == 0, told_by(built)
    assert SECRET not in built.stdout
    assert f"successfully executed {len(RUN)} out of {len(RUN)} files" in built.stdout
    assert not left_by(project)
    return project


def test_every_page_is_there(site):
    for path in [*ROOT.glob("docs/*.rst"), *ROOT.glob("docs/*/*.rst")]:
        relative = path.relative_to(ROOT / "docs").with_suffix(".html")
        assert (site / "build" / "html" / relative).exists()


@pytest.mark.parametrize("lesson", RUN, ids=lambda path: path.stem)
def test_every_lesson_was_executed(site, lesson):
    text = page(site, lesson)
    assert "was not executed in this build" not in text
    assert "Traceback" not in text
    outputs = re.findall(r"(?s)sphx-glr-script-out.*?<pre>(.*?)</pre>", text)
    assert len(outputs) >= 5
    assert max(output.count("\n") for output in outputs) <= 24, "a wall of text"
    assert not [output for output in outputs if "Warning" in output]
    assert re.search(r"\d+ seconds to run, as measured in this build", text)
    assert len(
        re.findall(r'<img src="[^"]*sphx_glr_[^"]*_\d\d\d\.png"[^>]*alt="\w', text)
    ) == figures(lesson)


def test_a_lesson_that_needs_a_newer_iris_is_marked(site):
    for lesson in set(LESSONS) - set(RUN):
        text = page(site, lesson)
        assert "This lesson was not executed in this build." in text
        assert too_new(lesson) in text
        assert "sphx-glr-script-out" not in text


@pytest.mark.parametrize("lesson", RUN, ids=lambda path: path.stem)
def test_every_lesson_has_a_picture_of_its_own_in_the_gallery(site, lesson):
    """sphinx-gallery puts a placeholder where a lesson has drawn nothing."""
    images = (site / "docs" / lesson.relative_to(ROOT)).parent / "images"
    drawn = list(images.glob(f"sphx_glr_{lesson.stem}_0??.png"))
    assert len(drawn) == figures(lesson)
    assert min(image.stat().st_size for image in drawn) > 10_000
    for image in drawn:
        with Image.open(image) as plain, Image.open(f"{image.with_suffix('')}_2_00x.png") as fine:
            assert fine.size == (2 * plain.width, 2 * plain.height)
            assert plain.mode == fine.mode == "P"


def test_every_block_is_accounted_for(site, record_property):
    """The build has found no block on a page that is neither verified nor given a reason."""
    told = json.loads((site / "build" / "html" / "verification.json").read_text())
    entries = [entry for page in told["pages"].values() for entry in page]
    cells = [entry for entry in entries if entry["kind"] == "lesson cells"]
    planned = [block for path in documents() for _, block in blocks_of(path)]
    assert len(entries) == len(planned) + len(cells)
    assert len(cells) >= 10 * len(RUN)
    reasons = [block.reason for block in planned if block.reason]
    reasons += [entry["reason"] for entry in cells if entry["reason"]]
    assert {entry["reason"] for entry in cells} - {""} == {
        too_new(lesson) for lesson in set(LESSONS) - set(RUN)
    }
    assert sorted(reasons) == sorted(entry["reason"] for entry in entries if entry["reason"])
    assert told["summary"] == record.summary(len(entries), len(reasons))
    assert set(told["versions"]) >= {"s3fs", "FUSE", "Iris", "moto", "Python"}
    record_property("cells", len(cells))


def test_the_page_on_verification_shows_what_was_counted(site):
    text = (site / "build" / "html" / "verification.html").read_text()
    told = json.loads((site / "build" / "html" / "verification.json").read_text())
    assert f"<strong>{told['summary']}.</strong>" in text
    assert "The blocks of the pages were run on 3 February 2001." in text
    for version in told["versions"].values():
        assert f"<p>{version}</p>" in text
    for entry in (entry for page in told["pages"].values() for entry in page):
        assert not entry["reason"] or html.escape(entry["reason"], quote=False) in text


def test_the_home_page_says_that_all_was_run(site):
    home = (site / "build" / "html" / "index.html").read_text()
    assert "Every lesson was run when this site was built" in home
    assert "Every other code block was run too" in home


def test_the_ledger_shows_where_each_claim_is_proven_and_with_what_result(site):
    ledger = claims.read()
    told = json.loads((site / "build" / "html" / "reference" / "evidence.json").read_text())
    text = (site / "build" / "html" / "reference" / "evidence.html").read_text()
    assert list(told) == list(ledger)
    for name, claim in ledger.items():
        assert f'id="{name.lower()}"' in text
        assert claim.source or any(proof["state"] == "run" for proof in told[name]["proofs"])
        assert len(told[name]["result"]) == len(claim.result)
    for address, anchor in re.findall(r'href="([^"]*)#(evidence-\d+)"', text):
        target = (site / "build" / "html" / "reference" / address).resolve()
        assert f'id="{anchor}"' in target.read_text()
    assert "The metadata cost" in told["C24"]["result"][1]
    assert told["C24"]["result"][1] in html.unescape(re.sub("<[^>]*>", "", text))


def test_every_rendered_block_shows_whether_it_was_run(site):
    not_run = {lesson.stem for lesson in set(LESSONS) - set(RUN)}
    for path in (site / "build" / "html").rglob("*.html"):
        text = path.read_text()
        blocks = len(re.findall(r'<div class="(?:doctest )?highlight-', text))
        marks = ("block-run", "block-parsed", "block-not-run")
        marked = sum(text.count(f'"{mark} ') for mark in marks)
        reasons = len(re.findall('class="(?:[^"]* )?block-reason\\b', text))
        assert marked + reasons == blocks, path
        assert "block-not-run" not in text or path.stem in not_run, path


def test_pages_name_no_path_of_the_machine_that_built_them(site):
    for path in filter(Path.is_file, (site / "build" / "html").rglob("*")):
        assert str(site.parent).encode() not in path.read_bytes(), path
    for path in (site / "build" / "html").rglob("*.html"):
        text = path.read_text()
        # A page shows the beginning of the prefix that the check of a store uses.
        assert "s3-mounts-" not in text.replace("s3-mounts-check-...", ""), path


def test_a_secret_of_who_builds_is_in_nothing_that_is_built(site):
    for folder in ("build", "docs/tutorials"):
        for path in filter(Path.is_file, (site / folder).rglob("*")):
            assert SECRET.encode() not in path.read_bytes(), path


def test_pages_load_nothing_from_elsewhere(site):
    loading = re.compile(r'<(?:script|img|link|iframe)\b[^>]*(?:src|href)="(?:https?:)?//[^"]*"')
    for path in (site / "build" / "html").rglob("*.html"):
        found = loading.findall(path.read_text())
        assert not [tag for tag in found if not tag.startswith('<link rel="canonical"')], path


def authored_pages(site: Path) -> dict[str, str]:
    """Read the pages that have a source, by their names below the address of the site."""
    html = site / "build" / "html"
    made = {"404.html", "genindex.html", "py-modindex.html", "search.html", "s3_io.html"}
    paths = {str(path.relative_to(html)): path for path in html.rglob("*.html")}
    return {
        name: path.read_text()
        for name, path in paths.items()
        if name not in made and not name.startswith("_static/")
    }


def test_every_page_describes_itself(site):
    titles, descriptions = [], []
    for name, text in authored_pages(site).items():
        (title,) = re.findall(r"<title>(.*?)</title>", text)
        (description,) = re.findall(r'<meta name="description" content="([^"]+)"', text)
        titles.append(title)
        descriptions.append(description)
        assert len(description) > 30, name
        assert f'<meta property="og:url" content="{SITE_URL}{name}"' in text
        assert f'<meta property="og:description" content="{description}"' in text
        assert f'<link rel="canonical" href="{SITE_URL}{name}"' in text
    assert len(set(titles)) == len(titles)
    assert len(set(descriptions)) == len(descriptions)


def test_every_page_is_listed_for_machines(site):
    html = site / "build" / "html"
    addresses = {f"{SITE_URL}{name}" for name in authored_pages(site)}
    assert set(re.findall("<loc>(.*?)</loc>", (html / "sitemap.xml").read_text())) == addresses
    assert set(re.findall(r"\((http.*?)\)", (html / "llms.txt").read_text())) == addresses
    listed = (html / "llms.txt").read_text()
    assert not re.findall(r": .*(?:sphx_glr_|(?<!\S)/\w+/)", listed), "links without a text"
    for name in ("results.json", "faults.json"):
        assert (html / name).read_bytes() == (ROOT / "benchmarks" / name).read_bytes()


def test_every_page_can_be_edited_where_its_source_is(site):
    for name, text in authored_pages(site).items():
        found = re.search(f'href="{SOURCE_URL}/edit/main/([^"]*)"', text)
        assert found, name
        assert (ROOT / found[1]).is_file(), name


def test_the_footer_tells_version_and_date(site):
    for name, text in authored_pages(site).items():
        footer = text.partition("<footer")[2]
        assert re.search(r"Version \d+\.\d+\.\d+, built with s3fs 1\.\d+ and Iris \d", footer), name
        assert re.search(r"Last updated on \d\d \w+ 20\d\d", footer), name


def test_old_addresses_lead_on(site):
    assert "explanation/s3_buckets.html" in (site / "build" / "html" / "s3_io.html").read_text()


def test_links_to_other_projects_lead_to_their_public_documentation(site):
    text = "".join(page(site, lesson) for lesson in LESSONS)
    text += (site / "build" / "html" / "reference" / "s3_mounts.html").read_text()
    for address in (
        "https://scitools-iris.readthedocs.io/en/stable/generated/api/iris.html#iris.load_cube",
        "https://matplotlib.org/stable/api/_as_gen/matplotlib.pyplot.subplots.html",
        "https://boto3.amazonaws.com/v1/documentation/api/latest/reference/core/boto3.html",
        "https://numpy.org/doc/stable/reference/generated/numpy.arange.html",
        "https://docs.dask.org/en/stable/generated/dask.array.Array.html#dask.array.Array",
        "https://docs.python.org/3/library/pathlib.html#pathlib.Path",
    ):
        assert address in text


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_the_notebook_that_is_offered_has_the_cells_that_are_run(site, lesson):
    """They are run in test_lesson_notebooks."""
    download = re.search(r'href="([^"]*\.ipynb)"', page(site, lesson))[1]
    relative = lesson.relative_to(ROOT).parent
    notebook = nbformat.read(site / "build" / "html" / relative / download, as_version=4)
    offered = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert offered == code_cells(lesson)
    assert notebook.metadata.kernelspec.name == "python3"


def test_a_second_build_runs_no_lesson_and_writes_no_page_again(site):
    lists = [site / "build" / "html" / name for name in ("sitemap.xml", "llms.txt")]
    listed = [path.read_text() for path in lists]
    again = build(site)
    assert again.returncode == 0, told_by(again)
    assert "no targets are out of date" in again.stdout
    assert [path.read_text() for path in lists] == listed
    assert f"after excluding {len(RUN)} files that had previously been run" in again.stdout
    assert all("seconds to run" in page(site, lesson) for lesson in RUN)


def test_what_a_later_run_has_recorded_is_shown(site):
    path = site / "build" / "blocks.json"
    recorded = json.loads(path.read_text())
    for document in recorded["documents"].values():
        document["date"] = "2002-03-04"
    path.write_text(json.dumps(recorded))
    built = build(site)
    assert built.returncode == 0, told_by(built)
    assert "on 4 March 2002" in (site / "build" / "html" / "verification.html").read_text()


def test_a_changed_answer_and_a_lost_block_fail_the_build(site):
    """Also of a lesson that is not run again."""
    answers = site / "proof" / "expected" / "1_first_steps" / "1_your_first_bucket.txt"
    home = site / "docs" / "how_to" / "index.rst"
    originals = {path: path.read_text() for path in (answers, home)}
    answers.write_text(originals[answers].replace("before it is drawn: True", "...: False"))
    home.write_text(f"{originals[home]}\nLost::\n\n   $ ls\n")
    try:
        built = build(site)
    finally:
        for path, text in originals.items():
            path.write_text(text)
    assert built.returncode != 0
    lesson = (site / "tutorials" / "1_first_steps" / "1_your_first_bucket.py").read_text()
    cell = lesson.partition('print("Lazy before')[0].count("\n") + 1
    said = f"tutorials/1_first_steps/1_your_first_bucket.py:{cell}: what this cell says"
    assert said in built.stdout
    assert "+ Lazy before it is drawn: True" in built.stdout
    assert built.stdout.count("The lesson is run once more.") == 1
    lost = len(originals[home].splitlines()) + 4
    assert "docs/how_to/run_a_lesson.rst" not in built.stdout.partition("WARNING")[2]
    assert f"docs/how_to/index.rst:{lost}: '$ ls'" in built.stdout
    assert "expected a block that was run, or a reason before it, found neither" in built.stdout


def test_a_changed_helper_or_tool_makes_all_lessons_run_again(site, tmp_path, monkeypatch):
    """sphinx-gallery alone looks at the scripts only."""
    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    import lessons

    written = site / "docs" / "tutorials" / "fingerprint.txt"
    assert written.read_text() == lessons.fingerprint()
    monkeypatch.setattr(record, "versions", lambda: {"s3fs": "from the future"})
    assert written.read_text() != lessons.fingerprint()

    gallery = tmp_path / "tutorials"
    shutil.copytree(site / "docs" / "tutorials", gallery)
    lessons.forget_stale_lessons(SimpleNamespace(srcdir=tmp_path))
    assert [path.name for path in gallery.iterdir()] == ["fingerprint.txt"]
    (gallery / "index.rst").touch()
    lessons.forget_stale_lessons(SimpleNamespace(srcdir=tmp_path))
    assert (gallery / "index.rst").exists(), "nothing has changed since"


def test_the_page_of_one_lesson_is_built_where_nothing_was(tmp_path):
    project = copy(tmp_path / "project")
    built = subprocess.run(
        [sys.executable, "-m", "proof.build", "--lesson", "your_first", "README.md"],
        cwd=project,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert built.returncode == 0, told_by(built)
    page = project / "build" / "one" / "tutorials" / "1_first_steps" / "1_your_first_bucket.html"
    assert built.stdout.splitlines() == [f"The page is {page}"]
    assert "seconds to run, as measured in this build" in page.read_text()
    assert not left_by(project)


def test_a_lesson_is_added_as_one_file(site):
    """As CONTRIBUTING has it: the first build writes what is to be looked at, and fails."""
    lesson = site / "tutorials" / "1_first_steps" / "4_new.py"
    answers = site / "proof" / "expected" / "1_first_steps" / "4_new.txt"
    lesson.write_text(NEW_LESSON)
    try:
        first = build(site)
        said = answers.read_text()
        second = build(site)
        shown = site / "build" / "html" / "tutorials" / "1_first_steps" / "4_new.html"
        text = html.unescape(shown.read_text())
    finally:
        lesson.unlink()
        answers.unlink(missing_ok=True)
    assert first.returncode != 0
    assert "4_new.txt. It is written now: look at it" in first.stdout
    assert said == "['air_temp.pp']\n"
    assert second.returncode == 0, told_by(second)
    assert "['air_temp.pp']" in text
    assert "seconds to run, as measured in this build" in text
    index = (site / "build" / "html" / "tutorials" / "index.html").read_text()
    assert "A lesson that is new" in index


def test_a_lesson_that_says_something_else_once_is_run_again(site):
    """As on a machine that has stalled; the site says which."""
    lesson = site / "tutorials" / "1_first_steps" / "4_new.py"
    answers = site / "proof" / "expected" / "1_first_steps" / "4_new.txt"
    stalled = site.parent / "stalled"
    stall = f"stalled = Path({str(stalled)!r})\nprint(stalled.exists())\nstalled.touch()\n"
    lesson.write_text(
        NEW_LESSON.replace("sandbox.stop()", f"{stall}sandbox.stop()").replace(
            "os\n", "os\nfrom pathlib import Path\n", 1
        )
    )
    answers.write_text("['air_temp.pp']\nTrue\n")
    page = site / "build" / "html" / "verification.html"
    try:
        first = build(site)
        told = html.unescape(page.read_text())
        stalled.unlink()
        again = build(site)
        told_again = html.unescape(page.read_text())
    finally:
        lesson.unlink()
        answers.unlink()
    assert first.returncode == 0, told_by(first)
    assert first.stdout.count("The lesson is run once more.") == 1
    assert "- True\n+ False\nThe lesson is run once more." in first.stdout
    assert re.search(r"Of <a [^>]*>A lesson that is new</a> you see the second run\.", told)
    assert again.returncode == 0, "it is not run: nothing has changed"
    assert told_again == told


def test_without_fuse_the_site_is_built_and_every_lesson_is_marked(tmp_path):
    project = copy(tmp_path / "project")
    folder = tmp_path / "programs"
    folder.mkdir()
    built = build(project, PATH=str(folder))
    assert built.returncode == 0, told_by(built)
    for lesson in LESSONS:
        text = page(project, lesson)
        assert "This lesson was not executed in this build." in text
        assert "expected the program s3fs" in text
        assert "sphx-glr-script-out" not in text
    home = (project / "build" / "html" / "index.html").read_text()
    assert "The lessons were not executed in this build" in home
    assert "block-run" not in home
    assert "Every other code block was run" not in home
    verification = (project / "build" / "html" / "verification.html").read_text()
    assert "Lessons were not run. expected the program s3fs" in verification
    assert "The blocks of the pages were not run before this build." in verification


def with_only_lesson(folder: Path, **parts: str) -> Path:
    project = copy(folder / "project")
    for lesson in LESSONS:
        (project / lesson.relative_to(ROOT)).unlink()
    broken = project / "tutorials" / "1_first_steps" / "1_broken.py"
    broken.write_text(BROKEN_LESSON.format(**parts))
    for header in project.glob("tutorials/[2-9]*"):
        shutil.rmtree(header)
    return project


def test_a_lesson_that_raises_fails_the_build_and_leaves_nothing(tmp_path):
    project = with_only_lesson(tmp_path, what="raises", code="raise RuntimeError('planted')")
    built = build(project)
    assert built.returncode != 0
    assert "RuntimeError: planted" in built.stdout
    assert not list(project.rglob("1_broken.txt")), "what it says is not what is expected"
    lines = BROKEN_LESSON.format(what="raises", code="raise").splitlines()
    number = 1 + next(n for n, line in enumerate(lines) if line.strip() == "raise")
    assert f'1_broken.py", line {number}' in built.stdout
    assert not left_by(project)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_signal_ends_the_build_and_leaves_nothing(tmp_path, name):
    project = with_only_lesson(tmp_path, what="waits", code="import time; time.sleep(60)")
    building = subprocess.Popen(
        command(project),
        cwd=project,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not any(p.is_relative_to(tmp_path) for p in mount_table.mount_points()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    building.send_signal(getattr(signal, name))
    assert building.wait(timeout=30) != 0
    deadline = time.monotonic() + 20
    while (left_by(project) or running_in(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left_by(project)
    assert not running_in(tmp_path)


LESSON_LINK = re.compile(r"sphx_glr_tutorials_\w+\.py")
PAGE_LINK = re.compile(
    r":doc:`/?(how_to/|explanation/|troubleshooting|.* </(?:how_to|explanation))"
)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_every_lesson_leads_to_a_page(lesson):
    assert PAGE_LINK.search(lesson.read_text())


@pytest.mark.parametrize(
    "page",
    [*ROOT.glob("docs/how_to/*.rst"), *ROOT.glob("docs/explanation/*.rst")],
    ids=lambda path: path.stem,
)
def test_every_page_leads_to_a_lesson(page):
    assert page.stem == "index" or LESSON_LINK.search(page.read_text())
