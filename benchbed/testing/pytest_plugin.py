"""The checks as a pytest fixture, for the tests of a plugin's author."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "benchbed(*names): check these methods and data sets")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each check of each name in the marker ``benchbed``."""
    if "benchbed_check" not in metafunc.fixturenames:
        return
    from benchbed.testing import checks_of

    marker = metafunc.definition.get_closest_marker("benchbed")
    names = marker.args if marker else ()
    checks = [check for name in names for check in checks_of(name)]
    metafunc.parametrize("benchbed_check", checks, ids=str, indirect=True)


@pytest.fixture
def benchbed_check(request: pytest.FixtureRequest) -> Callable[[], None]:
    """A check to be called: it fails or skips the test, with the reason."""
    check: Any = request.param

    def run() -> None:
        from benchbed.testing import run_check

        outcome = run_check(check)
        if outcome.state == "skipped":
            pytest.skip(outcome.text)
        if outcome.state == "failed":
            pytest.fail(f"{check}: {outcome.text}\n{outcome.details}", pytrace=False)

    return run
