"""``benchbed compare``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from benchbed.cli.options import JsonOption, ResultsOption, format_examples

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from benchbed.results.record import MeasuredMetric
    from benchbed.results.run_comparison import FactValue, MetricRow, RunComparison

app = typer.Typer(rich_markup_mode=None, add_completion=False)

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MISSING = "–"


@app.command(
    epilog=format_examples("compare RUN RUN", "compare RUN RUN RUN --all", "compare RUN RUN --json")
)
def compare(
    runs: Annotated[list[str], typer.Argument(help="Run names or unique prefixes.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Also show facts that are equal.")
    ] = False,
    results: ResultsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare runs: differing facts, metrics, and which run is better.

    Runs that differ in task, dataset, source, size, budget or precision are not comparable. The
    reason is printed first, and no value is marked as better.
    """
    from benchbed.api.specs import MetricSpec
    from benchbed.config import paths
    from benchbed.errors import BenchbedError
    from benchbed.registry.lookup import get_registry
    from benchbed.results.lookup import find_record
    from benchbed.results.run_comparison import compare_runs
    from benchbed.results.store import ResultStore

    store = ResultStore(paths.resolve_results_folder(results))
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
    found = compare_runs(records, get_registry().get_specs(MetricSpec))
    if as_json:
        typer.echo(json.dumps(found.as_dict(everything=everything), indent=2))
        return
    from rich.console import Console

    _print_comparison(found, Console(), everything=everything)


def _print_comparison(found: RunComparison, console: Console, *, everything: bool) -> None:
    from benchbed.cli.output import make_plain_text

    if found.reasons:
        # One line per reason: this is what a reader must not miss.
        console.print(make_plain_text("These runs are not comparable:", style="bold red"))
        for reason in found.reasons:
            console.print(make_plain_text(f"  {reason}", style="red"))
    for letter, run in zip(LETTERS, found.runs, strict=False):
        console.print(make_plain_text(f"{letter}  {run}"), soft_wrap=True)
    _print_facts(found, console, everything=everything)
    _print_metrics(found, console)


def _print_facts(found: RunComparison, console: Console, *, everything: bool) -> None:
    from rich.table import Table

    from benchbed.cli.output import make_plain_text

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
            table.add_row(make_plain_text(group, style="bold"))
        style = "" if fact.differs else "dim"
        values = (make_plain_text(_format_value(value), style=style) for value in fact.values)
        table.add_row(make_plain_text(f"  {fact.name}", style=style), *values)
    console.print()
    console.print(table)


def _print_metrics(found: RunComparison, console: Console) -> None:
    from rich.table import Table

    from benchbed.cli.output import make_plain_text

    console.print()
    if not found.metric_rows:
        console.print("No metrics recorded.")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("metric", overflow="fold")
    for letter, _ in zip(LETTERS, found.runs, strict=False):
        table.add_column(letter)
    for line in found.metric_rows:
        cells = (_format_cell(line, index) for index in range(len(found.runs)))
        table.add_row(make_plain_text(_format_heading(line)), *cells)
        baselines = [MISSING if m is None else _format_baseline(m) for m in line.values]
        if any(baseline != MISSING for baseline in baselines):
            style = "dim"
            cells = (make_plain_text(baseline, style=style) for baseline in baselines)
            table.add_row(make_plain_text("  real vs real", style=style), *cells)
    console.print(table)
    if any(line.best for line in found.metric_rows):
        console.print("✓ better; ≈ better, but the 95 % intervals overlap.")
        console.print("One seed per run. Use `benchbed report` to see the variation over seeds.")
    for line in found.metric_rows:
        if line.note:
            console.print(make_plain_text(f"{line.metric}: {line.note}.", style="dim"))


def _format_heading(line: MetricRow) -> str:
    from benchbed.api.specs import MetricSpec
    from benchbed.registry.lookup import get_registry
    from benchbed.report.render.tables import format_heading

    spec = get_registry().get_specs(MetricSpec).get(line.metric)
    return line.metric if spec is None else format_heading(spec)


def _format_cell(line: MetricRow, index: int) -> Text:
    from benchbed.cli.output import make_plain_text
    from benchbed.report.render.tables import format_interval, format_number

    measured = line.values[index]
    if measured is None or measured.value is None:
        return make_plain_text(MISSING)
    text = format_number(measured.value)
    if measured.ci_low is not None and measured.ci_high is not None:
        text += f" {format_interval(measured.ci_low, measured.ci_high)}"
    if index not in line.best:
        return make_plain_text(text)
    return make_plain_text(f"{text} {'≈' if line.has_overlap else '✓'}", style="bold green")


def _format_baseline(measured: MeasuredMetric) -> str:
    from benchbed.report.render.tables import format_number

    if measured.baseline is None:
        return MISSING
    return f"{format_number(measured.baseline)} (n={measured.n_baseline})"


def _format_value(value: FactValue) -> str:
    if value is None:
        return MISSING
    return f"{value:g}" if isinstance(value, float) else str(value)
