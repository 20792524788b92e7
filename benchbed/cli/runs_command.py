"""``benchbed runs``."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchbed.cli.options import JsonOption, ResultsOption, format_examples
from benchbed.config import paths
from benchbed.errors import BenchbedError
from benchbed.results.store import ResultStore

if TYPE_CHECKING:
    from benchbed.results.prune import FolderUsage, PruneOptions

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)

SECONDS_PER_DAY = 86_400.0


@app.callback()
def runs() -> None:
    """Manage the folders of runs."""


@app.command(
    epilog=format_examples(
        "runs prune", "runs prune --failed --older-than 7d --yes", "runs prune --weights --yes"
    )
)
def prune(
    weights: Annotated[
        bool,
        typer.Option(
            "--weights",
            help="Also delete the weights of completed runs. Sampling is then impossible, and "
            "dependent runs retrain them.",
        ),
    ] = False,
    failed: Annotated[
        bool,
        typer.Option(
            "--failed",
            help="Also delete the folders of failed, stopped and killed runs, including their "
            "training progress.",
        ),
    ] = False,
    older_than: Annotated[
        str | None,
        typer.Option(help="Only runs without changes for this long, such as 7d or 12h."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete. Without it, only the plan is printed.")
    ] = False,
    results: ResultsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the disk usage of runs and delete what is not needed.

    By default: incomplete files, and extra checkpoints of completed runs. Records and active runs
    are never touched. Nothing is deleted without --yes. Exit code 1 if something could not be
    deleted.
    """
    from benchbed.results.prune import PruneOptions, measure_folders

    options = PruneOptions(weights, failed, 0.0 if older_than is None else _parse_age(older_than))
    store = ResultStore(paths.resolve_results_folder(results))
    if results is not None and not paths.is_folder(store.root):
        raise BenchbedError(f"--results is set to {store.root}, which is not a folder.")
    usages = measure_folders(store)
    freed, refused = _prune_runs(store, usages, options) if yes else ({}, [])
    rows = [_build_row(usage, options, freed if yes else None) for usage in usages]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        _print_rows(rows)
        _print_summary(usages, options, freed if yes else None)
    for sentence in refused:
        typer.echo(f"benchbed: {sentence}", err=True)
    if refused:
        raise typer.Exit(1)


def _parse_age(text: str) -> float:
    """Parse an age such as ``7d``, ``1d12h`` or ``90m``; a bare number is ambiguous."""
    parts = re.fullmatch(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text.strip().lower())
    if parts is None or not any(parts.groups()):
        raise BenchbedError(f"--older-than must be an age such as 7d, 12h or 90m, not {text!r}.")
    units = (SECONDS_PER_DAY, 3600.0, 60.0, 1.0)
    return sum(int(part or 0) * unit for part, unit in zip(parts.groups(), units, strict=True))


def _prune_runs(
    store: ResultStore, usages: list[FolderUsage], options: PruneOptions
) -> tuple[dict[str, int], list[str]]:
    """Return bytes freed by run, and a message for each run that could not be deleted."""
    from benchbed.results.prune import prune_run

    freed: dict[str, int] = {}
    refused: list[str] = []
    for usage in usages:
        if usage.plan_removal(options)[0] == "nothing":
            continue
        try:
            freed[usage.run] = prune_run(store, usage, options)
            if not freed[usage.run]:
                typer.echo(f"{usage.run} is active again and is skipped.", err=True)
        except OSError as error:
            refused.append(
                f"{usage.run} could not be deleted ({error.strerror}: {error.filename})."
            )
    return freed, refused


def _build_row(
    usage: FolderUsage, options: PruneOptions, freed: dict[str, int] | None
) -> dict[str, Any]:
    removal, size, reason = usage.plan_removal(options)
    return {
        "run": usage.run,
        "state": usage.state,
        "record": usage.has_record,
        "days": round(usage.age_seconds / SECONDS_PER_DAY, 2),
        "checkpoint_bytes": usage.checkpoint_bytes,
        "bytes": usage.total_bytes,
        "goes": removal,
        "goes_bytes": size,
        "reason": reason,
        **({} if freed is None else {"freed_bytes": freed.get(usage.run, 0)}),
    }


def _print_rows(rows: list[dict[str, Any]]) -> None:
    from benchbed.cli.output import print_rows

    display = [
        {
            "run": row["run"],
            "state": row["state"],
            "record": "yes" if row["record"] else "no",
            "last written": f"{row['days']:.0f} d ago",
            "checkpoints": _format_size(row["checkpoint_bytes"]),
            "all": _format_size(row["bytes"]),
            "to delete": _describe_removal(row),
        }
        for row in rows
    ]
    print_rows(display, empty="No run folders found.")


def _describe_removal(row: dict[str, Any]) -> str:
    reason = f" ({row['reason']})" if row["reason"] else ""
    if row["goes"] == "nothing":
        return f"–{reason}"
    text = "all" if row["goes"] == "folder" else row["goes"]
    return f"{text}, {_format_size(row['goes_bytes'])}{reason}"


def _print_summary(
    usages: list[FolderUsage], options: PruneOptions, freed: dict[str, int] | None
) -> None:
    """Print how much is freed, and how much other options would free."""
    planned = sum(usage.plan_removal(options)[1] for usage in usages)
    if freed is None:
        typer.echo(f"{_format_size(planned)} can be freed. Nothing was deleted.", err=True)
        if planned:
            typer.echo("Use --yes to delete.", err=True)
    else:
        typer.echo(f"{_format_size(sum(freed.values()))} freed.", err=True)
    alternatives = {
        "--weights": replace(options, includes_weights=True),
        "--failed": replace(options, includes_failed=True),
    }
    for option, alternative in alternatives.items():
        extra = sum(usage.plan_removal(alternative)[1] for usage in usages) - planned
        if extra > 0:
            typer.echo(f"{option} frees {_format_size(extra)} more.", err=True)


def _format_size(count: int) -> str:
    from rich.filesize import decimal

    return decimal(count)
