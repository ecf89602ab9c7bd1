"""Compare the output that a document shows with what a command really said.

``...`` stands for anything.
``<2..5>`` stands for a number from 2 to 5.
The width of a gap between words does not count.
"""

from __future__ import annotations

import difflib
import re

_PLACEHOLDER = re.compile(r"(\.\.\.|<[\d.]+?\.\.[\d.]+>)")
_ANYTHING = ".*?"
_NUMBER = r"(\d[\d,]*(?:\.\d+)?)"


def difference(shown: str, said: str) -> str | None:
    """Say in what two outputs differ.

    Parameters
    ----------
    shown : str
        The output in the document, with placeholders for what varies.
    said : str
        The output of the run.

    Returns
    -------
    str or None
        The difference, line by line, or None where there is none.

    Examples
    --------
    >>> difference("moved <200..300> MB in ... requests", "moved 262.1 MB in 31 requests")
    >>> print(difference("moved <2..5> MB", "moved 262 MB"))
    expected a number from 2 to 5, found 262
    >>> print(difference("one", "two"))
    - one
    + two
    """
    shown, said = _tidy(shown), _tidy(said)
    parts = _PLACEHOLDER.split(shown)
    pattern = "".join(
        re.escape(part) if index % 2 == 0 else _ANYTHING if part == "..." else _NUMBER
        for index, part in enumerate(parts)
    )
    match = re.fullmatch(pattern, said, re.DOTALL)
    if not match:
        lines = difflib.ndiff(shown.splitlines(), said.splitlines())
        return "\n".join(line for line in lines if not line.startswith("?"))
    ranges = [part[1:-1].split("..") for part in parts[1::2] if part != "..."]
    for (low, high), number in zip(ranges, match.groups(), strict=True):
        if not float(low) <= float(number.replace(",", "")) <= float(high):
            return f"expected a number from {low} to {high}, found {number}"
    return None


def _tidy(text: str) -> str:
    return "\n".join(re.sub(r"[ \t]+", " ", line.rstrip()) for line in text.strip("\n").split("\n"))
