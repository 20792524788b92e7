"""The style transfer variant of MI-GAN's loss (Iqbal & Ali 2018, eq. 7 to 11)."""

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
"""Places in torchvision's VGG-19 of the layers that the losses look at."""

CONTENT_LAYER = "relu4_2"
STYLE_WEIGHT = 0.2
"""Weight of each of the five style layers."""

INPUT_SCALE = 255 * 0.225
"""How much larger the inputs of the Caffe network are, for which the losses' weights are meant."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def load_vgg_features(kind: str) -> nn.Sequential:
    """VGG-19 up to relu5_1, fixed.

    Args:
        kind: ``"pretrained"``, or ``"random"``: weights of He et al. 2015 from a fixed seed.

    Raises:
        BenchbedError: The trained weights are not here and cannot be downloaded.
    """
    from torchvision.models import vgg19

    with torch.device("meta"):  # neither memory nor random numbers are spent on what is replaced
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
            layer.inplace = False  # what it is given may be looked at
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
    """L_ST, eq. 11; the network is made when it is first needed, and is no part of the method.

    Args:
        settings: The method's.
    """

    def __init__(self, settings: MIGANSettings) -> None:
        self.settings = settings
        self.network: nn.Sequential | None = None

    def __call__(self, fake: Tensor, real: Tensor, fov: Tensor | None) -> tuple[Tensor, Losses]:
        """Of made images against the real images of the same masks.

        Args:
            fake: ``(B, C, H, W)`` in [-1, 1].
            real: As `fake`; the target of both style and content.
            fov: ``(B, 1, H, W)`` in {0, 1}: what lies outside counts as black; or None.

        Returns:
            The weighted sum, and the decimal logarithms of its three terms, which have no bound.
        """
        s = self.settings
        if fov is not None:
            fake, real = (fake + 1) * fov - 1, (real + 1) * fov - 1
        with torch.no_grad():
            target = self.extract_features(real)
        made = self.extract_features(fake)
        style = sum(
            (
                STYLE_WEIGHT
                * self.compute_distance(
                    self.compute_gram(made[name]), self.compute_gram(target[name]), made[name]
                )
                for name in made
                if name != CONTENT_LAYER
            ),
            start=fake.new_zeros(()),
        )
        content = self.compute_distance(
            made[CONTENT_LAYER], target[CONTENT_LAYER], made[CONTENT_LAYER]
        )
        variation = self.compute_variation(fake)
        total = s.content_weight * content + s.style_weight * style + s.variation_weight * variation
        terms = {"content": content, "style": style, "variation": variation}
        return total, {
            f"{name}_log10": term.clamp_min(1e-12).log10() for name, term in terms.items()
        }

    def prepare_network(self, device: torch.device) -> nn.Sequential:
        """The network on `device`, made if need be.

        Raises:
            BenchbedError: As `load_vgg_features`.
        """
        if self.network is None:
            self.network = load_vgg_features(self.settings.vgg).to(device)
        return self.network

    def extract_features(self, image: Tensor) -> dict[str, Tensor]:
        """Of images in [-1, 1], by layer, in full float32."""
        network = self.prepare_network(image.device)
        mean, deviation = (image.new_tensor(v).view(1, 3, 1, 1) for v in (MEAN, DEVIATION))
        found: dict[str, Tensor] = {}
        x = ((image.float() / 2 + 0.5).expand(-1, 3, -1, -1) - mean) / deviation
        for place, layer in enumerate(network):
            x = layer(x)
            if place in VGG_LAYERS:
                found[VGG_LAYERS[place]] = INPUT_SCALE * x
        return found

    def compute_gram(self, features: Tensor) -> Tensor:
        """Eq. 7, ``(B, C, H, W)`` to ``(B, C, C)``; for style_norm=zhao over H W C."""
        flat = features.flatten(2)
        gram = flat @ flat.transpose(1, 2)
        return gram / flat[0].numel() if self.settings.style_norm == "zhao" else gram

    def compute_distance(self, made: Tensor, target: Tensor, features: Tensor) -> Tensor:
        """Eq. 8 and 9, the mean over the batch; with style_norm=zhao the mean difference."""
        if self.settings.style_norm == "zhao":
            return (made - target).abs().mean()
        height, width = features.shape[-2:]
        return (made - target).square().flatten(1).sum(1).mean() / (height * width)

    def compute_variation(self, image: Tensor) -> Tensor:
        """Eq. 10, the mean over the batch; with style_norm=zhao mean absolute differences."""
        steps = (image.diff(dim=-1), image.diff(dim=-2))
        if self.settings.style_norm == "zhao":
            return steps[0].abs().mean() + steps[1].abs().mean()
        return (
            steps[0].square().flatten(1).sum(1).mean() + steps[1].square().flatten(1).sum(1).mean()
        )
