"""Weight initialisation."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd


def normal_init(module: nn.Module, std: float = 0.02) -> None:
    """Initialise the weights of every layer in place (Radford et al. 2016, section 4).

    Weights of (transposed) convolutions and linear layers are N(0, std^2), gains of batch
    normalisation N(1, std^2), all biases 0. Other layers are unchanged.
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
