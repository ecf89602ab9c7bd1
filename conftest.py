"""Makes a test of every code block of the project; see ``proof``."""

import gc
from collections import Counter

import pytest

pytest_plugins = ["proof.plugin"]

# sphinx-gallery's copies of the lessons, which a build leaves.
collect_ignore = ["docs/tutorials"]

LONGEST = (
    *("test_site.py", "test_lessons.py", "test_lesson_notebooks.py", "test_seaweedfs.py"),
    *("README.md", "run_a_lesson.rst", "check_your_store.rst", "CONTRIBUTING.md"),
)
"""Files that take long with few tests."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: others would wait for it at the end."""
    sizes = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.name not in LONGEST, -sizes[item.path]))


def pytest_collection_finish() -> None:
    """Keep what is imported and collected: to look for garbage in it takes a tenth of the time."""
    gc.collect()
    gc.freeze()
