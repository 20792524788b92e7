"""``benchbed compare``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated

import typer

from benchbed.api.specs import MetricSpec
from benchbed.cli.options import JsonOption, ResultsOption, format_examples
from benchbed.config import paths
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry
from benchbed.results.lookup import find_record
from benchbed.results.store import ResultStore
from benchbed.utils.text import MISSING_TEXT

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from benchbed.results.run_comparison import FactValue, MetricRow, RunComparison, RunFact

app = typer.Typer(rich_markup_mode=None, add_completion=False)

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


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
    from benchbed.results.run_comparison import compare_runs

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
    comparison = compare_runs(records, get_registry().get_specs(MetricSpec))
    if as_json:
        typer.echo(json.dumps(comparison.as_dict(everything=everything), indent=2))
        return
    _print_comparison(comparison, everything=everything)


def _print_comparison(comparison: RunComparison, *, everything: bool) -> None:
    from benchbed.cli.output import create_console, make_plain_text

    console = create_console()
    if comparison.reasons:
        # One line per reason: this is what a reader must not miss.
        console.print(make_plain_text("These runs are not comparable:", style="bold red"))
        for reason in comparison.reasons:
            console.print(make_plain_text(f"  {reason}", style="red"))
    for letter, run in zip(LETTERS, comparison.runs, strict=False):
        console.print(make_plain_text(f"{letter}  {run}"), soft_wrap=True)
    facts = [fact for fact in comparison.facts if everything or fact.differs]
    if facts:
        heading = "all facts" if everything else "differs in"
        console.print("", _build_fact_table(facts, heading, len(comparison.runs)), sep="\n")
    else:
        console.print("\nThe runs differ only in their metrics.")
    console.print()
    if not comparison.metric_rows:
        console.print("No metrics recorded.")
        return
    console.print(_build_metric_table(comparison))
    if any(line.best for line in comparison.metric_rows):
        console.print("✓ better; ≈ better, but the 95 % intervals overlap.")
        console.print("One seed per run. Use `benchbed report` to see the variation over seeds.")
    for line in comparison.metric_rows:
        if line.note:
            console.print(make_plain_text(f"{line.metric}: {line.note}.", style="dim"))


def _build_fact_table(facts: Sequence[RunFact], heading: str, runs: int) -> Table:
    from rich.table import Table

    from benchbed.cli.output import make_plain_text

    table = Table(box=None, pad_edge=False)
    for name in (heading, *LETTERS[:runs]):
        table.add_column(name, overflow="fold")
    for group, members in groupby(facts, key=attrgetter("group")):
        table.add_row(make_plain_text(group, style="bold"))
        for fact in members:
            cells = (f"  {fact.name}", *map(_format_value, fact.values))
            style = "" if fact.differs else "dim"
            table.add_row(*(make_plain_text(cell, style=style) for cell in cells))
    return table


def _build_metric_table(comparison: RunComparison) -> Table:
    from rich.table import Table

    from benchbed.cli.output import format_measured_baseline, make_plain_text

    specs = get_registry().get_specs(MetricSpec)
    table = Table(box=None, pad_edge=False)
    table.add_column("metric", overflow="fold")
    for letter in LETTERS[: len(comparison.runs)]:
        table.add_column(letter)
    for line in comparison.metric_rows:
        heading = specs[line.metric].heading if line.metric in specs else line.metric
        cells = (_format_cell(line, index) for index in range(len(comparison.runs)))
        table.add_row(make_plain_text(heading), *cells)
        baselines = [format_measured_baseline(measured) for measured in line.values]
        if any(baseline != MISSING_TEXT for baseline in baselines):
            texts = ("  real vs real", *baselines)
            table.add_row(*(make_plain_text(text, style="dim") for text in texts))
    return table


def _format_cell(line: MetricRow, index: int) -> Text:
    from benchbed.cli.output import format_measured_interval, make_plain_text
    from benchbed.utils.text import format_number

    measured = line.values[index]
    if measured is None or measured.value is None:
        return make_plain_text(MISSING_TEXT)
    text = f"{format_number(measured.value)} {format_measured_interval(measured)}".rstrip()
    if index not in line.best:
        return make_plain_text(text)
    return make_plain_text(f"{text} {'≈' if line.has_overlap else '✓'}", style="bold green")


def _format_value(value: FactValue) -> str:
    if value is None:
        return MISSING_TEXT
    return f"{value:g}" if isinstance(value, float) else str(value)
