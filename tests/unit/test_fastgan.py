"""FastGAN: networks and losses as published, and that a short training improves samples."""

from __future__ import annotations

import pytest
import torch

from benchbed_fastgan.fastgan import compute_hinge
from benchbed_fastgan.networks import (
    Discriminator,
    GatedUnit,
    Generator,
    SkipExcitation,
    compute_generator_widths,
    select_quadrant,
)


def test_widths_are_those_of_the_authors_code() -> None:
    widths = compute_generator_widths(512, 64)
    assert widths == {4: 1024, 8: 512, 16: 256, 32: 128, 64: 128, 128: 64, 256: 32, 512: 16}


@pytest.mark.parametrize("size", [64, 128, 256])
def test_shapes_and_ranges(size: int) -> None:
    torch.manual_seed(0)
    generator, discriminator = Generator(32, 3, size, 8), Discriminator(3, size, 8)
    image = generator(torch.randn(2, 32))
    assert image.shape == (2, 3, size, size)
    assert image.abs().max() <= 1
    assert discriminator(image).shape == (2, 25)
    logits, distance = discriminator.judge_and_restore(image, quadrant=3)
    assert logits.shape == (2, 25)
    assert distance.ndim == 0
    assert len(generator.excitations) == {64: 1, 128: 2, 256: 3}[size]


def test_the_hinge_has_random_margins_between_08_and_1() -> None:
    torch.manual_seed(0)
    zeros = torch.zeros(4000, 25)
    assert compute_hinge(zeros, 1).item() == pytest.approx(0.9, abs=0.002)
    assert compute_hinge(torch.full((9, 25), 1.0), 1) == 0
    assert compute_hinge(torch.full((9, 25), -1.0), -1) == 0
    assert compute_hinge(torch.full((400, 25), 1.0), -1).item() == pytest.approx(1.9, abs=0.01)


def test_excitation_of_nothing_halves_the_map() -> None:
    large = torch.rand(2, 6, 16, 16)
    gate = SkipExcitation(4, 6)
    assert torch.allclose(gate(torch.zeros(2, 4, 8, 8), large), large / 2)


def test_the_gate_is_that_of_torch_without_its_slow_gradient() -> None:
    values = torch.randn(2, 8, 5, 5)
    assert torch.allclose(GatedUnit()(values), torch.nn.functional.glu(values, 1))


def test_noise_has_no_effect_at_the_start() -> None:
    torch.manual_seed(0)
    generator = Generator(16, 1, 64, 4).eval()
    noise = torch.randn(2, 16)
    assert torch.equal(generator(noise), generator(noise))


def test_quadrants_cover_the_image_once() -> None:
    image = torch.arange(64.0).reshape(1, 1, 8, 8)
    parts = [select_quadrant(image, number) for number in range(4)]
    assert sorted(torch.cat([p.flatten() for p in parts]).tolist()) == list(range(64))
    assert parts[1][0, 0, 0, 0] == 4
    assert parts[2][0, 0, 0, 0] == 32


def test_decoders_learn_from_real_images_only() -> None:
    discriminator = Discriminator(1, 64, 4)
    discriminator(torch.rand(2, 1, 64, 64)).sum().backward()
    assert all(p.grad is None for p in discriminator.whole.parameters())
    _, distance = discriminator.judge_and_restore(torch.rand(2, 1, 64, 64), 0)
    distance.backward()
    assert all(p.grad is not None for p in discriminator.whole.parameters())
    assert all(p.grad is not None for p in discriminator.quadrant.parameters())


def test_layers_of_the_discriminator_have_unit_spectral_norm() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(1, 64, 4)
    for _ in range(50):
        discriminator(torch.randn(2, 1, 64, 64))
    for block in discriminator.blocks:
        weight = block.main[0].weight.detach().flatten(1)
        assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, abs=0.05)
