"""The claims of the evidence ledger, and where each is proven.

A claim is named where it is proven: in the line that begins a cell of a lesson, ``# %% C14, C17``;
in a comment before a code block of a page, ``.. proves: C14``; or by the mark of a test in
``tests/evidence``, ``@pytest.mark.proves("C14")``.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from proof.project import ROOT

LEDGER = ROOT / "docs" / "reference" / "claims.toml"
TESTS = ROOT / "tests" / "evidence"
"""The tests that the site names: they are run before it is built, as its code blocks are."""

VERDICTS = ("true", "with a condition", "wrong", "not told")

_MARK = re.compile(r"(?m)^# %%(?P<claims>.*)$")
_CLAIMS = re.compile(r" C\d\d(, C\d\d)*")


@dataclass(frozen=True)
class Claim:
    """What people are told, and what is known of it.

    Attributes
    ----------
    told : str
        The claim, in reStructuredText.
    verdict : str
        One of `VERDICTS`.
    truth : str
        What is true, in reStructuredText.
    result : sequence of str
        Regular expressions that find, in what the evidence says, what is quoted as the result.
    source : str
        Where somebody else says it, in reStructuredText; required where nothing that runs proves
        the claim.
    """

    told: str
    verdict: str
    truth: str
    result: Sequence[str] = ()
    source: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"expected a verdict of {VERDICTS}, found {self.verdict!r}")


def read(path: Path = LEDGER) -> dict[str, Claim]:
    """Read the ledger.

    Parameters
    ----------
    path : Path, optional
        The file.

    Returns
    -------
    dict of str to Claim
        From the id of each claim, such as ``"C14"``.
    """
    return {name: Claim(**entry) for name, entry in tomllib.loads(path.read_text()).items()}


def ids(text: str, place: str) -> list[str]:
    """Split a list of claims.

    Parameters
    ----------
    text : str
        Ids with commas between.
    place : str
        Where it stands, for the error.

    Returns
    -------
    list of str
        The ids.

    Raises
    ------
    ValueError
        If it is not such a list.

    Examples
    --------
    >>> ids("C14, C17", "here")
    ['C14', 'C17']
    """
    if not _CLAIMS.fullmatch(f" {text.strip()}"):
        raise ValueError(f"{place}: expected claims such as 'C14, C17', found {text.strip()!r}")
    return text.strip().split(", ")


def marks(lesson: Path) -> Iterator[tuple[int, list[str]]]:
    """Find the cells of a lesson that prove claims.

    Parameters
    ----------
    lesson : Path
        The script.

    Yields
    ------
    tuple of int and list of str
        The line in which a cell begins, and the claims.
    """
    text = lesson.read_text()
    for found in _MARK.finditer(text):
        if found["claims"]:
            line = text.count("\n", 0, found.start()) + 1
            yield line, ids(found["claims"], f"{lesson}:{line}")


def tests(path: Path) -> dict[str, list[str]]:
    """List the tests of a file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict of str to list of str
        From the name of each test to the claims that it proves.
    """
    found = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            found[node.name] = [
                argument.value
                for decorator in node.decorator_list
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == MARKER
                for argument in decorator.args
                if isinstance(argument, ast.Constant)
            ]
    return found


MARKER = "pytest.mark.proves"
