"""The goals, as data: what each measurement is to reach, and where that can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

HARD_GATE = 0.8
"""The share of a goal that must be reached whatever the noise."""


class Goal(NamedTuple):
    """What a ratio is to reach.

    Attributes:
        ratio: The goal.
        gate: What it must reach in any case.
    """

    ratio: float
    gate: float


AMX = {
    "dcgan-64": 3.0,
    "acgan-64": 7.0,
    "wgan-gp-64": 2.0,
    "pggan-64": 3.0,
    "pggan-128": 3.0,
    "skrgan-sketch-64": 3.0,
    "pix2pix-256": 3.0,
    "dual-gan-stage2-256": 3.0,
    "mi-gan-256": 3.0,
    "unet-256": 5.0,
    "pix2pix-3d": 2.0,
}
"""Training on two cores with AMX in the better precision of ours, for which these were measured."""

CUDA = {name: 3.0 if name.endswith("64") else 2.0 for name in AMX}
"""Training on an accelerator: small networks wait for launches, large ones for products."""

EXACT = Goal(1.3, 1.0)
"""Training in float32: hoped where there is something to gain, and never slower."""

METRICS = {
    "fid-distance-100": 8.0,
    "fid-distance-1000": 8.0,
    "fid-distance-1000-pytorch-fid": 60.0,
    "inception": 2.0,
    "swd-512": 5.0,
    "swd-128": 7.0,
    "ms-ssim-256": 15.0,
    "ms-ssim-512": 15.0,
    "ms-ssim-256-piq": 5.0,
    "ms-ssim-512-piq": 5.0,
    "prdc-1000": 6.0,
    "prdc-5000": 6.0,
}

TOLERANCES = {
    "fid-distance": 1e-5,
    "inception": 1e-4,
    "swd": 1e-5,
    "ms-ssim": 1e-6,
    "ms-ssim-other": 4e-3,
    "prdc": 1e-4,
}
"""Largest relative difference of a metric from its reference.

Six digits for MS-SSIM of the same definition, and what is known of the other definition. The
packages' root of a singular covariance is good to some 1e-6. SWD is compared at equal random
numbers. Features may drift by 1e-4. The measures of manifolds are shares of some thousand points
that agree to four digits.
"""

KNOWN_ANSWER = 1e-9
"""Largest relative error of a Fréchet distance whose value is known."""

HARNESS_SHARE = 0.03
"""Most that loop, data, logging and checkpoints may take of a step."""

START_UP_SECONDS = 0.2
"""Most that a command without work may take beyond a bare python."""

EXPONENT_SLACK = 0.15
"""How far a fitted exponent may lie above the one that the mathematics demands."""


def goal(ratio: float) -> Goal:
    """A goal with the hard gate for noise."""
    return Goal(ratio, HARD_GATE * ratio)


def training_goals(
    name: str, ratios: Mapping[str, float], device: str, amx: bool
) -> dict[str, Goal | None]:
    """The goals of a method's training on this machine.

    That of the method is asked of the better one of its precisions, once bfloat16 is among those
    that were measured.

    Args:
        name: Of the measurement.
        ratios: Precision of ours to its ratio.
        device: Kind of device, ``"cpu"`` or ``"cuda"``.
        amx: Whether the processor has AMX.

    Returns:
        Precision to goal, None where none was set.
    """
    found = {precision: EXACT if precision == "fp32" else None for precision in ratios}
    asked = (CUDA if device == "cuda" else AMX if amx else {}).get(name)
    if asked is not None and "bf16" in ratios:
        better = max(ratios, key=lambda precision: ratios[precision])
        usual = goal(asked)
        exact = better == "fp32"
        found[better] = Goal(asked, max(usual.gate, EXACT.gate)) if exact else usual
    return found


def verdict(ratio: float, asked: Goal | None) -> str:
    """``"met"``, ``"gate"`` where only the gate is passed, ``"short"``, or nothing."""
    if asked is None:
        return ""
    if ratio >= asked.ratio:
        return "met"
    return "gate" if ratio >= asked.gate else "short"
