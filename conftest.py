"""Makes a test of every code block of the project; see ``proof``."""

pytest_plugins = ["proof.plugin"]
