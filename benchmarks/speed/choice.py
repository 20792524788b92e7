"""What is wanted of the program; without torch, which is loaded when its threads are settled."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchbed.errors import BenchbedError, make_unknown_error

if TYPE_CHECKING:
    import torch

    from .clock import Clock

GROUPS = ("training", "metrics", "data", "start-up", "scaling")

COMMAND = "python -m benchmarks.speed"


@dataclass(frozen=True)
class Choice:
    """What is wanted.

    Attributes:
        groups: Of `GROUPS`.
        only: Names of measurements; none for all.
        rounds: How many turns.
        quick: Whether small sizes will do; no goals are asked for then.
        device: Where networks are.
        precisions: Of ours in training; none for what the machine has in hardware.
        tf32: Whether float32 is multiplied in TF32, on both sides.
        records: Where records lie that are multiplied for the report.
        clock: By which clock; None for that of the processors where others use the machine.
    """

    groups: tuple[str, ...]
    only: tuple[str, ...]
    rounds: int
    quick: bool
    device: torch.device
    precisions: tuple[str, ...]
    tf32: bool
    records: Path
    clock: Clock | None = None

    def wanted(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that are to be measured."""
        return [name for name in names if not self.only or name in self.only]

    @property
    def stem(self) -> str:
        """Name of the files that results go to."""
        parts = [self.device.type]
        parts += ["tf32"] if self.tf32 else []
        parts += ["quick"] if self.quick else []
        return "-".join(parts)


def check(choice: Choice, names: Mapping[str, Sequence[str]]) -> None:
    """Whether what is wanted is there.

    Args:
        choice: What is wanted.
        names: Of all measurements, by group.

    Raises:
        BenchbedError: A name is none of them, or TF32 is wanted of a processor.
    """
    allowed = [name for group in choice.groups for name in names[group]]
    for name in choice.only:
        if name not in allowed:
            raise make_unknown_error("measurement", name, allowed, f"{COMMAND} --list")
    if choice.tf32 and choice.device.type != "cuda":
        raise BenchbedError(
            f"--tf32 is of an accelerator, and --device is {choice.device.type}; "
            f"give --device cuda with it."
        )


def parser() -> argparse.ArgumentParser:
    """What can be given."""
    made = argparse.ArgumentParser(
        prog=COMMAND,
        description="Measure benchbed against plain references, in one process, in turns.",
    )
    add = made.add_argument
    add("--group", action="append", choices=GROUPS, help="a group; all unless given")
    add("--only", action="append", metavar="NAME", help="a measurement; all unless given")
    add("--list", action="store_true", help="name the measurements, and measure nothing")
    add("--show", action="store_true", help="print what the results hold, and measure nothing")
    add("--rounds", type=_at_least_one, help="turns; 5 unless given")
    add("--quick", action="store_true", help="small sizes and 3 turns; goals are not asked for")
    add("--threads", type=_at_least_one, default=2, help="threads of torch; 2 unless given")
    add("--device", default="cpu", choices=("cpu", "cuda"), help="cpu unless given")
    add(
        "--precision",
        action="append",
        choices=("fp32", "bf16"),
        help="of ours in training; unless given, what the machine has in hardware",
    )
    add("--tf32", action="store_true", help="let float32 be TF32 on an accelerator, on both sides")
    add("--clock", choices=("wall", "cpu"), help="wall, or processor time on a busy machine")
    add("--records", type=Path, default=Path("results/records"), help="records for the report")
    add("--out", type=Path, default=Path("results/speed"), help="where to write")
    return made


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number
