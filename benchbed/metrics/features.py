"""Feature extractors: Inception, and an untrained network that needs no weights."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from benchbed.data.weights import PublishedWeights, compute_sha256

Pixels = npt.NDArray[np.uint8]
FeatureArray = npt.NDArray[np.float32]
ProgressCallback = Callable[[str, int, int], None]
"""Called with the current step, the number of items done, and the total."""

INCEPTION_WEIGHTS = PublishedWeights(
    "Inception",
    "pt_inception-2015-12-05-6726825d.pth",
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth",
    "6726825d",
)
"""pytorch-fid's port of the network that defines FID."""

INCEPTION_DIMS = 2048
RANDOM_DIMS = 64
RANDOM_SIZE = 112
"""Image size for the untrained network, in pixels."""


@dataclass(frozen=True)
class FeatureExtractor:
    """A network that turns images into features.

    Attributes:
        name: Name of the feature space; values of different spaces must not share a column.
        dims: Number of features d.
        weights_hash: First 12 hexadecimal digits of the SHA-256 of the weights.
        network: Float ``(B, 3, H, W)`` in [0, 1] to ``(B, d)``, in evaluation mode, on `device`.
        device: Where the network is.
        batch_size: Images per batch.
    """

    name: str
    dims: int
    weights_hash: str
    network: nn.Module
    device: torch.device
    batch_size: int = 16

    def __call__(self, images: Pixels, counted: ProgressCallback | None = None) -> FeatureArray:
        """Compute features of images, in full float32 regardless of the caller's settings.

        Args:
            images: uint8 ``(N, C, H, W)``, C of 1 (replicated) or 3; may be a memory map.
            counted: Receives progress after each batch.

        Returns:
            ``(N, d)`` float32.

        Raises:
            ValueError: The images have another dtype or shape.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
            raise ValueError(
                f"Images with dtype {images.dtype} and shape {images.shape} are not supported. "
                "Expected uint8 (N, C, H, W) with C = 1 or 3."
            )
        features = np.empty((len(images), self.dims), np.float32)
        with torch.inference_mode(), disable_reduced_precision(self.device):
            for start in range(0, len(images), self.batch_size):
                batch = torch.from_numpy(images[start : start + self.batch_size].copy())
                pixels = batch.to(self.device).expand(-1, 3, -1, -1).float() / 255
                features[start : start + len(batch)] = self.network(pixels).cpu().numpy()
                if counted is not None:
                    counted("features", start + len(batch), len(images))
        return features


def create_extractor(kind: str, device: torch.device | str = "cpu") -> FeatureExtractor:
    """Create the extractor called ``"inception"`` or ``"random"``, on `device`."""
    makers: dict[str, Callable[..., FeatureExtractor]] = {
        "inception": create_inception_extractor,
        "random": create_random_extractor,
    }
    return makers[kind](device=device)


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
            f"Inception weights not found on this machine. Put {INCEPTION_WEIGHTS.file_name} into a folder "
            "and set $BENCHBED_WEIGHTS to it."
        )
    digest = compute_sha256(path)
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
    prepared = InputTransform(RANDOM_SIZE, mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225))
    ready = prepare_network(network, prepared, target)
    return FeatureExtractor(
        f"random-vgg16-{RANDOM_DIMS}d-{RANDOM_SIZE}px",
        RANDOM_DIMS,
        digest,
        ready,
        target,
        batch_size,
    )


def _hash_weights(weights: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in weights.items():
        digest.update(name.encode())
        digest.update(tensor.numpy().data)
    return digest.hexdigest()[:12]


@lru_cache(maxsize=1)
def _sample_he_weights(
    shapes: tuple[tuple[str, torch.Size], ...], seed: int
) -> tuple[Mapping[str, Tensor], str]:
    """Draw weights by He et al. 2015, equation 10, for the given shapes; hash them.

    Cached: drawing takes seconds, and a run may score several sets.
    """
    generator = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes:
        if len(shape) == 1:
            weights[name] = torch.zeros(shape)
            continue
        drawn = generator.standard_normal(tuple(shape), dtype=np.float32)
        drawn *= np.float32(np.sqrt(2 / np.prod(shape[1:])))
        weights[name] = torch.from_numpy(drawn)
    return weights, _hash_weights(weights)


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


def prepare_network(network: nn.Module, prepared: nn.Module, device: torch.device) -> nn.Module:
    model = nn.Sequential(prepared, network).float().eval().requires_grad_(False)
    return model.to(device).to(memory_format=torch.channels_last)


@contextlib.contextmanager
def disable_reduced_precision(device: torch.device) -> Iterator[None]:
    """Disable TF32, bfloat16 and autocast: features must not depend on training settings."""
    backends: Any = torch.backends
    settings = (
        backends.cuda.matmul,
        backends.cudnn.conv,
        backends.mkldnn.matmul,
        backends.mkldnn.conv,
    )
    previous = [setting.fp32_precision for setting in settings]
    try:
        for setting in settings:
            setting.fp32_precision = "ieee"
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        for setting, value in zip(settings, previous, strict=True):
            setting.fp32_precision = value


class InputTransform(nn.Module):
    """Resizes and normalises images in [0, 1] for a network."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, size: int, mean: tuple[float, ...], deviation: tuple[float, ...]) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        resized = F.interpolate(
            images, size=(self.size, self.size), mode="bilinear", align_corners=False
        )
        scaled = (resized - self.mean) / self.deviation
        return scaled.contiguous(memory_format=torch.channels_last)
