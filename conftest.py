"""Makes a test of every code block of the project; see ``proof``."""

import gc

pytest_plugins = ["proof.plugin"]

# sphinx-gallery's copies of the lessons, which a build leaves.
collect_ignore = ["docs/tutorials"]


def pytest_collection_finish() -> None:
    """Keep what is imported and collected: to look for garbage in it takes a tenth of the time."""
    gc.collect()
    gc.freeze()
