"""DCGAN: the guidelines of the paper and its parameter counts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchbed import DataShape
from benchbed.runs.build import count_parameters
from benchbed_classics.dcgan import DCGAN, Discriminator, Generator
from benchbed_classics.settings import DCGANSettings

COUNTS = {
    64: (3_576_704, 2_765_568),
    128: (7_772_032, 6_960_896),
    256: (11_967_360, 11_156_224),
    512: (16_162_688, 15_351_552),
}


def _built(size: int, channels: int = 3) -> DCGAN:
    with torch.device("meta"):
        method = DCGAN(DCGANSettings())
        method.data = DataShape(channels, (size, size))
        method.build(method.data)
    return method


@pytest.mark.parametrize(("size", "counts"), COUNTS.items())
def test_parameter_counts_at_every_size(size: int, counts: tuple[int, int]) -> None:
    assert tuple(count_parameters(_built(size)).values()) == counts


def test_parameter_counts_of_grey_images() -> None:
    assert tuple(count_parameters(_built(64, 1)).values()) == (3_574_656, 2_763_520)


def test_channels_double_without_a_limit() -> None:
    generator = Generator(100, 3, 128, 64, 10**6)
    assert sum(p.numel() for p in generator.parameters()) == 12_786_560


@pytest.mark.parametrize("size", [32, 64])
def test_shapes_and_ranges(size: int) -> None:
    images = Generator(100, 3, size, 16, 64)(torch.rand(4, 100))
    assert images.shape == (4, 3, size, size)
    assert images.abs().max() <= 1
    assert Discriminator(3, size, 16, 64)(images).shape == (4,)


def test_layers_follow_the_papers_guidelines() -> None:
    """Section 3: no fully connected layers, no batch norm at the output of G and input of D."""
    generator, discriminator = Generator(100, 3, 64, 8, 64), Discriminator(3, 64, 8, 64)
    for network in (generator, discriminator):
        assert not any(isinstance(layer, nn.Linear | nn.MaxPool2d) for layer in network)
    assert isinstance(generator[-1], nn.Tanh)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in list(generator)[-2:])
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in list(discriminator)[:2])
    slopes = {m.negative_slope for m in discriminator if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.2}


def test_initial_weights_and_learning_rates() -> None:
    """Section 4: N(0, 0.02), Adam with 2e-4 and beta1 of 0.5, batches of 128."""
    method = DCGAN(DCGANSettings())
    method.data = DataShape(3, (64, 64))
    method.build(method.data)
    assert method.generator[4].weight.detach().std() == pytest.approx(0.02, rel=0.05)
    for optimizer in method.optimizers.values():
        assert optimizer.param_groups[0]["lr"] == 2e-4
        assert optimizer.param_groups[0]["betas"] == (0.5, 0.999)
    assert DCGANSettings().batch_size == 128


def test_noise_is_uniform() -> None:
    method = DCGAN(DCGANSettings(features=2))
    method.data = DataShape(1, (32, 32))
    method.build(method.data)
    noise = method.sample_latent(500, torch.Generator().manual_seed(0))
    assert noise.abs().max() <= 1
    assert noise.std() == pytest.approx(3**-0.5, rel=0.02)
