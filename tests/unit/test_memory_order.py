"""Networks use the memory format that is fastest for their layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchbed import Batch, DataShape, Losses, Method, MethodSettings
from benchbed.training.device import create_fabric


class Convolution(Method[MethodSettings]):
    """One convolution with a normalisation layer."""

    norm: type[nn.Module]

    def build(self, data: DataShape) -> None:
        self.network = nn.Sequential(nn.Conv2d(data.channels, 4, 3, padding=1), self.norm(4))

    def training_step(self, batch: Batch, progress: float) -> Losses:
        del progress
        return {"loss": self.network(batch.image).square().mean()}


def _attached(norm: type[nn.Module]) -> Any:
    method = type("Normalised", (Convolution,), {"norm": norm})(MethodSettings())
    method.data = DataShape(3, (8, 8))
    method.build(method.data)
    method.attach(create_fabric("cpu", "fp32"))
    return method


def _first_weight(method: Any) -> Tensor:
    return next(weight for weight in method.network.parameters() if weight.ndim == 4)


@pytest.mark.parametrize(
    ("norm", "channels_last"), [(nn.BatchNorm2d, True), (nn.InstanceNorm2d, False)]
)
def test_only_networks_without_instance_norm_are_channels_last(
    norm: type[nn.Module], channels_last: bool
) -> None:
    """Each instance norm would convert its maps, which made MI-GAN slower."""
    weight = _first_weight(_attached(norm))
    assert weight.is_contiguous(memory_format=torch.channels_last) == channels_last
    assert weight.is_contiguous() != channels_last
