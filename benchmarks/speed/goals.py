"""The goals, as data: what each measurement is to reach, and where that can be asked."""

from __future__ import annotations

HARD_GATE = 0.8
"""The share of a goal that must be reached whatever the noise."""

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
"""Training on two cores with AMX in the best precision of ours, for which these were measured."""

CUDA = {name: 3.0 if name.endswith("64") else 2.0 for name in AMX}
"""Training on an accelerator: small networks wait for launches, large ones for products."""

EXACT = 1.0
"""Training in float32 is never slower than the plain reference."""

EXACT_HOPED = 1.3
"""Training in float32 where there is something to gain."""

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

HARNESS_SHARE = 0.03
"""Most that loop, data, logging and checkpoints may take of a step."""

START_UP_SECONDS = 0.2
"""Most that a command without work may take beyond a bare python."""

EXPONENT_SLACK = 0.15
"""How far a fitted exponent may lie above the one that the mathematics demands."""


def training_goal(name: str, precision: str, device: str, amx: bool) -> float | None:
    """The goal of a training measurement on this machine; None where none was set.

    Args:
        name: Of the measurement.
        precision: Of ours.
        device: Kind of device, ``"cpu"`` or ``"cuda"``.
        amx: Whether the processor has AMX.
    """
    if device == "cuda":
        return CUDA.get(name) if precision == "bf16" else EXACT
    if precision == "bf16":
        return AMX.get(name) if amx else None
    return EXACT


def verdict(ratio: float, goal: float | None) -> str:
    """``"met"``, ``"gate"`` where only the hard gate is passed, ``"short"``, or nothing."""
    if goal is None:
        return ""
    if ratio >= goal:
        return "met"
    return "gate" if ratio >= HARD_GATE * goal else "short"
