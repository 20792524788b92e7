"""Settings of the dual GAN."""

from __future__ import annotations

from typing import Literal

from benchbed import MethodSettings, setting


class DualGANSettings(MethodSettings):
    """Settings of the dual GAN; the defaults are the authors', or stand where they are silent."""

    batch_size: int = setting(
        7,
        help="Cases a step, in both stages.",
        source="authors' code for stage I; 1 or 32 for stage II",
        ge=2,
        le=4096,
    )
    stage1_share: float = setting(
        0.5,
        help="Share of the budget that stage I is trained for; stage II has the rest.",
        source="unstated; equal parts",
        gt=0,
        lt=1,
    )

    latent_dim: int = setting(
        100, help="Length of the noise, uniform in [-1, 1].", source="authors' code", ge=1
    )
    mask_features: int = setting(
        64,
        help="Channels of the outermost layers of stage I; 8-fold in the innermost.",
        source="authors' code",
        ge=1,
    )
    generator_steps: int = setting(
        2, help="Updates of stage I's G to one of its D.", source="authors' code", ge=1
    )
    mask_learning_rate: float = setting(
        2e-4, help="Adam's step size in stage I.", source="authors' code", gt=0
    )
    beta1: float = setting(
        0.5,
        help="Adam's decay of the first moment, wherever Adam is used.",
        source="authors' code; vess2ret",
        ge=0,
        lt=1,
    )
    threshold: Literal["zero", "otsu"] = setting(
        "zero",
        help="Where a drawn mask is cut: at 0 of [-1, 1], or by Otsu's method mask by mask.",
        source="unstated; zero lies between the two values of a mask",
    )

    stage2: Literal["paper", "authors"] = setting(
        "paper",
        help="Networks, loss weight and optimiser of stage II: vess2ret's, or the authors' own.",
        source="section 7 builds on vess2ret (Costa et al. 2017)",
    )
    photo_features: int = setting(
        64,
        help="Channels of the outermost layer of stage II's G; 8-fold at most. D's follow.",
        source="vess2ret; authors' code",
        ge=2,
        multiple_of=2,
    )
    dropout: float = setting(
        0.5,
        help="Dropout in the three innermost layers of stage II's decoder, while training.",
        source="vess2ret; authors' code",
        ge=0,
        lt=1,
    )
    l1_weight: float | None = setting(
        None,
        help="Weight of the L1 distance in stage II; none for 100 (paper) or 1 (authors).",
        source="vess2ret; authors' code",
        ge=0,
    )
    photo_learning_rate: float | None = setting(
        None,
        help="Step size in stage II; none for 2e-4 (paper) or 1e-3 (authors).",
        source="vess2ret; authors' code",
        gt=0,
    )
