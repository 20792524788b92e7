"""``--precision auto``: bf16 where the hardware multiplies it faster than fp32."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchbed.config import paths
from benchbed.config.protocol import Precision
from benchbed.results.provenance import find_processor
from benchbed.utils.files import hash_json, write_json
from benchbed.utils.regular_files import read_regular_file

MIN_SPEEDUP = 1.2
"""bf16 is chosen if it is at least this many times as fast, so that noise does not decide."""

ROUNDS = 7
"""Turns of the measurement; the median counts."""

MAX_CACHE_BYTES = 2**16


def choose_precision(
    device: str, log: Callable[[str], None], measure: Callable[[str], float] | None = None
) -> Precision:
    """Return the precision that ``auto`` means on this machine.

    The measurement takes well under a second. It is cached for this processor, version of torch and
    number of threads, so that later calls do not import torch.

    Args:
        device: Value of ``--device``.
        log: Receives what was chosen, and why.
        measure: Returns how many times as fast bf16 is on a device; for tests.
    """
    path = paths.get_cache_folder() / "precision.json"
    known = _read_cache(path)
    key = hash_json(_describe_machine(device))
    if (speedup := known.get(key)) is None:
        speedup = round((measure or measure_speedup)(device), 2)
        # A read-only cache is no error: the next run measures again.
        with contextlib.suppress(OSError):
            write_json(path, {**known, key: speedup})
    chosen: Precision = "bf16" if speedup >= MIN_SPEEDUP else "fp32"
    log(f"Precision: {chosen} (bf16 is {speedup:g} times as fast as fp32 here).")
    return chosen


def measure_speedup(device: str) -> float:
    """Return how many times as fast a convolution with its gradients is in bf16 as in fp32."""
    import torch

    from benchbed.training.device import create_fabric

    target = create_fabric(device, "fp32").device
    layer = torch.nn.Conv2d(64, 64, 3, padding=1, device=target)
    layer = layer.to(memory_format=torch.channels_last)
    images = torch.randn(16, 64, 32, 32, device=target).to(memory_format=torch.channels_last)

    def run(is_bf16: bool) -> float:
        start = time.perf_counter()
        with torch.autocast(target.type, torch.bfloat16, enabled=is_bf16):
            loss = layer(images).float().square().mean()
        (gradient,) = torch.autograd.grad(loss, [layer.weight])
        # The value is read so that the clock stops after the device has finished.
        gradient.sum().item()
        return time.perf_counter() - start

    laps = [(run(False), run(True)) for _ in range(ROUNDS + 2)][2:]
    return median(fp32 for fp32, _ in laps) / median(bf16 for _, bf16 in laps)


def _read_cache(path: Path) -> dict[str, float]:
    """Return earlier measurements; none if the file is missing or damaged."""
    try:
        content = json.loads(read_regular_file(path, MAX_CACHE_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {key: value for key, value in content.items() if isinstance(value, float)}


def _describe_machine(device: str) -> dict[str, str]:
    """Return what the measurement depends on, without importing torch."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "device": device,
        "processor": find_processor(),
        "torch": version("torch"),
        "cores": str(cores),
        "threads": os.environ.get("OMP_NUM_THREADS", ""),
        "gpu": f"{Path('/dev/nvidia0').exists()} {os.environ.get('CUDA_VISIBLE_DEVICES', '')}",
    }
