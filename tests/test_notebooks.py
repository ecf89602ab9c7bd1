"""The cells on the page about Jupyter, run in a kernel, and what it says of the kernel's end."""

import os
import signal
import time

import nbformat
import pytest
from nbclient import NotebookClient

from proof.documents import blocks_of
from proof.project import ROOT
from s3_mounts import mount_table
from s3_sandbox.folders import abandon_below
from s3_sandbox.terminal import s3fs_function

PAGE = ROOT / "docs" / "how_to" / "jupyter_hub.rst"


@pytest.fixture
def cells(sandbox):
    """The cells of the page that are run in a kernel: at the top, at the bottom, of bash."""
    found = [block.source for _, block in blocks_of(PAGE) if "a kernel" in block.reason]
    yield [cell.replace("/tmp/my_name", str(sandbox.directory)) for cell in found]
    abandon_below(sandbox.directory)


def run(*cells, killed=False):
    """Run cells in a new kernel, which ends after them, and return what they print."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, timeout=60)
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
        if killed:
            pid = client.km.provisioner.pid
            os.kill(pid, signal.SIGKILL)
    return [output.text for cell in notebook.cells for output in cell.outputs if "text" in output]


def test_the_two_cells_mount_and_unmount(sandbox, cells):
    top, bottom, _ = cells
    look = "import os; print(*os.listdir(bucket))"
    still = f"print(os.path.ismount({str(sandbox.directory / 'my_bucket')!r}))"
    assert run(top, look, bottom, still) == ["air_temp.pp\n", "False\n"]


def test_a_cell_of_bash_mounts(sandbox, cells):
    mount_by_hand = cells[2].replace("%%bash", f"%%bash\n{s3fs_function()}")
    assert "fuse.s3fs" in "".join(run(mount_by_hand))
    assert mount_table.topmost(sandbox.directory / "by_hand")


def test_the_end_of_the_kernel_unmounts(sandbox, cells):
    run(cells[0])
    assert not mount_table.topmost(sandbox.directory / "my_bucket")


@pytest.mark.parametrize("keep", [False, True])
def test_the_end_of_the_kernel_unmounts_what_is_not_to_be_kept(sandbox, mount_point, keep):
    run(f"import s3_mounts; s3_mounts.mount('climate-data', {str(mount_point)!r}, keep={keep})")
    deadline = time.monotonic() + 30
    while not keep and mount_table.topmost(mount_point):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert bool(mount_table.topmost(mount_point)) == keep
    mount_table.abandon(mount_point)


@pytest.mark.parametrize("dies", ["the kernel", "s3fs"])
def test_the_first_cell_helps_after_a_death(sandbox, cells, dies):
    top, bottom, _ = cells
    path = sandbox.directory / "my_bucket"
    run(top, killed=True)
    assert mount_table.topmost(path)
    if dies == "s3fs":
        for server in mount_table.servers(path):
            server.kill()
            server.wait()
    look = "import os; print(*os.listdir(bucket))"
    assert run(top, look, bottom) == ["air_temp.pp\n"]
    assert not mount_table.topmost(path)
