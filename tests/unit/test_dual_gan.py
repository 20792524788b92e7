"""Dual GAN: layers of paper and code at every size, and two independent stages."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from benchbed import Batch, BenchbedError, DataShape
from benchbed.runs.build import count_parameters_at_shape
from benchbed.training.sampling import preserve_training_state
from benchbed_dual_gan.dual_gan import DualGAN
from benchbed_dual_gan.geometry import binarize
from benchbed_dual_gan.photorealism import STAGE_TWO_CONFIGS, PhotoDiscriminator
from benchbed_dual_gan.settings import DualGANSettings
from benchbed_dual_gan.spec import DUAL_GAN
from benchbed_retina.phantom import render

NARROW = {"mask_features": 4, "photo_features": 4, "latent_dim": 8}
STAGE1 = {"mask_generator", "mask_discriminator"}
STAGE2 = {"photo_generator", "photo_discriminator"}
TWO_LN_2 = 1.386


def _method(size: int = 32, channels: int = 3, **settings: Any) -> DualGAN:
    torch.manual_seed(0)
    method = DualGAN(DualGANSettings(**{**NARROW, "batch_size": 4, **settings}))
    method.data = DataShape(channels, (size, size), mask_channels=1)
    method.build(method.data)
    fabric = Fabric(accelerator="cpu", devices=1)
    fabric.launch()
    method.attach(fabric)
    method.train()
    return method


@cache
def _phantom(size: int = 32, count: int = 64) -> Batch:
    """Return images and masks of the fundus phantom."""
    arrays = render(range(count), size, 0)
    image = torch.from_numpy(arrays["image"]).permute(0, 3, 1, 2).float() / 127.5 - 1
    return Batch(image, torch.from_numpy(arrays["mask"]).float().unsqueeze(1) * 2 - 1)


def _weights(network: nn.Module) -> torch.Tensor:
    return torch.cat(
        [tensor.detach().flatten().float() for tensor in network.state_dict().values()]
    )


COUNTS_512 = {
    "paper": (57_257_857, 4_829_441, 22_869_187, 391_009),
    "authors": (57_257_857, 4_829_441, 54_420_617, 2_767_809),
}


@pytest.mark.parametrize("stage2", COUNTS_512)
def test_parameter_counts_match_the_code_at_512_px(stage2: Any) -> None:
    shape = DataShape(3, (512, 512), mask_channels=1)
    counts = count_parameters_at_shape(DUAL_GAN, DualGANSettings(stage2=stage2), shape)
    assert tuple(counts.values()) == COUNTS_512[stage2]


def test_stage_one_at_64_px_is_the_dcgan_of_the_authors() -> None:
    """The scaling rule gives the parameter counts of its code with three channels."""
    shape = DataShape(3, (64, 64), mask_channels=3)
    counts = count_parameters_at_shape(DUAL_GAN, DualGANSettings(), shape)
    assert counts["mask_generator"] == 5_135_363
    assert counts["mask_discriminator"] == 4_316_545


@pytest.mark.parametrize("stage2", STAGE_TWO_CONFIGS)
@pytest.mark.parametrize("size", DUAL_GAN.sizes)
def test_shapes_and_ranges_at_every_size(size: int, stage2: str) -> None:
    method = _method(size, stage2=stage2)
    bottleneck: list[int] = []
    method.photo_generator.module.downs[-1].register_forward_hook(
        lambda _module, _inputs, output: bottleneck.append(output.shape[-1])
    )
    with preserve_training_state(method, 0) as rng:
        samples = method.sample(2, rng)
        photo = method.synthesize(samples.mask, rng)
    assert samples.image.shape == photo.shape == (2, 3, size, size)
    assert samples.mask.shape == (2, 1, size, size)
    assert set(samples.mask.unique().tolist()) <= {-1.0, 1.0}
    assert samples.image.abs().max() <= 1
    assert torch.equal(samples.image, photo), "the image of a sample is rendered from its mask"
    assert bottleneck[0] == (1 if stage2 == "paper" else 2)
    assert method.mask_discriminator(samples.mask).shape == (2,)


def test_grey_images_are_supported() -> None:
    for stage2 in STAGE_TWO_CONFIGS:
        method = _method(channels=1, stage2=stage2)
        with preserve_training_state(method, 0) as rng:
            assert method.sample(2, rng).image.shape == (2, 1, 32, 32)


@pytest.mark.parametrize(("stage2", "patch", "patches"), [("paper", 63, 16), ("authors", 70, 62)])
def test_patches_match_the_code(stage2: str, patch: int, patches: int) -> None:
    """At 512 px: the number of patches, and the receptive field of one."""
    network = PhotoDiscriminator(STAGE_TWO_CONFIGS[stage2], 1, 2)
    image = torch.randn(1, 1, 512, 512, requires_grad=True)
    logits = network(image)
    assert logits.shape[-2:] == (patches, patches)
    (gradient,) = torch.autograd.grad(logits[0, 0, patches // 2, patches // 2], image)
    rows = gradient[0, 0].abs().sum(1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == patch


def test_batch_norm_matches_the_code() -> None:
    """None in D of stage II; in G everywhere, except at the end for the paper."""
    for stage2, after_last in (("paper", 0), ("authors", 1)):
        method = _method(stage2=stage2)
        discriminator, generator = method.photo_discriminator.module, method.photo_generator.module
        assert _norms(discriminator) == 0
        assert _norms(generator.last) == after_last
        assert all(_norms(layer) == 1 for layer in [*generator.downs, *generator.ups])
        assert _norms(method.mask_discriminator.module) == 3
        assert _norms(method.mask_generator.module) == 4


def _norms(network: nn.Module) -> int:
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())


def test_optimizers_and_rates_match_the_code() -> None:
    paper, authors = _method(), _method(stage2="authors")
    for name, optimizer in paper.optimizers.items():
        group = optimizer.param_groups[0]
        assert (group["lr"], group["betas"]) == (2e-4, (0.5, 0.999)), name
    for name in STAGE2:
        group = authors.optimizers[name].param_groups[0]
        assert (group["lr"], group["alpha"]) == (1e-3, 0.9)
    assert (paper.tables.l1_weight, authors.tables.l1_weight) == (100.0, 1.0)
    assert DualGANSettings().batch_size == 7


def test_the_stages_are_trained_in_sequence() -> None:
    """Stage I up to its share of the budget, then stage II; buffers included."""
    method = _method(stage1_share=0.25)
    batch = _phantom()
    cases = Batch(batch.image[:4], batch.mask[:4])
    for progress, own in ((0.0, STAGE1), (0.2499, STAGE1), (0.25, STAGE2), (0.99, STAGE2)):
        before = {name: _weights(network) for name, network in method.networks.items()}
        method.training_step(cases, progress)
        after = {name: _weights(network) for name, network in method.networks.items()}
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert changed == own, f"at {progress}"


def test_updates_are_two_to_one_in_stage_one_and_one_to_one_in_stage_two() -> None:
    method = _method()
    cases = Batch(_phantom().image[:4], _phantom().mask[:4])
    for progress in (0.0, 0.1, 0.2, 0.6, 0.8):
        method.training_step(cases, progress)
    assert method.updates == {
        "mask_discriminator": 3,
        "mask_generator": 6,
        "photo_discriminator": 2,
        "photo_generator": 2,
    }


@pytest.mark.parametrize("stage2", STAGE_TWO_CONFIGS)
def test_first_losses_are_those_of_an_untrained_discriminator(stage2: str) -> None:
    """2 ln 2 for both discriminators, whose initial logits are near 0."""
    method = _method(stage2=stage2, mask_features=16, photo_features=16)
    cases = Batch(_phantom().image[:16], _phantom().mask[:16])
    first = method.training_step(cases, 0.0)["mask_discriminator"].detach()
    second = method.training_step(cases, 0.9)["photo_discriminator"].detach()
    assert float(first) == pytest.approx(TWO_LN_2, abs=0.3)
    assert float(second) == pytest.approx(TWO_LN_2, abs=0.03)


def test_stage_one_depends_on_masks_alone() -> None:
    """Other images with the same masks give the same networks."""
    masks = _phantom().mask[:4]
    results = []
    for image in (_phantom().image[:4], torch.zeros(4, 3, 32, 32)):
        method = _method()
        torch.manual_seed(1)
        method.training_step(Batch(image, masks), 0.0)
        results.append(_weights(method.mask_generator))
    assert torch.equal(*results)


def test_masks_are_thresholded_at_zero_or_by_otsu() -> None:
    drawn = torch.full((2, 1, 8, 8), -0.9)
    drawn[:, :, 2:4] = -0.3
    drawn[1, :, 6] = 0.8
    plain, otsu = binarize(drawn), binarize(drawn, "otsu")
    for mask in (plain, otsu):
        assert set(mask.unique().tolist()) == {-1.0, 1.0}
        assert mask.dtype == torch.float32
    assert (plain > 0).sum(dim=(1, 2, 3)).tolist() == [0, 8]
    assert (otsu[0] > 0).sum() == 16
    assert (binarize(torch.full((1, 1, 8, 8), -0.5), "otsu") == -1).all()


@pytest.mark.parametrize("stage2", STAGE_TWO_CONFIGS)
def test_different_masks_give_different_images(stage2: str) -> None:
    method = _method(stage2=stage2)
    masks = _phantom().mask[:4]
    with preserve_training_state(method, 0) as rng:
        assert not torch.equal(method.synthesize(masks, rng), method.synthesize(masks.flip(0), rng))


def test_data_without_masks_raise() -> None:
    method = DualGAN(DualGANSettings(**NARROW))
    with pytest.raises(BenchbedError, match=r"dual-gan\b.*masks.*`benchbed list datasets`"):
        method.build(DataShape(3, (32, 32)))


def test_rendered_vessels_follow_their_mask() -> None:
    """After 150 steps on 64 phantoms, rendered vessels are dark under their own mask.

    For 16 test masks, mean green is lower under the own mask than under another one, by 0.06 of
    a range of 2; in the phantom itself by 0.11.
    """
    method = _method(photo_features=16, dropout=0.0, photo_learning_rate=2e-3)
    cases = _phantom(count=80)
    for step in range(150):
        chosen = (torch.arange(8) + 8 * step) % 64
        method.training_step(Batch(cases.image[chosen], cases.mask[chosen]), 0.9)
    image, mask = cases.image[64:], cases.mask[64:]
    with preserve_training_state(method, 0) as rng:
        rendered = method.synthesize(mask, rng)
    assert _following(image, mask) > 0.1
    assert _following(rendered, mask) > 0.06


def _following(image: torch.Tensor, mask: torch.Tensor) -> float:
    """Return how much darker the green channel is under its own mask than under another."""
    own, other = (image[:, 1:2][m > 0].mean() for m in (mask, mask.roll(1, 0)))
    return float(other - own)
