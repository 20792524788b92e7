"""The machine: what it is, and how fast it multiplies matrices."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch

from benchbed.errors import BenchbedError

from .clock import Clock, Conditions, timed

FLAGS = ("amx_bf16", "amx_tile", "avx512f", "avx512_bf16", "avx2", "fma")
"""Abilities of a processor that decide how fast a network runs."""

BUSY = 0.15
"""Share of the processors that others may use before wall-clock times are not to be trusted."""

SIZES = {"cpu": (1024, 2048), "cuda": (4096, 8192)}
"""Sides of the matrices whose product is measured, by kind of device."""

CONVOLUTION = (16, 256, 32)
"""Images, channels and side in pixels of the convolution, of 3 by 3, that is measured."""


def describe(device: torch.device, tf32: bool = False) -> dict[str, Any]:
    """What the figures were made on; no path and no name of a host.

    Args:
        device: Where networks are.
        tf32: Whether an accelerator multiplies float32 in TF32.
    """
    about: dict[str, Any] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "flags": [flag for flag in FLAGS if flag in _flags()],
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    if device.type == "cuda":
        about["device"] = torch.cuda.get_device_name(device)
        about["cuda"] = torch.version.cuda
        about["float32"] = "TF32" if tf32 else "IEEE"
    return about


def has_amx() -> bool:
    """Whether the processor has tiles for products of bfloat16, as the goals suppose."""
    return "amx_bf16" in _flags()


def has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware, in tiles or in vectors."""
    return has_amx() or "avx512_bf16" in _flags()


def busy() -> float:
    """Share of the processors that is in use just now, in [0, 1]; takes a second."""
    return float(psutil.cpu_percent(interval=1.0)) / 100


def conditions(device: torch.device, clock: Clock | None) -> Conditions:
    """By which clock to measure just now; looks for a second at what others do.

    Args:
        device: Where networks are.
        clock: The one that is wanted; None to choose.
    """
    now = busy()
    disturbed = now > BUSY and device.type == "cpu"
    return Conditions(clock or ("cpu" if disturbed else "wall"), round(now, 2))


def check(device: torch.device) -> None:
    """Whether the device is there.

    Raises:
        BenchbedError: It is not.
    """
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BenchbedError(
            "There is no CUDA device that torch can use; leave --device away, or see "
            "`benchbed doctor`."
        )


@contextlib.contextmanager
def float32(tf32: bool, device: torch.device) -> Iterator[None]:
    """Products of float32 in TF32 inside, where an accelerator has it, or in full.

    By torch's older switches alone: a library that reads one of them raises an error where the
    newer ones, one for each backend, were written.

    Args:
        tf32: Whether in TF32.
        device: Where; nothing changes on a processor.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        _set_float32("high" if tf32 else "highest", tf32)
        yield
    finally:
        _set_float32(*before)


def _set_float32(products: str, convolutions: bool) -> None:
    torch.set_float32_matmul_precision(products)
    torch.backends.cudnn.allow_tf32 = convolutions


def precisions(device: torch.device) -> tuple[str, ...]:
    """The precisions that this machine has in hardware."""
    return ("fp32", "bf16") if device.type == "cuda" or has_bf16() else ("fp32",)


def matrix_peak(precision: str, device: torch.device, clock: Clock) -> float:
    """The best rate of matrix products in FLOP/s, by the clock that the rest is measured with.

    A wide convolution counts too, which is one such product: the library that multiplies matrices
    does not know every processor as well as the one that convolves.

    Args:
        precision: ``"fp32"`` or ``"bf16"``.
        device: Where.
        clock: Which clock.
    """
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    best = 0.0
    for flops, product in _products(dtype, device):
        product()
        for _ in range(5):
            best = max(best, flops / timed(product, device).by(clock))
    return best


def _products(
    dtype: torch.dtype, device: torch.device
) -> Iterator[tuple[int, Callable[[], torch.Tensor]]]:
    """Products, each with its FLOPs."""
    for size in SIZES[device.type]:
        one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        yield 2 * size**3, partial(torch.mm, one, other)
    images, channels, side = CONVOLUTION
    given, kernel = (
        torch.randn(shape, device=device).to(dtype, memory_format=torch.channels_last)
        for shape in ((images, channels, side, side), (channels, channels, 3, 3))
    )
    yield (
        2 * images * (side * channels * 3) ** 2,
        partial(torch.nn.functional.conv2d, given, kernel, padding=1),
    )


def _flags() -> frozenset[str]:
    return frozenset(_about("flags").split())


def _processor() -> str:
    return _about("model name") or platform.processor() or platform.machine()


def _about(what: str) -> str:
    """A line of the kernel's description of the first processor; empty where there is none."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return ""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = (line.partition(":")[2].strip() for line in lines if line.startswith(what))
    return next(found, "")
