"""Precision, recall, density and coverage against their definitions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from benchbed.api.metric import ImageSet, MetricInputs
from benchbed.metrics import prdc
from benchbed.metrics.prdc import measure_manifold


class Measures(NamedTuple):
    precision: float
    recall: float
    density: float
    coverage: float


def measures(real: np.ndarray, fake: np.ndarray, k: int = 5) -> Measures:
    """Return the values, which are the means of the terms."""
    return Measures(*(float(terms.mean()) for terms in measure_manifold(real, fake, k)))


def by_definition(real: np.ndarray, fake: np.ndarray, k: int) -> Measures:
    """Apply Kynkaanniemi et al. 2019, eq. 1 and 2, and Naeem et al. 2020, eq. 3 and 4."""

    def distance(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.sqrt(sum((a - b) ** 2 for a, b in zip(one, other, strict=True))))

    def radius(index: int, points: np.ndarray) -> float:
        others = [distance(points[index], p) for i, p in enumerate(points) if i != index]
        return sorted(others)[k - 1]

    real_radii = [radius(i, real) for i in range(len(real))]
    fake_radii = [radius(j, fake) for j in range(len(fake))]
    inside = [[distance(x, y) <= r for x, r in zip(real, real_radii, strict=True)] for y in fake]
    open_balls = [[distance(x, y) < r for x, r in zip(real, real_radii, strict=True)] for y in fake]
    recalled = [
        any(distance(x, y) <= r for y, r in zip(fake, fake_radii, strict=True)) for x in real
    ]
    return Measures(
        precision=sum(map(any, inside)) / len(fake),
        recall=sum(recalled) / len(real),
        density=sum(map(sum, open_balls)) / (k * len(fake)),
        coverage=sum(map(any, zip(*inside, strict=True))) / len(real),
    )


@pytest.mark.parametrize(
    ("n", "m", "d", "shift"), [(30, 20, 2, 0.5), (12, 40, 5, 0.0), (25, 25, 64, 1)]
)
def test_equals_the_definition(n: int, m: int, d: int, shift: float) -> None:
    rng = np.random.default_rng(n)
    real, fake = rng.standard_normal((n, d)), 0.8 * rng.standard_normal((m, d)) + shift
    assert measures(real, fake) == pytest.approx(by_definition(real, fake, 5), rel=1e-12)


def test_equal_sets_have_density_one() -> None:
    """With closed balls each point is in k + 1 of them, which gave 1.2 for k = 5."""
    points = np.random.default_rng(0).standard_normal((40, 3))
    assert measures(points, points).density == pytest.approx(1.0, abs=1e-12)


def test_worked_points_on_a_line() -> None:
    """Reals at 0, 1, 3 and fakes at 0.5, 2.5, 9 with k = 1: radii 1, 1, 2 and 2, 2, 6.5.

    The real balls contain 0.5 twice, 2.5 once, 9 never; the fake balls contain every real point;
    each real ball contains a fake point.
    """
    real, fake = np.array([[0.0], [1.0], [3.0]]), np.array([[0.5], [2.5], [9.0]])
    assert measures(real, fake, 1) == pytest.approx(Measures(2 / 3, 1.0, 1.0, 1.0))


def test_tile_size_does_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = np.random.default_rng(0).standard_normal((2, 60, 4))
    whole = measures(real, fake)
    monkeypatch.setattr("benchbed.metrics.distances._TILE_SIZE", 7)
    assert measures(real, fake) == whole


def test_a_collapsed_generator_has_precision_without_coverage() -> None:
    real = np.random.default_rng(0).standard_normal((200, 2))
    fake = real[:1] + 1e-3 * np.random.default_rng(1).standard_normal((200, 2))
    found = measures(real, fake)
    assert found.precision == 1.0
    assert found.recall < 0.05
    assert found.coverage < 0.1


def test_too_few_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"5 and 9 .*k = 5"):
        measure_manifold(np.zeros((5, 2)), np.zeros((9, 2)))


def test_four_metrics_share_one_computation(monkeypatch: pytest.MonkeyPatch) -> None:
    """For equal features; other features are computed again."""
    drawn = np.random.default_rng(0).standard_normal((2, 30, 4)).astype(np.float32)
    sets = [ImageSet(np.full((30, 1, 4, 4), number, np.uint8)) for number in range(2)]
    inputs = MetricInputs(*sets, lambda _, images: drawn[images.images[0, 0, 0, 0]].copy())
    computed = []
    monkeypatch.setattr(prdc, "_cache", {})
    monkeypatch.setattr(
        prdc, "measure_manifold", lambda *a: computed.append(a) or measure_manifold(*a)
    )
    found = [prdc.prdc(inputs, measure=measure, extractor="random") for measure in Measures._fields]
    assert len(computed) == 1
    for one, other in zip(found, measure_manifold(*drawn), strict=True):
        np.testing.assert_array_equal(one, other)
    swapped = MetricInputs(*sets[::-1], inputs.features)
    prdc.prdc(swapped, measure="precision", extractor="random")
    assert len(computed) == 2
