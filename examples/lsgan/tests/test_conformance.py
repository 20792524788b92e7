"""Conformance checks: one test per check of ``benchbed check lsgan``."""

from collections.abc import Callable

import pytest


@pytest.mark.benchbed("lsgan")
def test_conformance(benchbed_check: Callable[[], None]) -> None:
    """The check passes, or does not apply here."""
    benchbed_check()
