"""The image-to-image networks of pix2pix."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchbed.nn import PatchDiscriminator, UNetGenerator, normal_init


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("channels", "size", "expected"), [((3, 3), 256, 54_413_955), ((1, 3), 512, 66_996_867)]
)
def test_unet_counts(channels: tuple[int, int], size: int, expected: int) -> None:
    with torch.device("meta"):
        assert count(UNetGenerator(*channels, size)) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"in_channels": 6}, 2_768_705),
        ({"in_channels": 4}, 2_766_657),
        ({"in_channels": 6, "layers": 0}, 9_024),
        ({"in_channels": 6, "layers": 1}, 139_585),
        ({"in_channels": 6, "layers": 2}, 666_433),
        ({"in_channels": 6, "layers": 5}, 11_159_361),
    ],
)
def test_patch_discriminator_counts(arguments: dict[str, int], expected: int) -> None:
    with torch.device("meta"):
        assert count(PatchDiscriminator(**arguments)) == expected


@pytest.mark.parametrize(("layers", "patch"), [(0, 1), (1, 16), (2, 34), (3, 70)])
def test_patches_have_the_papers_size(layers: int, patch: int) -> None:
    """Measured by the gradient of one logit."""
    network = PatchDiscriminator(1, base=2, layers=layers).eval()
    image = torch.randn(1, 1, 128, 128, requires_grad=True)
    logits = network(image)
    middle = logits.shape[-1] // 2
    (slope,) = torch.autograd.grad(logits[0, 0, middle, middle], image)
    rows = slope[0, 0].abs().sum(1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == patch


def test_70_px_patches_of_256_px_are_30_by_30() -> None:
    network = PatchDiscriminator(4, base=4)
    assert network(torch.randn(1, 4, 256, 256)).shape == (1, 1, 30, 30)


def test_a_negative_number_of_layers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"layers.*-1"):
        PatchDiscriminator(3, layers=-1)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_unet_keeps_the_size(dimensions: int) -> None:
    network = UNetGenerator(2, 3, 16, base=4, max_channels=8, dimensions=dimensions)
    translated = network(torch.randn(2, 2, *[16] * dimensions))
    assert translated.shape == (2, 3, *[16] * dimensions)
    assert translated.abs().max() <= 1


def test_unet_bottleneck_is_one_pixel_and_every_skip_is_used() -> None:
    network = UNetGenerator(1, 1, 64, base=4, max_channels=8, dropout=0.0)
    assert len(network.downs) == 6
    seen: list[torch.Size] = []
    for down in network.downs:
        down.register_forward_hook(lambda _m, _i, output: seen.append(output.shape))
    image = torch.randn(2, 1, 64, 64)
    network(image).sum().backward()
    assert seen[-1][-2:] == (1, 1)
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def test_dropout_is_in_the_three_innermost_decoder_layers() -> None:
    network = UNetGenerator(1, 1, 64, base=4, max_channels=8)
    drops = [any(isinstance(part, nn.Dropout) for part in up) for up in network.ups]
    assert drops == [True, True, True, False, False]
    image = torch.randn(2, 1, 64, 64)
    assert not torch.equal(network(image), network(image))
    network.eval()
    assert torch.equal(network(image), network(image))


def test_unet_refuses_sizes_that_do_not_halve() -> None:
    with pytest.raises(ValueError, match=r"96 .*power of two"):
        UNetGenerator(1, 1, 96)


def test_normal_init_draws_the_papers_weights() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(8, 64, 4),
        nn.BatchNorm2d(64),
        nn.ConvTranspose2d(64, 8, 4, bias=False),
        nn.Linear(200, 200),
        nn.BatchNorm2d(8, affine=False),
    )
    normal_init(network)
    for layer in (network[0], network[2], network[3]):
        assert float(layer.weight.std()) == pytest.approx(0.02, rel=0.05)
        assert float(layer.weight.mean()) == pytest.approx(0, abs=1e-3)
    assert float(network[1].weight.mean()) == pytest.approx(1, abs=0.01)
    assert 0.01 < float(network[1].weight.std()) < 0.03
    assert not network[0].bias.any()
    assert not network[1].bias.any()
