"""Mount S3 buckets with s3fs-fuse, verified; and a sandbox to try it on."""

from s3_mounts.data import fine_temperature, sample_path
from s3_mounts.errors import (
    CommandError,
    MountError,
    MountPointError,
    S3MountsError,
    SandboxError,
    SaveError,
    SetupError,
    StoreError,
    UnmountError,
)
from s3_mounts.mounting import Mount, mount, unmount
from s3_mounts.options import sparse_read_options, threads_option, whole_file_options
from s3_mounts.sandbox import Sandbox, start_sandbox
from s3_mounts.saving import save_cube
from s3_mounts.terminal import shell
from s3_mounts.traffic import Request, Traffic

__all__ = [
    "CommandError",
    "Mount",
    "MountError",
    "MountPointError",
    "Request",
    "S3MountsError",
    "Sandbox",
    "SandboxError",
    "SaveError",
    "SetupError",
    "StoreError",
    "Traffic",
    "UnmountError",
    "fine_temperature",
    "mount",
    "sample_path",
    "save_cube",
    "shell",
    "sparse_read_options",
    "start_sandbox",
    "threads_option",
    "unmount",
    "whole_file_options",
]
