"""The checks as a pytest fixture, for the tests of plugins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "benchbed(*names): check these methods and datasets")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Create one test per check of each name in the marker ``benchbed``."""
    if "benchbed_check" not in metafunc.fixturenames:
        return
    from benchbed.testing import list_checks

    marker = metafunc.definition.get_closest_marker("benchbed")
    names = marker.args if marker else ()
    checks = [check for name in names for check in list_checks(name)]
    metafunc.parametrize("benchbed_check", checks, ids=str, indirect=True)


@pytest.fixture
def benchbed_check(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Return a function that runs the check and fails or skips the test."""
    check: Any = request.param

    def run() -> None:
        from benchbed.testing import run_check

        outcome = run_check(check)
        if outcome.state == "skipped":
            pytest.skip(outcome.text)
        if outcome.state == "failed":
            pytest.fail(f"{check}: {outcome.text}\n{outcome.details}", pytrace=False)

    return run
