"""The schedule of progressive networks: the paper's, and others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbed.nn import ProgressiveSchedule


def test_the_papers_schedule() -> None:
    """12.0 million images up to 512 px: 0.8 without a fade, then 0.8 + 0.8 per level."""
    schedule = ProgressiveSchedule(levels=8)

    def at(million: float) -> tuple[int, float]:
        return schedule.get_level(million / 12.0)

    assert at(0.0) == (0, 1.0)
    assert at(0.79) == (0, 1.0)
    assert at(0.81) == (1, pytest.approx(0.01 / 0.8))
    assert at(1.2) == (1, pytest.approx(0.5))
    assert at(1.7) == (1, 1.0)
    assert at(2.8) == (2, pytest.approx(0.5))
    assert at(10.8) == (7, pytest.approx(0.5))
    assert at(12.0) == (7, 1.0)


def test_weights_set_the_duration_of_levels() -> None:
    schedule = ProgressiveSchedule(levels=3, weights=(1, 1, 8), fade_share=0.25)
    assert schedule.get_level(0.05) == (0, 1.0)
    assert schedule.get_level(0.1125) == (1, pytest.approx(0.5))
    assert schedule.get_level(0.15) == (1, 1.0)
    assert schedule.get_level(0.3) == (2, pytest.approx(0.5))
    assert schedule.get_level(0.5) == (2, 1.0)


def test_leading_zeros_skip_levels_without_a_fade() -> None:
    schedule = ProgressiveSchedule(levels=3, weights=(0, 1, 1))
    assert schedule.get_level(0.0) == (1, 1.0)
    assert schedule.get_level(0.5) == (2, 0.0)


def test_one_level_never_fades() -> None:
    assert ProgressiveSchedule(levels=1).get_level(0.3) == (0, 1.0)


@given(
    weights=st.lists(st.floats(0.01, 10), min_size=1, max_size=8),
    fade=st.floats(0, 0.99),
    progress=st.lists(st.floats(0, 1), min_size=2, max_size=20),
)
def test_levels_never_decrease(weights: list[float], fade: float, progress: list[float]) -> None:
    schedule = ProgressiveSchedule(len(weights), weights, fade)
    states = [schedule.get_level(share) for share in sorted(progress)]
    for level, alpha in states:
        assert 0 <= level < len(weights)
        assert 0.0 <= alpha <= 1.0
    assert states == sorted(states)
    assert schedule.get_level(1.0)[0] == len(weights) - 1


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        ({"levels": 0}, "levels.*0"),
        ({"levels": 2, "fade_share": 1.0}, r"fade.*1\.0"),
        ({"levels": 2, "weights": (1,)}, "1 weights.*2 levels"),
        ({"levels": 2, "weights": (0, 0)}, r"\[0, 0\]"),
        ({"levels": 3, "weights": (1, 0, 1)}, r"\[1, 0, 1\]"),
        ({"levels": 2, "weights": (1, -1)}, r"\[1, -1\]"),
        ({"levels": 2, "weights": (-1, 1)}, r"\[-1, 1\]"),
    ],
)
def test_invalid_schedules_are_refused(arguments: dict[str, object], facts: str) -> None:
    with pytest.raises(ValueError, match=facts):
        ProgressiveSchedule(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("progress", [-0.1, 1.1, float("nan")])
def test_progress_must_be_from_0_to_1(progress: float) -> None:
    with pytest.raises(ValueError, match=f"progress.*{progress}"):
        ProgressiveSchedule(levels=3).get_level(progress)
