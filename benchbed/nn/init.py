"""Initial weights."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd


def normal_init(module: nn.Module, std: float = 0.02) -> None:
    """Draw the weights of every layer anew, in place (Radford et al. 2016, section 4).

    Weights of (transposed) convolutions and linear layers are N(0, std^2) and gains of batch
    normalisation are N(1, std^2); all biases are 0. Other layers are left as they are.

    Args:
        module: A network.
        std: Standard deviation.
    """
    for layer in module.modules():
        if isinstance(layer, _ConvNd | nn.Linear):
            nn.init.normal_(layer.weight, 0.0, std)
        elif isinstance(layer, _BatchNorm) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, std)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
