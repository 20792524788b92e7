"""What was measured, as JSON and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .clock import Conditions, Lap
from .goals import (
    EXACT,
    EXPONENT_SLACK,
    HARD_GATE,
    HARNESS_SHARE,
    KNOWN_ANSWER,
    START_UP_SECONDS,
    Goal,
)
from .known import KnownAnswer
from .measure import Measurement
from .scaling import Growth
from .start_up import PEER_NAME, StartUp

FORMAT = 2
"""Version of the file."""

RULES = {
    "hard_gate": HARD_GATE,
    "exact": EXACT._asdict(),
    "known_answer": KNOWN_ANSWER,
    "harness_share": HARNESS_SHARE,
    "start_up_seconds": START_UP_SECONDS,
    "exponent_slack": EXPONENT_SLACK,
}

SIDES = ("ours", "reference")


@dataclass(frozen=True)
class Failure:
    """Something that could not be measured.

    Attributes:
        name: Of the measurement.
        group: Its group.
        precision: Of ours in training.
        why: The first line of the error.
    """

    name: str
    group: str
    precision: str
    why: str


def comparison(one: Measurement) -> dict[str, Any]:
    """One pair."""
    ratio, low, high = one.ratio()
    return {
        "name": one.name,
        "group": one.group,
        "what": one.what,
        "reference": one.reference,
        "precision": one.precision,
        "device": one.device,
        **one.under._asdict(),
        "seconds": dict(zip(SIDES, one.seconds(), strict=True)),
        "ratio": {"median": ratio, "lowest": low, "highest": high},
        "by_wall": one.ratio("wall")[0],
        "by_cpu": one.ratio("cpu")[0],
        "goal": None if one.goal is None else one.goal._asdict(),
        "verdict": one.verdict,
        "flops": None if one.flops is None else dict(zip(SIDES, one.flops, strict=True)),
        "matrix_peak_flops": one.peak,
        "share_of_peak": one.share_of_peak(),
        "peak_memory_bytes": dict(zip(SIDES, one.memory, strict=True)),
        "harness_share": one.harness_share,
        "difference": one.difference,
        "tolerance": one.tolerance,
        "agrees": one.agrees,
        "note": one.note,
        "laps": [{"ours": _from_lap(a), "reference": _from_lap(b)} for a, b in one.laps],
    }


def measurement(entry: dict[str, Any]) -> Measurement:
    """The reverse of `comparison`."""
    goal, flops, memory = entry["goal"], entry["flops"], entry["peak_memory_bytes"]
    return Measurement(
        name=entry["name"],
        group=entry["group"],
        what=entry["what"],
        reference=entry["reference"],
        goal=None if goal is None else Goal(**goal),
        laps=[(_to_lap(lap["ours"]), _to_lap(lap["reference"])) for lap in entry["laps"]],
        flops=None if flops is None else (flops["ours"], flops["reference"]),
        peak=entry["matrix_peak_flops"],
        memory=(memory["ours"], memory["reference"]),
        precision=entry["precision"],
        device=entry["device"],
        difference=entry["difference"],
        tolerance=entry["tolerance"],
        harness_share=entry["harness_share"],
        note=entry["note"],
        under=Conditions(entry["clock"], entry["busy"]),
    )


def start_up(one: StartUp) -> dict[str, Any]:
    """One command."""
    middle, low, high = one.beyond()
    return {
        "name": one.name,
        "command": one.command,
        **one.under._asdict(),
        "seconds_beyond_python": {"median": middle, "lowest": low, "highest": high},
        "goal_seconds": one.most,
        "verdict": one.verdict,
        "ratio": one.ratio(),
        "reference": PEER_NAME,
        "imports_torch": one.torch,
        "laps": [{"python": _from_lap(a), "ours": _from_lap(b)} for a, b in one.laps],
        "reference_laps": [_from_lap(lap) for lap in one.peer],
    }


def started(entry: dict[str, Any]) -> StartUp:
    """The reverse of `start_up`."""
    return StartUp(
        name=entry["name"],
        command=entry["command"],
        most=entry["goal_seconds"],
        laps=[(_to_lap(lap["python"]), _to_lap(lap["ours"])) for lap in entry["laps"]],
        peer=[_to_lap(lap) for lap in entry["reference_laps"]],
        torch=entry["imports_torch"],
        under=Conditions(entry["clock"], entry["busy"]),
    )


def growth(one: Growth) -> dict[str, Any]:
    """One fitted exponent."""
    return {
        "name": one.name,
        "what": one.what,
        **one.under._asdict(),
        "sizes": one.sizes,
        "unit": "seconds" if one.laps else "bytes",
        "values": one.values(),
        "exponent": one.exponent(),
        "demanded": one.least,
        "verdict": one.verdict,
        "floor_laps": [_from_lap(lap) for lap in one.floor],
        "laps": [_from_lap(lap) for lap in one.laps],
    }


def grown(entry: dict[str, Any]) -> Growth:
    """The reverse of `growth`."""
    return Growth(
        name=entry["name"],
        what=entry["what"],
        demanded=None if entry["floor_laps"] else entry["demanded"],
        sizes=entry["sizes"],
        laps=[_to_lap(lap) for lap in entry["laps"]],
        amounts=[] if entry["laps"] else [int(value) for value in entry["values"]],
        floor=[_to_lap(lap) for lap in entry["floor_laps"]],
        under=Conditions(entry["clock"], entry["busy"]),
    )


def known_answer(one: KnownAnswer) -> dict[str, Any]:
    """One known answer."""
    return {
        "name": one.name,
        "what": one.what,
        "answer": one.answer,
        "found": one.found,
        "relative_errors": {who: one.error(who) for who in one.found},
        "verdict": one.verdict,
    }


def answered(entry: dict[str, Any]) -> KnownAnswer:
    """The reverse of `known_answer`."""
    return KnownAnswer(entry["name"], entry["what"], entry["answer"], entry["found"])


def _from_lap(lap: Lap) -> dict[str, float]:
    return {"wall": lap.wall, "cpu": lap.cpu}


def _to_lap(entry: dict[str, float]) -> Lap:
    return Lap(entry["wall"], entry["cpu"])
