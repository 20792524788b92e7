"""Adaptive augmentation: how p follows the scores of D, and the ranges of its transformations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch

from benchbed.api.distributed import DistributedContext
from benchbed.nn.ada import (
    INTERVAL,
    AdaptiveAugmentation,
    draw_affine_maps,
    recolour_mildly,
    transform_mildly,
)
from benchbed.training.augmentation import create_augmentation

BATCH = 32
SIDE = 64
CALM, SURE, WRONG = (torch.tensor([1.0] * n + [-1.0] * (20 - n)) for n in (16, 20, 0))
"""Scores with the mean sign 0.6, 1 and -1."""


def _step(ada: AdaptiveAugmentation, scores: torch.Tensor, steps: range, kimg: float) -> list[str]:
    """Run steps of a budget in kimg and return the messages."""
    messages = []
    for step in steps:
        progress = step * BATCH / (1000 * kimg)
        messages.append(ada.begin_step(BATCH, progress, DistributedContext()))
        ada.observe(scores)
    return [message for message in messages if message is not None]


@pytest.mark.parametrize(("kimg", "ada_kimg"), [(25_000, 500), (100_000, 500), (16, 0.32)])
def test_p_rises_at_the_published_speed_or_within_two_percent_of_the_budget(
    kimg: float, ada_kimg: float
) -> None:
    ada, count = AdaptiveAugmentation(), 2
    _step(ada, SURE, range(count * INTERVAL + 1), kimg)
    assert ada.probability == pytest.approx(count * 4 * BATCH / (1000 * ada_kimg))
    assert ada.values == {"augmentation_probability": ada.probability, "overfitting": 1.0}


def test_p_stays_at_the_target_and_within_its_bounds() -> None:
    ada = AdaptiveAugmentation()
    _step(ada, WRONG, range(8), 16)
    assert ada.probability == 0
    _step(ada, SURE, range(8, 16), 16)
    assert ada.probability == pytest.approx(0.4)
    # The first adjustment is still that of the last sure scores.
    _step(ada, CALM, range(16, 40), 16)
    assert ada.probability == pytest.approx(0.8)
    assert ada.overfitting == pytest.approx(0.6)
    messages = _step(ada, SURE, range(40, 99), 16)
    assert ada.probability == 1
    assert len(messages) == 1
    assert "0.85" in messages[0]


def test_the_boundary_of_a_critic_is_the_mean_of_both_means() -> None:
    ada = AdaptiveAugmentation()
    ada.begin_step(BATCH, 0.0, DistributedContext())
    real, fake = torch.tensor([7.0, 7.0, 7.0, 3.0]), torch.full((4,), 3.0)
    ada.observe(real + 100, fake + 100)
    for step in range(1, INTERVAL + 1):
        ada.begin_step(BATCH, step / 100, DistributedContext())
    assert ada.overfitting == 0.5


class _OtherRankIsWrong(DistributedContext):
    """One of two processes; the scores of the other all have the sign -1."""

    def reduce_mean(self, tensors: Sequence[torch.Tensor]) -> None:
        for tensor in tensors:
            tensor.sub_(1).div_(2)


def test_all_processes_adjust_by_the_mean_over_them() -> None:
    ada = AdaptiveAugmentation()
    for step in range(INTERVAL + 1):
        ada.begin_step(BATCH, step / 100, _OtherRankIsWrong())
        ada.observe(SURE)
    assert ada.overfitting == 0
    ada.synchronize(_OtherRankIsWrong())
    assert ada.get_state()["signs"] == [0]


def test_a_restored_state_continues_alike() -> None:
    first, second = AdaptiveAugmentation(), AdaptiveAugmentation()
    _step(first, SURE, range(6), 16)
    second.restore_state(first.get_state())
    for ada in (first, second):
        _step(ada, CALM, range(6, 19), 16)
    assert second.get_state() == first.get_state()
    assert first.probability > 0


def test_p_0_is_the_identity() -> None:
    image = torch.randn(4, 3, SIDE, SIDE)
    state = torch.get_rng_state()
    assert create_augmentation("ada").apply(image, 3) is image
    assert torch.equal(torch.get_rng_state(), state)


def test_movements_have_the_stated_ranges() -> None:
    torch.manual_seed(0)
    maps, are_moved = draw_affine_maps(torch.zeros(5000, 1, SIDE, SIDE), 1.0)
    assert are_moved.all()
    scales = maps[:, :, :2].det().sqrt().log2()
    assert scales.std().item() == pytest.approx(0.2, rel=0.05)
    angles = torch.atan2(maps[:, 1, 0], maps[:, 0, 0]).rad2deg()
    assert angles.abs().max() <= 15
    assert angles.std().item() == pytest.approx(15 / math.sqrt(3), rel=0.05)
    # Of the sum of a uniform and a normal number, the second scaled.
    variance = 0.125**2 / 3 + 0.125**2 * (2**scales).square().mean().item()
    assert (maps[:, :, 2] / 2).std().item() == pytest.approx(math.sqrt(variance), rel=0.05)


def test_each_movement_has_the_probability_p() -> None:
    torch.manual_seed(0)
    maps, are_moved = draw_affine_maps(torch.zeros(5000, 1, SIDE, SIDE), 0.5)
    assert are_moved.float().mean().item() == pytest.approx(1 - 0.5**4, abs=0.02)
    scaled = (maps[:, :, :2].det() - 1).abs() > 1e-6
    rotated = maps[:, 1, 0] != 0
    shifted = (maps[:, :, 2] != 0).any(1)
    assert scaled.float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert rotated.float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert shifted.float().mean().item() == pytest.approx(0.75, abs=0.03)
    pixels = maps[:, :, 2] * SIDE / 2
    whole = pixels[(pixels == pixels.round()).all(1)]
    assert whole.abs().max() == 8


def test_images_that_are_not_moved_are_bit_equal() -> None:
    torch.manual_seed(0)
    image = torch.randn(300, 1, 16, 16)
    equal = (transform_mildly(image, 0.1, 1) == image).flatten(1).all(1)
    assert equal.float().mean().item() == pytest.approx(0.9**6, abs=0.08)


def test_colours_have_the_stated_ranges_and_spare_further_channels() -> None:
    torch.manual_seed(0)
    image = torch.tensor([-1.0, 1.0]).repeat(4000, 2, 8, 4)
    changed = recolour_mildly(image, 1.0, 1)
    assert torch.equal(changed[:, 1], image[:, 1])
    factors = (changed[:, 0, 0, 1] - changed[:, 0, 0, 0]) / 2
    assert factors.log2().std().item() == pytest.approx(0.5, rel=0.05)
    shifts = changed[:, 0].mean((1, 2)) / factors
    assert shifts.std().item() == pytest.approx(0.2, rel=0.05)


def test_channels_move_together_and_gradients_pass() -> None:
    torch.manual_seed(0)
    image = torch.rand(8, 1, 32, 32).repeat(1, 2, 1, 1).requires_grad_(True)
    moved = transform_mildly(image, 1.0, 0)
    assert torch.equal(moved[:, 0], moved[:, 1])
    assert (moved != image).flatten(1).any(1).all()
    moved.sum().backward()
    assert image.grad is not None
    assert torch.isfinite(image.grad).all()
    assert image.grad.abs().flatten(1).sum(1).min() > 0
