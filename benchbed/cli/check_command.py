"""``benchbed check``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from benchbed.cli.options import JsonOption, complete_datasets, complete_methods, format_examples

if TYPE_CHECKING:
    from rich.console import Console

    from benchbed.testing import CheckOutcome

app = typer.Typer(rich_markup_mode=None, add_completion=False)

STATE_MARKS = {"passed": "[green]✓[/green]", "failed": "[red]✗[/red]", "skipped": "[dim]–[/dim]"}


def _complete(incomplete: str) -> list[str]:
    return [*complete_methods(incomplete), *complete_datasets(incomplete)]


@app.command(epilog=format_examples("check {method}", "check {dataset}"))
def check(
    name: Annotated[
        str, typer.Argument(help="Name of a method or dataset.", autocompletion=_complete)
    ],
    as_json: JsonOption = False,
) -> None:
    """Check that a method or dataset matches its spec. Exit code 1 if it does not."""
    from benchbed.cli.output import create_console
    from benchbed.testing import list_checks, run_check

    console = create_console(stderr=as_json)
    outcomes: list[CheckOutcome] = []
    for each in list_checks(name):
        with console.status(each.name):
            outcomes.append(run_check(each))
        _print_outcome(console, outcomes[-1])
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    if as_json:
        rows = [{"check": o.check.name, "state": o.state, "text": o.text} for o in outcomes]
        typer.echo(json.dumps(rows, indent=2))
    else:
        passed = sum(outcome.state == "passed" for outcome in outcomes)
        skipped = len(outcomes) - passed - len(failed)
        typer.echo(f"{name}: {passed} passed, {len(failed)} failed, {skipped} skipped.")
    if failed:
        raise typer.Exit(1)


def _print_outcome(console: Console, outcome: CheckOutcome) -> None:
    from rich.markup import escape

    text = f": {escape(outcome.text)}" if outcome.text else ""
    name = outcome.check.name.replace("-", " ")
    console.print(f"{STATE_MARKS[outcome.state]} {name}{text}", highlight=False)
    if outcome.details:
        console.print(escape(outcome.details), style="dim", highlight=False)
