"""Makes a test of every code block of the project; see ``proof``."""

pytest_plugins = ["proof.plugin"]

# sphinx-gallery's copies of the lessons, which a build leaves.
collect_ignore = ["docs/tutorials"]
