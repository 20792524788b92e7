"""The protocol: everything that must be equal for two results to share a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from benchbed.errors import BenchbedError
from benchbed.utils.files import hash_json

PROTOCOL_VERSION = 2
"""Increased when the meaning of a protocol's fields changes, so that no old result is misread.

Version 2: one intensity window and one mask rule per dataset; volumes are resampled in millimetres.
"""

HELD_OUT_SPLIT = "test"
"""The split that is held out of training, if the dataset has it."""

Framing = Literal["fov", "center", "pad", "stretch"]
Source = Literal["auto", "real", "phantom"]
Precision = Literal["fp32", "bf16"]
IntensityWindow = tuple[float, float] | Literal["per-file"]
"""Values that become black and white; ``"per-file"`` stretches each image separately."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Everything that must be equal for two results to share a table.

    Attributes:
        preset: Preset of origin.
        task: Task on which methods are evaluated.
        dataset: Name of the dataset.
        source: ``"real"`` or ``"phantom"``.
        fingerprint: Hash of the data's names, shapes and contents.
        size: In-plane size in pixels.
        channels: Image channels.
        framing: How an image becomes square.
        augment: Augmentation, the text of an `AugmentChoice`.
        kimg: Budget in thousands of images shown, or None.
        seconds: Budget in seconds of training, or None. Exactly one budget is set.
        train_split: Split for training.
        reference_split: Split that samples are compared with.
        samples: Number of generated images to score.
        selection: Checkpoint to score: ``"last"``.
        window: Chosen intensity window, ``"per-file"`` or ``"LOW,HIGH"``; None for the rule of the
            dataset.
        version: Version of this list of fields.
    """

    preset: str
    task: str
    dataset: str
    source: str
    fingerprint: str
    size: int
    channels: int
    framing: Framing
    augment: str = "none"
    kimg: float | None
    seconds: float | None = None
    train_split: str = "train"
    reference_split: str = "train"
    samples: int
    selection: Literal["last"] = "last"
    window: str | None = None
    version: int = PROTOCOL_VERSION

    def __post_init__(self) -> None:
        if (self.kimg is None) == (self.seconds is None):
            raise ValueError("set exactly one of kimg and seconds")

    @property
    def hash(self) -> str:
        """Hash of all fields, twelve hexadecimal digits."""
        return hash_json(self.as_dict())

    @property
    def budget_text(self) -> str:
        """Budget as text, such as ``"20 kimg"``."""
        if self.kimg is not None:
            return f"{self.kimg:g} kimg"
        return f"{self.seconds:g} s"

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form, which the hash covers."""
        # Fields that did not exist at first are left out if unused: old hashes stay valid.
        return {k: v for k, v in asdict(self).items() if k != "window" or v is not None}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Fields of a protocol that a preset fixes.

    Attributes:
        size: In-plane size in pixels.
        kimg: Budget in thousands of images shown; None with a budget in seconds.
        samples: Number of generated images to score.
        seconds: Budget in seconds of training, instead of `kimg`.
        framing: How an image becomes square; None for the dataset's default.
        purpose: Description for users.
        volume_size: In-plane size of volumes in pixels.
        volume_kimg: Budget in thousands of volumes shown.
    """

    size: int
    kimg: float | None
    samples: int
    seconds: float | None = None
    framing: Framing | None = None
    purpose: str
    volume_size: int
    volume_kimg: float


PRESETS: Mapping[str, Preset] = {
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


def parse_window(text: str, option: str) -> IntensityWindow:
    """Return an intensity window from ``LOW,HIGH`` or ``per-file``.

    Raises:
        BenchbedError: It is neither, or LOW is not below HIGH.
    """
    if text == "per-file":
        return "per-file"
    try:
        low, high = (float(number) for number in text.split(","))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise BenchbedError(
            f"{option} must be LOW,HIGH with LOW below HIGH, such as 0,4095, or per-file, not "
            f"{text!r}."
        )
    return low, high


def format_window(window: IntensityWindow) -> str:
    """Return an intensity window as text; equal windows have equal texts."""
    return (
        window if isinstance(window, str) else ",".join(repr(normalize_number(v)) for v in window)
    )


def normalize_number(value: float) -> float:
    """Return integers as int, since 16 and 16.0 must give the same identity in JSON."""
    return int(value) if value == int(value) else value


def resolve_preset(name: str, dimensions: int = 2, **changes: Any) -> Preset:
    """Return the preset `name` with changes; None keeps a field, ``seconds`` replaces ``kimg``.

    Raises:
        BenchbedError: Both budgets are given.
    """
    changed = {key: value for key, value in changes.items() if value is not None}
    if "seconds" in changed:
        if "kimg" in changed:
            raise BenchbedError("Set a budget in images (--kimg) or in time (--time), not both.")
        changed["kimg"] = None
    elif "kimg" in changed:
        changed["kimg"] = normalize_number(changed["kimg"])
    result = PRESETS[name]
    if dimensions == 3:
        result = replace(result, size=result.volume_size, kimg=result.volume_kimg, framing=None)
    return replace(result, **changed)
