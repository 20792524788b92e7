"""Tables and progress on the terminal."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from benchbed.api.specs import MetricSpec
from benchbed.registry.lookup import get_registry
from benchbed.utils.stdout import CONTROL_PATTERN, write_to_stderr
from benchbed.utils.text import (
    MISSING_TEXT,
    UNLIMITED_WIDTH,
    format_interval,
    format_number,
    measure_width,
)

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from benchbed.api.metric import MetricValue
    from benchbed.results.record import MeasuredMetric
    from benchbed.utils.progress import TrainingProgress


def create_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Create a console that wraps and cuts nothing unless it is a terminal.

    Only the stream decides: CI services set ``FORCE_COLOR``, and schedulers export ``COLUMNS``.
    Colours are written if ``FORCE_COLOR`` is set.
    """
    stream = sys.stderr if stderr else sys.stdout
    if stream is not None and not stream.closed and stream.isatty():
        return Console(stderr=stderr, quiet=quiet)
    return Console(
        stderr=stderr,
        quiet=quiet,
        width=UNLIMITED_WIDTH,
        force_terminal=False,
        color_system="standard" if os.environ.get("FORCE_COLOR") else None,
    )


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print facts: short ones as lines, lists of records as tables."""
    console = create_console()
    short = Table(box=None, show_header=False, pad_edge=False)
    short.add_column(style="bold", no_wrap=True)
    short.add_column(overflow="fold")
    for name, value in facts.items():
        if value and not _is_record_list(value):
            short.add_row(name, Text(_join(value) if isinstance(value, list) else str(value)))
    console.print(short)
    for name, value in facts.items():
        if value and _is_record_list(value):
            console.print()
            _print_records(console, name, value)


def _join(values: Sequence[object]) -> str:
    """Join values in one line, or sentences line by line."""
    texts = [str(value) for value in values]
    return ("\n" if all(text.endswith(".") for text in texts) else ", ").join(texts)


def _is_record_list(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _print_records(console: Console, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a table if it fits the terminal, else one paragraph per record."""
    table = _build_table(name, rows)
    if measure_width(table, console) <= console.width:
        console.print(table)
        return
    console.print(Text(name, style="bold"))
    for row in rows:
        first, *rest = [(key, str(value)) for key, value in row.items() if str(value)]
        console.print(Text(first[1]))
        facts = [
            Text.assemble((f"{key}: " if len(rest) > 1 else "", "dim"), value)
            for key, value in rest
        ]
        console.print(Padding(Text(" · ", style="dim").join(facts), (0, 0, 0, 4)))


def _build_table(name: str, rows: Sequence[Mapping[str, str]]) -> Table:
    columns = [key for key in rows[0] if any(row[key] for row in rows)]
    table = Table(
        *columns, title=name, title_justify="left", title_style="bold", pad_edge=False, box=None
    )
    for row in rows:
        table.add_row(*(Text(str(row[key])) for key in columns))
    return table


def escape_control_characters(text: str) -> str:
    """Return the text with control characters escaped."""
    return CONTROL_PATTERN.sub(lambda hit: ascii(hit.group())[1:-1], text)


def make_plain_text(text: str, style: str = "") -> Text:
    """Return text for a rich table, without markup and control characters."""
    return Text(escape_control_characters(text), style=style)


def print_warning(text: str) -> None:
    """Print a line to stderr, without control characters."""
    write_to_stderr(escape_control_characters(text))


PROGRESS_INTERVAL_SECONDS = 30.0
"""Interval of progress lines if output is not a terminal."""


def print_rows(rows: Sequence[Mapping[str, Any]], *, empty: str) -> None:
    """Print rows of the same keys as a table."""
    console = create_console()
    if not rows:
        console.print(empty)
        return
    table = Table(box=None, pad_edge=False)
    for position, name in enumerate(rows[0]):
        table.add_column(name.replace("_", " "), no_wrap=position == 0, overflow="fold")
    for row in rows:
        table.add_row(*(make_plain_text(str(value)) for value in row.values()))
    console.print(table)


def format_duration(seconds: float) -> str:
    """Format seconds as ``"45 s"``, ``"3 min 20 s"`` or ``"2 h 05 min"``."""
    if not math.isfinite(seconds):
        return "unknown"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class ConsoleReporter:
    """Reporter for the console: a live bar on a terminal, occasional lines elsewhere.

    Everything goes to stderr, so that stdout has only output for scripts. Of several processes of
    a run, only rank 0 prints.
    """

    def __init__(self) -> None:
        is_first_rank = os.environ.get("LOCAL_RANK", "0") == "0"
        self.console = create_console(stderr=True, quiet=not is_first_rank)
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._last_line = 0.0
        self._has_preview = False

    def __enter__(self) -> ConsoleReporter:
        if self.console.is_terminal:
            from rich.progress import BarColumn, Progress, TextColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f} %"),
                TextColumn("{task.fields[detail]}"),
            )
            self._bars = Progress(*columns, console=self.console, refresh_per_second=4)
            self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def report_message(self, text: str) -> None:
        """Print a message."""
        self.console.print(make_plain_text(text), soft_wrap=not self.console.is_terminal)

    def report_progress(self, activity: str, done: int, total: int) -> None:
        """Show progress of a countable activity."""
        self._show_progress(activity, done / total if total else 1.0, f"{done}/{total}")

    def report_training(self, progress: TrainingProgress) -> None:
        """Show training progress."""
        speed = f"{progress.images_per_second:.0f} images/s, " if progress.images_per_second else ""
        losses = ", ".join(f"{name} {loss:.3g}" for name, loss in progress.losses.items())
        left = f"{format_duration(progress.seconds_left)} left"
        left = left if progress.budget_share < 1 else "done"
        detail = f"{progress.kimg:.1f} kimg, {speed}{left}" + (f"; {losses}" if losses else "")
        if progress.collapse:
            kinds = dict.fromkeys(sign.kind for sign in progress.collapse)
            detail += f"; signs of collapse: {', '.join(kinds)}"
        self._show_progress("training", progress.budget_share, detail)

    def report_picture(self, path: Path) -> None:
        """Print the path of the first preview, and of samples next to real images."""
        if path.stem == "overview":
            self.report_message(f"Samples next to real images: {path}")
        elif path.stem == "final":
            self.report_message(f"Samples: {path}")
        elif path.stem.endswith("-kimg") and not self._has_preview:
            self._has_preview = True
            self.report_message(f"Preview: {path} (newer ones next to it)")

    def _show_progress(self, activity: str, share: float, detail: str) -> None:
        if self._bars is not None:
            if activity not in self._tasks:
                self._tasks[activity] = self._bars.add_task(activity, total=1.0, detail="")
            self._bars.update(self._tasks[activity], completed=share, detail=detail)
            return
        now = time.monotonic()
        is_end = activity == "training" and share >= 1.0
        is_due = now - self._last_line >= PROGRESS_INTERVAL_SECONDS
        if (is_end or is_due) and not self.console.quiet:
            self._last_line = now
            print(f"{activity}: {share:.0%}, {detail}", file=sys.stderr, flush=True)


def format_measured_interval(measured: MetricValue | MeasuredMetric) -> str:
    """Format the 95 % interval of a value; empty if it has none."""
    return "" if measured.interval is None else format_interval(*measured.interval)


def format_measured_baseline(measured: MetricValue | MeasuredMetric | None) -> str:
    """Format the real-vs-real baseline of a value."""
    if measured is None or measured.baseline is None:
        return MISSING_TEXT
    return f"{format_number(measured.baseline)} (n={measured.n_baseline})"


def build_value_rows(values: Sequence[MetricValue | MeasuredMetric]) -> list[dict[str, str]]:
    """Return one row per value, with its real-vs-real baseline."""
    specs = get_registry().get_specs(MetricSpec)
    return [
        {
            "metric": specs[m.metric].heading if m.metric in specs else m.metric,
            "value": MISSING_TEXT if m.value is None else format_number(m.value),
            "95 %": format_measured_interval(m),
            "real vs real": format_measured_baseline(m),
            "of": _format_counts(m, specs.get(m.metric)),
            "note": "; ".join(part for part in (m.note, getattr(m, "superseded", "")) if part),
        }
        for m in values
    ]


def _format_counts(value: MetricValue | MeasuredMetric, spec: MetricSpec | None) -> str:
    if spec is not None and spec.input_kind != "images":
        return "1 case" if value.n_real == 1 else f"{value.n_real} cases"
    return f"{value.n_real} real, {value.n_fake} generated"
