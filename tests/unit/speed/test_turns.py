"""The speed program: turns, what is counted as the harness, memory, switches of float32."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from benchbed.metrics.distances import disable_reduced_precision
from benchmarks.speed import harness, machine
from benchmarks.speed.cases import Sizes, trainings
from benchmarks.speed.clock import Conditions, Lap
from benchmarks.speed.harness import LOGGED, TimedLoop, Turns, harness_share
from benchmarks.speed.measure import Pair, measure

CPU = torch.device("cpu")
CUDA = torch.device("cuda")
MEBI = 2**20


def taken(turns: Turns, done: list[str]) -> list[str]:
    """Take steps as a loop does until all rounds are over; what was done, in order."""
    while True:
        done.append("ours")
        if turns():
            return done


def test_who_comes_first_changes() -> None:
    """Ours begins the first round, the reference the second, and so on."""
    done: list[str] = []
    turns = Turns(1, 4, CPU, lambda: lambda: done.append("theirs"), shortest=0.0)
    whole = taken(turns, done)
    assert len(turns.laps) == 4
    measured = whole[-8:]
    assert measured == ["ours", "theirs", "theirs", "ours", "ours", "theirs", "theirs", "ours"]


def test_short_steps_are_taken_several_at_once() -> None:
    """Each side as many as make a turn of the least length; laps are of one step."""
    done: list[str] = []

    def reference() -> None:
        done.append("theirs")
        time.sleep(0.01)

    turns = Turns(2, 2, CPU, lambda: reference, shortest=0.03)
    while True:
        time.sleep(0.002)
        done.append("ours")
        if turns():
            break
    ours, theirs = turns.repeats
    assert 4 <= ours <= 8
    assert 2 <= theirs <= 3
    assert turns.measured_steps == 2 * ours * 2
    for own, other in turns.laps:
        assert 0.0019 < own.wall < 0.1
        assert 0.0049 < other.wall < 0.1  # one call is worth two steps


def loop(row: Lap, saving: Lap, batch: int) -> TimedLoop:
    """What of a loop the share needs."""
    return cast(TimedLoop, SimpleNamespace(row=row, saving=saving, batch_size=batch))


def test_the_harness_is_counted_by_the_wall() -> None:
    """What is outside of the step, its part of a row of the log, and a checkpoint a minute."""
    often = LOGGED.compute_log_interval(2)
    assert often > 1
    made = loop(Lap(0.2 * often, 0), Lap(3.0, 0), batch=2)
    share = harness_share(Lap(9.8, 0), Lap(9.0, 0), made, Conditions("wall", 0))
    assert share == pytest.approx((0.8 + 0.2) / 10 + 3 / 60)


def test_work_of_one_thread_is_not_divided_by_the_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the processors' clock: the loop has one thread. The disk is waited for by the wall."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    made = loop(Lap(9, 0.0), Lap(3.0, 0.0), batch=2)
    share = harness_share(Lap(9, 1.25), Lap(9, 1.0), made, Conditions("cpu", 0.9))
    assert share == pytest.approx(1.0 / 2.0 + 3 / 60)


def test_a_measured_loop_logs_and_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row of the log and its checkpoint took time; data lay there before memory was seen."""
    events: list[str] = []
    loops: list[TimedLoop] = []
    shared = harness.harness_share

    def watched(*given: Any) -> float:
        loops.append(given[2])
        return shared(*given)

    class Memory:
        def __init__(self, device: torch.device) -> None:
            events.append("memory")

        def peak(self) -> int:
            return 1

    monkeypatch.setattr(harness, "harness_share", watched)
    monkeypatch.setattr(harness, "PeakMemory", Memory)
    training = trainings(Sizes(narrow=16, batch=4, grown=4, pairs=2, volume=32, smaller=2))[0]

    def tensors() -> harness.Tensors:
        events.append("tensors")
        return training.make_tensors()

    made = dataclasses.replace(training, make_tensors=tensors).measure("fp32", 1, CPU, shortest=0.0)
    assert events == ["tensors", "memory", "memory"]
    assert loops[0].row.wall > 0
    assert loops[0].saving.wall > 0
    assert made.harness_share is not None
    assert made.harness_share > loops[0].saving.wall / 60


def test_the_memory_of_a_pair_is_not_that_of_its_first_call() -> None:
    """What a first call imports, or keeps for good, is no part of the peak."""
    kept: list[torch.Tensor] = []

    def once() -> int:
        if not kept:
            kept.append(torch.ones(64 * MEBI // 4))
        return 1

    made = measure(Pair("p", "metrics", "", "", lambda: (once, lambda: 1)), 1)
    if made.memory[0] is None:
        pytest.skip("the system does not tell the peak of a process")
    assert made.memory[0] < 16 * MEBI


def test_float32_is_switched_by_the_switches_that_others_read() -> None:
    """Lightning reads the older ones; our exact features write the newer ones in between."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    for tf32, products in ((True, "high"), (False, "highest")):
        with machine.float32(tf32, CUDA):
            with disable_reduced_precision(CPU):
                pass
            assert torch.get_float32_matmul_precision() == products
            assert torch.backends.cudnn.allow_tf32 is tf32
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


def test_threads_are_settled_before_torch_is_loaded() -> None:
    """The library of the threads reads its setting when it is loaded."""
    code = (
        "import os, sys\n"
        "sys.modules['torch'] = None\n"
        "from benchmarks.speed.__main__ import main\n"
        "sys.argv = ['speed', '--threads', '3']\n"
        "try: main()\n"
        "except ImportError: print(os.environ['GOMP_SPINCOUNT'], os.environ['OMP_NUM_THREADS'])"
    )
    unset = ("GOMP_SPINCOUNT", "OMP_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["2000", "3"]
