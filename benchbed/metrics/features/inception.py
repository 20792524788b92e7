"""The Inception network of FID."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from benchbed.data.download.weights import PublishedWeights
from benchbed.metrics.features.extractor import FeatureExtractor, InputTransform, prepare_network
from benchbed.utils.files import hash_file

INCEPTION_WEIGHTS = PublishedWeights(
    "Inception",
    "pt_inception-2015-12-05-6726825d.pth",
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth",
    "6726825d",
)
"""pytorch-fid's port of the network that defines FID."""

INCEPTION_DIMS = 2048


def create_inception_extractor(
    weights: Path | None = None,
    device: torch.device | str = "cpu",
    batch_size: int = 16,
    hash_prefix: str = INCEPTION_WEIGHTS.hash_prefix,
) -> FeatureExtractor:
    """Create the Inception network of FID, up to its last pooling.

    Heusel et al. 2017 (arXiv:1706.08500), with the layers and the weights of 2015-12-05 as ported
    by pytorch-fid: bilinear resize to 299 pixels without antialiasing, scaled to [-1, 1].

    Args:
        weights: The published file; None to search with `INCEPTION_WEIGHTS`.
        device: Device of the network.
        batch_size: Images per batch.
        hash_prefix: First digits of the file's SHA-256.

    Raises:
        FileNotFoundError: The weights are not on this machine.
        ValueError: The file is damaged or another one.
    """
    path = weights or INCEPTION_WEIGHTS.find_file()
    if path is None:
        raise FileNotFoundError(
            f"Inception weights not found on this machine. Put {INCEPTION_WEIGHTS.file_name} into "
            "a folder and set $BENCHBED_WEIGHTS to it."
        )
    digest = hash_file(path)
    if not digest.startswith(hash_prefix):
        raise ValueError(f"{path} is damaged or not the published Inception file. Delete it.")
    network = _build_empty_inception()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state, assign=True)
    except Exception as error:
        # torch.load raises a dozen types for files of other kinds.
        raise ValueError(
            f"{path} does not contain the weights of the Inception network."
        ) from error
    # The features are the input of the last layer.
    network.fc = nn.Identity()
    _merge_batch_norm(network)
    target = torch.device(device)
    prepared = prepare_network(network, InputTransform(299, (0.5,) * 3, (0.5,) * 3), target)
    name = "inception-pool3-2048"
    return FeatureExtractor(name, INCEPTION_DIMS, digest[:12], prepared, target, batch_size)


def _build_empty_inception() -> nn.Module:
    """Build, on the meta device, torchvision's network with pytorch-fid's blocks."""
    from pytorch_fid import inception as fid
    from torchvision.models import inception_v3

    with torch.device("meta"):
        network = inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
        for name, pooled in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
            channels = getattr(network, name).branch1x1.conv.in_channels
            setattr(network, name, fid.FIDInceptionA(channels, pooled))
        for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
            block = getattr(network, name)
            inner = block.branch7x7_1.conv.out_channels
            setattr(network, name, fid.FIDInceptionC(768, channels_7x7=inner))
        network.Mixed_7b = fid.FIDInceptionE_1(1280)
        network.Mixed_7c = fid.FIDInceptionE_2(2048)
    empty: nn.Module = network
    return empty


def _merge_batch_norm(network: nn.Module) -> None:
    """Merge the fixed batch normalisation into the convolutions; only rounding changes."""
    network.eval()
    blocks: Iterator[Any] = network.modules()
    for block in blocks:
        if hasattr(block, "conv") and hasattr(block, "bn"):
            block.conv = fuse_conv_bn_eval(block.conv, block.bn)
            block.bn = nn.Identity()
