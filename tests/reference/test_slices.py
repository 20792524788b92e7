"""Volumes as sets of slices: their positions, their content, and metrics on them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from benchbed.api.metric import ImageSet, MetricInputs
from benchbed.metrics import slices
from benchbed.metrics.fid import compute_frechet_distance
from benchbed.metrics.kid import compute_kernel_distance
from benchbed.metrics.slices import (
    average_over_sequences,
    extract_axial_slices,
    make_slice_set,
    score_sequence,
    select_slices,
)


def score(inputs: MetricInputs, name: str, extractor: str = "inception") -> float:
    implementation = f"benchbed.metrics.{name}:{name}"
    return average_over_sequences(inputs, implementation=implementation, extractor=extractor)


def volumes(count: int, seed: int = 0, depth: int = 16) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (count, 2, depth, 6, 5)).astype(np.float32)


def features(extractor: str, images: ImageSet) -> np.ndarray:
    """Return means of columns and rows, raised to a power for each extractor."""
    if images.parent is not None:
        return features(extractor, images.parent)[images.indices]
    wide = images.images[:, 0].astype(np.float32)
    power = {"inception": 1.0, "random": 2.0}[extractor]
    return np.concatenate([wide.mean(1), wide.mean(2)], axis=1) ** power


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (54, [14, 18, 21, 24, 28, 31, 34, 38]),
        (16, [4, 5, 6, 7, 8, 9, 10, 11]),
        (8, [2, 3, 4, 5]),
        (1, [0]),
    ],
)
def test_slices_are_evenly_spaced_in_the_central_half(depth: int, expected: list[int]) -> None:
    assert select_slices(depth).tolist() == expected


def test_slices_of_one_sequence_are_ordered_by_volume() -> None:
    given = volumes(3)
    found = extract_axial_slices(given, 1)
    assert (found.dtype, found.shape) == (np.uint8, (3 * 8, 1, 6, 5))
    expected = np.round((given[2, 1, 4] + 1) * 127.5)
    np.testing.assert_array_equal(found[16, 0], expected)


def test_bytes_and_half_floats_give_the_slices_of_floats() -> None:
    """Stored volumes are float16, generated ones uint8: equal to one grey level."""
    given = volumes(2)
    pixels = np.round((given + 1) * 127.5).astype(np.uint8)
    np.testing.assert_array_equal(extract_axial_slices(pixels, 0), extract_axial_slices(given, 0))
    stored = extract_axial_slices(given.astype(np.float16), 0).astype(int)
    assert np.abs(stored - extract_axial_slices(given, 0)).max() <= 1


def test_a_subset_of_volumes_is_a_subset_of_their_slices() -> None:
    """So halves of the real set contain whole volumes, and features are computed once."""
    whole = ImageSet(volumes(4))
    part = make_slice_set(whole.subset(np.array([1, 3])), 0)
    assert part.parent is not None
    np.testing.assert_array_equal(
        part.images, make_slice_set(ImageSet(whole.images[[1, 3]]), 0).images
    )
    np.testing.assert_array_equal(part.images, part.parent.images[part.indices])


def test_metrics_share_the_slices_of_a_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two metrics on two sets and on the halves of one extract each sequence once."""
    cut: list[tuple[int, int]] = []

    def counted(values: np.ndarray, sequence: int) -> np.ndarray:
        cut.append((len(values), sequence))
        return extract_axial_slices(values, sequence)

    monkeypatch.setattr(slices, "extract_axial_slices", counted)
    real, fake = ImageSet(volumes(8)), ImageSet(volumes(5, seed=1))
    halves = real.subset(np.arange(4)), real.subset(np.arange(4, 8))
    for metric in ("fid", "kid"):
        for pair in ((real, fake), halves):
            score(MetricInputs(*pair, features), metric)
    assert sorted(cut) == [(5, 0), (5, 1), (8, 0), (8, 1)]


def test_distances_are_means_over_the_sequences() -> None:
    """With both extractors, against slices extracted here."""
    real, fake = volumes(6), volumes(5, seed=1) ** 3
    inputs = MetricInputs(ImageSet(real), ImageSet(fake), features)
    distances = {"fid": compute_frechet_distance, "kid": compute_kernel_distance}
    for (name, distance), space in product(distances.items(), ("inception", "random")):
        expected = []
        for sequence in range(2):
            cut = [
                ImageSet(np.round((side[:, sequence, 4:12].reshape(-1, 1, 6, 5) + 1) * 127.5))
                for side in (real, fake)
            ]
            expected.append(distance(*(features(space, side) for side in cut)))
        assert score(inputs, name, space) == pytest.approx(np.mean(expected), rel=1e-6)


def test_halves_of_one_set_are_closer_than_a_brighter_set() -> None:
    whole = ImageSet(volumes(12))
    halves = whole.subset(np.arange(6)), whole.subset(np.arange(6, 12))
    same = score(MetricInputs(*halves, features), "fid")
    other = score(MetricInputs(whole, ImageSet(np.abs(volumes(6, seed=2))), features), "fid")
    assert 0 <= same < other / 2


def test_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 1, 8, 8\)"):
        extract_axial_slices(np.zeros((2, 1, 8, 8), np.uint8), 0)


def test_the_value_over_sequences_is_the_mean_of_those_of_each() -> None:
    inputs = MetricInputs(ImageSet(volumes(3)), ImageSet(volumes(3, seed=1)), features)
    parts = [
        score_sequence(
            inputs, sequence=number, implementation="benchbed.metrics.kid:kid", extractor="random"
        )
        for number in range(2)
    ]
    assert parts[0] != parts[1]
    assert score(inputs, "kid", "random") == pytest.approx(np.mean(parts), rel=1e-12)
    same = np.array(inputs.real.images)
    same[:, 1] = 0
    changed = MetricInputs(ImageSet(same), inputs.fake, features)
    assert score_sequence(
        changed, sequence=0, implementation="benchbed.metrics.kid:kid", extractor="random"
    ) == pytest.approx(parts[0], rel=1e-12), "another sequence does not matter"
