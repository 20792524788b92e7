"""Which groups are measured, in which order, and what is made of them."""

from __future__ import annotations

import gc
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchbed.utils.files import write_text

from . import data_path, known, machine, metrics, results, scaling, start_up, table
from .choice import GROUPS, Choice
from .clock import Conditions
from .goals import AMX, training_goals
from .harness import Training
from .measure import Measurement, Pair, measure
from .page import page
from .record import Failure
from .results import Results


def names(choice: Choice) -> dict[str, list[str]]:
    """Names of all measurements, by group.

    Args:
        choice: Of its sizes and on its device.
    """
    found = {
        "training": list(AMX),
        "metrics": [pair.name for pair in metrics.pairs(choice.quick, choice.device)],
        "data": list(data_path.NAMES),
        "start-up": list(start_up.NAMES),
        "scaling": [name for case in _growths(choice) for name in case.names],
    }
    found["metrics"] += [case.name for case in known.cases(choice.quick)]
    return found


def _growths(choice: Choice) -> list[scaling.Case]:
    return scaling.cases(choice.quick, choice.device, choice.records)


class Program:
    """Measures, keeps and tells.

    Args:
        choice: What is wanted.
        console: Where it is told.
        folder: Where results lie.

    Attributes:
        now: What this call measured.
        all: That, and what earlier calls measured on this machine.
        path: The file.
    """

    def __init__(self, choice: Choice, console: Console, folder: Path) -> None:
        self.choice, self.console, self.folder = choice, console, folder
        about = machine.describe(choice.device, choice.tf32)
        self.path = results.place(folder, choice.stem, about)
        self.now = Results(about)
        self.all = results.read(self.path) if self.path.exists() else Results(about)

    def run(self, show_only: bool = False) -> int:
        """Measure every group that is wanted, and save after each measurement.

        Args:
            show_only: Print what is known instead.

        Returns:
            Exit code: 0, 1 where something could not be measured, 130 where it was stopped.
        """
        if show_only and not self.path.exists():
            self.console.print(f"{self.path} is not there: nothing was measured on this machine.")
            return 1
        if show_only:
            self._show(self.all)
            return 0
        about = self.now.machine
        self.console.print(
            f"{about['processor']}, {about['threads']} of {about['cores']} cores, "
            f"{', '.join(about['flags'])}, torch {about['torch']}."
        )
        code = 0
        try:
            with machine.float32(self.choice.tf32, self.choice.device):
                self._measure()
        except KeyboardInterrupt:
            self.console.print("Stopped; what was measured so far:")
            code = 130
        self._show(self.now)
        if self.path.exists():
            self.console.print(f"Written: {self.path}.")
            told = self.path.with_suffix(".md")
            write_text(told, page(self.all))
            self.console.print(f"Written: {told}.")
            drawn = self.path.with_suffix(".png")
            if self.all.draw(drawn):
                self.console.print(f"Written: {drawn}.")
        return code or int(bool(self.now.failed))

    def _measure(self) -> None:
        steps: dict[str, Callable[[Conditions], None]] = {
            "training": self._training,
            "metrics": self._metrics,
            "data": self._data,
            "start-up": self._start_up,
            "scaling": self._scaling,
        }
        there = names(self.choice)
        self.folder.mkdir(parents=True, exist_ok=True)
        for group in self.choice.groups:
            if self.choice.wanted(there[group]):
                under = machine.conditions(self.choice.device, self.choice.clock)
                if under.clock == "cpu":
                    self.console.print(
                        f"{group}: others use {under.busy:.0%} of this machine: ratios are those "
                        f"of processor time over {self.now.machine['threads']} threads."
                    )
                steps[group](under)

    def _show(self, shown: Results) -> None:
        for one in _tables(shown):
            self.console.print(one)

    def _keep(self, item: results.Item) -> None:
        self.now.add(item)
        self.all.add(item)

    def _attempt(
        self, group: str, name: str, work: Callable[[], None], precision: str = ""
    ) -> None:
        """One measurement; what goes wrong is kept as a remark, and the rest goes on."""
        self.console.print(f"[dim]{name}{precision and ', '}{precision} ...[/]")
        self.all.forget_failure(name, precision)
        try:
            work()
        except Exception as error:  # a case may fail in any way, and the others need not
            why = f"{type(error).__name__}: {_first_line(error)}"
            self._keep(Failure(name, group, precision, why))
            self.console.print(f"[red]not measured:[/] {escape(why)}", highlight=False)
        gc.collect()
        if self.choice.device.type == "cuda":
            torch.cuda.empty_cache()
        self.all.save(self.path)

    def _training(self, under: Conditions) -> None:
        from .cases import FULL, QUICK, noise_training, trainings

        c = self.choice
        noise_training(32, 4, c.device)()  # the libraries' own memory is nobody's
        peaks = {
            precision: machine.matrix_peak(precision, c.device, under.clock)
            for precision in c.precisions or machine.precisions(c.device)
        }
        for precision, peak in peaks.items():
            self.console.print(f"Matrix products in {precision}: {peak / 1e9:.0f} GFLOP/s.")
        for training in trainings(QUICK if c.quick else FULL):
            for precision, peak in peaks.items():

                def work(t: Training = training, p: str = precision, top: float = peak) -> None:
                    made = t.measure(p, c.rounds, c.device, under=under, folder=self.folder)
                    made.peak = top
                    self._keep(made)
                    self._ask(t.name)

                if c.wanted([training.name]):
                    self._attempt("training", training.name, work, precision)

    def _ask(self, name: str) -> None:
        """Set the goals of a training, which depend on what its precisions reached."""
        rows = self.all.training(name)
        if not self.choice.quick:
            ratios = {row.precision: row.ratio()[0] for row in rows}
            goals = training_goals(name, ratios, self.choice.device.type, machine.has_amx())
            for row in rows:
                row.goal = goals[row.precision]

    def _metrics(self, under: Conditions) -> None:
        self._pairs(metrics.pairs(self.choice.quick, self.choice.device), under)
        for case in known.cases(self.choice.quick):
            if self.choice.wanted([case.name]):
                self._attempt("metrics", case.name, lambda c=case: self._keep(c.measure()))  # type: ignore[misc]

    def _data(self, under: Conditions) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self._pairs(data_path.pairs(Path(folder), self.choice.quick), under)

    def _pairs(self, pairs: list[Pair], under: Conditions) -> None:
        for pair in pairs:
            if self.choice.wanted([pair.name]):

                def work(asked: Pair = pair) -> None:
                    self._keep(self._compared(asked, under))

                self._attempt(pair.group, pair.name, work)

    def _compared(self, pair: Pair, under: Conditions) -> Measurement:
        made = measure(pair, self.choice.rounds)
        made.goal = None if self.choice.quick else made.goal
        made.under = under
        return made

    def _start_up(self, under: Conditions) -> None:
        with start_up.results_folder(self.choice.records) as folder:
            checked: list[start_up.Command] = []

            def check(command: start_up.Command) -> None:
                start_up.check(command)
                checked.append(command)

            for command in start_up.commands(folder):
                if self.choice.wanted([command.name]):
                    self._attempt("start-up", command.name, lambda c=command: check(c))  # type: ignore[misc]
            if not checked:
                return

            def work() -> None:
                for one in start_up.measure(checked, self.choice.rounds, under):
                    self._keep(one)

            self._attempt("start-up", "in turns", work)

    def _scaling(self, under: Conditions) -> None:
        for case in _growths(self.choice):
            if self.choice.wanted(case.names):

                def work(asked: scaling.Case = case) -> None:
                    for growth in asked.grow():
                        growth.under = under
                        if self.choice.wanted([growth.name]):
                            self._keep(growth)

                self._attempt("scaling", case.names[0], work)


def _tables(shown: Results) -> Iterator[Table]:
    for group in GROUPS[:3]:
        made = [one for one in shown.made if one.group == group]
        failed = [one for one in shown.failed if one.group == group]
        if made or failed:
            yield table.comparisons(group, made, failed)
        if group == "metrics" and shown.known:
            yield table.known_answers(shown.known)
    failed = [one for one in shown.failed if one.group == "start-up"]
    if shown.started or failed:
        yield table.start_ups(shown.started, failed)
    failed = [one for one in shown.failed if one.group == "scaling"]
    if shown.grown or failed:
        yield table.growths(shown.grown, failed)


def _first_line(error: Exception) -> str:
    """What went wrong, without folders: results say nothing of where they were made."""
    lines = str(error).strip().splitlines() or ["no message"]
    return re.sub(r"(?<!\S)[^\s/]*(?:/[^\s/]+)+/", "", lines[0])
