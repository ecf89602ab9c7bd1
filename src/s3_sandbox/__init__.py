"""The stage that the lessons play on: an S3 sandbox with real data, and what is counted there."""

from s3_sandbox.data import fine_temperature, sample_path
from s3_sandbox.errors import CommandError, SandboxError
from s3_sandbox.sandbox import Sandbox, start_sandbox
from s3_sandbox.terminal import shell
from s3_sandbox.traffic import Request, Traffic

__all__ = [
    "CommandError",
    "Request",
    "Sandbox",
    "SandboxError",
    "Traffic",
    "fine_temperature",
    "sample_path",
    "shell",
    "start_sandbox",
]
