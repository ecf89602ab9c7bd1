"""The errors that the helper raises: what was expected, what was found and what to do."""

import importlib.util
from pathlib import Path
from typing import Any


class S3MountsError(Exception):
    """Anything that this package refuses or fails to do."""


class SetupError(S3MountsError):
    """Something is missing on the machine: the ``s3fs`` program, or FUSE."""


class StoreError(S3MountsError):
    """The object store did not accept the request: no such bucket, refused, unreachable."""


class MountPointError(S3MountsError):
    """The directory cannot serve as a mount point, or is not one."""


class MountError(S3MountsError):
    """``s3fs`` ran, but the bucket is not usable through the mount point."""


class UnmountError(S3MountsError):
    """The mount is still there, or its ``s3fs`` process still runs."""


class SaveError(S3MountsError):
    """The cube is not saved, or the store does not have what was saved.

    Attributes
    ----------
    local_file : Path or None
        The finished file, kept on the local disk since it could not be stored; None if there is
        none. Its folder is yours to remove.
    """

    def __init__(self, message: str, local_file: Path | None = None) -> None:
        super().__init__(message)
        self.local_file = local_file


def require_extra(module: str, extra: str) -> None:
    """Make sure that there is what only some of this needs, or say how to install it."""
    if not importlib.util.find_spec(module):
        raise SetupError(
            f"expected the Python package {module}, found none. Install it with the extra:"
            f" pip install 's3-mounts[{extra}]'"
        )


def import_extra(module: str, extra: str) -> Any:
    """Import what only some of this needs, see `require_extra`."""
    require_extra(module, extra)
    return importlib.import_module(module)
