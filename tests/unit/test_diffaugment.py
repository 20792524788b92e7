"""Differentiable augmentation: ranges of the paper, gradients, and independence of images."""

from __future__ import annotations

import pytest
import torch

from benchbed.config.augmentation import POLICIES
from benchbed.nn.diffaugment import POLICY_FUNCTIONS, apply_diffaugment

SIDE = 64


def test_colour_shifts_and_scales_as_published() -> None:
    torch.manual_seed(0)
    image = torch.randn(4000, 1, 8, 8) * 0.1
    image -= image.mean((1, 2, 3), keepdim=True)
    changed = apply_diffaugment(image, ["colour"], 3)
    means = changed.mean((1, 2, 3))
    assert means.abs().max() <= 0.5
    assert means.std().item() == pytest.approx(1 / 12**0.5, rel=0.05)
    factors = changed.std((1, 2, 3)) / image.std((1, 2, 3))
    assert 0.5 <= factors.min() < 0.51
    assert 1.49 < factors.max() <= 1.5 + 1e-5


def test_saturation_keeps_the_mean_of_the_channels() -> None:
    torch.manual_seed(0)
    image = torch.rand(50, 3, 4, 4)
    image -= image.mean((1, 2, 3), keepdim=True)
    changed = apply_diffaugment(image, ["colour"], 3)
    ratio = (changed.mean(1) - changed.mean((1, 2, 3))[:, None, None]) / image.mean(1)
    assert torch.allclose(ratio.amax((1, 2)), ratio.amin((1, 2)), atol=1e-3)


def test_translation_moves_whole_pixels_over_black() -> None:
    torch.manual_seed(0)
    image = torch.arange(1.0, SIDE * SIDE + 1).reshape(1, 1, SIDE, SIDE).repeat(300, 1, 1, 1)
    moved = apply_diffaugment(image, ["translation"], 3)
    black = (moved == -1).all(3).sum((1, 2))
    assert black.max() == 8
    assert len(black.unique()) == 9
    shift = (moved - image)[:, 0, 32, 32]
    rows, columns = (shift / SIDE).round(), shift - SIDE * (shift / SIDE).round()
    assert rows.abs().max() <= 8
    assert columns.abs().max() <= 8


def test_the_hole_has_the_published_mean_area() -> None:
    torch.manual_seed(0)
    cut = apply_diffaugment(torch.ones(4000, 1, SIDE, SIDE), ["cutout"], 3)
    shares = (cut == 0).float().mean((1, 2, 3))
    assert shares.max() == 0.25
    assert shares.mean().item() == pytest.approx(0.1889, abs=0.005)


def test_gradients_pass_where_the_image_stays_in_the_frame() -> None:
    torch.manual_seed(0)
    image = torch.rand(8, 3, SIDE, SIDE, requires_grad=True)
    apply_diffaugment(image, ["translation"], 3).sum().backward()
    assert image.grad is not None
    assert set(image.grad.unique().tolist()) == {0.0, 1.0}
    image.grad = None
    apply_diffaugment(image, POLICIES, 3).sum().backward()
    assert torch.isfinite(image.grad).all()


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_every_image_is_changed_on_its_own_and_repeatably(policy: str) -> None:
    image = torch.rand(1, 3, 16, 16).repeat(6, 1, 1, 1)
    torch.manual_seed(0)
    first = apply_diffaugment(image, [policy], 3)
    assert any(not torch.equal(first[0], other) for other in first[1:])
    torch.manual_seed(0)
    assert torch.equal(apply_diffaugment(image, [policy], 3), first)
    assert first.shape == image.shape


def test_the_option_has_the_policies_in_their_order() -> None:
    assert tuple(POLICY_FUNCTIONS) == POLICIES


@pytest.mark.parametrize("channels", [0, 1, 3])
def test_colours_change_in_the_first_channels_only(channels: int) -> None:
    torch.manual_seed(0)
    image = torch.rand(4, 4, 16, 16)
    changed = apply_diffaugment(image, ["colour"], channels)
    equal = (changed == image).flatten(2).all(2)
    assert equal[:, channels:].all()
    assert not equal[:, :channels].any()


@pytest.mark.parametrize("policy", ["translation", "cutout"])
def test_all_channels_of_an_image_move_together(policy: str) -> None:
    torch.manual_seed(0)
    image = torch.rand(20, 1, 32, 32).repeat(1, 2, 1, 1)
    changed = apply_diffaugment(image, [policy], 1)
    assert not torch.equal(changed, image)
    assert torch.equal(changed[:, 0], changed[:, 1])
