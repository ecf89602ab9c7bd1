"""Machines to try the project on: fresh roots of Debian, and the ``s3fs`` of other releases."""

OLDEST = {"Python": "3.11", "Iris": "3.14", "s3fs": "1.90"}
"""The oldest versions that are supported: those of Debian 12."""
