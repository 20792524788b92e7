"""Parsing and completion of option values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from benchbed.api.specs import DatasetSpec, MethodSpec
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry

_DURATION_PATTERN = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")

ResultsOption = Annotated[
    Path | None, typer.Option(help="Results folder. Default: $BENCHBED_RESULTS, else ./results.")
]
DataRootOption = Annotated[
    Path | None, typer.Option(help="Folder with the real data. Default: $BENCHBED_DATA.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


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


def complete_methods(incomplete: str) -> list[str]:
    """Complete names of methods, for the shell."""
    from benchbed.api.specs import MethodSpec
    from benchbed.registry.lookup import get_registry

    return [name for name in get_registry().get_specs(MethodSpec) if name.startswith(incomplete)]


def complete_datasets(incomplete: str) -> list[str]:
    """Complete names of datasets, for the shell."""
    from benchbed.api.specs import DatasetSpec
    from benchbed.registry.lookup import get_registry

    names = [*get_registry().get_specs(DatasetSpec), "folder:"]
    return [name for name in names if name.startswith(incomplete)]


def complete_metrics(incomplete: str) -> list[str]:
    """Complete names of metrics, for the shell."""
    from benchbed.api.specs import MetricSpec
    from benchbed.registry.lookup import get_registry

    return [name for name in get_registry().get_specs(MetricSpec) if name.startswith(incomplete)]


def format_examples(*commands: str) -> str:
    """Return the epilog of a help text.

    Args:
        *commands: Commands without the leading ``benchbed``; ``{method}`` and ``{dataset}`` are
            replaced by the first installed ones.
    """
    method = next(iter(get_registry().get_specs(MethodSpec)), "METHOD")
    dataset = next(iter(get_registry().get_specs(DatasetSpec)), "DATASET")
    lines = [f"  benchbed {command}" for command in commands]
    return "\n\n".join(["Examples:", *lines]).format(method=method, dataset=dataset)
