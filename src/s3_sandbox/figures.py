"""Figures that several lessons draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import to_rgba

from s3_sandbox.traffic import Traffic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GROUPS = {
    "ask (HEAD, LIST)": ("HeadObject", "ListObjects"),
    "download": ("GetObject",),
    "upload": ("PutObject",),
    "copy in the store": ("CopyObject",),
    "delete": ("DeleteObject",),
}
"""What `draw_requests` tells apart, and the S3 operations of each."""


def draw_table(
    axes: Axes,
    cells: Sequence[Sequence[tuple[str, str] | None]],
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    **text: object,
) -> None:
    """Draw a table of words, each on a colour.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw. It needs a title of its own.
    cells : sequence of sequence of tuple of str, str
        For each row its cells, each with its words and its colour; None for an empty one.
    rows, columns : sequence of str, optional
        Their titles.
    **text
        For the words, such as ``fontsize=8``.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> axes = plt.figure().add_subplot()
    >>> draw_table(axes, [[("works", "tab:green"), None]], ["copy"], ["mount", "disk"])
    >>> [words.get_text() for words in axes.texts], len(axes.patches)
    (['works'], 1)
    >>> plt.close()
    """
    for y, row in enumerate(cells):
        for x, cell in enumerate(row):
            if cell:
                words, colour = cell
                axes.barh(y, 0.96, 0.9, left=x - 0.48, color=to_rgba(colour, 0.6))
                axes.text(x, y, words, ha="center", va="center", **text)  # type: ignore[arg-type]
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.xaxis.tick_top()
    axes.margins(0.005)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def draw_requests(axes: Axes, traffic: Mapping[str, Traffic]) -> None:
    """Draw how many requests some tasks have taken, and the bytes where there were many.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw. It needs a title, and a legend for `GROUPS`.
    traffic : mapping of str to Traffic
        What each task has asked.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from s3_sandbox import Request
    >>> axes = plt.figure().add_subplot()
    >>> upload = Request("climate-data", "new.nc", "PutObject", 200, 0, 2**20)
    >>> draw_requests(axes, {"save": Traffic([upload])})
    >>> [words.get_text() for words in axes.texts]
    [' 0.0 MiB down, 1.0 up']
    >>> plt.close()
    """
    places = np.arange(len(traffic))
    start = np.zeros(len(traffic))
    for label, operations in GROUPS.items():
        counts = np.array(
            [sum(one.operations.get(o, 0) for o in operations) for one in traffic.values()]
        )
        axes.barh(places, counts, left=start, label=label)
        start += counts
    for place, end, one in zip(places, start, traffic.values(), strict=True):
        down, up = one.bytes_down / 2**20, one.bytes_up / 2**20
        if down + up > 0.05:
            axes.text(end, place, f" {down:.1f} MiB down, {up:.1f} up", va="center")
    axes.set_yticks(places, list(traffic))
    axes.invert_yaxis()
    axes.set_xlim(0, 1.45 * start.max())
    axes.set_xlabel("requests")
