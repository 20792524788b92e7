"""The option ``--augment``: which augmentation of images a run asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchbed.errors import BenchbedError, make_unknown_error

POLICIES = ("colour", "translation", "cutout")
"""Policies of DiffAugment, in the order of their application; all of them unless some are named."""

TRAINING_NAMES = ("none", "flip")
"""What ``--augment`` accepts for every method."""

NAMES = (*TRAINING_NAMES, "diffaugment", "ada")
"""What it accepts for methods that take an augmentation of what a discriminator sees."""


@dataclass(frozen=True)
class AugmentChoice:
    """A parsed value of ``--augment``.

    Attributes:
        flip: Whether training images are mirrored left to right at random.
        discriminator: Augmentation of what a discriminator sees, real and generated.
        policies: Policies of DiffAugment, in the order of `POLICIES`; empty for others.
    """

    flip: bool = False
    discriminator: Literal["none", "diffaugment", "ada"] = "none"
    policies: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the one text of this choice, which the protocol holds."""
        parts = ["flip"] if self.flip else []
        if self.discriminator == "diffaugment":
            parts.append(f"diffaugment:{'+'.join(self.policies)}")
        elif self.discriminator == "ada":
            parts.append("ada")
        return ",".join(parts) or "none"


def parse_augment(text: str) -> AugmentChoice:
    """Parse comma-joined augmentations, such as ``flip,diffaugment:colour+translation``.

    Raises:
        BenchbedError: One of them is unknown, or two exclude each other.
    """
    parts = [part.strip().partition(":") for part in text.split(",")]
    names = [name for name, _, _ in parts]
    for name, colon, _ in parts:
        if name not in NAMES:
            raise make_unknown_error("augmentation", name, NAMES, "benchbed run --help")
        if colon and name != "diffaugment":
            raise BenchbedError(f"--augment {name} has no policies; only diffaugment has.")
    if len(set(names)) < len(names) or ("none" in names and len(names) > 1):
        raise BenchbedError(f"--augment {text} must name each augmentation once, or only none.")
    if {"diffaugment", "ada"} <= set(names):
        raise BenchbedError("--augment diffaugment and ada exclude each other. Choose one.")
    for name, colon, policies in parts:
        if name == "diffaugment":
            chosen = _parse_policies(policies) if colon else POLICIES
            return AugmentChoice("flip" in names, "diffaugment", chosen)
    return AugmentChoice("flip" in names, "ada" if "ada" in names else "none")


def _parse_policies(text: str) -> tuple[str, ...]:
    chosen = text.split("+")
    for name in chosen:
        if name not in POLICIES:
            raise make_unknown_error("policy of diffaugment", name, POLICIES, "benchbed run --help")
    return tuple(name for name in POLICIES if name in chosen)
