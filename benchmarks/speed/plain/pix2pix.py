"""pix2pix (Isola et al. 2017), its loop for any pair of networks, and its form for volumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from .data import Step, batches, dcgan_weights, requires_grad

CONV = {2: nn.Conv2d, 3: nn.Conv3d}
DECONV = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


class Generator(nn.Module):
    """U-Net down to one pixel, or one voxel of a cube.

    Args:
        before: Channels of the input.
        after: Channels of the output.
        size: Side, a power of two.
        features: Channels of the outermost layer.
        norm: Makes a normalisation.
        dimensions: 2 or 3.
    """

    def __init__(
        self,
        before: int,
        after: int,
        size: int,
        features: int,
        *,
        norm: Callable[[int], nn.Module],
        dimensions: int = 2,
    ) -> None:
        super().__init__()
        conv, deconv = CONV[dimensions], DECONV[dimensions]
        depth = size.bit_length() - 1
        widths = [min(features * 2**level, features * 8) for level in range(depth)]
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            down: list[nn.Module] = [] if level == 0 else [nn.LeakyReLU(0.2)]
            down.append(conv(widths[level - 1] if level else before, width, 4, 2, 1, bias=False))
            if 0 < level < depth - 1:
                down.append(norm(width))
            self.downs.append(nn.Sequential(*down))
        for level in reversed(range(1, depth)):
            inner = widths[level] * (1 if level == depth - 1 else 2)
            up: list[nn.Module] = [
                nn.ReLU(),
                deconv(inner, widths[level - 1], 4, 2, 1, bias=False),
                norm(widths[level - 1]),
            ]
            if depth - 1 - level < 3:
                up.append(nn.Dropout(0.5))
            self.ups.append(nn.Sequential(*up))
        self.last = nn.Sequential(nn.ReLU(), deconv(2 * features, after, 4, 2, 1), nn.Tanh())
        self.apply(dcgan_weights)

    def forward(self, x: Tensor) -> Tensor:
        """Translate."""
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        x = skips.pop()
        for up in self.ups:
            x = torch.cat([up(x), skips.pop()], 1)
        image: Tensor = self.last(x)
        return image


def patch_discriminator(
    before: int, features: int, norm: Callable[[int], nn.Module], dimensions: int = 2
) -> nn.Module:
    """One logit for every patch of 70 pixels or voxels."""
    conv, width = CONV[dimensions], features
    layers: list[nn.Module] = [conv(before, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for stride in (2, 2, 1):
        layers += [
            conv(width, 2 * width, 4, stride, 1, bias=False),
            norm(2 * width),
            nn.LeakyReLU(0.2, True),
        ]
        width *= 2
    layers.append(conv(width, 1, 4, 1, 1))
    return nn.Sequential(*layers).apply(dcgan_weights)


def instance_norm(width: int) -> nn.Module:
    """Batch normalisation of one volume at a time."""
    return nn.InstanceNorm3d(width, affine=True)


def trainer(
    g: nn.Module,
    d: nn.Module,
    tensors: Sequence[Tensor],
    batch_size: int,
    device: torch.device,
) -> Step:
    """One update of D and one of G a step.

    Args:
        g: From the source to the target.
        d: Judges source and target, concatenated.
        tensors: Sources and targets.
        batch_size: Pairs a step.
        device: Where to compute.
    """
    g, d = g.to(device), d.to(device)
    g_adam = Adam(g.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_adam = Adam(d.parameters(), lr=2e-4, betas=(0.5, 0.999))
    criterion = nn.BCEWithLogitsLoss()
    data, log = batches(tensors, batch_size, device), []

    def step() -> None:
        source, target = next(data)
        fake = g(source)
        requires_grad(d, True)
        d_adam.zero_grad()
        on_fake = d(torch.cat([source, fake.detach()], 1))
        on_real = d(torch.cat([source, target], 1))
        d_loss = criterion(on_fake, torch.zeros_like(on_fake))
        d_loss = 0.5 * (d_loss + criterion(on_real, torch.ones_like(on_real)))
        d_loss.backward()
        d_adam.step()
        requires_grad(d, False)
        g_adam.zero_grad()
        on_fake = d(torch.cat([source, fake], 1))
        adversarial = criterion(on_fake, torch.ones_like(on_fake))
        l1 = 100 * F.l1_loss(fake, target)
        (adversarial + l1).backward()
        g_adam.step()
        log.append((d_loss.item(), adversarial.item(), l1.item()))

    return step
