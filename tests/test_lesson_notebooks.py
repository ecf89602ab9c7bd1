"""Each lesson runs in a kernel of Jupyter, cell by cell, and leaves nothing behind."""

import nbformat
import pytest
from nbclient import NotebookClient

from proof.lessons import RUN, code_cells, figures
from s3_mounts import mount_table


@pytest.mark.parametrize("lesson", RUN, ids=lambda path: path.stem)
def test_lesson_runs_as_a_notebook(lesson, tmp_path, monkeypatch):
    """The site offers these cells, see test_site."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    cells = [nbformat.v4.new_code_cell(text) for text in code_cells(lesson)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path}}).execute()
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == figures(lesson)
    assert not [path for path in mount_table.mount_points() if path.is_relative_to(tmp_path)]
    assert not list(tmp_path.glob("s3-mounts*"))
