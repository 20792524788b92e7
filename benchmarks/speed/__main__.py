"""``python -m benchmarks.speed``: ours against a plain reference, in one process, in turns."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from .program import GROUPS

SPIN = "2000"
"""As the command line sets it for a run: see `benchbed.cli.main`."""


def main() -> None:
    """Run the program."""
    given = _parser().parse_args()
    # Before torch starts its threads.
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN)
    os.environ.setdefault("OMP_NUM_THREADS", str(given.threads))
    import torch
    from rich.console import Console

    from . import machine
    from .clock import Clock
    from .program import Choice, Program

    torch.set_num_threads(given.threads)
    device = torch.device(given.device)
    console = Console()
    about = machine.describe(device)
    disturbed = about["busy"] > machine.BUSY and device.type == "cpu"
    clock: Clock = given.clock or ("cpu" if disturbed else "wall")
    console.print(
        f"{about['processor']}, {about['threads']} of {about['cores']} cores, "
        f"{', '.join(about['flags'])}, torch {about['torch']}."
    )
    if clock == "cpu":
        console.print(
            f"Others use {about['busy']:.0%} of this machine: times are processor time over "
            f"{about['threads']} threads, not time by the wall."
        )
    choice = Choice(
        groups=tuple(given.group or GROUPS),
        only=tuple(given.only or ()),
        rounds=given.rounds or (3 if given.quick else 5),
        quick=given.quick,
        device=device,
        precisions=tuple(given.precision or ()),
        tf32=given.tf32,
        records=given.records if given.records.is_dir() else None,
    )
    program = Program(choice, clock, console, about)
    try:
        program.run(given.out)
    except KeyboardInterrupt:
        console.print("Stopped; what was measured so far:")
    program.show()
    path, drawn = program.save(given.out)
    console.print(f"Written: {path}{f', {drawn}' if drawn else ''}.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description="Measure benchbed against plain references, in one process, in turns.",
    )
    add = parser.add_argument
    add("--group", action="append", choices=GROUPS, help="a group; all unless given")
    add("--only", action="append", metavar="NAME", help="a measurement; all unless given")
    add("--rounds", type=int, help="turns; 5 unless given")
    add("--quick", action="store_true", help="small sizes and 3 turns; goals are not asked for")
    add("--threads", type=int, default=2, help="threads of torch; 2 unless given")
    add("--device", default="cpu", help="cpu or cuda")
    add(
        "--precision",
        action="append",
        choices=("fp32", "bf16"),
        help="of ours in training; unless given, what the machine has in hardware",
    )
    add("--tf32", action="store_true", help="let float32 be TF32 on an accelerator")
    add("--clock", choices=("wall", "cpu"), help="wall, or processor time on a busy machine")
    add("--records", type=Path, default=Path("results/records"), help="records for the report")
    add("--out", type=Path, default=Path("results/speed"), help="where to write")
    return parser


main()
