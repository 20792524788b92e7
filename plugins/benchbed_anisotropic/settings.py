"""Settings of the anisotropic WNet."""

from __future__ import annotations

from benchbed import MethodSettings, setting


class WNetSettings(MethodSettings):
    """Settings of the anisotropic WNet; defaults are those of the authors' code."""

    batch_size: int = setting(
        5, help="Slabs per training step.", source="authors' code", ge=1, le=4096
    )
    features: int = setting(
        32, help="Channels of all layers before the heads.", source="authors' code", ge=1
    )
    slab: int = setting(
        11,
        help="Adjacent slices predicted per training sample. The input has 8 more slices.",
        source="authors' code: 19 x 144 x 144 to 11 x 144 x 144",
        ge=1,
    )
    learning_rate: float = setting(
        1e-3, help="Learning rate of Adam.", source="authors' code", gt=0
    )
    weight_decay: float = setting(
        1e-7,
        help="Weight decay: factor of half the squared weights in the loss.",
        source="authors' code",
        ge=0,
    )
    axial_share: float = setting(
        2 / 3,
        help="Share of the budget for the axial network. The other two share the rest equally "
        "and start from its weights.",
        source="authors' code: 20,000 iterations, then 5,000 each",
        gt=0,
        lt=1,
    )
    augment: bool = setting(
        True,
        help="Randomly rotate, shift, crop and deform volumes together with their masks.",
        source="Shin et al. 2018, section 4.1, about this method",
    )
