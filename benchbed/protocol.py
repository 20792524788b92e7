"""The protocol: everything that must be equal for two numbers to share a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from benchbed.errors import BenchbedError, unknown
from benchbed.files import digest

VERSION = 1
"""Raised when the meaning of a protocol's fields changes, so that no old number is misread."""

Framing = Literal["fov", "center", "pad", "stretch"]
Augment = Literal["none", "flip"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One protocol.

    Attributes:
        preset: The preset it came from.
        task: How methods are judged.
        dataset: The data set.
        source: ``"real"`` or ``"phantom"``.
        fingerprint: Hash of the data's names, shapes and contents.
        size: In-plane size in pixels.
        channels: Image channels.
        framing: How a picture becomes square.
        augment: What the harness does to a batch: ``"flip"`` mirrors left and right by chance.
        kimg: Budget in thousands of images shown, or None.
        seconds: Budget in seconds of training, or None. Exactly one budget is given.
        train_split: The split that is trained on.
        reference_split: The split that samples are compared with.
        samples: Number of generated images that are scored.
        selection: Which checkpoint is scored: ``"last"``.
        version: Version of this list.
    """

    preset: str
    task: str
    dataset: str
    source: str
    fingerprint: str
    size: int
    channels: int
    framing: Framing
    augment: Augment = "none"
    kimg: float | None
    seconds: float | None = None
    train_split: str = "train"
    reference_split: str = "train"
    samples: int
    selection: Literal["last"] = "last"
    version: int = VERSION

    def __post_init__(self) -> None:
        if (self.kimg is None) == (self.seconds is None):
            raise ValueError("set exactly one of kimg and seconds")

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits over every field."""
        return digest(asdict(self))

    @property
    def budget(self) -> str:
        """The budget in words, such as ``"20 kimg"``."""
        if self.kimg is not None:
            return f"{self.kimg:g} kimg"
        return f"{self.seconds:g} s"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What a preset fixes of a protocol.

    Attributes:
        size: In-plane size in pixels.
        kimg: Budget in thousands of images shown; None under a budget by the clock.
        samples: Number of generated images that are scored.
        seconds: Budget in seconds of training, instead of `kimg`.
        augment: What the harness does to a batch.
        framing: How a picture becomes square; None for the data set's own way.
        purpose: What the preset is for.
        volume_size: In-plane size of volumes in pixels.
        volume_kimg: Budget in thousands of volumes shown.
    """

    size: int
    kimg: float | None
    samples: int
    seconds: float | None = None
    augment: Augment = "none"
    framing: Framing | None = None
    purpose: str
    volume_size: int
    volume_kimg: float


PRESET: Mapping[str, Preset] = {
    "quick": Preset(
        size=64,
        kimg=16,
        samples=100,
        purpose="minutes on two CPU cores: small images, narrow networks",
        volume_size=32,
        volume_kimg=1,
    ),
    "standard": Preset(
        size=128,
        kimg=1200,
        samples=1000,
        purpose="about one hour on one GPU",
        volume_size=64,
        volume_kimg=20,
    ),
    "paper": Preset(
        size=512,
        kimg=12000,
        samples=100,
        framing="stretch",
        purpose="size and counts of the papers",
        # Shin et al. 2018: 128 x 128 x 54; 200 passes over 211 cases in the course's code.
        volume_size=128,
        volume_kimg=42.2,
    ),
}


def plain_number(value: float) -> float:
    """A number as JSON has it best: 16 and 16.0 are one budget, and must be one identity."""
    return int(value) if value == int(value) else value


def preset(name: str, dimensions: int = 2, **changes: Any) -> Preset:
    """The preset called `name`, changed where a value is given.

    Args:
        name: Name of the preset.
        dimensions: Of the data, 2 or 3.
        **changes: Fields to change; None leaves a field as it is. ``seconds`` replaces ``kimg``.

    Raises:
        BenchbedError: There is no such preset, or a value is out of range.
    """
    if name not in PRESET:
        raise unknown("preset", name, PRESET, "benchbed run --help")
    given = {key: value for key, value in changes.items() if value is not None}
    for key in ("kimg", "seconds", "size", "samples"):
        if key in given and not 0 < given[key] < math.inf:
            raise BenchbedError(
                f"{key} is {given[key]:g}, but must be a finite number greater than zero."
            )
    if "seconds" in given:
        if "kimg" in given:
            raise BenchbedError("Set a budget in images (--kimg) or in time (--time), not both.")
        given["kimg"] = None
    elif "kimg" in given:
        given["kimg"] = plain_number(given["kimg"])
    found = PRESET[name]
    if dimensions == 3:
        found = replace(found, size=found.volume_size, kimg=found.volume_kimg, framing=None)
    return replace(found, **given)
