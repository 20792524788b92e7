"""``python -m benchmarks.quality``: train methods for some minutes each, and compare quality."""

from benchmarks.program import run_program

if __name__ == "__main__":
    run_program("benchmarks.quality")
