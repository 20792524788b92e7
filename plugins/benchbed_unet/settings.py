"""Settings of U-Net."""

from __future__ import annotations

from benchbed import MethodSettings, setting


class UNetSettings(MethodSettings):
    """Settings of U-Net; defaults are the paper's except for declared deviations."""

    batch_size: int = setting(
        4,
        help="Images per training step.",
        source="section 3 has one image and a momentum of 0.99",
        ge=1,
        le=4096,
    )
    features: int = setting(
        64,
        help="Channels of the outermost layers, doubled with every halving of size.",
        source="figure 1",
        ge=1,
    )
    learning_rate: float = setting(
        1e-3, help="Learning rate of Adam.", source="unstated; chosen, with Adam", gt=0
    )
    augment: bool = setting(
        True,
        help="Randomly rotate, flip and recolour images together with their masks.",
        source="section 3.1, which also deforms them elastically",
    )
    crop: int = setting(
        0,
        help="Side in pixels of the random training crop; 0 uses the whole image.",
        source="figure 1 has tiles of 572 px",
        ge=0,
        multiple_of=16,
    )
