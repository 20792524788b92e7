"""Parsing and completion of option values."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import cache, wraps
from inspect import Parameter, Signature, signature
from itertools import product
from pathlib import Path
from typing import Annotated, Any, get_origin

import typer
from annotated_types import Ge

from benchbed.api.specs import DatasetSpec, MethodSpec, MetricSpec
from benchbed.config import paths
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry

_DURATION_PATTERN = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")

ResultsOption = Annotated[
    Path | None, typer.Option(help="Results folder. Default: $BENCHBED_RESULTS, else ./results.")
]
DataRootOption = Annotated[
    Path | None, typer.Option(help="Folder with the real data. Default: $BENCHBED_DATA.")
]
DeviceOption = Annotated[str, typer.Option(help="Device: auto, cpu, cuda or cuda:N.")]
WeightsOption = Annotated[
    Path | None,
    typer.Option(help="File with the Inception weights of FID and KID, for $BENCHBED_WEIGHTS."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RunArgument = Annotated[str, typer.Argument(help="Run name or unique prefix.")]


def use_weights(path: Path | None) -> None:
    """Use a file of Inception weights in this process and those that it starts.

    Raises:
        BenchbedError: It is not the published file.
    """
    if path is None:
        return
    # Imports torch, which only this option needs so early.
    from benchbed.metrics.features.inception import INCEPTION_WEIGHTS

    if not paths.is_file(path):
        raise BenchbedError(f"--weights {path} is not a file.")
    if not INCEPTION_WEIGHTS.is_intact(path):
        raise BenchbedError(
            f"--weights {path} is damaged or not the published file {INCEPTION_WEIGHTS.file_name}, "
            f"whose SHA-256 begins with {INCEPTION_WEIGHTS.hash_prefix}."
        )
    os.environ["BENCHBED_WEIGHTS"] = str(path.resolve())


def parse_duration(text: str, option: str) -> float:
    """Parse a duration such as ``90s``, ``10m`` or ``1h30m``; a bare number is seconds.

    Raises:
        BenchbedError: It is invalid or not above zero.
    """
    hit = _DURATION_PATTERN.fullmatch(text.strip().lower())
    if hit is None or not text.strip() or not any(hit.groups()):
        raise BenchbedError(f"{option} must be a duration such as 90s, 10m or 1h30m, not {text!r}.")
    hours, minutes, rest = (float(group or 0) for group in hit.groups())
    total = hours * 3600 + minutes * 60 + rest
    if total <= 0:
        raise BenchbedError(f"{option} must be greater than zero, not {text!r}.")
    return total


def _make_completion(kind: type[Any], *more: str) -> Callable[[str], list[str]]:
    """Return a function that completes the names of one kind of spec, for the shell."""

    def complete(incomplete: str) -> list[str]:
        names = [*get_registry().get_specs(kind), *more]
        return [name for name in names if name.startswith(incomplete)]

    return complete


complete_methods = _make_completion(MethodSpec)
complete_datasets = _make_completion(DatasetSpec, "folder:", "volumes:", "manifest:")
complete_metrics = _make_completion(MetricSpec)

_COMPLETIONS = {
    "method": complete_methods,
    "dataset": complete_datasets,
    "metric": complete_metrics,
}


def add_run_options(
    *names: str, without: str = ""
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of fields of `RunConfig`, before its own options.

    The command receives a mapping of the fields that differ from their default as its first
    argument.

    Args:
        *names: The fields; none for all.
        without: A field for which the command has a separate option.
    """
    # Imported late: the other commands do not need pydantic.
    from benchbed.config.run_config import OPTIONS, RunConfig, get_flag
    from benchbed.config.settings import parse_assignments

    fields = names or tuple(name for name in OPTIONS if name != without)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        _, *rest = signature(command, eval_str=True).parameters.values()
        keywords = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in rest]

        @wraps(command)
        def run_with_fields(**values: Any) -> None:
            given: dict[str, Any] = {}
            for field in fields:
                value = values.pop(field)
                if value in (None, [], RunConfig.model_fields[field].default):
                    continue
                if OPTIONS[field].is_duration:
                    value = parse_duration(value, get_flag(field))
                given[field] = parse_assignments(value) if field == "settings" else value
            command(given, **values)

        generated = [_make_parameter(field) for field in fields]
        run_with_fields.__signature__ = Signature([*generated, *keywords])  # type: ignore[attr-defined]
        return run_with_fields

    return decorate


def _make_parameter(field: str) -> Parameter:
    from benchbed.config.run_config import OPTIONS, RunConfig, get_flag

    option, info = OPTIONS[field], RunConfig.model_fields[field]
    default = None if info.is_required() else info.default
    kind: Any = info.annotation
    if option.is_duration:
        kind = str | None
    elif get_origin(kind) in (tuple, dict):
        kind, default = list[str] | None, None
    elif info.is_required():
        kind = kind | None  # --resume takes all of them from a run
    annotation = Annotated[
        kind,
        typer.Option(
            get_flag(field),
            help=option.help,
            min=next((item.ge for item in info.metadata if isinstance(item, Ge)), None),
            autocompletion=_COMPLETIONS.get(option.completion or ""),
        ),
    ]
    return Parameter(field, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def format_examples(*commands: str) -> str:
    """Return the epilog of a help text.

    Args:
        *commands: Commands without the leading ``benchbed``; ``{method}`` and ``{dataset}`` are
            replaced by the first installed ones that work together without real data or masks.
    """
    method, dataset = _find_example_names()
    lines = [f"  benchbed {command}" for command in commands]
    return "\n\n".join(["Examples:", *lines]).format(method=method, dataset=dataset)


@cache
def _find_example_names() -> tuple[str, str]:
    """Return a method and a dataset for examples; cached, since every command has examples."""
    registry = get_registry()
    pairs = product(
        registry.get_specs(MethodSpec).values(), registry.get_specs(DatasetSpec).values()
    )
    names = (
        (method.name, dataset.name)
        for method, dataset in pairs
        if "sample" in method.capabilities
        and not method.required_inputs | method.optional_inputs
        and dataset.phantom is not None
        and dataset.dimensions in method.dimensions
    )
    return next(names, ("METHOD", "DATASET"))
