"""``benchbed list``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from benchbed.api.specs import DatasetSpec, MethodSpec, MetricSpec, TaskSpec
from benchbed.cli.options import JsonOption, ResultsOption, format_examples
from benchbed.config import paths
from benchbed.registry.lookup import get_registry
from benchbed.results.lookup import describe_state, list_folder_names
from benchbed.results.store import ResultStore

app = typer.Typer(rich_markup_mode=None, add_completion=False)

Kind = Literal["methods", "datasets", "metrics", "tasks", "suites", "runs", "plugins"]


@app.command(epilog=format_examples("list methods", "list runs --json"))
def list_(
    kind: Annotated[Kind, typer.Argument(help="Kind of item to list.")],
    as_json: JsonOption = False,
    results: ResultsOption = None,
) -> None:
    """List methods, datasets, metrics, tasks, suites, runs or plugins."""
    rows = _list_runs(results) if kind == "runs" else _LIST_FUNCTIONS[kind]()
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from benchbed.cli.output import print_rows

    print_rows(rows, empty=f"No {kind} found.")


def _list_methods() -> list[dict[str, Any]]:
    return [
        {
            "method": spec.name,
            "paper": f"{spec.paper.authors.split(',')[0]} {spec.paper.year}",
            "abilities": ", ".join(sorted(spec.capabilities)),
            "sizes": ", ".join(map(str, spec.sizes)),
            "plugin": get_registry().find_plugin(spec).distribution,
        }
        for spec in get_registry().get_specs(MethodSpec).values()
    ]


def _list_datasets() -> list[dict[str, Any]]:
    registered = [
        (
            spec.name,
            ", ".join(variant.name for variant in variants),
            spec.title,
            spec.modality,
            "yes" if spec.phantom else "no",
            get_registry().find_plugin(spec).distribution,
        )
        for spec, *variants in get_registry().group_datasets()
    ]
    own = {
        "folder:PATH": "your own folder of images or volumes",
        "volumes:PATH": "your own folder of volumes or DICOM series",
        "manifest:FILE.csv": "your own cases, listed in a CSV file",
    }
    folders = [(name, "", title, "any", "no", "benchbed") for name, title in own.items()]
    names = ("dataset", "variants", "title", "modality", "phantom", "plugin")
    return [dict(zip(names, row, strict=True)) for row in (*registered, *folders)]


def _list_metrics() -> list[dict[str, Any]]:
    better = {"up": "higher", "down": "lower", "none": "neither"}
    return [
        {
            "metric": spec.name,
            "title": spec.title,
            "better": better[spec.direction],
            "recipe": spec.recipe,
        }
        for spec in get_registry().get_specs(MetricSpec).values()
    ]


def _list_tasks() -> list[dict[str, Any]]:
    return [
        {
            "task": spec.name,
            "question": spec.title,
            "needs": " or ".join(sorted(spec.capabilities)),
            "metrics": ", ".join(spec.metrics),
        }
        for spec in get_registry().get_specs(TaskSpec).values()
    ]


def _list_suites() -> list[dict[str, Any]]:
    from benchbed.suites.spec import list_shipped_suites, read_suite

    return [
        {
            "suite": suite.name,
            "title": suite.title,
            "methods": len(suite.methods),
            "datasets": ", ".join(suite.datasets),
            "seeds": len(suite.seeds),
        }
        for suite in map(read_suite, list_shipped_suites().values())
    ]


def _list_plugins() -> list[dict[str, Any]]:
    return [
        {
            "plugin": plugin.name,
            "distribution": plugin.distribution,
            "offers": ", ".join(
                spec.name
                for spec in plugin.specs
                if not (isinstance(spec, DatasetSpec) and spec.variant_of)
            ),
            "error": plugin.error or "",
        }
        for plugin in get_registry().plugins
    ]


def _list_runs(results: Path | None) -> list[dict[str, Any]]:
    from benchbed.cli.output import print_warning

    store = ResultStore(paths.resolve_results_folder(results))
    states = {
        name: describe_state(store, name).partition(":")[0] for name in list_folder_names(store)
    }
    for record in store.load_records(print_warning):
        state = states.setdefault(record.id, record.state)
        if record.superseded:
            states[record.id] = f"{state} (superseded)"
    return [{"run": name, "state": state} for name, state in sorted(states.items())]


_LIST_FUNCTIONS = {
    "methods": _list_methods,
    "datasets": _list_datasets,
    "metrics": _list_metrics,
    "tasks": _list_tasks,
    "suites": _list_suites,
    "plugins": _list_plugins,
}
