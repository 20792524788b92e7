"""What is trained: sizes, data and the plain reference of each method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from benchbed.api.method import Method
from benchbed.api.specs import MethodSpec
from benchbed.api.types import Batch, DataShape, Losses
from benchbed.registry.lookup import get_registry, load_object
from benchbed_skrgan.skrgan import SkrGAN

from .harness import Step, Tensors, Training, built
from .plain import acgan, dcgan, mi_gan, pggan, pix2pix, unet, vess2ret, wgan_gp

CASES = 64
"""Cases of a data set."""

CLASSES = 3


class Sizes(NamedTuple):
    """How large the networks and their batches are.

    Attributes:
        narrow: What the paper's widths are divided by.
        batch: Of the networks that begin with noise.
        grown: Of those that grow.
        pairs: Of those that begin with an image.
        volume: Side of a volume.
        smaller: What the images' sides are divided by.
    """

    narrow: int
    batch: int
    grown: int
    pairs: int
    volume: int
    smaller: int


FULL = Sizes(narrow=1, batch=64, grown=4, pairs=4, volume=64, smaller=1)
QUICK = Sizes(narrow=4, batch=16, grown=4, pairs=2, volume=32, smaller=2)


class Sketching(SkrGAN):
    """SkrGAN's sketch guidance alone."""

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Eq. 1."""
        self.growth.advance(progress)
        return self.train_sketch(batch["sketch"])


class Rendering(SkrGAN):
    """SkrGAN's colour rendering alone, which is pix2pix."""

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Eq. 2."""
        del progress
        return self.train_rendering(batch.image, batch["sketch"])


def trainings(sizes: Sizes) -> list[Training]:
    """Every training that is measured."""
    return [
        _dcgan(sizes),
        _acgan(sizes),
        _wgan_gp(sizes),
        _pggan(sizes, 64),
        _pggan(sizes, 128),
        _sketching(sizes),
        _rendering(sizes),
        _dual_gan(sizes),
        _mi_gan(sizes),
        _unet(sizes),
        _pix2pix3d(sizes),
    ]


def _dcgan(s: Sizes) -> Training:
    images, features = _pictures(3, 64 // s.smaller), 64 // s.narrow
    return Training(
        "dcgan-64",
        f"DCGAN, {64 // s.smaller} px, batch {s.batch}",
        "plain DCGAN",
        lambda: _method("dcgan", batch_size=s.batch, features=features),
        DataShape(3, images.shape[2:]),
        {"image": images},
        lambda: [_signed(images)],
        lambda data, device: dcgan.trainer(data[0], s.batch, device, features),
    )


def _acgan(s: Sizes) -> Training:
    images = _pictures(3, 64 // s.smaller)
    labels = np.arange(CASES) % CLASSES
    width = {"generator_width": 1 / s.narrow, "discriminator_width": 1 / s.narrow}
    return Training(
        "acgan-64",
        f"ACGAN, {64 // s.smaller} px, batch {s.batch}",
        "plain ACGAN, the same networks",
        lambda: _method("acgan", batch_size=s.batch, **width),
        DataShape(3, images.shape[2:], classes=CLASSES),
        {"image": images, "label": labels},
        lambda: [_signed(images), torch.from_numpy(labels)],
        lambda data, device: acgan.trainer(
            data[0], data[1], s.batch, device, classes=CLASSES, width=1 / s.narrow
        ),
    )


def _wgan_gp(s: Sizes) -> Training:
    images, features = _pictures(3, 64 // s.smaller), 64 // s.narrow
    return Training(
        "wgan-gp-64",
        f"WGAN-GP, {64 // s.smaller} px, batch {s.batch}, a critic's update",
        "plain WGAN-GP, a fifth of five updates and one of G",
        lambda: _method("wgan-gp", batch_size=s.batch, features=features),
        DataShape(3, images.shape[2:]),
        {"image": images},
        lambda: [_signed(images)],
        lambda data, device: wgan_gp.trainer(data[0], s.batch, device, features),
        steps=5,
    )


def _pggan(s: Sizes, size: int) -> Training:
    batch = s.grown if size == 64 else max(2, s.grown // 2)
    images = _pictures(3, size // s.smaller)
    widths = {"base": 8192 // s.narrow, "max_channels": 512 // s.narrow}
    return Training(
        f"pggan-{size}",
        f"PGGAN, grown to {size // s.smaller} px, batch {batch}",
        "plain PGGAN",
        lambda: _method("pggan", batch_size=batch, **widths),
        DataShape(3, images.shape[2:]),
        {"image": images},
        lambda: [_signed(images)],
        lambda data, device: pggan.trainer(data[0], batch, device, *widths.values()),
    )


def _sketching(s: Sizes) -> Training:
    sketches = _pictures(1, 64 // s.smaller)
    widths = {"base": 8192 // s.narrow, "max_channels": 512 // s.narrow}
    settings = {"batch_size": s.grown, "renderer_features": 1, **widths}
    return Training(
        "skrgan-sketch-64",
        f"SkrGAN's sketches, grown to {64 // s.smaller} px, batch {s.grown}",
        "plain PGGAN of one channel",
        lambda: Sketching(_settings("skrgan", settings)),
        DataShape(3, sketches.shape[2:]),
        {"image": sketches.repeat(3, 1), "sketch": sketches},
        lambda: [_signed(sketches)],
        lambda data, device: pggan.trainer(data[0], s.grown, device, *widths.values()),
    )


def _rendering(s: Sizes) -> Training:
    side, features = 256 // s.smaller, 64 // s.narrow
    images, sketches = _pictures(3, side), _pictures(1, side)
    settings = {"batch_size": s.pairs, "renderer_features": features, "base": 8192 // 64}

    def reference(data: Tensors, device: torch.device) -> Step:
        g = pix2pix.Generator(1, 3, side, features, norm=nn.BatchNorm2d)
        d = pix2pix.patch_discriminator(4, features, nn.BatchNorm2d)
        return pix2pix.trainer(g, d, data, s.pairs, device)

    return Training(
        "pix2pix-256",
        f"pix2pix as SkrGAN's renderer, {side} px, batch {s.pairs}",
        "plain pix2pix",
        lambda: Rendering(_settings("skrgan", settings)),
        DataShape(3, images.shape[2:]),
        {"image": images, "sketch": sketches},
        lambda: [_signed(sketches), _signed(images)],
        reference,
    )


def _dual_gan(s: Sizes) -> Training:
    side, features = 256 // s.smaller, 64 // s.narrow
    images, masks = _pictures(3, side), _masks(side, side)

    def reference(data: Tensors, device: torch.device) -> Step:
        g = vess2ret.Generator(1, 3, side, features)
        d = vess2ret.discriminator(4, features // 2)
        return pix2pix.trainer(g, d, data, s.pairs, device)

    return Training(
        "dual-gan-stage2-256",
        f"dual GAN's stage II, {side} px, batch {s.pairs}",
        "plain vess2ret",
        lambda: _method("dual-gan", batch_size=s.pairs, photo_features=features, stage1_share=0.01),
        DataShape(3, images.shape[2:], mask_channels=1),
        {"image": images, "mask": masks},
        lambda: [_zero_or_one(masks), _signed(images)],
        reference,
    )


def _mi_gan(s: Sizes) -> Training:
    side, features = 256 // s.smaller, 64 // s.narrow
    images, masks = _pictures(3, side), _masks(side, side)
    return Training(
        "mi-gan-256",
        f"MI-GAN, {side} px, batch {s.pairs}",
        "plain MI-GAN",
        lambda: _method(
            "mi-gan",
            batch_size=s.pairs,
            features=features,
            discriminator_features=features // 2,
        ),
        DataShape(3, images.shape[2:], mask_channels=1),
        {"image": images, "mask": masks},
        lambda: [_signed(images), _two_valued(masks)],
        lambda data, device: mi_gan.trainer(data[0], data[1], s.pairs, device, features),
    )


def _unet(s: Sizes) -> Training:
    side, features = 256 // s.smaller, 64 // s.narrow
    images, masks = _pictures(3, side), _masks(side, side)
    return Training(
        "unet-256",
        f"U-Net, {side} px, batch {s.pairs}, not augmented",
        "plain U-Net",
        lambda: _method("unet", batch_size=s.pairs, features=features, augment=False),
        DataShape(3, images.shape[2:], mask_channels=1),
        {"image": images, "mask": masks},
        lambda: [_signed(images), _zero_or_one(masks)],
        lambda data, device: unet.trainer(data[0], data[1], s.pairs, device, features),
    )


def _pix2pix3d(s: Sizes) -> Training:
    side, structures = s.volume, 3
    features = 32 // s.narrow
    codes = (_masks(side, side, side) * 3).astype(np.uint8)[: CASES // 8]
    volumes = _pixels(4, side, side, side)[: CASES // 8]
    images = (volumes.astype(np.float32) / 127.5 - 1).astype(np.float16)
    settings = {"features": features, "discriminator_features": 2 * features}

    def tensors() -> Tensors:
        maps = nn.functional.one_hot(torch.from_numpy(codes).long(), structures + 1)
        return [maps.movedim(-1, 1).float() * 2 - 1, torch.from_numpy(images).float()]

    def reference(data: Tensors, device: torch.device) -> Step:
        norm = pix2pix.instance_norm
        g = pix2pix.Generator(structures + 1, 4, side, features, norm=norm, dimensions=3)
        d = pix2pix.patch_discriminator(structures + 5, 2 * features, norm, dimensions=3)
        return pix2pix.trainer(g, d, data, 1, device)

    return Training(
        "pix2pix-3d",
        f"pix2pix for volumes of {side}^3, batch 1",
        "plain pix2pix for volumes",
        lambda: _method("pix2pix-3d", batch_size=1, **settings),
        DataShape(4, images.shape[2:], mask_channels=structures),
        {"image": images, "mask": codes},
        tensors,
        reference,
    )


def _settings(name: str, settings: Mapping[str, Any]) -> Any:
    spec = get_registry().get_spec(MethodSpec, name)
    return load_object(spec.settings)(**settings)


def _method(name: str, **settings: Any) -> Method[Any]:
    spec = get_registry().get_spec(MethodSpec, name)
    made: Method[Any] = load_object(spec.implementation)(_settings(name, settings))
    return made


def _pictures(channels: int, side: int) -> np.ndarray:
    return _pixels(channels, side, side)


def _pixels(channels: int, *spatial: int) -> np.ndarray:
    """Random images uint8 ``(N, channels, ...)``; what they show changes no step's cost."""
    return np.random.default_rng(0).integers(0, 256, (CASES, channels, *spatial), np.uint8)


def _masks(*spatial: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2, (CASES, *spatial), np.uint8)


def _signed(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels).float() / 127.5 - 1


def _zero_or_one(masks: np.ndarray) -> Tensor:
    return torch.from_numpy(masks)[:, None].float()


def _two_valued(masks: np.ndarray) -> Tensor:
    return _zero_or_one(masks) * 2 - 1


def noise_training(side: int, batch: int, device: torch.device) -> Step:
    """A step of a narrow DCGAN of ours, whose widths beyond 32 px do not grow.

    Args:
        side: Side of the images in pixels.
        batch: Images a step.
        device: Where.
    """
    method = _method("dcgan", batch_size=batch, features=32, max_features=32)
    made = built(method, DataShape(3, (side, side)), "fp32", device)
    given = Batch(image=_noise(batch, 3, side, device))
    return lambda: _step(made, given)


def mask_training(side: int, batch: int, device: torch.device) -> Step:
    """A step of a narrow U-Net of ours, whose widths are the same at every size.

    Args:
        side: Side of the images in pixels.
        batch: Images a step.
        device: Where.
    """
    method = _method("unet", batch_size=batch, features=8, augment=False)
    made = built(method, DataShape(3, (side, side), mask_channels=1), "fp32", device)
    mask = _noise(batch, 1, side, device).sign()
    given = Batch(image=_noise(batch, 3, side, device), mask=mask)
    return lambda: _step(made, given)


def _noise(batch: int, channels: int, side: int, device: torch.device) -> Tensor:
    return torch.rand(batch, channels, side, side, device=device) * 2 - 1


def _step(method: Method[Any], batch: Batch) -> None:
    method.training_step(batch, 0.0)
