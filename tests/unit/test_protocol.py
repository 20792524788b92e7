"""Equal budgets give the same run id in every notation."""

from __future__ import annotations

import pytest

from benchbed.config.protocol import normalize_number, resolve_preset
from benchbed.config.run_config import RunConfig
from benchbed.runs.planner import plan_run


def test_the_budget_of_the_preset_as_an_option_gives_the_same_run() -> None:
    """``--kimg 16`` is read as 16.0, and the preset has 16."""
    default = RunConfig(method="dcgan", dataset="drive", source="phantom", settings={})
    given = RunConfig(method="dcgan", dataset="drive", source="phantom", settings={}, kimg=16.0)
    assert plan_run(given).id == plan_run(default).id


@pytest.mark.parametrize(("given", "expected"), [(16.0, "16"), (16, "16"), (0.02, "0.02")])
def test_whole_budgets_are_whole_numbers(given: float, expected: str) -> None:
    assert repr(normalize_number(given)) == expected
    assert repr(resolve_preset("quick", kimg=given).kimg) == expected
