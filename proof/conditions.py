"""Lines of an expected output that hold for some versions only.

Such a line ends with a condition and the reason::

    Known to Iris: 18   <- Iris>=3.16: it knows NcZarr

A condition names a program or package of `proof.record.versions`, and its versions as pip does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet

_LINE = re.compile(r"(?m)^(.*?)[ \t]*<- ([A-Za-z0-9, -]+?) ?((?:,?[<>=!]=?\d[\d.]*)+): (\S.*)$")


@dataclass(frozen=True)
class Condition:
    """For which versions a line holds, and why.

    Attributes
    ----------
    name : str
        The program or package, as `proof.record.versions` names it.
    which : SpecifierSet
        Its versions.
    reason : str
        Why others say something else.
    """

    name: str
    which: SpecifierSet
    reason: str

    def holds(self, versions: Mapping[str, str]) -> bool:
        """Tell whether a line with this condition is to be expected.

        Parameters
        ----------
        versions : mapping of str to str
            From the name of each program or package to its version.

        Returns
        -------
        bool
            False also where it is not installed.
        """
        version = versions[self.name]
        return version != "none" and self.which.contains(version, prereleases=True)


def conditions(text: str) -> Iterator[Condition]:
    """Find the conditions in an expected output.

    Parameters
    ----------
    text : str
        The output.

    Yields
    ------
    Condition
        That of each line that has one.
    """
    for line in _LINE.finditer(text):
        yield Condition(line[2], SpecifierSet(line[3]), line[4])


def expected_with(versions: Mapping[str, str], text: str) -> str:
    """Keep the lines that are to be expected with these versions.

    Parameters
    ----------
    versions : mapping of str to str
        From the name of each program or package to its version.
    text : str
        The expected output.

    Returns
    -------
    str
        The output without conditions, and without the lines whose condition does not hold.

    Examples
    --------
    >>> print(expected_with({"Iris": "3.14.1"}, "17   <- Iris<3.16: it does not know NcZarr"))
    17
    >>> expected_with({"Iris": "3.16.2"}, "17   <- Iris<3.16: it does not know NcZarr")
    ''
    """
    kept = []
    for line in text.splitlines(keepends=True):
        (condition,) = list(conditions(line)) or [None]
        if condition is None:
            kept.append(line)
        elif condition.holds(versions):
            kept.append(_LINE.sub(r"\1", line))
    return "".join(kept)
