"""Budgets: the same one has the same identity, however it was written."""

from __future__ import annotations

import pytest

from benchbed.protocol import plain_number, preset
from benchbed.runs.plan import plan
from benchbed.runs.request import Request


def test_a_budget_given_as_the_preset_has_it_is_the_same_run() -> None:
    """The command line makes 16.0 of ``--kimg 16``, and the preset says 16."""
    usual = Request(method="dcgan", dataset="drive", source="phantom", settings={})
    told = Request(method="dcgan", dataset="drive", source="phantom", settings={}, kimg=16.0)
    assert plan(told).id == plan(usual).id


@pytest.mark.parametrize(("given", "kept"), [(16.0, "16"), (16, "16"), (0.02, "0.02")])
def test_whole_budgets_are_whole_numbers(given: float, kept: str) -> None:
    assert repr(plain_number(given)) == kept
    assert repr(preset("quick", kimg=given).kimg) == kept
