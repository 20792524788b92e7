"""``python -m benchmarks.speed``: compare the speed of benchbed with plain references."""

from benchmarks.program import run_program

if __name__ == "__main__":
    run_program("benchmarks.speed", OMP_NUM_THREADS="2")
