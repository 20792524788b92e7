"""Style transfer variant of MI-GAN's loss (Iqbal & Ali 2018, eq. 7 to 11)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from benchbed import BenchbedError, Losses, PublishedWeights
from benchbed_mi_gan.settings import MIGANSettings

VGG19 = PublishedWeights(
    "VGG-19",
    "vgg19-dcbb9e9d.pth",
    "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    "dcbb9e9d",
)

VGG_LAYERS = {
    1: "relu1_1",
    6: "relu2_1",
    11: "relu3_1",
    20: "relu4_1",
    22: "relu4_2",
    29: "relu5_1",
}
"""Indices in torchvision's VGG-19 of the layers used by the losses."""

CONTENT_LAYER = "relu4_2"
STYLE_WEIGHT = 0.2
"""Weight of each of the five style layers."""

INPUT_SCALE = 255 * 0.225
"""Input scale of the Caffe network, for which the loss weights were chosen, over torchvision's."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def load_vgg_features(kind: str) -> nn.Sequential:
    """Return VGG-19 up to relu5_1 with fixed weights.

    Args:
        kind: ``"pretrained"``, or ``"random"``: He et al. 2015 with a fixed seed.

    Raises:
        BenchbedError: The pretrained weights are missing and cannot be downloaded.
    """
    from torchvision.models import vgg19

    with torch.device("meta"):  # no memory or random numbers for weights that are replaced
        features: nn.Sequential = vgg19(weights=None, init_weights=False).features[:30]
    if kind == "pretrained":
        features.load_state_dict(_load_trained_weights(), strict=True, assign=True)
    else:
        features.to_empty(device="cpu")
        generator = torch.Generator().manual_seed(0)
        for layer in features:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
    for layer in features:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False  # its input may be one of the extracted features
    return features.requires_grad_(False).eval()


def _load_trained_weights() -> dict[str, Tensor]:
    try:
        path = VGG19.ensure_file()
    except OSError as error:
        raise BenchbedError(
            "ImageNet weights of VGG-19 for mi-gan with loss=style not found and not "
            f"downloadable ({str(error).rstrip('.')}). Put {VGG19.file_name} into a folder and set "
            "$BENCHBED_WEIGHTS to it, or use random features with --set vgg=random."
        ) from error
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    prefix = "features."
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in state.items()
        if name.startswith(prefix) and int(name.split(".")[1]) < 30
    }


class StyleLoss:
    """L_ST, eq. 11. VGG-19 is created on first use and is not saved with the method.

    Args:
        settings: Settings of the method.
    """

    def __init__(self, settings: MIGANSettings) -> None:
        self.settings = settings
        self.network: nn.Sequential | None = None

    def __call__(self, fake: Tensor, real: Tensor, fov: Tensor | None) -> tuple[Tensor, Losses]:
        """Compare generated images with the real images of the same masks.

        Args:
            fake: ``(B, C, H, W)`` in [-1, 1].
            real: As `fake`; the target of both style and content.
            fov: ``(B, 1, H, W)`` in {0, 1}; pixels outside count as black. Optional.

        Returns:
            The weighted sum, and log10 of its three unbounded terms.
        """
        s = self.settings
        if fov is not None:
            fake, real = (fake + 1) * fov - 1, (real + 1) * fov - 1
        with torch.no_grad():
            target = self.extract_features(real)
        generated = self.extract_features(fake)
        style = sum(
            (
                STYLE_WEIGHT
                * self.compute_distance(
                    self.compute_gram(generated[name]),
                    self.compute_gram(target[name]),
                    generated[name],
                )
                for name in generated
                if name != CONTENT_LAYER
            ),
            start=fake.new_zeros(()),
        )
        content = self.compute_distance(
            generated[CONTENT_LAYER], target[CONTENT_LAYER], generated[CONTENT_LAYER]
        )
        variation = self.compute_variation(fake)
        total = s.content_weight * content + s.style_weight * style + s.variation_weight * variation
        terms = {"content": content, "style": style, "variation": variation}
        return total, {
            f"{name}_log10": term.clamp_min(1e-12).log10() for name, term in terms.items()
        }

    def prepare_network(self, device: torch.device) -> nn.Sequential:
        """Return the network on `device`; create it on the first call.

        Raises:
            BenchbedError: See `load_vgg_features`.
        """
        if self.network is None:
            self.network = load_vgg_features(self.settings.vgg).to(device)
        return self.network

    def extract_features(self, image: Tensor) -> dict[str, Tensor]:
        """Return the features of images in [-1, 1] by layer, in float32."""
        network = self.prepare_network(image.device)
        mean, deviation = (image.new_tensor(v).view(1, 3, 1, 1) for v in (MEAN, DEVIATION))
        found: dict[str, Tensor] = {}
        x = ((image.float() / 2 + 0.5).expand(-1, 3, -1, -1) - mean) / deviation
        for index, layer in enumerate(network):
            x = layer(x)
            if index in VGG_LAYERS:
                found[VGG_LAYERS[index]] = INPUT_SCALE * x
        return found

    def compute_gram(self, features: Tensor) -> Tensor:
        """Return eq. 7, ``(B, C, H, W)`` to ``(B, C, C)``; divided by H W C for style_norm=zhao."""
        flat = features.flatten(2)
        gram = flat @ flat.transpose(1, 2)
        return gram / flat[0].numel() if self.settings.style_norm == "zhao" else gram

    def compute_distance(self, generated: Tensor, target: Tensor, features: Tensor) -> Tensor:
        """Return eq. 8 and 9, batch mean; the mean absolute difference for style_norm=zhao."""
        if self.settings.style_norm == "zhao":
            return (generated - target).abs().mean()
        height, width = features.shape[-2:]
        return (generated - target).square().flatten(1).sum(1).mean() / (height * width)

    def compute_variation(self, image: Tensor) -> Tensor:
        """Return eq. 10, batch mean; mean absolute differences for style_norm=zhao."""
        steps = (image.diff(dim=-1), image.diff(dim=-2))
        if self.settings.style_norm == "zhao":
            return steps[0].abs().mean() + steps[1].abs().mean()
        return (
            steps[0].square().flatten(1).sum(1).mean() + steps[1].square().flatten(1).sum(1).mean()
        )
