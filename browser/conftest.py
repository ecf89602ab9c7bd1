"""What the tests in the browser share: the program, and the site on a port of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from browser.site import launch_options, served


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """Serve the built site, and give its address."""
    with served() as address:
        yield address


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, object]) -> dict[str, object]:
    """Take the system's browser."""
    return browser_type_launch_args | launch_options()
