"""Progressive networks: sizes, parameter counts, fading, weight scales."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbed.nn import (
    GrowthState,
    ProgressiveDiscriminator,
    ProgressiveGenerator,
    ProgressiveSchedule,
    blend_reals,
    gradient_penalty,
    progressive_penalty,
)
from benchbed.nn.equalized import EqualizedConv2d, EqualizedLinear, minibatch_stddev, pixel_norm

NARROW = {"base": 64, "max_channels": 16}


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def nearest(image: torch.Tensor) -> torch.Tensor:
    return image.repeat_interleave(2, 2).repeat_interleave(2, 3)


@pytest.mark.parametrize(
    ("size", "channels", "generator", "discriminator"),
    [
        (64, 3, 22_490_383, 22_498_049),
        (512, 3, 23_072_120, 23_080_225),
        (1024, 3, 23_079_115, 23_087_249),
        (512, 1, 23_067_048, 23_075_169),
    ],
)
def test_parameter_counts_of_the_paper(
    size: int, channels: int, generator: int, discriminator: int
) -> None:
    with torch.device("meta"):
        g = ProgressiveGenerator(512, size, channels)
        d = ProgressiveDiscriminator(size, channels)
    assert count(g) == generator
    assert count(d) == discriminator


def test_parameter_counts_with_the_last_projections_only() -> None:
    with torch.device("meta"):
        g, d = ProgressiveGenerator(512, 512, 3), ProgressiveDiscriminator(512, 3)
    assert count(g) - sum(map(count, g.to_image[:-1])) == 23_064_611
    assert count(d) - sum(map(count, d.from_image[:-1])) == 23_070_241


def test_every_level_has_its_size() -> None:
    g = ProgressiveGenerator(8, 32, 2, **NARROW)
    d = ProgressiveDiscriminator(32, 2, **NARROW)
    sizes = []
    for level in range(g.levels):
        image = g(torch.randn(4, 8), level, 0.5)
        assert d(image, level, 0.5).shape == (4,)
        sizes.append(image.shape[1:])
    assert sizes == [(2, 4, 4), (2, 8, 8), (2, 16, 16), (2, 32, 32)]
    assert g.levels == d.levels == 4


def test_a_new_level_starts_as_the_upsampled_previous_level() -> None:
    g = ProgressiveGenerator(8, 16, 1, **NARROW)
    z = torch.randn(3, 8)
    for level in (1, 2):
        assert torch.equal(g(z, level, 0.0), nearest(g(z, level - 1, 1.0)))
        assert not torch.equal(g(z, level, 1.0), g(z, level, 0.0))


def test_a_new_discriminator_level_starts_as_the_previous_level() -> None:
    d = ProgressiveDiscriminator(16, 1, **NARROW)
    image = torch.randn(4, 1, 16, 16)
    assert torch.allclose(d(image, 2, 0.0), d(F.avg_pool2d(image, 2), 1, 1.0), atol=1e-6)


def test_the_fade_is_linear_in_alpha() -> None:
    g = ProgressiveGenerator(8, 16, 1, **NARROW)
    z = torch.randn(2, 8)
    middle = (g(z, 2, 0.0) + g(z, 2, 1.0)) / 2
    assert torch.allclose(g(z, 2, 0.5), middle, atol=1e-6)


def test_reals_are_faded_like_fakes() -> None:
    image = torch.randn(2, 3, 16, 16)
    assert blend_reals(image, 2, 1.0, levels=3) is image
    half = F.avg_pool2d(image, 2)
    assert torch.allclose(blend_reals(image, 1, 1.0, levels=3), half)
    assert torch.equal(blend_reals(image, 2, 0.0, levels=3), nearest(half))
    blend = blend_reals(image, 2, 0.25, levels=3)
    assert torch.allclose(blend, 0.25 * image + 0.75 * nearest(half), atol=1e-6)
    assert torch.allclose(blend_reals(image, 0, 1.0, levels=3), F.avg_pool2d(image, 4), atol=1e-6)


def test_pixel_norm_gives_unit_mean_square() -> None:
    x = pixel_norm(7 * torch.randn(2, 12, 5, 5) + 3)
    assert torch.allclose(x.square().mean(1), torch.ones(2, 5, 5), atol=1e-5)


def test_only_the_direction_of_the_noise_matters() -> None:
    g = ProgressiveGenerator(8, 8, 1, **NARROW)
    z = torch.randn(2, 8)
    assert torch.allclose(g(z, 1), g(5 * z, 1), atol=1e-5)


def test_stddev_of_identical_images_is_zero() -> None:
    x = torch.randn(1, 6, 4, 4).expand(8, -1, -1, -1)
    y = minibatch_stddev(x)
    assert torch.equal(y[:, :6], x)
    assert y[:, 6].abs().max() < 1.1e-4  # the square root of the epsilon


@pytest.mark.parametrize(("batch", "group"), [(8, 4), (2, 2), (6, 6)])
def test_stddev_is_computed_over_groups(batch: int, group: int) -> None:
    x = torch.randn(batch, 3, 4, 4)
    channel = minibatch_stddev(x)[:, 3]
    for first in range(batch // group):
        members = x[first :: batch // group]
        expected = members.std(dim=0, correction=0).mean()
        assert torch.allclose(channel[first :: batch // group], expected, atol=1e-4)


def test_weights_are_scaled_at_run_time() -> None:
    g = ProgressiveGenerator(64, 8, 3, base=1024, max_channels=128)
    conv = g.blocks[0].conv1
    assert isinstance(conv, EqualizedConv2d)
    assert float(conv.weight.std()) == pytest.approx(1, rel=0.05)
    effective = float((conv.weight * conv.scale).std())
    assert effective == pytest.approx(math.sqrt(2 / (128 * 9)), rel=0.05)
    assert g.to_image[0].scale == pytest.approx(1 / math.sqrt(128))
    assert g.first.dense.scale == pytest.approx(math.sqrt(2) / 4 / math.sqrt(64))


def test_activations_keep_their_scale() -> None:
    torch.manual_seed(0)
    d = ProgressiveDiscriminator(32, 3, base=2048, max_channels=128)
    x = F.leaky_relu(d.from_image[3](torch.randn(4, 3, 32, 32)), 0.2)
    first = float(x.square().mean())
    for layer in (d.blocks[2].conv0, d.blocks[2].conv1):
        x = F.leaky_relu(layer(x), 0.2)
    assert float(x.square().mean()) == pytest.approx(first, rel=0.3)


def test_equalized_layers_start_without_bias() -> None:
    for layer in (EqualizedConv2d(3, 4, 3), EqualizedLinear(3, 4)):
        assert layer.bias is not None
        assert not layer.bias.any()
    assert EqualizedLinear(3, 4, bias=False).bias is None


def test_unused_levels_get_no_gradient() -> None:
    g = ProgressiveGenerator(8, 16, 1, **NARROW)
    d = ProgressiveDiscriminator(16, 1, **NARROW)
    d(g(torch.randn(4, 8), 1, 1.0), 1, 1.0).sum().backward()
    assert g.blocks[0].conv0.weight.grad is not None
    assert g.blocks[1].conv0.weight.grad is None
    assert g.to_image[0].weight.grad is None
    assert d.blocks[1].conv0.weight.grad is None


@pytest.mark.parametrize("size", [2, 48])
def test_sizes_that_do_not_halve_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} .*power of two"):
        ProgressiveGenerator(8, size)
    with pytest.raises(ValueError, match=f"{size} .*power of two"):
        ProgressiveDiscriminator(size)


def test_a_base_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match=r"base.*16.*32.*64 px"):
        ProgressiveGenerator(8, 64, base=16)


def test_levels_below_the_start_have_no_projections() -> None:
    """An unused projection would be a parameter without gradient."""
    generator = ProgressiveGenerator(8, 32, 1, 64, 8, start=2)
    discriminator = ProgressiveDiscriminator(32, 1, 64, 8, start=2)
    image = generator(torch.randn(2, 8), 2)
    assert image.shape == (2, 1, 16, 16)
    assert discriminator(image, 2).shape == (2,)
    networks = (generator, discriminator)
    names = [name for network in networks for name, _ in network.named_parameters()]
    assert not [name for name in names if ".0." in name and "image" in name]
    growth = GrowthState(ProgressiveSchedule(4, (0, 0, 1, 1)))
    assert growth.level == 2, "an untrained method samples at its first level"


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_the_penalty_is_that_of_images_repeated_to_the_final_size(level: int, alpha: float) -> None:
    """Karras et al.'s code: images have the final size, and the critic averages their pixels."""
    torch.manual_seed(0)
    critic = ProgressiveDiscriminator(16, 3, 64, 8)
    scale = 2 ** (2 - level)
    real, fake = torch.randn(2, 4, 3, 16 // scale, 16 // scale)

    class WholeCritic(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return critic(F.avg_pool2d(image, scale), level, alpha)

    def repeat(image: Tensor) -> Tensor:
        return F.interpolate(image, scale_factor=scale, mode="nearest")

    torch.manual_seed(1)
    expected = gradient_penalty(WholeCritic(), repeat(real), repeat(fake))
    torch.manual_seed(1)
    found = progressive_penalty(critic, real, fake, level, alpha)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
    torch.manual_seed(1)
    here = gradient_penalty(critic, real, fake, level, alpha)
    assert (level == 2) == (float(here.detach()) == pytest.approx(float(found.detach())))
