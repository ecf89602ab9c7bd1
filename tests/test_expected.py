"""What the cells of a lesson say and draw is read from its page."""

import sys

import matplotlib.pyplot as plt
import pytest
from docutils.core import publish_doctree

from proof.project import ROOT

PAGE = """\
.. GENERATED FROM PYTHON SOURCE LINES 20-24

.. code-block:: Python

    print("one")

.. rst-class:: sphx-glr-script-out

 .. code-block:: none

    one

.. GENERATED FROM PYTHON SOURCE LINES 30-31

.. code-block:: Python

    cube

.. raw:: html

    <div class="output_subarea output_html rendered_html output_result">
    <style>td { color: red }</style><table><tr><td>air_temperature</td></tr></table>
    </div>

.. picture of 8 by 4 inches
   Title
"""


@pytest.fixture
def expected(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    import expected

    yield expected
    del sys.modules["expected"]


def test_cells_are_what_is_printed_shown_and_drawn(expected):
    page = publish_doctree(PAGE, settings_overrides={"syntax_highlight": "none"})
    said = list(expected.cells(page))
    assert [(line, text.strip()) for line, text in said] == [
        (21, "one"),
        (31, "air_temperature"),
        (31, "picture of 8 by 4 inches\nTitle"),
    ]


def test_a_picture_is_described_by_what_can_be_read_in_it(expected):
    figure, axes = plt.subplots(figsize=(8, 4))
    axes.barh(["local", "bucket"], [1, 2])
    axes.set_title("What it costs")
    axes.set_xlabel("MB")
    figure.canvas.draw()
    told = expected.describe(figure)
    plt.close(figure)
    assert told[:2] == [
        "picture of 8 by 4 inches",
        "axes with 0 lines, 2 patches, 0 collections",
    ]
    assert {"What it costs", "MB", "local", "bucket"} <= set(told)
