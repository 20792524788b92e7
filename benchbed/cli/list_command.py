"""``benchbed list``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from benchbed.cli.examples import examples

app = typer.Typer(rich_markup_mode=None, add_completion=False)

Kind = Literal["methods", "datasets", "metrics", "tasks", "suites", "runs", "plugins"]


@app.command(
    epilog=examples("list methods", "list runs --json"),
)
def list_(
    kind: Annotated[Kind, typer.Argument(help="Kind of item to list.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    results: Annotated[
        Path | None,
        typer.Option(help="Results folder. Default: $BENCHBED_RESULTS, else ./results."),
    ] = None,
) -> None:
    """List methods, datasets, metrics, tasks, suites, runs or plugins."""
    rows = _runs(results) if kind == "runs" else _LISTS[kind]()
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from benchbed.cli.console import print_rows

    print_rows(rows, empty=f"No {kind} found.")


def _methods() -> list[dict[str, Any]]:
    from benchbed.api.specs import MethodSpec
    from benchbed.registry import registry

    return [
        {
            "method": spec.name,
            "paper": f"{spec.paper.authors.split(',')[0]} {spec.paper.year}",
            "abilities": ", ".join(sorted(spec.abilities)),
            "sizes": ", ".join(map(str, spec.sizes)),
            "plugin": registry().origin(spec).distribution,
        }
        for spec in registry().specs(MethodSpec).values()
    ]


def _datasets() -> list[dict[str, Any]]:
    from benchbed.api.specs import DatasetSpec
    from benchbed.registry import registry

    return [
        {
            "dataset": spec.name,
            "title": spec.title,
            "modality": spec.modality,
            "phantom": "yes" if spec.phantom else "no",
            "plugin": registry().origin(spec).distribution,
        }
        for spec in registry().specs(DatasetSpec).values()
    ] + [
        {
            "dataset": name,
            "title": f"your own folder of {content}",
            "modality": "any",
            "phantom": "no",
            "plugin": "benchbed",
        }
        for name, content in (("folder:PATH", "pictures"), ("nifti:PATH", "volumes"))
    ]


def _metrics() -> list[dict[str, Any]]:
    from benchbed.api.specs import MetricSpec
    from benchbed.registry import registry

    better = {"up": "higher", "down": "lower", "none": "neither"}
    return [
        {
            "metric": spec.name,
            "title": spec.title,
            "better": better[spec.direction],
            "recipe": spec.recipe,
        }
        for spec in registry().specs(MetricSpec).values()
    ]


def _tasks() -> list[dict[str, Any]]:
    from benchbed.api.specs import TaskSpec
    from benchbed.registry import registry

    return [
        {
            "task": spec.name,
            "question": spec.title,
            "needs": " or ".join(sorted(spec.abilities)),
            "metrics": ", ".join(spec.metrics),
        }
        for spec in registry().specs(TaskSpec).values()
    ]


def _suites() -> list[dict[str, Any]]:
    from benchbed.suites.suite import read_suite, shipped

    suites = [read_suite(path) for path in shipped().values()]
    return [
        {
            "suite": suite.name,
            "title": suite.title,
            "methods": len(suite.methods),
            "datasets": ", ".join(suite.datasets),
            "seeds": len(suite.seeds),
        }
        for suite in suites
    ]


def _plugins() -> list[dict[str, Any]]:
    from benchbed.registry import registry

    return [
        {
            "plugin": plugin.name,
            "distribution": plugin.distribution,
            "offers": ", ".join(spec.name for spec in plugin.specs),
            "error": plugin.error or "",
        }
        for plugin in registry().plugins
    ]


def _runs(results: Path | None) -> list[dict[str, Any]]:
    from benchbed import paths
    from benchbed.runs.lookup import folder_names, standing_of
    from benchbed.runs.store import Store

    store = Store(paths.results(results))
    states = {name: standing_of(store, name).partition(":")[0] for name in folder_names(store)}
    for record in store.records():
        states.setdefault(record.id, record.state)
    return [{"run": name, "state": state} for name, state in sorted(states.items())]


_LISTS = {
    "methods": _methods,
    "datasets": _datasets,
    "metrics": _metrics,
    "tasks": _tasks,
    "suites": _suites,
    "plugins": _plugins,
}
