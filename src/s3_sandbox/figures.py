"""Figures that several lessons draw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgba

from s3_sandbox.traffic import Traffic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

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
    cells: Iterable[Iterable[tuple[str, str] | None]],
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    **text: Any,
) -> None:
    """Draw a table of words, each on a colour.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw. It needs a title of its own.
    cells : iterable of iterable of tuple of str, str
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
                axes.text(x, y, words, ha="center", va="center", **text)
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
        Where to draw. It needs a title, and a legend for ``GROUPS``.
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
    places = range(len(traffic))
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


def draw_shares(
    axes: Axes, cost: NDArray[np.float64], tasks: Sequence[str], kinds: Sequence[str]
) -> None:
    """Draw what the cost of each task is made of.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw. It needs a title, and a legend for the kinds.
    cost : numpy.ndarray
        A row for each task, a column for each kind of cost.
    tasks, kinds : sequence of str
        Their names.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> axes = plt.figure().add_subplot()
    >>> draw_shares(axes, np.array([[1.0, 3.0]]), ["load"], ["GET", "bytes out"])
    >>> [float(bar.get_width()) for bar in axes.patches]
    [0.25, 0.75]
    >>> plt.close()
    """
    colours = colormaps["tab20c"]([0, 2, 4, 5, 6, 7, 12, 8])
    shares = (cost / np.where(cost.any(axis=1), cost.sum(axis=1), 1)[:, np.newaxis]).T
    left = np.cumsum(shares, axis=0) - shares
    for kind, colour, share, start in zip(kinds, colours, shares, left, strict=False):
        if share.any():
            axes.barh(tasks, share, left=start, color=colour, label=kind)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the cost")


def draw_growth(
    panels: NDArray[Any],
    across: Mapping[str, Sequence[float]],
    grown: Mapping[str, Mapping[str, NDArray[np.float64]]],
) -> None:
    """Draw how requests and bytes grow with files, size and workers, as lines in log-log panels.

    Parameters
    ----------
    panels : numpy.ndarray
        Axes, two rows of them, for requests and megabytes, and a column for each key of ``across``.
    across : mapping of str to sequence of float
        Where it was measured: ``"files"``, ``"MB"`` and ``"workers"``.
    grown : mapping of str to mapping
        By a label for the options, what `s3_sandbox.costs.growth` has counted.
    """
    titles = ["load small PP files", "metadata of one file", "the same file"]
    colours = ("tab:orange", "tab:blue")
    for column, (what, points), title in zip(panels.T, across.items(), titles, strict=True):
        for colour, (label, counted) in zip(colours, grown.items(), strict=True):
            for name, style in ((what, "-"), *([("shared", "--")] if what == "workers" else [])):
                words = label if style == "-" else f"{label}, shared"
                for axes, values in zip(column, counted[name].T, strict=True):
                    x = points[: len(values)]
                    axes.loglog(x, values, style, marker="o", color=colour, label=words)
        column[0].set_title(title, fontsize=10)
        column[1].set_xlabel(what)
        column[1].set_xticks(points, [f"{point:.0f}" for point in points])
        column[1].set_xticks([], minor=True)
    panels[0, 0].set(ylabel="requests", ylim=(3, 2000))
    panels[1, 0].set(ylabel="MB moved", ylim=(0.03, 1000))
    handles, labels = panels[0, 2].get_legend_handles_labels()
    panels[0, 0].figure.legend(handles, labels, loc="outside lower center", ncols=4)
