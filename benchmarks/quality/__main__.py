"""``python -m benchmarks.quality``: train methods for some minutes each, and compare quality."""

import os
import sys

# torch starts its threads when it is imported, here with the settings of `benchbed run`.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

from benchbed.errors import BenchbedError

from .runner import COMMAND, make_parser, run_benchmark

if __name__ == "__main__":
    try:
        sys.exit(run_benchmark(make_parser().parse_args()))
    except BenchbedError as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
        sys.exit(2)
