"""``python -m benchmarks.speed``: ours against a plain reference, in one process, in turns."""

from __future__ import annotations

import os
import sys

from benchbed.errors import BenchbedError

from .choice import COMMAND, GROUPS, Choice, check, parser

SPIN = "2000"
"""As the command line sets it for a run: see `benchbed.cli.main`."""


def main() -> int:
    """Run the program.

    Returns:
        Exit code: 0, 1 where something could not be measured, 2 where what was asked for does not
        exist, 130 where it was stopped.
    """
    given = parser().parse_args()
    # Before torch is loaded: its threads are started by a library that looks only then.
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN)
    os.environ.setdefault("OMP_NUM_THREADS", str(given.threads))
    import torch
    from rich.console import Console

    from . import machine
    from .program import Program, names

    torch.set_num_threads(given.threads)
    choice = Choice(
        groups=tuple(given.group or GROUPS),
        only=tuple(given.only or ()),
        rounds=given.rounds or (3 if given.quick else 5),
        quick=given.quick,
        device=torch.device(given.device),
        precisions=tuple(given.precision or ()),
        tf32=given.tf32,
        records=given.records,
        clock=given.clock,
    )
    console = Console()
    known = names(choice)
    try:
        machine.check(choice.device)
        check(choice, known)
    except BenchbedError as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
        return 2
    if given.list:
        for group in choice.groups:
            console.print(f"{group}: {', '.join(known[group])}", highlight=False)
        return 0
    return Program(choice, console, given.out).run(show_only=given.show)


if __name__ == "__main__":
    sys.exit(main())
