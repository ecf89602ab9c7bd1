"""What the two packages may import, and what they ask for."""

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from numpydoc.validate import validate

import s3_mounts
from proof.project import ROOT

CORE = sorted(ROOT.glob("src/s3_mounts/*.py"))
NEEDED = {"boto3", "botocore", "dateutil", "jmespath", "psutil", "s3transfer", "six", "urllib3"}
"""What ``pip install .`` brings, as modules."""

MAY_LACK = {"ES01", "SA01"}
"""An extended summary, and a list of what to see also."""


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_what_you_take_home_never_imports_the_stage(path):
    assert not [name for name in imports(path) if name.startswith("s3_sandbox")]


def test_what_you_take_home_is_small():
    """What needs more than boto3 and psutil is counted apart; saving imports Iris where it is."""
    lines = {path.stem: len(path.read_text().splitlines()) for path in CORE}
    assert lines.pop("zarr") + lines.pop("zarr_loading") <= 760
    assert lines.pop("dask") <= 80
    assert sum(lines.values()) <= 2400


def documented():
    """Find what the reference shows of the two packages: functions and classes."""
    for page in ROOT.glob("docs/reference/s3_*.rst"):
        module = page.stem
        for kind, name in re.findall(
            r"\.\. (currentmodule|auto(?:module|function|class)):: ([\w.]+)", page.read_text()
        ):
            if kind in ("currentmodule", "automodule"):
                module = name
            else:
                yield name if "." in name else f"{module}.{name}"


@pytest.mark.parametrize("name", sorted(documented()))
def test_what_is_public_says_all_that_a_reader_needs(name):
    module, _, last = name.rpartition(".")
    found = getattr(importlib.import_module(module), last)
    # What a class has is listed as its attributes: a reader is given one, and does not make it.
    may_lack = MAY_LACK | ({"PR01"} if isinstance(found, type) else set())
    assert not {code: what for code, what in validate(name)["errors"] if code not in may_lack}
    assert ">>> " in found.__doc__  # all code of a docstring is run


def run(code, *missing):
    """Run code where some packages cannot be imported."""
    blocked = f"import sys\nsys.modules.update(dict.fromkeys({list(missing)!r}))\n"
    return subprocess.run([sys.executable, "-c", blocked + code], capture_output=True, text=True)


OTHERS = """
import importlib.metadata, sys
import s3_mounts
s3_mounts.save_cube
import s3_mounts.doctor
known = importlib.metadata.packages_distributions()
print(*{name.partition(".")[0] for name in sys.modules} & known.keys())
"""


def test_what_you_take_home_imports_boto3_and_psutil_alone():
    loaded = set(run(OTHERS).stdout.split())
    assert {"boto3", "psutil"} <= loaded
    # boto3 takes the certificates of the last one if it happens to be there.
    assert loaded <= NEEDED | {"s3_mounts", "_distutils_hack", "certifi"}


def test_importing_it_does_not_import_boto3():
    ended = run("import s3_mounts, sys; print('botocore' in sys.modules, 'boto3' in sys.modules)")
    assert ended.stdout == "False False\n"


def test_doctor_needs_nothing_else():
    stage = ["distributed", "iris", "iris_sample_data", "moto", "numpy", "s3_sandbox"]
    code = "import sys; sys.argv[1:] = ['doctor']; from s3_mounts.__main__ import main; main()"
    ended = run(code, *stage)
    assert ended.stdout.startswith("ok      s3fs: version"), ended.stderr


@pytest.mark.parametrize(
    ("code", "missing", "extra"),
    [
        ("import s3_mounts.dask", "distributed", "dask"),
        ("from s3_mounts import save_cube; save_cube(None, '/x')", "iris", "iris"),
        ("import s3_sandbox; s3_sandbox.sample_path('x')", "iris_sample_data", "sandbox"),
        ("import s3_sandbox; s3_sandbox.fine_temperature()", "iris", "iris"),
        ("import s3_sandbox; s3_sandbox.start_sandbox('climate-data')", "moto", "sandbox"),
    ],
)
def test_a_missing_package_is_an_error_that_names_the_extra(code, missing, extra):
    ended = run(code, missing)
    assert f"pip install 's3-mounts[{extra}]'" in ended.stderr
    assert f"expected the Python package {missing}, found none" in ended.stderr


def test_what_never_was_is_an_ordinary_error():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        s3_mounts.nothing  # noqa: B018
    assert all(hasattr(s3_mounts, name) for name in s3_mounts.__all__)


@pytest.mark.parametrize("name", ["s3-mounts", "s3-sandbox"])
def test_both_commands_are_installed(name):
    program = Path(sys.executable).with_name(name)
    ended = subprocess.run([program, "--help"], capture_output=True, text=True, env=os.environ)
    assert ended.returncode == 0
    assert ended.stdout.startswith(f"usage: {name}")
