"""Mount S3 buckets with s3fs-fuse, verified."""

import importlib
from typing import TYPE_CHECKING

from s3_mounts.errors import (
    MountError,
    MountPointError,
    S3MountsError,
    SaveError,
    SetupError,
    StoreError,
    UnmountError,
)
from s3_mounts.mounting import Mount, mount, unmount
from s3_mounts.options import sparse_read_options, threads_option, whole_file_options
from s3_mounts.sharing import shared_mount

if TYPE_CHECKING:
    from s3_mounts.saving import save_cube
    from s3_mounts.zarr_loading import load_checked

__all__ = [
    "Mount",
    "MountError",
    "MountPointError",
    "S3MountsError",
    "SaveError",
    "SetupError",
    "StoreError",
    "UnmountError",
    "load_checked",
    "mount",
    "save_cube",
    "shared_mount",
    "sparse_read_options",
    "threads_option",
    "unmount",
    "whole_file_options",
]

_LATER = {"load_checked": "s3_mounts.zarr_loading", "save_cube": "s3_mounts.saving"}


def __getattr__(name: str) -> object:
    """Import boto3 only for who saves."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)
