"""Records for reports."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchbed.results.record import Record


@pytest.fixture(scope="session")
def make(make_record: Callable[..., Record]) -> Callable[..., Record]:
    """`make_record` under a shorter name."""
    return make_record
