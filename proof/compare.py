"""Compare the output that a document shows with what a command really said.

``...`` stands for anything.
``<2..5>`` stands for a number from 2 to 5, and ``<a|b>`` for ``a`` or ``b``.
The width of a gap between words does not count.
"""

from __future__ import annotations

import difflib
import re

_PLACEHOLDER = re.compile(r"(\.\.\.|<-?[\d.]+?\.\.-?[\d.]+>|<[^<>|\n]+(?:\|[^<>|\n]+)+>)")
_NUMBER = r"(-?\d[\d,]*(?:\.\d+)?)"


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
    match = re.fullmatch(_pattern(parts), said, re.DOTALL)
    if not match:
        lines = difflib.ndiff(shown.splitlines(), said.splitlines())
        return "\n".join(line for line in lines if not line.startswith("?"))
    ranges = [part[1:-1].split("..") for part in parts[1::2] if part != "..." and "|" not in part]
    for (low, high), number in zip(ranges, match.groups(), strict=True):
        if not float(low) <= float(number.replace(",", "")) <= float(high):
            return f"expected a number from {low} to {high}, found {number}"
    return None


def _tidy(text: str) -> str:
    return "\n".join(re.sub(r"[ \t]+", " ", line.rstrip()) for line in text.strip("\n").split("\n"))


def _placeholder(part: str) -> str:
    if "|" not in part:
        return _NUMBER
    return f"(?:{'|'.join(map(re.escape, part[1:-1].split('|')))})"


def _pattern(parts: list[str]) -> str:
    pieces = [""]
    for index, part in enumerate(parts):
        if part == "...":
            pieces.append("")
        else:
            pieces[-1] += _placeholder(part) if index % 2 else re.escape(part)
    if len(pieces) == 1:
        return pieces[0]
    first, *between, last = pieces
    # Each piece is sought once, from left to right: to go back could take minutes.
    return first + "".join(f"(?>.*?{piece})" for piece in between) + f".*{last}"
