"""MI-GAN's segmentation: the five discriminators of its table 1, the losses, the z-scores."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from benchbed import Batch, DataShape
from benchbed.nn import bce_with_target
from benchbed.runs.execute import count_parameters, create_fabric
from benchbed_mi_gan.segmentation import MIGANSeg, normalize_z_score
from benchbed_mi_gan.segmentation_networks import (
    BlockDiscriminator,
    build_discriminator,
    build_segmenter,
)
from benchbed_mi_gan.segmentation_settings import MIGANSegSettings

KINDS = ("pixel", "patch1", "patch2", "image")


def _built(size: int = 64, **settings: Any) -> MIGANSeg:
    torch.manual_seed(0)
    method = MIGANSeg(MIGANSegSettings(**settings))
    method.data = DataShape(3, (size, size), 1)
    method.build(method.data)
    return method


def _ready(size: int = 64, **settings: Any) -> MIGANSeg:
    method = _built(size, **{"features": 2, "discriminator_features": 2, **settings})
    method.attach(create_fabric("cpu", "fp32"))
    return method


def _batch(size: int = 64) -> Batch:
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(2, 3, size, size, generator=generator) * 2 - 1
    return Batch(image=image, mask=torch.where(image[:, :1] > 0.6, 1.0, -1.0))


@pytest.mark.parametrize(
    ("kind", "count"), [("none", None), ("patch2", 4_715_009), ("image", 4_715_009)]
)
def test_parameter_counts(kind: str, count: int | None) -> None:
    with torch.device("meta"):
        counts = count_parameters(_built(512, discriminator=kind))
    assert counts["generator"] == 7_849_601
    assert counts.get("discriminator") == count


@pytest.mark.parametrize(
    ("kind", "grid"), [("pixel", 640), ("patch1", 80), ("patch2", 10), ("image", 1)]
)
def test_the_grids_of_logits_at_640_px(kind: str, grid: int) -> None:
    with torch.device("meta"):
        network = build_discriminator(kind, 4, 2, 640).eval()
        assert network(torch.empty(1, 4, 640, 640)).shape == (1, 1, grid, grid)


@pytest.mark.parametrize(("kind", "pixels"), [("pixel", 7), ("patch1", 61), ("patch2", 537)])
def test_the_receptive_fields(kind: str, pixels: int) -> None:
    """From the kernels and strides of the layers."""
    field, jump = 1, 1
    for layer in build_discriminator(kind, 4, 2, 640).modules():
        if isinstance(layer, nn.Conv2d):
            field, jump = field + (layer.kernel_size[0] - 1) * jump, jump * layer.stride[0]
        elif isinstance(layer, nn.MaxPool2d):
            field, jump = field + jump, jump * 2
    assert field == pixels


@pytest.mark.parametrize(("size", "side"), [(32, 2), (64, 2), (128, 2), (256, 4), (512, 8)])
def test_small_images_are_halved_less_often(size: int, side: int) -> None:
    """Six times from 128 px on, as the paper's 512 px; never to one pixel."""
    with torch.device("meta"):
        network = BlockDiscriminator(4, 1, size, blocks=5, strided=2, whole=False).eval()
        assert network(torch.empty(1, 4, size, size)).shape[-2:] == (side, side)


def test_normalisation_has_no_learned_scale() -> None:
    method = _built(features=2, discriminator="none")
    names = [name for name, weights in method.named_parameters() if weights.requires_grad]
    assert not any(name.endswith(("1.weight", "4.weight")) for name in names if "coders" in name)
    assert any(name.endswith("1.bias") for name in names)


def test_batch_norm_can_be_synchronised() -> None:
    """The conversion needs scale and shift as parameters."""
    network = build_segmenter(3, 1, 2)
    made = torch.nn.SyncBatchNorm.convert_sync_batchnorm(network)
    kinds = {type(part) for part in made.modules() if isinstance(part, _BatchNorm)}
    assert kinds == {torch.nn.SyncBatchNorm}


def test_z_scores_have_mean_0_and_deviation_1_in_the_field_of_view() -> None:
    image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) - 0.3
    image[0, :, :10] = -1  # dark: outside
    scored = normalize_z_score(image)
    inside = scored[0, :, 10:]
    torch.testing.assert_close(inside.mean((1, 2)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(inside.std((1, 2), correction=0), torch.ones(3), atol=1e-2, rtol=0)
    assert scored[0, :, :10].max() < -2
    torch.testing.assert_close(
        scored[1], normalize_z_score(image[1:] * 0.5)[0], atol=2e-2, rtol=0
    )  # contrast is normalised
    assert torch.isfinite(normalize_z_score(torch.full((1, 3, 32, 32), -1.0))).all()


@pytest.mark.parametrize("kind", ["none", *KINDS])
def test_a_step_updates_each_network_once(kind: str) -> None:
    method = _ready(discriminator=kind)
    losses = method.training_step(_batch(), 0.0)
    assert all(torch.isfinite(loss) for loss in losses.values())
    expected = {"generator": 1} if kind == "none" else {"generator": 1, "discriminator": 1}
    assert dict(method.updates) == expected


def test_losses_of_undecided_networks() -> None:
    """D outputs 0.5: 2 ln 2 and ln 2; G outputs 0.5: ln 2."""
    method = _ready(discriminator="patch1", augment=False)
    for network in (method.generator.module.head, method.discriminator.module.body[-1]):
        nn.init.zeros_(network.weight)
        nn.init.zeros_(network.bias)
    method.update = lambda *_: None  # type: ignore[method-assign]
    losses = {k: float(v.detach()) for k, v in method.training_step(_batch(), 0.0).items()}
    assert losses["discriminator"] == pytest.approx(2 * math.log(2))
    assert losses["adversarial"] == pytest.approx(math.log(2))
    assert losses["segmentation"] == pytest.approx(math.log(2))


def test_cross_entropy_weighs_ten_times_the_adversarial_loss() -> None:
    """Eq. 6 divided by lambda is the loss of G."""
    method = _ready(discriminator="patch1", augment=False)
    given: dict[str, float] = {}
    method.update = lambda name, loss: given.update({name: loss.item()})  # type: ignore[method-assign]
    losses = {k: float(v.detach()) for k, v in method.training_step(_batch(), 0.0).items()}
    expected = losses["segmentation"] + losses["adversarial"] / 10
    assert given["generator"] == pytest.approx(expected)


def test_discriminator_changes_the_update_of_the_generator() -> None:
    """An adversarial weight of 0 gives another step of G."""
    heads = []
    for weight in (0.0, 0.1):
        method = _ready(discriminator="image", adversarial_weight=weight, augment=False)
        method.training_step(_batch(), 0.0)
        heads.append(method.generator.module.encoders[0][0].weight.detach().clone())
    assert not torch.equal(*heads)


@pytest.mark.parametrize("kind", ["patch1", "patch2", "image"])
def test_discriminator_learns_to_separate_masks_from_probabilities(kind: str) -> None:
    """Normalising each input separately would hide the difference of binary and grey."""
    method = _ready(discriminator=kind, discriminator_features=4, discriminator_learning_rate=2e-3)
    batch = _batch()
    truth = (batch.mask + 1) / 2  # type: ignore[operator]
    for _ in range(40):
        real, fake = method.score_pairs(batch.image, truth, 0.5 * truth + 0.1)
        loss = bce_with_target(real, 1.0) + bce_with_target(fake, 0.0)
        method.update("discriminator", loss)
    assert float(loss.detach()) < 0.55  # at most 0.44; at least 0.66 with separate normalisation


def test_training_uses_crops_and_segmentation_whole_images() -> None:
    method = _ready(discriminator="image", crop=32)
    seen: list[int] = []
    for network in (method.generator, method.get_ema("generator")):
        network.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[-1]))
    method.training_step(_batch(), 0.0)
    with torch.no_grad():
        probabilities = method.eval().segment(torch.zeros(1, 3, 50, 64))
    assert seen == [32, 64]
    assert probabilities.shape == (1, 1, 50, 64)
    assert 0 <= float(probabilities.min()) <= float(probabilities.max()) <= 1


def test_ema_generator_segments_with_averaged_statistics() -> None:
    """Weights and running means are decay * past + (1 - decay) * present, in the warm-up."""
    method = _ready(average_decay=0.75)
    expected: dict[str, torch.Tensor] = {}
    for step in range(3):
        method.training_step(_batch(), step / 3)
        now = {
            k: v.clone() for k, v in method.generator.state_dict().items() if v.is_floating_point()
        }
        decay = (1 + step) / (10 + step)
        expected = {k: decay * expected.get(k, v) + (1 - decay) * v for k, v in now.items()}
    averaged = method.get_ema("generator").module.state_dict()
    shared = [name for name in averaged if name in expected]
    assert any("running_mean" in name for name in shared)
    assert len(shared) == len(expected)
    for name in shared:
        torch.testing.assert_close(averaged[name], expected[name])
    method.eval()
    image = _batch().image
    torch.testing.assert_close(
        method.segment(image), method.get_ema("generator")(normalize_z_score(image)).sigmoid()
    )
    assert not torch.allclose(
        method.segment(image), method.generator(normalize_z_score(image)).sigmoid()
    )
