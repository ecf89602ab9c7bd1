"""Real S3 servers, started on loopback one after the other, and what is tried on each of them.

Run as ``python -m stores``. Nothing is installed: Debian's programs are unpacked in
``build/stores``, the others come from PyPI. What came of it is in ``stores/results.json``.
"""

BUCKET = "our-data"
"""The bucket on each of them."""
