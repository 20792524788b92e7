"""``benchbed compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchbed.cli.examples import examples

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from benchbed.runs.comparison import Comparison, Line, Value
    from benchbed.runs.record import Measured

app = typer.Typer(rich_markup_mode=None, add_completion=False)

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MISSING = "–"


@app.command(
    epilog=examples("compare RUN RUN", "compare RUN RUN RUN --all", "compare RUN RUN --json")
)
def compare(
    runs: Annotated[list[str], typer.Argument(help="Run names or unique prefixes.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Also show facts that are equal.")
    ] = False,
    results: Annotated[
        Path | None,
        typer.Option(help="Results folder. Default: $BENCHBED_RESULTS, else ./results."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare runs: differing facts, metrics, and which run is better.

    Runs that differ in task, dataset, source, size, budget or precision are not comparable. The
    reason is printed first, and no value is marked as better.
    """
    from benchbed import paths
    from benchbed.api.specs import MetricSpec
    from benchbed.errors import BenchbedError
    from benchbed.registry import registry
    from benchbed.runs.comparison import compare as compare_runs
    from benchbed.runs.lookup import find_record
    from benchbed.runs.store import Store

    store = Store(paths.results(results))
    records = [find_record(store, run) for run in runs]
    names = [record.id for record in records]
    if len(set(names)) < 2 or len(set(names)) < len(names):
        raise BenchbedError(
            f"compare needs at least two different runs, but got: {', '.join(names)}. Run "
            "`benchbed list runs` to see the names."
        )
    if len(names) > len(LETTERS):
        raise BenchbedError(
            f"compare takes at most {len(LETTERS)} runs, but got {len(names)}. Use `benchbed "
            "report` for larger tables."
        )
    found = compare_runs(records, registry().specs(MetricSpec))
    if as_json:
        typer.echo(json.dumps(found.as_dict(everything=everything), indent=2))
        return
    from rich.console import Console

    _print(found, Console(), everything=everything)


def _print(found: Comparison, console: Console, *, everything: bool) -> None:
    from benchbed.cli.plain import plain_text

    if found.reasons:
        # One line per reason: this is what a reader must not miss.
        console.print(plain_text("These runs are not comparable:", style="bold red"))
        for reason in found.reasons:
            console.print(plain_text(f"  {reason}", style="red"))
    for letter, run in zip(LETTERS, found.runs, strict=False):
        console.print(plain_text(f"{letter}  {run}"), soft_wrap=True)
    _print_facts(found, console, everything=everything)
    _print_lines(found, console)


def _print_facts(found: Comparison, console: Console, *, everything: bool) -> None:
    from rich.table import Table

    from benchbed.cli.plain import plain_text

    facts = [fact for fact in found.facts if everything or fact.differs]
    if not facts:
        console.print("\nThe runs differ only in their metrics.")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("all facts" if everything else "differs in", overflow="fold")
    for letter, _ in zip(LETTERS, found.runs, strict=False):
        table.add_column(letter, overflow="fold")
    group = ""
    for fact in facts:
        if fact.group != group:
            group = fact.group
            table.add_row(plain_text(group, style="bold"))
        style = "" if fact.differs else "dim"
        values = (plain_text(_said(value), style=style) for value in fact.values)
        table.add_row(plain_text(f"  {fact.name}", style=style), *values)
    console.print()
    console.print(table)


def _print_lines(found: Comparison, console: Console) -> None:
    from rich.table import Table

    from benchbed.cli.plain import plain_text

    console.print()
    if not found.lines:
        console.print("No metrics recorded.")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("metric", overflow="fold")
    for letter, _ in zip(LETTERS, found.runs, strict=False):
        table.add_column(letter)
    for line in found.lines:
        cells = (_cell(line, index) for index in range(len(found.runs)))
        table.add_row(plain_text(_heading(line)), *cells)
        baselines = [MISSING if m is None else _floor(m) for m in line.values]
        if any(baseline != MISSING for baseline in baselines):
            style = "dim"
            cells = (plain_text(baseline, style=style) for baseline in baselines)
            table.add_row(plain_text("  real vs real", style=style), *cells)
    console.print(table)
    if any(line.best for line in found.lines):
        console.print("✓ better; ≈ better, but the 95 % intervals overlap.")
        console.print("One seed per run. Use `benchbed report` to see the variation over seeds.")
    for line in found.lines:
        if line.note:
            console.print(plain_text(f"{line.metric}: {line.note}.", style="dim"))


def _heading(line: Line) -> str:
    from benchbed.api.specs import MetricSpec
    from benchbed.registry import registry
    from benchbed.report.text import heading

    spec = registry().specs(MetricSpec).get(line.metric)
    return line.metric if spec is None else heading(spec)


def _cell(line: Line, index: int) -> Text:
    from benchbed.cli.plain import plain_text
    from benchbed.report.text import interval, number

    measured = line.values[index]
    if measured is None or measured.value is None:
        return plain_text(MISSING)
    text = number(measured.value)
    if measured.low is not None and measured.high is not None:
        text += f" {interval(measured.low, measured.high)}"
    if index not in line.best:
        return plain_text(text)
    return plain_text(f"{text} {'≈' if line.overlap else '✓'}", style="bold green")


def _floor(measured: Measured) -> str:
    from benchbed.report.text import number

    if measured.floor is None:
        return MISSING
    return f"{number(measured.floor)} (n={measured.n_floor})"


def _said(value: Value) -> str:
    if value is None:
        return MISSING
    return f"{value:g}" if isinstance(value, float) else str(value)
