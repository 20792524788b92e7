"""Memorisation of volumes against its definition, and on sets with a known result."""

from __future__ import annotations

import numpy as np
import pytest

from benchbed.api.metric import ImageSet, MemorisationSets, MetricInputs
from benchbed.metrics.memorisation import find_nearest, memorisation, shrink_volumes


def volumes(rng: np.random.Generator, count: int, spatial: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, 256, (count, 2, *spatial), dtype=np.uint8)


def measured(fake: np.ndarray, train: np.ndarray, held_out: np.ndarray) -> float:
    unseen = MemorisationSets(ImageSet(train), ImageSet(held_out))
    features = np.zeros((1, 1), np.float32)
    inputs = MetricInputs(
        ImageSet(train), ImageSet(fake), lambda *_: features, memorisation_sets=unseen
    )
    return float(np.mean(memorisation(inputs)))


def test_distances_match_the_definition() -> None:
    """Root mean square over all voxels and sequences, mirrored too, without downsampling."""
    rng = np.random.default_rng(0)
    queries, train = volumes(rng, 3, (5, 8, 6)), volumes(rng, 7, (5, 8, 6))
    both = np.concatenate([train, train[..., ::-1]]).astype(float)
    expected = [
        np.sqrt(((both - query) ** 2).mean(axis=(1, 2, 3, 4))).min()
        for query in queries.astype(float)
    ]
    found = find_nearest(ImageSet(queries), ImageSet(train))
    np.testing.assert_allclose(found.distance, expected, rtol=1e-9)


def test_mirrored_copies_are_reported_with_their_index() -> None:
    """Mirrored left to right, the last axis; a volume upside down is not a copy."""
    rng = np.random.default_rng(1)
    train = volumes(rng, 6, (8, 16, 16))
    copies = np.stack([train[4][..., ::-1], train[2], train[1][:, ::-1]])
    found = find_nearest(ImageSet(copies), ImageSet(train))
    assert found.train_index[:2].tolist() == [4, 2]
    assert found.mirrored[:2].tolist() == [True, False]
    assert found.distance[:2].tolist() == [0.0, 0.0]
    assert found.distance[2] > 50


def test_large_volumes_are_compared_by_area_means() -> None:
    """Swapped voxels in blocks of 2 x 2 x 2 differ at 16 x 32 x 32 only by rounding."""
    rng = np.random.default_rng(2)
    train = volumes(rng, 3, (32, 64, 64))
    swapped = train.reshape(3, 2, 16, 2, 32, 2, 32, 2)[:, :, :, ::-1, :, ::-1]
    found = find_nearest(ImageSet(swapped.reshape(train.shape)), ImageSet(train))
    assert shrink_volumes(ImageSet(train)).images.shape == (3, 2 * 16, 32, 32)
    assert found.train_index.tolist() == [0, 1, 2]
    assert found.distance.max() < 0.5


def test_stored_half_floats_are_found_among_bytes() -> None:
    rng = np.random.default_rng(3)
    train = volumes(rng, 4, (8, 16, 16))
    stored = ImageSet((train / 127.5 - 1).astype(np.float16))
    found = find_nearest(ImageSet(train[2:]), stored)
    assert found.train_index.tolist() == [2, 3]
    assert found.distance.max() < 1


def test_copies_give_one_and_new_volumes_about_half() -> None:
    rng = np.random.default_rng(4)
    train, held_out, new = (volumes(rng, count, (8, 8, 8)) for count in (40, 30, 30))
    assert measured(train[:20], train, held_out) == 1.0
    assert measured(new, train, held_out) == pytest.approx(0.5, abs=0.15)


def test_refuses_sets_without_a_distance() -> None:
    rng = np.random.default_rng(5)
    some = ImageSet(volumes(rng, 2, (4, 4, 4)))
    with pytest.raises(ValueError, match=r"0 .*\(8, 4, 4\)"):
        find_nearest(some, ImageSet(some.images[:0]))
    with pytest.raises(ValueError, match="training"):
        memorisation(MetricInputs(some, some, lambda *_: np.zeros((1, 1), np.float32)))
