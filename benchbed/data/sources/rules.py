"""How the stored values of a dataset are read, decided once over all its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchbed.config.protocol import IntensityWindow


@dataclass(frozen=True)
class ReadingRules:
    """How stored values become pixels, classes and voxels; the same for all files of a dataset.

    Attributes:
        window: Values that become black and white in images of more than 8 bits per channel;
            ``"per-file"`` stretches each image between its own percentiles; None if all images
            have 8 bits.
        mask_levels: Stored value to class (0 is background) by role, such as
            ``{"mask": {0: 0, 255: 1}}``; empty if there are no masks.
        extent: Size in millimetres, ``(D, H, W)``, of the box that becomes a block of voxels; None
            if cases are images.
        sentences: The rules in words, for the user and for records.
    """

    window: IntensityWindow | None = None
    mask_levels: Mapping[str, Mapping[int, int]] = field(default_factory=dict, hash=False)
    extent: tuple[float, float, float] | None = None
    sentences: tuple[str, ...] = ()

    @property
    def shared_window(self) -> tuple[float, float] | None:
        """The window of all images; None if each has its own, or none is needed."""
        return None if self.window == "per-file" else self.window

    def as_dict(self) -> dict[str, Any]:
        """Return what prepared data depend on, in JSON types."""
        levels = {
            role: sorted([value, number] for value, number in rule.items())
            for role, rule in sorted(self.mask_levels.items())
        }
        window = list(self.window) if isinstance(self.window, tuple) else self.window
        return {"window": window, "mask_levels": levels, "extent": self.extent}
