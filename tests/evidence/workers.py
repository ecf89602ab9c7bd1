"""What workers of a pool do, in a module of its own: each of them imports it, and it is small."""

import os
import subprocess
import time

from s3_mounts import mount_table, shared_mount

LIMIT = 60


def size(path):
    """Tell how large a file on a mount is, and who asks."""
    return os.getpid(), path.stat().st_size


def size_by_a_mount_of_its_own(source, folder, name):
    """Mount by the command, and leave the mount."""
    folder.mkdir()
    options = ["-o", f"url={os.environ['AWS_ENDPOINT_URL']}", "-o", "use_path_request_style"]
    subprocess.run(["s3fs", source, folder, *options], check=True)
    return (folder / name).stat().st_size


def size_by_a_shared_mount(source, path, name):
    """Share a mount with the other workers."""
    with shared_mount(source, path) as folder:
        time.sleep(1)
        return (folder / name).stat().st_size, len(mount_table.mount_points())


def read(path):
    """Read a file, and stop in the middle of that."""
    from distributed import Event

    with open(path, "rb") as file:
        Event("begun").set()
        Event("go on").wait(LIMIT)
        return len(file.read())
