"""How long s3fs tries in the trials, in options of its own.

In a module without imports, since the page that names them needs nothing else.
"""

BOUNDED = ("retries=1", "connect_timeout=2", "readwrite_timeout=2")
"""Options of s3fs that make it give up soon."""

PATIENT = ("retries=5", "connect_timeout=2", "readwrite_timeout=2")
"""The same, with as many tries as by default."""
