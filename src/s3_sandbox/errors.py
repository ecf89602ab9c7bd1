"""The errors that only the sandbox raises; see `s3_mounts.errors`."""

from s3_mounts.errors import S3MountsError


class SandboxError(S3MountsError):
    """The local S3 server could not be started, or was used in a way it cannot serve."""


class CommandError(S3MountsError):
    """A shell command ended with an exit status other than the expected one."""
