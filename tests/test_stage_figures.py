"""The figures that several lessons draw have what they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from s3_sandbox import Request, Traffic
from s3_sandbox.figures import draw_growth, draw_requests, draw_shares, draw_table


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def test_a_table_has_its_cells_in_their_places(axes):
    cells = [[("one", "tab:red"), None], [("two", "tab:blue"), ("three", "tab:green")]]
    draw_table(axes, cells, ["upper", "lower"], ["left", "right"])
    assert {words.get_text(): words.get_position() for words in axes.texts} == {
        "one": (0, 0),
        "two": (0, 1),
        "three": (1, 1),
    }
    assert len(axes.patches) == 3
    assert [label.get_text() for label in axes.get_xticklabels()] == ["left", "right"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["upper", "lower"]


def test_requests_are_stacked_by_group(axes):
    asked = [
        Request("b", "k", name, 200, 0, 0) for name in ("HeadObject", "GetObject", "GetObject")
    ]
    draw_requests(axes, {"load": Traffic(asked)})
    assert [bar.get_width() for bar in axes.patches] == [1, 2, 0, 0, 0]
    assert [bar.get_x() for bar in axes.patches] == [0, 1, 3, 3, 3]
    assert not axes.texts, "no bytes"


def test_shares_add_up_to_one_and_what_is_free_has_none(axes):
    draw_shares(axes, np.array([[1.0, 1, 0], [0, 0, 0]]), ["load", "idle"], ["GET", "PUT", "COPY"])
    assert [bar.get_width() for bar in axes.patches] == [0.5, 0, 0.5, 0]
    assert [bars.get_label() for bars in axes.containers] == ["GET", "PUT"]


def test_growth_has_a_line_for_each_way():
    figure, panels = plt.subplots(2, 3)
    points = np.array([[10.0, 1], [20, 2]])
    counted = dict.fromkeys(("files", "MB", "workers", "shared"), points)
    across = {"files": [1, 5], "MB": [4, 8], "workers": [1, 2]}
    draw_growth(panels, across, {"default": counted, "sparse": counted})
    assert [len(axes.lines) for axes in panels.flat] == [2, 2, 4, 2, 2, 4]
    line = panels[1, 0].lines[0]
    assert list(line.get_xdata()) == [1, 5]
    assert list(line.get_ydata()) == [1, 2]
    plt.close(figure)
