"""Method spec of FastGAN."""

from __future__ import annotations

from collections.abc import Iterable

from benchbed import Deviation, MethodSpec, Paper, hookimpl

FASTGAN = MethodSpec(
    name="fastgan",
    title="FastGAN",
    paper=Paper(
        key="liu2021-fastgan",
        authors="Liu, Zhu, Song, Elgammal",
        year=2021,
        title="Towards faster and stabilized GAN training for high-fidelity few-shot image "
        "synthesis",
        venue="ICLR",
        url="https://arxiv.org/abs/2101.04775",
    ),
    implementation="benchbed_fastgan.fastgan:FastGAN",
    settings="benchbed_fastgan.settings:FastGANSettings",
    sizes=(64, 128, 256, 512),
    takes_augmentation=True,
    default_augmentation="diffaugment:colour+translation",
    preset_augmentations={"quick": "diffaugment:translation"},
    presets={
        "quick": {
            "batch_size": 16,
            "generator_features": 16,
            "discriminator_features": 16,
            "reconstruction_weight": 5.0,
            "average_decay": 0.99,
        }
    },
    equations=(
        ("skip-layer excitation, eq. 1", "y = F(x_low) x_high"),
        (
            "discriminator, eqs. 3 and 4",
            "min_D  E[max(0, m - D(T(x)))] + E[max(0, m + D(T(G(z))))] + E|dec(f(x)) - x|, "
            "m uniform in [0.8, 1]",
        ),
        ("generator, eq. 5", "min_G  -E[D(T(G(z)))]"),
    ),
    deviations=(
        Deviation(
            paper="256 to 1024 px; the discriminator begins with layers that reduce them",
            implementation="at 64 px and above the same blocks; the discriminator starts at the "
            "size of the image with its channel unit, doubled per halving up to 8-fold, and has "
            "no second trunk on a smaller copy",
            reason="the published networks start at 256 px",
        ),
        Deviation(
            paper="eq. 4 with a perceptual distance by VGG",
            implementation="mean absolute difference",
            reason="weights of VGG cannot be shipped; the record of a run is the same everywhere",
        ),
        Deviation(
            paper="authors' code: spectral normalisation in G too",
            implementation="in D only",
            reason="batch normalisation removes the scale of G's layers; the average of G would "
            "mix the vectors of the power iteration",
        ),
        Deviation(
            paper="authors' code: training images are mirrored at random",
            implementation="only with --augment flip",
            reason="left and right differ in medical images",
        ),
        Deviation(
            paper="DiffAugment fills what translation uncovers with 0, mid grey",
            implementation="with black",
            reason="the background of scans is black; a grey border can leak into samples",
        ),
        Deviation(
            paper="batch of 8, 64 channels, decay of 0.999",
            implementation="preset quick: batch of 16, 16 channels, decay of 0.99",
            reason="minutes on two CPU cores, in which these gave the smallest SWD on chest-mini",
        ),
        Deviation(
            paper="reconstruction loss with weight 1, augmentation of colour and translation",
            implementation="preset quick: weight 5 and translation only",
            reason="the absolute difference is smaller than the perceptual distance; D learns the "
            "brightness of scans, which augmented colours hide (SWD after 16 kimg on chest-mini in "
            "batches of 32: 0.040 as published, 0.036 with weight 5, 0.028 with both)",
        ),
    ),
)


@hookimpl
def benchbed_methods() -> Iterable[MethodSpec]:
    """Return FastGAN."""
    return [FASTGAN]
