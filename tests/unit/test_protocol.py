"""Equal budgets give the same run id in every notation."""

from __future__ import annotations

import pytest

from benchbed.protocol import plain_number, preset
from benchbed.runs.plan import plan
from benchbed.runs.request import Request


def test_the_budget_of_the_preset_as_an_option_gives_the_same_run() -> None:
    """``--kimg 16`` is read as 16.0, and the preset has 16."""
    default = Request(method="dcgan", dataset="drive", source="phantom", settings={})
    given = Request(method="dcgan", dataset="drive", source="phantom", settings={}, kimg=16.0)
    assert plan(given).id == plan(default).id


@pytest.mark.parametrize(("given", "expected"), [(16.0, "16"), (16, "16"), (0.02, "0.02")])
def test_whole_budgets_are_whole_numbers(given: float, expected: str) -> None:
    assert repr(plain_number(given)) == expected
    assert repr(preset("quick", kimg=given).kimg) == expected
