import datetime
import re
import subprocess
import sys

import pytest

from proof.project import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import export_for_iris
from export_for_iris import PAGE, export

VERSIONS = {"s3fs": "1.90", "Iris": "3.14.1"}
DATE = datetime.date(2001, 2, 3)
RESULTS = {f"C{number:02}": [f"result {number}"] for number in range(1, 43)}

CONF = '''
from docutils import nodes
from docutils.parsers.rst import Directive, directives

class Tutorial(Directive):
    """What the Iris manual's directive of this name takes."""
    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {"tags": directives.unchanged_required}
    has_content = True
    def run(self):
        self.assert_has_content()
        return []

class ReadingTime(Directive):
    def run(self):
        return []

def setup(app):
    app.add_directive("tutorial", Tutorial)
    app.add_directive("readingtime", ReadingTime)
'''


def exported():
    return export(PAGE.read_text(), RESULTS, VERSIONS, DATE)


def test_it_has_the_form_of_the_iris_manual():
    lines = exported().splitlines()
    title = "Loading From and Saving To S3 Buckets"
    assert lines[:3] == [f".. tutorial:: {title}", "   :tags: topic_load_save", ""]
    assert lines[5:11] == [".. _s3_io:", "", title, "=" * len(title), "", ".. readingtime::"]
    assert "on 3 February 2001" in exported()


def test_it_stands_for_itself(tmp_path):
    """Sphinx makes a page of it without anything of this site, and without a warning."""
    text = exported()
    (tmp_path / "conf.py").write_text(CONF)
    (tmp_path / "index.rst").write_text(text)
    options = ["-W", "-n", "-q", "-b", "html", str(tmp_path), str(tmp_path / "out")]
    built = subprocess.run([sys.executable, "-m", "sphinx", *options], capture_output=True)
    assert not built.returncode, built.stderr.decode()
    assert not re.search(r":(claim|measured|doc|ref|func|mod):|s3_mounts|only::|proves:", text)


def test_it_says_what_was_measured():
    quoted = set(re.findall(r":measured:`(C\d\d)`", PAGE.read_text()))
    assert quoted
    assert all(f"``result {int(name[1:])}``" in exported() for name in quoted)


def test_it_has_all_blocks_of_the_page():
    block = re.compile(r"(?m)^\.\. code-block:: .*\n\n(?:   .*\n|\n)+")
    assert block.findall(exported()) == block.findall(PAGE.read_text())


def test_what_was_not_measured_is_no_page():
    with pytest.raises(KeyError, match="expected a result of C.. in the built site, found none"):
        export(PAGE.read_text(), {}, VERSIONS, DATE)


def test_it_needs_a_built_site(monkeypatch, tmp_path):
    monkeypatch.setattr(export_for_iris, "SITE", tmp_path)
    with pytest.raises(SystemExit, match="expected a built site in .* Build it: ./nox -s docs"):
        export_for_iris.main()
