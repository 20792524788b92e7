"""Timing of two sides in turns, FLOP counts, and the machine with its best FLOP/s."""

from __future__ import annotations

import functools
import math
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch
from torch.nn.functional import conv2d
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from .results import GATE, Comparison, Goal

Work = Callable[[], Any]

# Features of a processor that decide how fast a network runs.
FLAGS = ("amx_bf16", "amx_tile", "avx512f", "avx512_bf16", "avx2", "fma")

CPU = torch.device("cpu")

MIN_SECONDS = 0.1  # shorter work is repeated, so that the clock's resolution does not show


def time_calls(work: Work, count: int = 1, device: torch.device = CPU) -> float:
    """Return the mean seconds of `count` calls, once `device` has finished them."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    for _ in range(count):
        work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - start) / count


@dataclass(frozen=True)
class ReferencePair:
    """Ours and a reference, made in this order; `compare` returns the difference of values."""

    name: str
    group: str
    what: str
    reference: str
    make: Callable[[], tuple[Work, Work]]
    goal: float | None = None
    compare: Callable[[Any, Any], float] | None = None
    tolerance: float = math.inf
    device: torch.device = CPU

    def measure(self, rounds: int) -> Comparison:
        """Call both once to warm up and compare them, then time them in turns.

        Raises:
            RuntimeError: The two values differ by more than the tolerance.
        """
        works = self.make()
        values = [work() for work in works]
        difference = None if self.compare is None else self.compare(*values)
        if difference is not None and difference > self.tolerance:
            raise RuntimeError(f"Values differ by {difference:.0e}, not {self.tolerance:.0e}.")
        seconds = [max(time_calls(work, 1, self.device), 1e-4) for work in works]
        counts = [max(1, math.ceil(MIN_SECONDS / value)) for value in seconds]
        laps = []
        for number in range(rounds):
            sides = list(zip(("ours", "reference"), works, counts, strict=True))
            # The order alternates: the second of a round may find caches warm.
            order = reversed(sides) if number % 2 else sides
            laps.append({side: time_calls(work, n, self.device) for side, work, n in order})
        row = Comparison(name=self.name, group=self.group, what=self.what, reference=self.reference)
        row.goal = None if self.goal is None else Goal(ratio=self.goal, gate=GATE * self.goal)
        row.laps, row.difference, row.device = laps, difference, self.device.type
        return row


class FlopCounter(TorchDispatchMode):
    """Counter of the FLOPs of products and convolutions, two for each multiply-add."""

    # torch's FlopCounterMode fails where a forward pass takes a gradient, as penalties do.
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call `func` and count it."""
        out = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=out)
        return out


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Return what the results depend on, without paths and host names."""
    flags = _read_cpuinfo("flags").split()
    about: dict[str, Any] = {
        "processor": _read_cpuinfo("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "flags": [flag for flag in FLAGS if flag in flags],
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    if device.type == "cuda":
        about["device"] = torch.cuda.get_device_name(device)
    return about


def list_precisions(device: torch.device) -> tuple[str, ...]:
    """Return the precisions that the hardware multiplies in."""
    flags = describe_machine(device)["flags"]
    has_bf16 = device.type == "cuda" or "amx_bf16" in flags or "avx512_bf16" in flags
    return ("fp32", "bf16") if has_bf16 else ("fp32",)


@functools.cache
def measure_matrix_peak(precision: str, device: torch.device) -> float:
    """Return the best FLOP/s of matrix products and of a wide convolution."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    make = partial(torch.randn, device=device, dtype=dtype)
    products = []
    for side in (4096, 8192) if device.type == "cuda" else (1024, 2048):
        products.append((2 * side**3, partial(torch.mm, make(side, side), make(side, side))))
    images = make(16, 256, 32, 32).to(memory_format=torch.channels_last)
    kernel = make(256, 256, 3, 3).to(memory_format=torch.channels_last)
    # The library of convolutions may know a processor better than that of matrices.
    products.append((2 * 16 * (32 * 256 * 3) ** 2, partial(conv2d, images, kernel, padding=1)))
    return max(
        flops / min(time_calls(product, 1, device) for _ in range(6)) for flops, product in products
    )


def _read_cpuinfo(key: str) -> str:
    """Return a value of the first processor; empty where the system has none."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
