"""Image to image: pix2pix (2017), vess2ret (2017), MI-GAN (2018), and a padded U-Net (2015)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .common import Step, init_dcgan_weights, iterate_batches, make_adam, update

Modules = list[nn.Module]
Norm = Callable[[int], nn.Module]


class SkipGenerator(nn.Module):
    """U-Net whose blocks start with the activation; ends are the last block and that of noise."""

    def __init__(self, downs: Modules, ups: Modules, *ends: nn.Module) -> None:
        super().__init__()
        self.downs, self.ups, self.ends = map(nn.ModuleList, (downs, ups, ends))
        self.apply(init_dcgan_weights)

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """Translate images."""
        skips = [x := down(x) for down in self.downs]
        x = skips.pop()
        if z is not None:
            x = torch.cat([self.ends[1](z), x], 1)
        for up in self.ups:
            x = torch.cat([up(x), skips.pop()], 1)
        return torch.tanh(self.ends[0](x))


def make_pix2pix_generator(before: int, after: int, size: int, width: int, norm: Norm) -> nn.Module:
    """Return a U-Net down to one pixel, or to one voxel with a normalisation of volumes."""
    conv, deconv = LAYERS[norm]
    widths = [width * min(2**level, 8) for level in range(size.bit_length() - 1)]
    downs: Modules = [conv(before, width, 4, 2, 1, bias=False)]
    for level, (inner, outer) in enumerate(pairwise(widths), 1):
        layers = [nn.LeakyReLU(0.2), conv(inner, outer, 4, 2, 1, bias=False)]
        downs.append(nn.Sequential(*layers, *[norm(outer)] * (level < len(widths) - 1)))
    ups: Modules = []
    for number, outer in enumerate(widths[-2::-1]):
        inner = widths[-1 - number] * (1 if number == 0 else 2)
        layers = [nn.ReLU(), deconv(inner, outer, 4, 2, 1, bias=False), norm(outer)]
        ups.append(nn.Sequential(*layers, *[nn.Dropout(0.5)] * (number < 3)))
    last = nn.Sequential(nn.ReLU(), deconv(2 * width, after, 4, 2, 1))
    return SkipGenerator(downs, ups, last)


def make_vess2ret_generator(before: int, after: int, size: int, features: int) -> nn.Module:
    """Return a U-Net with kernels of 3 down and 2 up, down to one pixel."""
    widths = [features * min(2**level, 8) for level in range(size.bit_length() - 2)]
    downs: Modules = []
    for width, stride in [*((width, 2) for width in widths), (widths[-1], 1)]:
        kernel = (3, 2, 1) if stride == 2 else (2,)
        act = [nn.LeakyReLU(0.2)] if downs else []
        downs.append(nn.Sequential(*act, nn.Conv2d(before, width, *kernel), nn.BatchNorm2d(width)))
        before = width
    ups: Modules = []
    for number, width in enumerate([before, *reversed(widths[:-1])]):
        up = nn.ConvTranspose2d(before, width, 2, 2 if number else 1)
        drop = [nn.Dropout(0.5)] * (number < 3)
        ups.append(nn.Sequential(nn.LeakyReLU(0.2), up, nn.BatchNorm2d(width), *drop))
        before = 2 * width
    last = nn.Sequential(nn.LeakyReLU(0.2), nn.ConvTranspose2d(before, after, 2, 2))
    return SkipGenerator(downs, ups, last)


def make_mi_gan_generator(size: int, features: int, latent: int) -> nn.Module:
    """Return a U-Net over one mask, with noise at the innermost features."""
    depth = min(6, size.bit_length() - 3)
    widths = [features * min(2**level, 8) for level in range(depth)]
    downs: Modules = [nn.Conv2d(1, features, 4, 2, 1)]
    for before, after in pairwise(widths):
        conv = nn.Conv2d(before, after, 4, 2, 1, bias=False)
        downs.append(nn.Sequential(nn.LeakyReLU(0.2), conv, make_instance_norm(after)))
    code = (4 * features, size >> depth, size >> depth)
    dense = nn.Linear(latent, code[0] * code[1] * code[2])
    noise = nn.Sequential(dense, nn.LeakyReLU(0.2), nn.Unflatten(1, code))
    ups: Modules = []
    before = code[0] + widths[-1]
    for number, width in enumerate(widths[-2::-1]):
        act = nn.LeakyReLU(0.2) if number < 2 else nn.ReLU()
        deconv = nn.ConvTranspose2d(before, width, 4, 2, 1, bias=False)
        ups.append(nn.Sequential(act, deconv, make_instance_norm(width)))
        before = 2 * width
    last = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(before, 3, 4, 2, 1))
    return SkipGenerator(downs, ups, last, noise)


def make_instance_norm(width: int) -> nn.Module:
    """Return MI-GAN's normalisation."""
    return nn.InstanceNorm2d(width, eps=1e-3, affine=True)


def make_volume_norm(width: int) -> nn.Module:
    """Return batch normalisation of one volume at a time."""
    return nn.InstanceNorm3d(width, affine=True)


LAYERS: dict[Norm, tuple[Callable[..., nn.Module], Callable[..., nn.Module]]] = {
    nn.BatchNorm2d: (nn.Conv2d, nn.ConvTranspose2d),
    make_volume_norm: (nn.Conv3d, nn.ConvTranspose3d),
}


def make_patch_discriminator(before: int, features: int, norm: Norm) -> nn.Module:
    """Return a network with one logit for every patch of 70 pixels or voxels."""
    conv, width = LAYERS[norm][0], features
    layers = [conv(before, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for stride in (2, 2, 1):
        layers.append(conv(width, 2 * width, 4, stride, 1, bias=False))
        layers += [norm(2 * width), nn.LeakyReLU(0.2, True)]
        width *= 2
    return nn.Sequential(*layers, conv(width, 1, 4, 1, 1)).apply(init_dcgan_weights)


def make_vess2ret_discriminator(before: int, features: int) -> nn.Module:
    """Return a network with one logit for every patch of 63 px."""
    layers: list[nn.Module] = []
    for width in (features, 2 * features, 4 * features, 8 * features):
        layers += [nn.Conv2d(before, width, 3, 2, 1), nn.LeakyReLU(0.2, True)]
        before = width
    return nn.Sequential(*layers, nn.Conv2d(before, 1, 3, 2, 1)).apply(init_dcgan_weights)


def make_mi_gan_discriminator(size: int, features: int) -> nn.Module:
    """Map images and masks, concatenated, to probabilities ``(B, 1)``."""
    depth, width = min(5, size.bit_length() - 3), features
    layers: list[nn.Module] = [nn.Conv2d(4, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for _ in range(depth - 1):
        layers.append(nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False))
        layers += [make_instance_norm(2 * width), nn.LeakyReLU(0.2)]
        width *= 2
    layers += [nn.Flatten(), nn.Linear(width * (size >> depth) ** 2, 1), nn.Sigmoid()]
    return nn.Sequential(*layers).apply(init_dcgan_weights)


def make_pix2pix_step(
    g: nn.Module, d: nn.Module, tensors: Sequence[Tensor], batch_size: int, device: torch.device
) -> Step:
    """Return a step of one update of D and one of G, from sources and targets."""
    g, d = g.to(device), d.to(device)
    g_adam, d_adam, criterion = make_adam(g), make_adam(d), nn.BCEWithLogitsLoss()
    data, log = iterate_batches(tensors, batch_size, device), []

    def step() -> None:
        source, target = next(data)
        fake = g(source)
        d.requires_grad_(True)
        on_fake = d(torch.cat([source, fake.detach()], 1))
        on_real = d(torch.cat([source, target], 1))
        d_loss = criterion(on_fake, torch.zeros_like(on_fake))
        d_loss = 0.5 * (d_loss + criterion(on_real, torch.ones_like(on_real)))
        update(d_adam, d_loss)
        d.requires_grad_(False)
        on_fake = d(torch.cat([source, fake], 1))
        adversarial = criterion(on_fake, torch.ones_like(on_fake))
        l1 = 100 * F.l1_loss(fake, target)
        update(g_adam, adversarial + l1)
        log.append((d_loss.item(), adversarial.item(), l1.item()))

    return step


def make_mi_gan_step(
    images: Tensor, masks: Tensor, batch_size: int, device: torch.device, features: int
) -> Step:
    """Return a step of one update of D and two of G, each with new noise."""
    size, latent = images.shape[-1], 400
    g = make_mi_gan_generator(size, features, latent).to(device)
    d = make_mi_gan_discriminator(size, features // 2).to(device)
    g_adam, d_adam, criterion = make_adam(g), make_adam(d), nn.BCELoss()
    data, log = iterate_batches([images, masks], batch_size, device), []

    def step() -> None:
        image, mask = next(data)
        ones = torch.ones(len(image), 1, device=device)
        fake = g(mask, 0.001 * torch.randn(len(mask), latent, device=device)).detach()
        d_loss = criterion(d(torch.cat([image, mask], 1)), ones)
        d_loss = d_loss + criterion(d(torch.cat([fake, mask], 1)), torch.zeros_like(ones))
        update(d_adam, d_loss)
        for _ in range(2):
            fake = g(mask, 0.001 * torch.randn(len(mask), latent, device=device))
            g_loss = criterion(d(torch.cat([fake, mask], 1)), ones) + 10 * F.l1_loss(fake, image)
            update(g_adam, g_loss)
        log.append((d_loss.item(), g_loss.item()))

    return step


def make_block(before: int, after: int) -> nn.Module:
    """Return two times convolution, normalisation and ReLU."""
    layers: list[nn.Module] = []
    for inner in (before, after):
        layers.append(nn.Conv2d(inner, after, 3, padding=1, bias=False))
        layers += [nn.BatchNorm2d(after), nn.ReLU(True)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Network from images to logits of masks."""

    def __init__(self, channels: int, masks: int, features: int) -> None:
        super().__init__()
        widths = [features * 2**level for level in range(5)]
        pairs = list(pairwise(widths))
        self.inc = make_block(channels, features)
        self.downs = nn.ModuleList(nn.Sequential(nn.MaxPool2d(2), make_block(*p)) for p in pairs)
        self.ups = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairs[::-1])
        self.decoders = nn.ModuleList(make_block(b, a) for a, b in pairs[::-1])
        self.head = nn.Conv2d(features, masks, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to ``(B, masks, H, W)``."""
        x = self.inc(x)
        skips = []
        for down in self.downs:
            skips.append(x)
            x = down(x)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(torch.cat([skips.pop(), up(x)], 1))
        logits: Tensor = self.head(x)
        return logits


def make_unet_step(
    images: Tensor, masks: Tensor, batch_size: int, device: torch.device, features: int
) -> Step:
    """Return a step of one update."""
    network = UNet(images.shape[1], masks.shape[1], features).to(device)
    adam, criterion = make_adam(network, 1e-3, (0.9, 0.999)), nn.BCEWithLogitsLoss()
    data, log = iterate_batches([images, masks], batch_size, device), []

    def step() -> None:
        image, mask = next(data)
        loss = criterion(network(image), mask)
        update(adam, loss)
        log.append(loss.item())

    return step
