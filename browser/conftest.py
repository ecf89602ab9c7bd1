"""What the tests in the browser share: the program, and the site on a port of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from browser.site import browser_program, served


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """Serve the built site, and give its address."""
    with served() as address:
        yield address


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, object]) -> dict[str, object]:
    """Take the system's browser; root can have no sandbox within it."""
    return browser_type_launch_args | {
        "executable_path": browser_program(),
        "chromium_sandbox": os.geteuid() != 0,
    }
