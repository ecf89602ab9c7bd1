"""What the lesson about unmounting says, and does not itself show."""

import gc
import os
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
import traceback
from pathlib import Path

import nbformat
import netCDF4
import psutil
import pytest
from nbclient import NotebookClient

from s3_mounts import mount, mount_table
from s3_mounts.options import endpoint_options
from s3_mounts.program import FUSE_DEVICE, fusermount
from s3_sandbox import sample_path


def user():
    """Arguments for subprocess: an ordinary user, where this machine lets one mount."""
    everybody = stat.S_IROTH | stat.S_IWOTH
    if os.geteuid() == 0 and FUSE_DEVICE.stat().st_mode & everybody == everybody:
        return {"user": 65534, "group": 65534, "extra_groups": []}
    return {}


@pytest.fixture
def users_mount_point():
    """An empty directory of that user."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name).resolve()
        folder.chmod(0o777)
        mount_point = folder / "my_bucket"
        subprocess.run(["mkdir", mount_point], check=True, **user())
        yield mount_point
        mount_table.abandon(mount_point)


def mount_as_user(sandbox, mount_point):
    """Mount with the command, and find the process that serves the mount."""
    options = [word for o in endpoint_options(sandbox.endpoint) for word in ("-o", o)]
    subprocess.run(
        ["s3fs", sandbox.source, mount_point, *options],
        env=os.environ | {"HOME": str(mount_point.parent)},
        check=True,
        **user(),
    )
    deadline = time.monotonic() + 20
    while not (mount_table.topmost(mount_point) and mount_table.servers(mount_point)):
        assert time.monotonic() < deadline, "it is not mounted"
        time.sleep(0.01)
    return mount_table.servers(mount_point)


@pytest.mark.parametrize("name", ["umount", "fusermount"])
def test_an_ordinary_user_unmounts(sandbox, users_mount_point, name):
    at_once, lazily = {
        "umount": (["umount"], ["umount", "-l"]),
        "fusermount": ([fusermount(), "-u"], [fusermount(), "-uz"]),
    }[name]

    def try_to_unmount(command):
        return subprocess.run(
            [*command, users_mount_point], capture_output=True, text=True, **user()
        )

    mount_as_user(sandbox, users_mount_point)
    assert try_to_unmount(at_once).returncode == 0

    serving = mount_as_user(sandbox, users_mount_point)
    holder = subprocess.Popen(
        ["sh", "-c", 'cd "$0"; echo; exec sleep 60', users_mount_point],
        stdout=subprocess.PIPE,
        **user(),
    )
    holder.stdout.readline()
    refused = try_to_unmount(at_once)
    assert refused.returncode
    assert "busy" in refused.stderr
    assert try_to_unmount(lazily).returncode == 0
    assert not mount_table.topmost(users_mount_point)
    assert serving[0].is_running()
    holder.kill()
    holder.communicate()
    _, running = psutil.wait_procs(serving, timeout=10)
    assert not running


def test_an_error_in_a_with_block_is_not_replaced_though_its_traceback_holds_the_mount(
    sandbox, mount_point
):
    sandbox.add_samples(["rotated_pole.nc"])
    mounted = mount(sandbox.source, mount_point)
    serving = mounted.processes
    with pytest.raises(IndexError) as raised, mounted as folder:
        fail_with_open_dataset(folder / "rotated_pole.nc")
    assert "rotated_pole.nc" in "".join(raised.value.__notes__)
    assert "unmounted lazily" in "".join(raised.value.__notes__)
    assert mount_table.topmost(mount_point) is None
    assert serving[0].is_running()
    # Else the dataset would be closed in a later test, with requests that count there.
    traceback.clear_frames(raised.tb)
    gc.collect()
    assert not psutil.wait_procs(serving, timeout=10)[1]


def fail_with_open_dataset(path):
    dataset = netCDF4.Dataset(path)
    dataset["no such variable"]


def test_an_error_in_a_with_block_unmounts_as_usual_where_nothing_holds_it(sandbox, mount_point):
    with pytest.raises(InterruptedError) as raised, mount(sandbox.source, mount_point):
        raise_there()
    assert not hasattr(raised.value, "__notes__")
    assert mount_table.topmost(mount_point) is None


def raise_there():
    raise InterruptedError


def test_a_notebook_holds_what_it_has_displayed_and_the_last_error(sandbox, mount_point):
    sandbox.add_file(sample_path("rotated_pole.nc"))
    cells = [
        f"""
        import gc, netCDF4, subprocess, s3_mounts
        path = s3_mounts.mount({sandbox.source!r}, {str(mount_point)!r}).path
        def unmounts():
            gc.collect()
            done = subprocess.run(["umount", path], capture_output=True).returncode == 0
            if done:
                s3_mounts.mount({sandbox.source!r}, path)
            return done
        def fails():
            dataset = netCDF4.Dataset(path / "rotated_pole.nc")
            dataset["no such variable"]
        """,
        'netCDF4.Dataset(path / "rotated_pole.nc")',
        *"123",
        "print(unmounts())",
        "%reset -f out",
        "print(unmounts())",
        "fails()",
        "print(unmounts())",
        "1 / 0",
        "print(unmounts())",
        "s3_mounts.unmount(path)",
    ]
    code = [nbformat.v4.new_code_cell(textwrap.dedent(cell).strip()) for cell in cells]
    notebook = nbformat.v4.new_notebook(cells=code)
    NotebookClient(notebook, timeout=60, allow_errors=True).execute()
    said = [cell.outputs[0].text for cell in notebook.cells if cell.source == "print(unmounts())"]
    assert said == ["False\n", "True\n", "False\n", "True\n"]


AS_USER = """
import os, sys
import encodings.idna
import iris
import s3_sandbox
from s3_mounts import UnmountError, mount, mount_table, save_cube, unmount

iris.FUTURE.save_split_attrs = True
place = sys.argv[1]
cube = iris.load_cube(s3_sandbox.sample_path("air_temp.pp"))
cube.data  # the user may not be allowed to read it
os.mkdir(place)
with mount("climate-data", place):
    save_cube(cube, f"{place}/root.nc")
    iris.load_cube(f"{place}/root.nc")
os.rmdir(place)
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
os.mkdir(place)
with mount("climate-data", place):
    save_cube(cube, f"{place}/user.nc")
    print(iris.load_cube(f"{place}/user.nc") == iris.load_cube(f"{place}/root.nc"))
mounted = mount("climate-data", place, keep=True)
print(sorted(os.listdir(place)))
with open(f"{place}/new.txt", "w") as file:
    file.write("stored")
    try:
        unmount(place, timeout=1)
    except UnmountError as error:
        print(f"process {os.getpid()} (" in str(error), f"{place}/new.txt" in str(error))
(server,) = mount_table.servers(mounted.path)
unmount(place)
print(server.is_running(), mount_table.topmost(mounted.path), os.listdir(place))
mount("climate-data", place, keep=True)
held = open(f"{place}/new.txt")
unmount(place, lazy=True)
print(mount_table.topmost(mounted.path), held.read())
"""


def test_the_helper_works_for_an_ordinary_user(sandbox):
    """Root has to do it first: the Python of these tests may be one for root alone."""
    if os.geteuid():
        pytest.skip("all other tests are run by an ordinary user here")
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o777)
        place = Path(name).resolve() / "my_bucket"
        try:
            ended = subprocess.run(
                [sys.executable, "-c", AS_USER, place], capture_output=True, text=True, timeout=120
            )
        finally:
            mount_table.abandon(place)
    assert ended.stdout.splitlines() == [
        "True",
        "['air_temp.pp', 'root.nc', 'user.nc']",
        "True True",
        "False None []",
        "None stored",
    ], ended.stderr
