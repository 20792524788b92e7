"""The start of a benchmark program, ``python -m benchmarks.NAME``."""

from __future__ import annotations

import os
import sys
from importlib import import_module


def run_program(package: str, **environment: str) -> None:
    """Run the benchmark of a package, and exit with its code, or 2 after a user's error.

    Args:
        package: Package with a module ``runner``.
        **environment: Variables to set unless they are set.
    """
    # torch starts its threads when it is imported, here with the settings of `benchbed run`.
    for name, value in {"GOMP_SPINCOUNT": "2000", **environment}.items():
        os.environ.setdefault(name, value)
    from benchbed.errors import BenchbedError

    runner = import_module(f"{package}.runner")
    try:
        sys.exit(runner.run_benchmark(runner.make_parser().parse_args()))
    except BenchbedError as error:
        print(f"{runner.COMMAND}: {error}", file=sys.stderr)
        sys.exit(2)
