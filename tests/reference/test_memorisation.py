"""Memorisation against its definition, and on sets with a known result."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from benchbed.api.metric import ImageSet, MemorisationSets, MetricInputs
from benchbed.metrics.memorisation import find_nearest, memorisation

Pixels = np.ndarray


def images(rng: np.random.Generator, count: int, size: int = 32, channels: int = 1) -> Pixels:
    return rng.integers(0, 256, (count, channels, size, size), dtype=np.uint8)


def measured(fake: Pixels, train: Pixels, held_out: Pixels) -> float:
    sets = ImageSet(train), ImageSet(fake)
    unseen = MemorisationSets(ImageSet(train), ImageSet(held_out))
    inputs = MetricInputs(*sets, lambda *_: np.zeros((1, 1), np.float32), memorisation_sets=unseen)
    return float(np.mean(memorisation(inputs)))


def by_hand(queries: Pixels, train: Pixels) -> list[float]:
    """Return the distance of each query to its nearest image or mirror image."""

    def distance(one: Pixels, other: Pixels) -> float:
        return float(np.sqrt(np.mean((one.astype(float) - other.astype(float)) ** 2)))

    both = [*train, *(image[..., ::-1] for image in train)]
    return [min(distance(query, known) for known in both) for query in queries]


def test_distances_match_the_definition() -> None:
    rng = np.random.default_rng(0)
    queries, train = images(rng, 7, 16, 3), images(rng, 11, 16, 3)
    found = find_nearest(ImageSet(queries), ImageSet(train))
    np.testing.assert_allclose(found.distance, by_hand(queries, train), rtol=1e-9)


def test_value_is_the_mann_whitney_statistic() -> None:
    """scipy's U over n m, for distances with and without ties."""
    rng = np.random.default_rng(1)
    train, held_out = images(rng, 20, 16), images(rng, 9, 16)
    fake = np.concatenate([images(rng, 5, 16), held_out[:3]])
    far, near = by_hand(held_out, train), by_hand(fake, train)
    expected = mannwhitneyu(far, near).statistic / (len(far) * len(near))
    assert measured(fake, train, held_out) == pytest.approx(expected, abs=1e-12)


def test_copies_are_detected_and_new_images_are_not() -> None:
    """Copies, mirrored copies and copies with a little noise give 1; unseen images about 0.5."""
    rng = np.random.default_rng(2)
    train, held_out, new = images(rng, 60), images(rng, 40), images(rng, 40)
    noisy = np.clip(train[:40].astype(int) + rng.integers(-3, 4, (40, 1, 32, 32)), 0, 255)
    for copies in (train[:40], train[:40, :, :, ::-1], noisy.astype(np.uint8)):
        assert measured(copies, train, held_out) == 1.0
    assert measured(new, train, held_out) == pytest.approx(0.5, abs=0.15)


def test_large_images_are_compared_by_area_means() -> None:
    """Images that differ only in detail finer than 32 px are equal."""
    rng = np.random.default_rng(3)
    train = images(rng, 5, 64)
    swapped = train.reshape(5, 1, 32, 2, 32, 2)[:, :, :, ::-1].reshape(train.shape)
    found = find_nearest(ImageSet(swapped), ImageSet(train))
    assert found.distance.max() < 1e-9
    assert found.train_index.tolist() == list(range(5))


def test_mirrored_copies_are_marked() -> None:
    rng = np.random.default_rng(4)
    train = images(rng, 6)
    found = find_nearest(ImageSet(train[2:4, :, :, ::-1]), ImageSet(train))
    assert found.train_index.tolist() == [2, 3]
    assert found.mirrored.all()


def test_the_first_of_equal_images_is_reported_for_any_block_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A symmetric image is not reported as mirrored."""
    rng = np.random.default_rng(6)
    train, queries = images(rng, 23, 16), images(rng, 9, 16)
    symmetric = np.concatenate([train[:, :, :, :8], train[:, :, :, 7::-1]], axis=3)
    train = np.concatenate([train, symmetric, train])
    queries = np.concatenate([queries, train[5:30], train[5:7, :, :, ::-1]])
    whole = find_nearest(ImageSet(queries), ImageSet(train))
    assert whole.train_index[9:].tolist() == [*range(5, 30), 5, 6]
    assert whole.mirrored[9:].tolist() == [False] * 25 + [True] * 2
    monkeypatch.setattr("benchbed.metrics.memorisation._CHUNK_IMAGES", 8)
    monkeypatch.setattr("benchbed.metrics.memorisation._CHUNK_ROWS", 3)
    monkeypatch.setattr("benchbed.metrics.memorisation._CHUNK_VALUES", 5 * 256)
    parts = find_nearest(ImageSet(queries), ImageSet(train))
    np.testing.assert_allclose(parts.distance, whole.distance, atol=1e-6)
    assert parts.train_index.tolist() == whole.train_index.tolist()
    assert parts.mirrored.tolist() == whole.mirrored.tolist()


def test_nearest_needs_training_images() -> None:
    rng = np.random.default_rng(5)
    with pytest.raises(ValueError, match=r"0 .*\(1, 32, 32\)"):
        find_nearest(ImageSet(images(rng, 2)), ImageSet(images(rng, 0)))
