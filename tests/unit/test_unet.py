"""U-Net: parameter counts, loss, crops, and learning of vessels."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from benchbed import Batch, DataShape
from benchbed.data.loader import CaseLoader
from benchbed.data.preprocessing.prepare import PreparedDataset
from benchbed.runs.build import count_parameters
from benchbed.training.device import create_fabric
from benchbed_unet.settings import UNetSettings
from benchbed_unet.unet import UNet


@pytest.mark.parametrize(("channels", "count"), [(3, 31_037_633), (1, 31_036_481)])
def test_parameter_counts_of_the_paper(channels: int, count: int) -> None:
    with torch.device("meta"):
        method = UNet(UNetSettings())
        method.data = DataShape(channels, (512, 512), 1)
        method.build(method.data)
    assert count_parameters(method) == {"network": count}


def _method(**settings: object) -> UNet:
    torch.manual_seed(0)
    method = UNet(UNetSettings(features=4, **settings))
    method.data = DataShape(3, (64, 64), 1)
    method.build(method.data)
    method.attach(create_fabric("cpu", "fp32"))
    return method


def _batch() -> Batch:
    mask = torch.ones(2, 1, 64, 64)
    mask[..., :40] = -1
    return Batch(image=mask.expand(-1, 3, -1, -1) * 0.5, mask=mask)


def test_loss_is_the_mean_cross_entropy_of_pixels() -> None:
    """The network outputs 0.25 everywhere; 24 of 64 columns are vessel."""
    method = _method(augment=False)
    with torch.no_grad():
        method.network.module.head.weight.zero_()
        method.network.module.head.bias.fill_(math.log(1 / 3))
    loss = method.training_step(_batch(), 0.0)["cross_entropy"]
    expected = -(24 * math.log(0.25) + 40 * math.log(0.75)) / 64
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("crop", "side"), [(0, 64), (32, 32)])
def test_training_uses_crops(crop: int, side: int) -> None:
    """Segmentation uses whole images of any size."""
    method = _method(crop=crop)
    seen: list[int] = []
    method.network.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[-1]))
    method.training_step(_batch(), 0.0)
    assert seen == [side]
    assert method.eval().segment(torch.zeros(1, 3, 75, 64)).shape == (1, 1, 75, 64)


def test_training_learns_vessels_within_seconds(retinas: PreparedDataset) -> None:
    """On unseen phantoms the cross-entropy is below 0.7 of that of the best constant.

    The best constant is the share of vessels.
    """
    torch.manual_seed(0)
    method = UNet(UNetSettings(features=8, batch_size=8, learning_rate=5e-3))
    method.data = DataShape(3, (32, 32), 1)
    method.build(method.data)
    method.attach(create_fabric("cpu", "fp32"))
    feed = CaseLoader(retinas.get_split("train"), 0, torch.device("cpu"))
    for step in range(150):
        method.training_step(feed.get_batch(8 * step, 8), step / 150)
    unseen = CaseLoader(retinas.get_split("test"), 0, torch.device("cpu")).get_batch(0, 8)
    assert unseen.mask is not None
    truth = (unseen.mask + 1) / 2
    constant = F.binary_cross_entropy(truth.mean().expand_as(truth), truth)
    with torch.no_grad():
        learned = F.binary_cross_entropy(method.eval().segment(unseen.image), truth)
    assert learned < 0.7 * constant
