"""``benchbed show``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from benchbed.api.specs import (
    CAPABILITIES,
    REGIMES,
    DatasetSpec,
    MethodSpec,
    MetricSpec,
    PresetName,
    TaskSpec,
)
from benchbed.cli.options import (
    JsonOption,
    ResultsOption,
    complete_datasets,
    complete_methods,
    complete_metrics,
    format_examples,
)
from benchbed.config import paths
from benchbed.config.augmentation import NAMES, TRAINING_NAMES
from benchbed.errors import make_unknown_error
from benchbed.registry.lookup import get_registry, load_object
from benchbed.results.commands import (
    add_results_option,
    describe_left_out_paths,
    format_command,
)
from benchbed.results.lookup import (
    describe_state,
    list_run_names,
    match_run_name,
    read_command,
)
from benchbed.results.store import ResultStore
from benchbed.utils.text import format_count

app = typer.Typer(rich_markup_mode=None, add_completion=False)


def _complete(incomplete: str) -> list[str]:
    completions = (complete_methods, complete_datasets, complete_metrics)
    return [name for complete in completions for name in complete(incomplete)]


@app.command(
    epilog=format_examples(
        "show {method}", "show {method} --size 64", "show {dataset} --json", "show RUN"
    )
)
def show(
    name: Annotated[
        str,
        typer.Argument(
            help="Name of a method, dataset, metric, task or run.", autocompletion=_complete
        ),
    ],
    size: Annotated[
        int | None,
        typer.Option(help="Image size in pixels for counting the parameters of a method."),
    ] = None,
    preset: Annotated[
        PresetName,
        typer.Option(help="Preset for counting the parameters of a method."),
    ] = "paper",
    results: ResultsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show details of a method, dataset, metric, task or run."""
    facts = _collect_facts(name, results)
    if size is not None:
        facts["parameters"] = _count_parameters(name, size, preset)
    if as_json:
        typer.echo(json.dumps(facts, indent=2, default=str))
        return
    from benchbed.cli.output import print_facts

    print_facts(facts)


def _collect_facts(name: str, results: Path | None) -> dict[str, Any]:
    registry = get_registry()
    collect_functions: dict[Any, Any] = {
        MethodSpec: collect_method_facts,
        DatasetSpec: collect_dataset_facts,
        MetricSpec: collect_metric_facts,
        TaskSpec: collect_task_facts,
    }
    for kind, collect in collect_functions.items():
        if name in registry.get_specs(kind):
            return collect(registry.get_specs(kind)[name])  # type: ignore[no-any-return]
    store = ResultStore(paths.resolve_results_folder(results))
    if (found := collect_run_facts(store, name)) is not None:
        return found
    if registry.broken_plugins:
        registry.get_spec(MethodSpec, name)
    names = [other for kind in collect_functions for other in registry.get_specs(kind)]
    kinds = ("methods", "datasets", "metrics", "tasks", "runs")
    raise make_unknown_error(
        "method, dataset, metric, task or run", name, names, *(f"benchbed list {k}" for k in kinds)
    )


def collect_method_facts(spec: MethodSpec) -> dict[str, Any]:
    """Return the facts in a method's spec and settings."""
    model = load_object(spec.settings)
    return {
        "method": spec.name,
        "title": spec.title,
        "paper": spec.paper.citation,
        "address": spec.paper.url,
        "plugin": get_registry().find_plugin(spec).distribution,
        "abilities": [f"{a}: {CAPABILITIES[a]}" for a in sorted(spec.capabilities)],
        "sizes": [f"{size} px" for size in spec.sizes],
        "dimensions": [f"{d}-D" for d in spec.dimensions],
        "augmentation": _describe_augmentation(spec),
        "needs": sorted(spec.required_inputs) or ["only images"],
        "equations": [{"place": place, "formula": formula} for place, formula in spec.equations],
        "settings": [
            _describe_setting(name, field, spec.presets)
            for name, field in model.model_fields.items()
        ],
        "deviations": [
            {"paper": each.paper, "here": each.implementation, "reason": each.reason}
            for each in spec.deviations
        ],
    }


def _describe_augmentation(spec: MethodSpec) -> str:
    """Return which values of ``--augment`` a method takes, and its default."""
    names = ", ".join(NAMES if spec.takes_augmentation else TRAINING_NAMES)
    others = "".join(f"; {key}: {value}" for key, value in spec.preset_augmentations.items())
    return f"{names} (default: {spec.default_augmentation}{others})"


def _count_parameters(name: str, size: int, preset: str) -> list[dict[str, Any]]:
    """Return the networks of a method for RGB images of `size`, with trainable parameters."""
    from benchbed.runs.plan import resolve_method_settings
    from benchbed.runs.validate import check_size

    spec = get_registry().get_spec(MethodSpec, name)
    check_size(spec, size)
    settings = resolve_method_settings(spec, preset, {})
    # Imported late: only counting parameters needs torch.
    from benchbed.api.types import DataShape
    from benchbed.runs.build import count_parameters_at_shape

    spatial = (size,) * min(spec.dimensions)
    mask_channels = 1 if "mask" in spec.required_inputs else 0
    shape = DataShape(channels=3, spatial=spatial, mask_channels=mask_channels)
    counts = count_parameters_at_shape(spec, settings, shape)
    rows = {**counts, "total": sum(counts.values())}
    return [
        {"network": network, "parameters": count, "size": f"{size} px", "preset": preset}
        for network, count in rows.items()
    ]


def _describe_setting(name: str, field: Any, presets: Any) -> dict[str, str]:
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    bounds = [
        f"{word} {getattr(bound, limit):g}"
        for bound in field.metadata
        for limit, word in words.items()
        if hasattr(bound, limit)
    ]
    choices = getattr(field.annotation, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        bounds.append(" or ".join(choices))
    extra = field.json_schema_extra or {}
    changed = {preset: values[name] for preset, values in presets.items() if name in values}
    return {
        "name": name,
        "default": str(field.default),
        "range": ", ".join(bounds) or "any",
        "presets": ", ".join(f"{preset} {value}" for preset, value in changed.items()),
        "meaning": field.description or "",
        "source": str(extra.get("source", "")),
    }


def collect_dataset_facts(spec: DatasetSpec) -> dict[str, Any]:
    """Return the facts in a dataset's spec."""
    phantom = dict(spec.phantom.case_counts) if spec.phantom else {}
    official = dict(spec.archive.case_counts) if spec.archive else {}
    variants = next((v for s, *v in get_registry().group_datasets() if s == spec), [])
    return {
        "dataset": spec.name,
        "title": spec.title,
        "modality": spec.modality,
        "paper": spec.paper.citation if spec.paper else "",
        "plugin": get_registry().find_plugin(spec).distribution,
        "licence": spec.licence,
        "access": spec.access_instructions,
        "notes": spec.notes,
        "variants": [variant.name for variant in variants],
        "downloads": [
            f"{each.url} to {each.target}{'' if each.target_file else '/'}"
            for each in spec.downloads
        ]
        or ["no open download"],
        "layout": spec.diagram,
        "splits": [f"{split}: {count} cases" for split, count in official.items()],
        "classes": list(spec.classes),
        "framing": spec.framing,
        "intensities": _describe_intensities(spec),
        "phantom": [f"{split}: {count} cases" for split, count in phantom.items()],
    }


def _describe_intensities(spec: DatasetSpec) -> str:
    if spec.intensity_window is None:
        return "unchanged for 8 bits; more bits are scaled from the 0.5th to the 99.5th percentile"
    low, high = spec.intensity_window
    return f"{low:g} maps to black and {high:g} to white in images of more than 8 bits"


def collect_metric_facts(spec: MetricSpec) -> dict[str, Any]:
    """Return the facts in a metric's spec."""
    better = {"up": "higher is better", "down": "lower is better", "none": "neither"}
    low, high = spec.bounds
    cases = "case" if spec.min_samples == 1 else "cases"
    unit = f"{spec.input_kind} per side" if spec.input_kind in ("images", "volumes") else cases
    tasks = get_registry().get_specs(TaskSpec).values()
    users = [task.name for task in tasks if spec.input_kind in task.input_kinds]
    return {
        "metric": spec.name,
        "title": spec.title,
        "direction": better[spec.direction],
        "range": f"{'-inf' if low is None else low} to {'inf' if high is None else high}",
        "recipe": spec.recipe,
        "judges": f"{spec.input_kind} (tasks: {', '.join(users) or 'none'})",
        "needs": f"at least {spec.min_samples} {unit}"
        + (f", {spec.recommended_samples} recommended" if spec.recommended_samples else "")
        + (", and real images held out of training" if spec.needs_held_out else ""),
        "instead": spec.fallback_metric or "",
        "paper": spec.paper.citation if spec.paper else "",
    }


def collect_task_facts(spec: TaskSpec) -> dict[str, Any]:
    """Return the facts in a task's spec."""
    return {
        "task": spec.name,
        "question": spec.title,
        "needs": f"a method with the capability {' or '.join(sorted(spec.capabilities))}",
        "compares with": f"the split {spec.reference_split}",
        "regimes": [f"{name}: {REGIMES[name]}" for name in spec.regimes] or ["real cases only"],
        "metrics": list(spec.metrics),
    }


def collect_run_facts(store: ResultStore, run: str) -> dict[str, Any] | None:
    """Return the facts in a run's record and folder, or None if no run id starts with `run`.

    Raises:
        BenchbedError: Several runs match, or the record is unreadable.
    """
    names = [name for name in list_run_names(store) if run and name.startswith(run)]
    if not names:
        return None
    name = match_run_name(run, names)
    folder = store.get_run_folder(name)
    location = {"folder": str(folder)} if folder.exists() else {}
    if (record := store.load_record(name)) is None:
        resume = format_command(store, "run", "--resume", name)
        return {"run": name, "state": describe_state(store, name), **location, "command": resume}
    # Imported late: formatting as in the tables needs modules that are slow to load.
    from benchbed.cli.output import build_value_rows, escape_control_characters, format_duration

    training, provenance, protocol = record.training, record.provenance, record.protocol
    origin = record.imported
    command = read_command(store, record)
    is_complete = command != add_results_option(store, provenance.command)
    hint = "" if is_complete else describe_left_out_paths(record)
    missing = {"paths": hint} if hint else {}
    weights = paths.get_checkpoint_path(folder).is_file()
    changes = " with local changes" if provenance.has_local_changes else ""
    if changes and provenance.uncommitted:
        changes += f" in {', '.join(provenance.uncommitted)}"
    instructions = f" with {provenance.instructions}" if provenance.instructions else ""
    facts = {
        "run": name,
        "state": f"{record.state} {record.message}".strip(),
        "superseded": record.superseded.removeprefix("superseded "),
        "imported": ""
        if origin is None
        else f"from {origin.archive_name}, SHA-256 {origin.sha256}, at {origin.imported_at}",
        "method": record.method,
        "data set": f"{record.dataset} ({record.source}), fingerprint {record.fingerprint}",
        "cases": [f"{count} {split}" for split, count in sorted(record.case_counts.items())],
        "read as": record.reading,
        "trained on": "; ".join(
            p.label for p in (record.pairs, record.pseudo_labels) if p is not None
        ),
        "task": record.task,
        "protocol": f"{record.protocol_hash}: preset {protocol.get('preset')}, "
        f"{protocol.get('size')} px",
        "settings": [f"{key}={value}" for key, value in record.settings.items()],
        "seed": str(record.seed),
        "precision": record.precision,
        "training": f"{training.kimg:g} kimg in {training.steps} steps, "
        f"{format_duration(training.seconds)} ({training.images_per_second:.0f} images/s)",
        "parameters": [f"{key}: {count}" for key, count in training.parameters.items()],
        "made": f"{provenance.created_at} with benchbed {provenance.benchbed}, "
        f"commit {provenance.commit or 'unknown'}{changes}",
        "machine": f"{provenance.processor}{instructions}, "
        f"{format_count(provenance.cores, 'core')}, {provenance.device}",
        "command": command,
        **missing,
        **location,
        "weights": "present" if weights else "missing",
        "metrics": build_value_rows(record.metrics),
    }
    return {
        key: escape_control_characters(value) if isinstance(value, str) else value
        for key, value in facts.items()
    }
