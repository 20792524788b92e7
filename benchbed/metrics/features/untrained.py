"""An untrained network, whose features need no weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from benchbed.metrics.features.extractor import FeatureExtractor, InputTransform, prepare_network

RANDOM_DIMS = 64

RANDOM_SIZE = 112
"""Image size for the untrained network, in pixels."""


def create_random_extractor(
    device: torch.device | str = "cpu", seed: int = 0, batch_size: int = 16
) -> FeatureExtractor:
    """Create an untrained VGG16 with 64 outputs, for machines and domains without weights.

    After the "R64" features of Naeem et al. 2020 (arXiv:2002.09797). Weights are normal with
    variance 2 / fan-in and biases are zero (He et al. 2015): the same function as torchvision's
    initialisation up to a constant factor, and the features neither vanish nor grow. Images are
    resized bilinearly to 112 pixels without antialiasing (half the usual size takes a quarter of
    the time) and scaled with the usual mean and deviation of this network's input.

    Weights are drawn by numpy, so they do not depend on torch's generator or version.

    Args:
        seed: Seed of the weights; another seed is another feature space, shown by the hash.
        device: Device of the network.
        batch_size: Images per batch.
    """
    from torchvision.models import vgg16

    with torch.device("meta"):
        network = vgg16(weights=None, init_weights=False)
        network.classifier[-1] = nn.Linear(4096, RANDOM_DIMS)
    shapes = tuple((name, t.shape) for name, t in network.state_dict().items())
    weights, digest = _sample_he_weights(shapes, seed)
    network.load_state_dict(weights, assign=True)
    target = torch.device(device)
    prepared = InputTransform(
        RANDOM_SIZE, mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225)
    )
    ready = prepare_network(network, prepared, target)
    return FeatureExtractor(
        f"random-vgg16-{RANDOM_DIMS}d-{RANDOM_SIZE}px",
        RANDOM_DIMS,
        digest,
        ready,
        target,
        batch_size,
    )


@lru_cache(maxsize=1)
def _sample_he_weights(
    shapes: tuple[tuple[str, torch.Size], ...], seed: int
) -> tuple[Mapping[str, Tensor], str]:
    """Draw weights by He et al. 2015, equation 10, for the given shapes; hash them.

    Cached: drawing takes seconds, and a run may score several sets.
    """
    generator = np.random.default_rng(seed)
    weights, digest = {}, hashlib.sha256()
    for name, shape in shapes:
        drawn = np.zeros(shape, np.float32)
        if len(shape) > 1:
            generator.standard_normal(dtype=np.float32, out=drawn)
            drawn *= np.float32(np.sqrt(2 / np.prod(shape[1:])))
        weights[name] = torch.from_numpy(drawn)
        digest.update(name.encode())
        digest.update(drawn.data)
    return weights, digest.hexdigest()[:12]
