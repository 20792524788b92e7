"""Signs that the training of a GAN has collapsed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class CollapseSign:
    """A measured value below its limit.

    Attributes:
        kind: ``"discriminator"``: it separates real and generated images almost without error, so
            the generator learns nothing from it. ``"samples"``: they are nearly equal.
        name: The loss of the discriminator, or the part of the samples, ``"image"`` or ``"mask"``.
        value: Median loss, or dissimilarity of samples relative to real images.
        limit: The sign exists because the value is below this.
    """

    kind: Literal["discriminator", "samples"]
    name: str
    value: float
    limit: float

    @property
    def text(self) -> str:
        """Description for messages and footnotes."""
        value = f"{self.value:.2g}, below {self.limit:g}"
        if self.kind == "discriminator":
            return f"the median of the loss {self.name!r} was {value}"
        return f"samples differ little ({self.name}: {value} of the dissimilarity of real ones)"
