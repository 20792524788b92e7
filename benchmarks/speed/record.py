"""What was measured, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .clock import Clock
from .goals import EXPONENT_SLACK, HARD_GATE, HARNESS_SHARE, START_UP_SECONDS, verdict
from .measure import Measurement
from .scaling import Growth
from .start_up import PEER_NAME, StartUp

FORMAT = 1
"""Version of the file."""


def comparison(one: Measurement, peaks: dict[str, float], clock: Clock) -> dict[str, Any]:
    """One pair."""
    ratio, low, high = one.ratio(clock)
    ours, theirs = one.seconds(clock)
    peak = peaks.get(one.precision)
    return {
        "name": one.name,
        "group": one.group,
        "what": one.what,
        "reference": one.reference,
        "precision": one.precision,
        "seconds": {"ours": ours, "reference": theirs},
        "ratio": {"median": ratio, "lowest": low, "highest": high},
        "by_wall": one.ratio("wall")[0],
        "by_cpu": one.ratio("cpu")[0],
        "goal": one.goal,
        "verdict": verdict(ratio, one.goal),
        "flops": None if one.flops is None else dict(zip(SIDES, one.flops, strict=True)),
        "share_of_peak": None if peak is None else one.share_of(peak, clock),
        "peak_memory_bytes": dict(zip(SIDES, one.memory, strict=True)),
        "harness_share": one.harness_share,
        "difference": one.difference,
        "note": one.note,
        "rounds": len(one.laps),
    }


SIDES = ("ours", "reference")


def start_up(one: StartUp, clock: Clock) -> dict[str, Any]:
    """One command."""
    middle, low, high = one.beyond(clock)
    return {
        "command": one.name,
        "seconds_beyond_python": {"median": middle, "lowest": low, "highest": high},
        "ratio": one.ratio(clock),
        "reference": PEER_NAME,
        "imports_torch": one.torch,
    }


def growth(one: Growth, clock: Clock) -> dict[str, Any]:
    """One fitted exponent."""
    return {
        "name": one.name,
        "what": one.what,
        "sizes": one.sizes,
        "unit": "seconds" if one.laps else "bytes",
        "values": one.values(clock),
        "exponent": one.exponent(clock),
        "demanded": one.demanded,
        "fits": one.fits(clock),
    }


def whole(
    machine: dict[str, Any],
    clock: Clock,
    peaks: dict[str, float],
    *,
    made: Sequence[Measurement],
    started: Sequence[StartUp],
    grown: Sequence[Growth],
) -> dict[str, Any]:
    """Everything."""
    return {
        "format": FORMAT,
        "machine": machine,
        "clock": clock,
        "matrix_peak_flops": peaks,
        "rules": {
            "hard_gate": HARD_GATE,
            "harness_share": HARNESS_SHARE,
            "start_up_seconds": START_UP_SECONDS,
            "exponent_slack": EXPONENT_SLACK,
        },
        "comparisons": [comparison(one, peaks, clock) for one in made],
        "start_up": [start_up(one, clock) for one in started],
        "scaling": [growth(one, clock) for one in grown],
    }
