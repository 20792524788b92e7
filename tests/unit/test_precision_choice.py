"""``--precision auto`` chooses by a measurement, which is cached and can be lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchbed.runs.precision import MIN_SPEEDUP, choose_precision, measure_speedup

Measure = Callable[[str], float]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "precision.json"


def _choose(*speedups: float, device: str = "cpu") -> tuple[str, int]:
    """Return the choice, and how often it was measured."""
    left = list(speedups)
    chosen = choose_precision(device, lambda _: None, lambda _: left.pop(0))
    return chosen, len(speedups) - len(left)


@pytest.mark.parametrize(
    ("speedup", "expected"),
    [
        (0.05, "fp32"),
        (1.0, "fp32"),
        (MIN_SPEEDUP - 0.01, "fp32"),
        (MIN_SPEEDUP, "bf16"),
        (5, "bf16"),
    ],
)
def test_bf16_is_chosen_where_it_is_clearly_faster(
    cache: Path, speedup: float, expected: str
) -> None:
    assert _choose(speedup) == (expected, 1)


def test_the_measurement_is_cached_per_device_and_number_of_threads(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _choose(4.0) == ("bf16", 1)
    assert _choose(0.5) == ("bf16", 0), "measured again"
    assert _choose(0.5, device="cuda:1") == ("fp32", 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "17")
    assert _choose(0.5) == ("fp32", 1)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": "b"}', "[" * 20_000])
def test_a_damaged_cache_is_measured_again_and_replaced(cache: Path, content: str) -> None:
    cache.parent.mkdir()
    cache.write_text(content)
    assert _choose(4.0) == ("bf16", 1)
    assert list(json.loads(cache.read_text()).values()) == [4.0]


def test_the_measurement_is_a_ratio(cache: Path) -> None:
    assert 0 < measure_speedup("cpu") < 1000
