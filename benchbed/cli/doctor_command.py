"""``benchbed doctor``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from benchbed.api.specs import DatasetSpec
from benchbed.cli.options import (
    DataRootOption,
    JsonOption,
    ResultsOption,
    WeightsOption,
    format_examples,
    use_weights,
)
from benchbed.config import paths
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry
from benchbed.utils.text import format_count

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(epilog=format_examples("doctor"))
def doctor(
    data_root: DataRootOption = None,
    results: ResultsOption = None,
    weights: WeightsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check device, precision, weights, data and plugins.

    Exit code 1 if a plugin is broken or the file of weights is not the published one.
    """
    use_weights(weights)
    machine, usable = _describe_machine()
    facts = {**machine, **_describe_folders(data_root, results)}
    broken = [
        {"broken plugin": p.name, "distribution": p.distribution, "error": p.error or ""}
        for p in get_registry().broken_plugins
    ]
    if as_json:
        typer.echo(json.dumps({**facts, "broken": broken}, indent=2))
    else:
        from benchbed.cli.output import print_facts

        print_facts({**facts, "broken plugins": broken or "none"})
        for plugin in get_registry().broken_plugins:
            typer.echo(f"\n{plugin.name} ({plugin.distribution}):\n{plugin.details}")
    if broken or not usable:
        raise typer.Exit(1)


def _describe_machine() -> tuple[dict[str, Any], bool]:
    """Return facts of the machine, and whether a file of weights, if there is one, is usable."""
    import os

    try:
        import torch
    except Exception as error:
        return {"torch": f"broken: {type(error).__name__}: {error}"}, True
    cuda = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    weights, usable = _describe_weights()
    return {
        "torch": torch.__version__,
        "device": ", ".join(cuda) or "cpu",
        "cores": f"{os.cpu_count()}, {format_count(torch.get_num_threads(), 'thread')}",
        "bf16": _describe_bf16(bool(cuda)),
        "Inception weights": weights,
    }, usable


def _describe_weights() -> tuple[str, bool]:
    from benchbed.metrics.features.inception import INCEPTION_WEIGHTS

    try:
        path = INCEPTION_WEIGHTS.find_file()
    except BenchbedError as error:
        return str(error), False
    if path is None:
        return "not found; downloaded when a run needs them", True
    if not INCEPTION_WEIGHTS.is_intact(path):
        return f"{path} is damaged or not the published file. Delete or replace it.", False
    return str(path), True


def _describe_bf16(cuda: bool) -> str:
    import torch

    unsupported = "not supported by the hardware"
    if cuda:
        return "in hardware" if torch.cuda.is_bf16_supported() else unsupported
    flags = Path("/proc/cpuinfo")
    text = flags.read_text(encoding="utf-8") if flags.exists() else ""
    names = [name for name in ("amx_bf16", "avx512_bf16") if name in text]
    return f"supported by the hardware ({', '.join(names)})" if names else unsupported


def _describe_folders(data_root: Path | None, results: Path | None) -> dict[str, str]:
    from benchbed.data.sources.resolve import find_dataset

    root = paths.resolve_data_root(data_root)
    specs = get_registry().get_specs(DatasetSpec).values()
    found = [spec.name for spec in specs if find_dataset(spec, root).paths]
    try:
        writable = str(paths.ensure_writable(paths.resolve_results_folder(results)))
    except BenchbedError as error:
        writable = str(error)
    return {
        "data": f"{root}: {', '.join(found) or 'no dataset; phantoms are used'}",
        "results": writable,
        "cache": str(paths.get_cache_folder()),
    }
