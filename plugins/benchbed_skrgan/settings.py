"""Settings of SkrGAN."""

from __future__ import annotations

from typing import Literal

from benchbed import MethodSettings, setting


class SkrGANSettings(MethodSettings):
    """Settings of SkrGAN; defaults are the paper's, or chosen where unstated."""

    batch_size: int = setting(
        16, help="Images per training step.", source="section 3", ge=1, le=4096
    )

    sketch_size: int = setting(
        512,
        help="Size in pixels at which sketches are extracted, before downsampling.",
        source="section 3: images are first resized to 512",
        ge=32,
        le=2048,
    )
    sketch_sigma: float = setting(
        2.0,
        help="Standard deviation of the Gaussian, in pixels of sketch_size.",
        source="unstated; a public re-implementation's",
        gt=0,
    )
    sketch_area: int = setting(
        64,
        help="Area threshold of opening and closing, in pixels of sketch_size.",
        source="unstated; a public re-implementation's",
        ge=1,
    )
    sketch_morph: Literal["area", "disk"] = setting(
        "area",
        help="Morphology: area opening and closing, or a disk of radius 1.",
        source="unstated; a public re-implementation's",
    )
    sketch_ceiling: float = setting(
        97.0,
        help="Percentile of the edge strength that maps to white.",
        source="unstated; raises vessels against the strong rim of the field of view",
        gt=50,
        le=100,
    )

    latent_dim: int = setting(512, help="Length of the noise.", source="backbone, table 2", ge=1)
    latent_code: Literal["ones", "learned"] = setting(
        "ones",
        help="Factor of the noise: ones, or a learned vector.",
        source="eq. 1 does not say what l is",
    )
    base: int = setting(
        8192,
        help="Layers at s px of the sketch networks have min(2 base / s, max_channels) channels.",
        source="backbone, table 2",
        ge=16,
    )
    max_channels: int = setting(512, help="See base.", source="backbone, table 2", ge=1)
    sketch_loss: Literal["wasserstein", "bce"] = setting(
        "wasserstein",
        help="Sketch loss: Wasserstein loss of the backbone, or the cross-entropy of eq. 1.",
        source="section 2.2 uses the backbone, whose loss is Wasserstein's",
    )
    penalty_weight: float = setting(
        10.0,
        help="Weight of the gradient penalty, for both losses.",
        source="backbone, appendix A.1",
        ge=0,
    )
    drift_weight: float = setting(
        0.001,
        help="Weight of E[D(y)^2] with the Wasserstein loss.",
        source="backbone, appendix A.1",
        ge=0,
    )
    sketch_learning_rate: float = setting(
        1e-3, help="Learning rate of Adam for G_S and D_S.", source="section 3", gt=0
    )
    sketch_betas: tuple[float, float] = setting(
        (0.0, 0.99), help="Betas of Adam for G_S and D_S.", source="backbone, appendix A.1"
    )
    average_decay: float = setting(
        0.999,
        help="EMA decay of the G_S used for sampling.",
        source="backbone, appendix A.1",
        ge=0,
        lt=1,
    )
    level_weights: tuple[float, ...] = setting(
        (),
        help="Relative time at 4, 8, ... px; of more weights than sizes the last ones. Default: "
        "equal times, half of that at 4 px.",
        source="backbone, appendix A.1",
    )
    level_fade: float = setting(
        0.5,
        help="Share of a level's time used to fade it in.",
        source="backbone, appendix A.1",
        ge=0,
        lt=1,
    )

    renderer_features: int = setting(
        64,
        help="Channels of the outermost layers of G_P and D_P.",
        source="unstated; Isola et al. 2017",
        ge=1,
    )
    renderer_dropout: float = setting(
        0.5,
        help="Dropout probability in the decoder of G_P.",
        source="unstated; Isola et al. 2017",
        ge=0,
        lt=1,
    )
    renderer_learning_rate: float = setting(
        2e-4, help="Learning rate of Adam for G_P and D_P.", source="section 3", gt=0
    )
    renderer_beta1: float = setting(
        0.5,
        help="Beta1 of Adam for G_P and D_P.",
        source="unstated; Isola et al. 2017",
        ge=0,
        lt=1,
    )
    l1_weight: float = setting(100.0, help="Lambda in eq. 2.", source="section 3", ge=0)
