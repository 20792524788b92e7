"""Runs the measurements, and writes the tables."""

from __future__ import annotations

import argparse
import gc
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psutil
import torch

from benchbed.errors import make_unknown_error
from benchbed.utils.files import write_text

from . import data_path, metrics, start_up
from .methods import FULL, QUICK, list_trainings
from .report import draw_ratios, render_markdown
from .results import Comparison, Results, StartUp, find_results_path, read_results
from .timing import describe_machine, list_precisions

COMMAND = "python -m benchmarks.speed"
GROUPS = ("training", "metrics", "data", "start-up")


class Task(NamedTuple):
    """A measurement that gives one row."""

    name: str
    group: str
    measure: Callable[[], Comparison | StartUp]
    precision: str = ""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the options."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Compare the speed of benchbed with plain references, in turns."
    )
    add = parser.add_argument
    add("--group", nargs="+", default=GROUPS, choices=GROUPS, help="Groups to measure.")
    add("--only", nargs="+", metavar="NAME", default=[], help="Measurements to run.")
    add("--list", action="store_true", help="Print the names of the measurements.")
    add("--rounds", type=int, default=5, help="Turns of each measurement; default: 5.")
    add("--quick", action="store_true", help="Small sizes, without goals.")
    add("--device", type=torch.device, default="cpu", help="Device of the networks: cpu or cuda.")
    add("--records", type=Path, default=Path("results/records"), help="Records for reports.")
    add("--out", type=Path, default=Path("results/speed"), help="Folder of the results.")
    return parser


def list_tasks(options: argparse.Namespace, scratch: Path) -> list[Task]:
    """Return all tasks; they write files to the empty folder `scratch`."""
    quick, rounds, device = options.quick, options.rounds, options.device
    pairs = [*metrics.list_pairs(quick, device), *data_path.list_pairs(scratch, quick)]
    return [
        *(
            Task(training.name, "training", partial(training.measure, p, rounds, device), p)
            for training in list_trainings(QUICK if quick else FULL)
            for p in list_precisions(device)
        ),
        *(Task(pair.name, pair.group, partial(pair.measure, rounds)) for pair in pairs),
        *(
            Task(command.name, "start-up", partial(command.measure, rounds))
            for command in start_up.list_commands(scratch, options.records)
        ),
    ]


def run_benchmark(options: argparse.Namespace) -> int:
    """Measure or list the chosen tasks, and return the exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        tasks = [t for t in list_tasks(options, Path(scratch)) if t.group in options.group]
        names = list(dict.fromkeys(task.name for task in tasks))
        for name in options.only:
            if name not in names:
                raise make_unknown_error("measurement", name, names, f"{COMMAND} --list")
        if options.list:
            print("\n".join(names))
            return 0
        return run_tasks([t for t in tasks if t.name in (options.only or names)], options)


def run_tasks(tasks: list[Task], options: argparse.Namespace) -> int:
    """Measure, save after each measurement, write the tables, and return the exit code."""
    if (busy := psutil.cpu_percent(interval=1) / 100) > 0.15:
        print(f"Other processes use {busy:.0%} of the processors: times are doubtful.")
    about = describe_machine(options.device)
    stem = f"{options.device.type}{'-quick' if options.quick else ''}"
    path = find_results_path(options.out, stem, about)
    results = read_results(path) if path.exists() else Results(machine=about)
    code = 0
    try:
        for task in tasks:
            print(f"{task.name} {task.precision}".strip(), "...", flush=True)
            try:
                row = task.measure()
            except Exception as error:  # a measurement may fail in any way; the others follow
                print(f"{task.name} could not be measured. {type(error).__name__}: {error}")
                code = 1
                continue
            if options.quick and isinstance(row, Comparison):
                row.goal = None
            results.add(row)
            results.save(path)
            gc.collect()
    except KeyboardInterrupt:
        code = 130
    tables = render_markdown(results)
    write_text(path.with_suffix(".md"), tables)
    draw_ratios(results, path.with_suffix(".png"))
    print(f"\n{tables}\nWritten: {path}, {path.stem}.md and {path.stem}.png.")
    return code
