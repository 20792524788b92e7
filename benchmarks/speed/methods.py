"""The methods that are trained: sizes, data and plain reference of each."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import nn

from benchbed.api.method import Method
from benchbed.api.specs import MethodSpec
from benchbed.api.types import Batch, DataShape, Losses
from benchbed.registry.lookup import get_registry, load_object
from benchbed_skrgan.skrgan import SkrGAN

from .plain import dcgan, pggan
from .plain import translation as plain
from .training import Training


class Sizes(NamedTuple):
    """Divisors of the paper's widths and of the images' sides, batch sizes, side of a volume."""

    narrow: int
    batch: int
    pairs: int
    volume: int
    shrink: int


FULL = Sizes(narrow=1, batch=64, pairs=4, volume=64, shrink=1)
QUICK = Sizes(narrow=4, batch=16, pairs=2, volume=32, shrink=2)


class SketchGAN(SkrGAN):
    """SkrGAN's sketch guidance alone."""

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Minimise Eq. 1."""
        self.growth.advance(progress)
        return self.train_sketch(batch["sketch"])


class SketchRenderer(SkrGAN):
    """SkrGAN's colour rendering alone, which is pix2pix."""

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Minimise Eq. 2."""
        return self.train_rendering(batch.image, batch["sketch"])


def list_trainings(sizes: Sizes) -> list[Training]:
    """Return every training that is measured."""
    _, batch, pairs, volume, _ = sizes
    small, large = 64 // sizes.shrink, 256 // sizes.shrink
    features, width = 64 // sizes.narrow, 1 / sizes.narrow
    rgb, masked = DataShape(3, (small, small)), DataShape(3, (large, large), mask_channels=1)
    return [
        Training(
            "dcgan-64",
            f"DCGAN, {small} px, batch {batch}",
            "plain DCGAN",
            lambda: make_method("dcgan", batch_size=batch, features=features),
            rgb,
            lambda data, device: dcgan.make_dcgan_step(data["image"], batch, device, features),
        ),
        Training(
            "acgan-64",
            f"ACGAN, {small} px, batch {batch}",
            "plain ACGAN, the same networks",
            lambda: make_method(
                "acgan", batch_size=batch, generator_width=width, discriminator_width=width
            ),
            DataShape(3, (small, small), classes=3),
            lambda data, device: dcgan.make_acgan_step(
                [data["image"], data["label"]], batch, device, 3, width
            ),
        ),
        Training(
            "wgan-gp-64",
            f"WGAN-GP, {small} px, batch {batch}, a critic's update",
            "plain WGAN-GP, a fifth of five updates and one of G",
            lambda: make_method("wgan-gp", batch_size=batch, features=features),
            rgb,
            lambda data, device: dcgan.make_wgan_gp_step(data["image"], batch, device, features),
            steps=5,
        ),
        *_list_growing(sizes),
        Training(
            "pix2pix-256",
            f"pix2pix as SkrGAN's renderer, {large} px, batch {pairs}",
            "plain pix2pix",
            lambda: SketchRenderer(
                make_settings("skrgan", batch_size=pairs, renderer_features=features, base=128)
            ),
            DataShape(3, (large, large)),
            lambda data, device: plain.make_pix2pix_step(
                plain.make_pix2pix_generator(1, 3, large, features, nn.BatchNorm2d),
                plain.make_patch_discriminator(4, features, nn.BatchNorm2d),
                [data["sketch"], data["image"]],
                pairs,
                device,
            ),
            has_sketches=True,
        ),
        Training(
            "dual-gan-stage2-256",
            f"dual GAN's stage II, {large} px, batch {pairs}",
            "plain vess2ret",
            lambda: make_method(
                "dual-gan", batch_size=pairs, photo_features=features, stage1_share=0.01
            ),
            masked,
            lambda data, device: plain.make_pix2pix_step(
                plain.make_vess2ret_generator(1, 3, large, features),
                plain.make_vess2ret_discriminator(4, features // 2),
                [data["mask"], data["image"]],
                pairs,
                device,
            ),
        ),
        Training(
            "mi-gan-256",
            f"MI-GAN, {large} px, batch {pairs}",
            "plain MI-GAN",
            lambda: make_method(
                "mi-gan", batch_size=pairs, features=features, discriminator_features=features // 2
            ),
            masked,
            lambda data, device: plain.make_mi_gan_step(
                data["image"], data["mask"] * 2 - 1, pairs, device, features
            ),
        ),
        Training(
            "unet-256",
            f"U-Net, {large} px, batch {pairs}, not augmented",
            "plain U-Net",
            lambda: make_method("unet", batch_size=pairs, features=features, augment=False),
            masked,
            lambda data, device: plain.make_unet_step(
                data["image"], data["mask"], pairs, device, features
            ),
        ),
        Training(
            "pix2pix-3d",
            f"pix2pix for volumes of {volume}^3, batch 1",
            "plain pix2pix for volumes",
            lambda: make_method(
                "pix2pix-3d", batch_size=1, features=features // 2, discriminator_features=features
            ),
            DataShape(4, (volume,) * 3, mask_channels=3),
            lambda data, device: plain.make_pix2pix_step(
                plain.make_pix2pix_generator(4, 4, volume, features // 2, plain.make_volume_norm),
                plain.make_patch_discriminator(8, features, plain.make_volume_norm),
                [data["mask"], data["image"]],
                1,
                device,
            ),
        ),
    ]


def _list_growing(sizes: Sizes) -> list[Training]:
    base, most = 8192 // sizes.narrow, 512 // sizes.narrow

    def make_pggan(side: int, batch: int) -> Training:
        return Training(
            f"pggan-{side * sizes.shrink}",
            f"PGGAN, grown to {side} px, batch {batch}",
            "plain PGGAN",
            lambda: make_method("pggan", batch_size=batch, base=base, max_channels=most),
            DataShape(3, (side, side)),
            lambda data, device: pggan.make_step(data["image"], batch, device, base, most),
        )

    small = 64 // sizes.shrink
    settings = {"batch_size": 4, "renderer_features": 1, "base": base, "max_channels": most}
    sketch = Training(
        "skrgan-sketch-64",
        f"SkrGAN's sketches, grown to {small} px, batch 4",
        "plain PGGAN of one channel",
        lambda: SketchGAN(make_settings("skrgan", **settings)),
        DataShape(3, (small, small)),
        lambda data, device: pggan.make_step(data["sketch"], 4, device, base, most),
        has_sketches=True,
    )
    return [make_pggan(small, 4), make_pggan(2 * small, 2), sketch]


def make_settings(name: str, **settings: Any) -> Any:
    """Return the settings of a method."""
    return load_object(get_registry().get_spec(MethodSpec, name).settings)(**settings)


def make_method(name: str, **settings: Any) -> Method[Any]:
    """Return a method that is not yet built."""
    implementation = load_object(get_registry().get_spec(MethodSpec, name).implementation)
    method: Method[Any] = implementation(make_settings(name, **settings))
    return method
