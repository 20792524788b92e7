"""Networks lie in memory as their layers are fastest."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchbed import Batch, DataShape, Losses, Method, MethodSettings
from benchbed.runs.device import fabric


class Convolves(Method[MethodSettings]):
    """One convolution, normalised in some way."""

    norm: type[nn.Module]

    def build(self, data: DataShape) -> None:
        """The network."""
        self.network = nn.Sequential(nn.Conv2d(data.channels, 4, 3, padding=1), self.norm(4))

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """No more than a loss."""
        del progress
        return {"loss": self.network(batch.image).square().mean()}


def _attached(norm: type[nn.Module]) -> Any:
    method = type("Normalised", (Convolves,), {"norm": norm})(MethodSettings())
    method.data = DataShape(3, (8, 8))
    method.build(method.data)
    method.attach(fabric("cpu", "fp32"))
    return method


def _first_weight(method: Any) -> Tensor:
    return next(weight for weight in method.network.parameters() if weight.ndim == 4)


@pytest.mark.parametrize(
    ("norm", "pixels_first"), [(nn.BatchNorm2d, True), (nn.InstanceNorm2d, False)]
)
def test_only_what_no_layer_turns_round_is_channels_last(
    norm: type[nn.Module], pixels_first: bool
) -> None:
    """MI-GAN was slower than its plain reference: each instance norm turned its maps round."""
    weight = _first_weight(_attached(norm))
    assert weight.is_contiguous(memory_format=torch.channels_last) == pixels_first
    assert weight.is_contiguous() != pixels_first
