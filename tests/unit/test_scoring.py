"""Scoring: floors, intervals, and what is refused in words."""

from __future__ import annotations

import numpy as np

from benchbed.api.metric import ImageSet, MetricValue, Unseen
from benchbed.api.specs import MetricSpec
from benchbed.registry import registry
from benchbed.tasks.scoring import score


def images(count: int, seed: int) -> ImageSet:
    rng = np.random.default_rng(seed)
    return ImageSet(rng.integers(0, 256, (count, 1, 32, 32), dtype=np.uint8))


def measure(name: str, real: ImageSet, fake: ImageSet, unseen: Unseen | None = None) -> MetricValue:
    spec = registry().spec(MetricSpec, name)
    return score([spec], real, fake, lambda *_: np.zeros((1, 1), np.float32), unseen=unseen)[0]


def test_a_mean_over_images_has_an_interval_around_it() -> None:
    found = measure("ms-ssim-realfake", images(40, 0), images(20, 1))
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high


def test_a_distance_between_sets_has_none() -> None:
    found = measure("swd", images(40, 0), images(20, 1))
    assert found.value is not None
    assert (found.low, found.high) == (None, None)


def test_too_few_images_are_refused_in_words() -> None:
    found = measure("swd", images(40, 0), images(4, 1))
    assert found.value is None
    assert found.note == "needs 8 images a side, there were 4"


def test_memorisation_needs_images_that_were_held_out() -> None:
    real, fake = images(40, 0), images(20, 1)
    none = measure("memorisation", real, fake)
    assert none.value is None
    assert none.note == "needs real images that were held out of training, there were none"
    few = measure("memorisation", real, fake, Unseen(real, images(3, 2)))
    assert few.note == "needs 5 images a side, there were 3"
    copies = measure("memorisation", real, ImageSet(real.images[:20]), Unseen(real, images(9, 2)))
    assert copies.value == 1.0
