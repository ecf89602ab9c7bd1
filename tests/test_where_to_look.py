"""The tables that tell a stranger where to look, against what is there."""

import re

import pytest

from proof.project import ROOT, files

HERE = sorted({path.relative_to(ROOT).as_posix() for path in files()})


def named(document, title):
    """Find the paths in a table, below a title."""
    section = (ROOT / document).read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [path for row in rows for path in re.findall("`([^` ]*[./][^` ]*|nox|LICENSE)`", row)]


def is_covered(file, paths):
    return any(file.startswith(path) if path.endswith("/") else file == path for path in paths)


@pytest.mark.parametrize(
    ("document", "title"), [("CONTRIBUTING.md", "Where to look"), ("README.md", "What is where")]
)
def test_every_path_that_is_named_is_there(document, title):
    paths = named(document, title)
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_a_stranger_finds_every_file():
    paths = named("CONTRIBUTING.md", "Where to look")
    assert [file for file in HERE if not is_covered(file, paths)] == []


def test_a_stranger_finds_every_module_of_what_is_taken_home_by_its_name():
    paths = named("CONTRIBUTING.md", "Where to look")
    modules = [file for file in HERE if file.startswith("src/s3_mounts/")]
    assert [file for file in modules if file not in paths] == []


def test_the_readme_has_every_folder():
    folders = {f"{file.split('/')[0]}/" for file in HERE if "/" in file} - {".ci/", ".github/"}
    paths = named("README.md", "What is where")
    assert [folder for folder in folders if not is_covered(folder, paths)] == ["src/"]
