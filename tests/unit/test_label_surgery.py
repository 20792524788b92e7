"""Alteration of tumours in label maps: labels stay valid and inside the brain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbed_pix2pix3d.label_store import LabelStore
from benchbed_pix2pix3d.labels import to_codes, to_mask, to_one_hot, to_probabilities
from benchbed_pix2pix3d.surgery import (
    SINGLE_CASE_ALTERATIONS,
    LabelMap,
    alter_tumour,
    scale_tumour,
    shift_tumour,
    transplant_tumour,
)

SHAPE = (12, 24, 24)


def _ball(radius: float, centre: tuple[float, float, float] = (6, 12, 12)) -> np.ndarray[Any, Any]:
    grid = np.indices(SHAPE).astype(float)
    return ((grid - np.reshape(centre, (3, 1, 1, 1))) ** 2).sum(0) <= radius**2


def _case(centre: tuple[float, float, float] = (6, 10, 10), *, tumour: bool = True) -> LabelMap:
    """Return grey matter (2) around white (3), with oedema (5), a core (4) and a spot (6)."""
    codes = np.zeros(SHAPE, np.uint8)
    brain = _ball(10) & (np.indices(SHAPE)[0] > 0) & (np.indices(SHAPE)[0] < 11)
    codes[brain] = 2
    codes[_ball(6) & brain] = 3
    if tumour:
        for radius, code in ((3, 5), (2, 4), (1, 6)):
            codes[_ball(radius, centre) & brain] = code
    return LabelMap(codes, codes > 0, 4)


def _structure() -> LabelMap:
    """Return two foreground classes without tissue, as for the hippocampus."""
    codes = np.where(_ball(3), 1, 0).astype(np.uint8)
    codes[:6] *= 2
    return LabelMap(codes, _ball(11), 1)


@pytest.mark.parametrize("case", [_case(), _structure()], ids=["tumour", "structure"])
def test_zero_shift_and_factor_1_are_the_identity(case: LabelMap) -> None:
    assert np.array_equal(shift_tumour(case, (0, 0, 0)), case.codes)
    assert np.array_equal(scale_tumour(case, 1.0), case.codes)


def test_a_shift_moves_the_tumour_unchanged() -> None:
    case = _case()
    moved = shift_tumour(case, (0, 3, 2))
    assert np.array_equal(np.where(moved >= 4, moved, 0), np.roll(case.tumour, (3, 2), (1, 2)))


def test_the_old_place_of_a_tumour_becomes_the_tissue_around_it() -> None:
    """White matter inside white matter; background where there is no tissue."""
    case = _case((6, 12, 12))
    uncovered = (case.tumour > 0) & (shift_tumour(case, (0, 6, 0)) < 4)
    assert uncovered.any()
    assert set(shift_tumour(case, (0, 6, 0))[uncovered]) == {3}
    structure = _structure()
    moved = shift_tumour(structure, (0, 5, 0))
    assert set(moved[(structure.codes > 0) & (moved == 0)]) == {0}
    assert (moved > 0).sum() == (structure.codes > 0).sum()


def test_healthy_labels_are_unchanged() -> None:
    case = _case()
    far = case.codes < 4
    assert np.array_equal(case.remove_tumour()[far], case.codes[far])
    assert set(np.unique(case.remove_tumour())) == {0, 2, 3}


def test_a_tumour_is_cropped_at_the_border_of_the_brain() -> None:
    case = _case()
    moved = shift_tumour(case, (0, -7, 0))
    assert 0 < (moved >= 4).sum() < (case.codes >= 4).sum()
    assert not moved[~case.brain].any()
    assert (moved[case.brain] > 0).all()


@pytest.mark.parametrize(("factor", "least", "most"), [(1.25, 1.7, 2.2), (0.75, 0.34, 0.5)])
def test_the_volume_of_a_tumour_scales_with_the_cube_of_the_factor(
    factor: float, least: float, most: float
) -> None:
    codes = np.where(_ball(4.6), 4, 1).astype(np.uint8)
    case = LabelMap(codes, codes > 0, 4)
    ratio = (scale_tumour(case, factor) >= 4).sum() / (case.codes >= 4).sum()
    assert least < ratio < most
    old, new = (
        np.argwhere(codes >= 4).mean(0) for codes in (case.codes, scale_tumour(case, factor))
    )
    assert np.abs(old - new).max() < 0.3


def test_a_transplant_puts_the_tumour_into_the_tissue_of_the_host() -> None:
    donor, host = _case(), _case(tumour=False)
    host.codes[:4] = 0  # a smaller brain
    host = LabelMap(host.codes, host.codes > 0, 4)
    combined = transplant_tumour(donor, host)
    assert np.array_equal(
        combined[host.brain & (donor.codes >= 4)], donor.codes[host.brain & (donor.codes >= 4)]
    )
    assert np.array_equal(combined[donor.codes < 4], host.codes[donor.codes < 4])
    assert not combined[~host.brain].any()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    how=st.sampled_from(SINGLE_CASE_ALTERATIONS),
    centre=st.tuples(st.integers(2, 9), st.integers(6, 18), st.integers(6, 18)),
    tissue=st.booleans(),
)
def test_altered_labels_are_valid_and_inside_the_brain(
    seed: int, how: Any, centre: tuple[int, int, int], tissue: bool
) -> None:
    case = _case(centre) if tissue else _structure()
    change = {"largest_shift": 80.0, "largest_scaling": 0.25}
    codes = alter_tumour(case, how, np.random.default_rng(seed), **change)
    assert codes.dtype == np.uint8
    assert codes.shape == SHAPE
    assert set(np.unique(codes)) <= set(np.unique(case.codes)) | {2, 3}
    assert not codes[~case.brain].any()
    assert (codes >= case.first).any() == (case.codes >= case.first).any()
    assert np.array_equal(codes, alter_tumour(case, how, np.random.default_rng(seed), **change))


def test_the_largest_shift_scales_with_the_volume() -> None:
    """10 voxels at 128 px are 2 at 24 px; all smaller shifts occur."""
    case = _case((6, 12, 12))
    steps = set()
    for seed in range(60):
        codes = alter_tumour(
            case, "shift", np.random.default_rng(seed), largest_shift=10, largest_scaling=0
        )
        moved = np.argwhere(codes >= 4).mean(0) - np.argwhere(case.codes >= 4).mean(0)
        steps |= set(np.rint(moved).astype(int))
    assert steps == {-2, -1, 0, 1, 2}


def test_enlarging_never_shrinks_and_shrinking_never_enlarges() -> None:
    case = _case((6, 12, 12))
    size = (case.codes >= 4).sum()
    for seed in range(20):
        grown, shrunk = (
            (
                alter_tumour(
                    case, how, np.random.default_rng(seed), largest_shift=0, largest_scaling=0.25
                )
                >= 4
            ).sum()
            for how in ("enlarge", "shrink")
        )
        assert shrunk <= size <= grown


def test_maps_without_a_tumour_are_unchanged() -> None:
    case = _case(tumour=False)
    rng = np.random.default_rng(0)
    assert alter_tumour(case, "shift", rng, largest_shift=10, largest_scaling=0) is case.codes


# --- store of training label maps


def test_the_store_keeps_label_maps_and_brains_up_to_its_size() -> None:
    cases = [_case(), _case(tumour=False), _case((5, 14, 14))]
    store = LabelStore(2, 4, *SHAPE)
    for case in cases:
        store.add(torch.from_numpy(case.codes[None]), torch.from_numpy(case.brain[None]))
    assert len(store) == 2
    for index in range(2):
        assert np.array_equal(store[index].codes, cases[index].codes)
        assert np.array_equal(store[index].brain, cases[index].brain)
    assert store.list_indices(sick=True).tolist() == [0]
    assert store.list_indices(sick=False).tolist() == [1]


def test_hosts_are_tumour_free_and_leave_half_of_the_store_to_the_cases() -> None:
    store = LabelStore(4, 4, *SHAPE)
    host, case = _case(tumour=False), _case()
    empty = np.zeros(SHAPE, np.uint8)
    store.add_hosts(torch.from_numpy(np.stack([case.codes, empty, host.codes])))
    assert store.host_count == 1
    assert np.array_equal(store[0].codes, host.codes)
    assert np.array_equal(store[0].brain, host.codes > 0)
    store.add_hosts(torch.from_numpy(np.stack([host.codes] * 5)))
    assert store.host_count == 2
    for _ in range(5):
        store.add(torch.from_numpy(case.codes[None]), torch.from_numpy(case.brain[None]))
    assert (len(store), store.host_count) == (4, 2)
    assert store.list_indices(sick=True).tolist() == [2, 3]


def test_the_store_is_part_of_the_state() -> None:
    store, other = LabelStore(3, 4, *SHAPE), LabelStore(3, 4, *SHAPE)
    store.add(torch.from_numpy(_case().codes[None]), torch.from_numpy(_case().brain[None]))
    other.load_state_dict(store.state_dict())
    assert len(other) == 1
    assert np.array_equal(other[0].codes, _case().codes)


# --- label encodings


def test_masks_codes_and_one_hot_labels_are_equivalent() -> None:
    codes = torch.from_numpy(_case().codes[None])
    mask = to_mask(codes, 6)
    assert torch.equal(to_codes(mask), codes)
    hot = to_one_hot(mask)
    assert hot.shape == (1, 7, *SHAPE)
    assert torch.equal(hot.argmax(1), codes.long())
    assert torch.equal(hot.sum(1), torch.full((1, *SHAPE), -5.0))  # one is 1, six are -1


def test_foreground_probability_exceeds_one_half_unless_background_is_largest() -> None:
    drawn = torch.rand(3, 5, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    foreground = to_probabilities(drawn)
    assert foreground.shape == (3, 4, 4, 8, 8)
    assert 0 <= float(foreground.min()) <= float(foreground.max()) <= 1
    argmax = drawn.argmax(1)
    assert torch.equal(foreground.sum(1) > 0.5, argmax > 0)
    assert torch.equal(to_codes(foreground * 2 - 1).long(), argmax)
    certain = to_probabilities(torch.tensor([-1.0, 1.0, -1.0]).view(1, 3, 1, 1, 1))
    assert certain.flatten().tolist() == [1.0, 0.0]
