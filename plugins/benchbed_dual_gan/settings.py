"""Settings of the dual GAN."""

from __future__ import annotations

from typing import Literal

from benchbed import MethodSettings, setting


class DualGANSettings(MethodSettings):
    """Settings of the dual GAN; defaults are the authors', or chosen where unstated."""

    batch_size: int = setting(
        7,
        help="Cases per training step, in both stages.",
        source="authors' code for stage I; 1 or 32 for stage II",
        ge=2,
        le=4096,
    )
    stage1_share: float = setting(
        0.5,
        help="Share of the budget for stage I. Stage II uses the rest.",
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
        2,
        help="Generator updates per discriminator update in stage I.",
        source="authors' code",
        ge=1,
    )
    mask_learning_rate: float = setting(
        2e-4, help="Learning rate of Adam in stage I.", source="authors' code", gt=0
    )
    beta1: float = setting(
        0.5,
        help="Beta1 of Adam in both stages.",
        source="authors' code; vess2ret",
        ge=0,
        lt=1,
    )
    threshold: Literal["zero", "otsu"] = setting(
        "zero",
        help="Threshold of generated masks: 0 in [-1, 1], or Otsu's method per mask.",
        source="unstated; the middle between the two mask values",
    )

    stage2: Literal["paper", "authors"] = setting(
        "paper",
        help="Networks, loss weight and optimiser of stage II: those of vess2ret (paper) or of "
        "the authors' code (authors).",
        source="section 7 builds on vess2ret (Costa et al. 2017)",
    )
    photo_features: int = setting(
        64,
        help="Channels of the outermost layer of the stage II generator, at most 8-fold inside. "
        "The discriminator scales with it.",
        source="vess2ret; authors' code",
        ge=2,
        multiple_of=2,
    )
    dropout: float = setting(
        0.5,
        help="Dropout probability of the three innermost decoder layers of stage II during "
        "training.",
        source="vess2ret; authors' code",
        ge=0,
        lt=1,
    )
    l1_weight: float | None = setting(
        None,
        help="Weight of the L1 loss in stage II. Default: 100 (paper) or 1 (authors).",
        source="vess2ret; authors' code",
        ge=0,
    )
    photo_learning_rate: float | None = setting(
        None,
        help="Learning rate in stage II. Default: 2e-4 (paper) or 1e-3 (authors).",
        source="vess2ret; authors' code",
        gt=0,
    )

    @property
    def real_mask_share(self) -> float:
        """Share of the budget for stage I, which learns masks alone."""
        return self.stage1_share
