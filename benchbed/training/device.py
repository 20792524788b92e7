"""The device of a run, managed by Fabric."""

from __future__ import annotations

import ctypes
import logging
import resource
import sys
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import nn

from benchbed.errors import BenchbedError, make_unknown_error

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""``M_TRIM_THRESHOLD`` and ``M_MMAP_MAX`` of ``malloc.h``."""


def keep_freed_memory() -> bool:
    """Keep freed memory in the process, for the tensors of the next step.

    By default glibc maps the memory of every large tensor and unmaps it when the tensor is freed,
    so every training step on a CPU maps and zeroes its pages again.

    Returns:
        Whether the C library supports it; only glibc does.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, -1))


FABRIC_PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}


class UnwrappedDDPStrategy(DDPStrategy):
    """Fabric's data-parallel strategy without the wrapper around networks.

    PyTorch's wrapper averages gradients in its own ``forward`` and ``backward``, one network at a
    time. A GAN runs several networks through one loss, some of them twice, penalises gradients and
    grows, so `Method.update` averages the gradients instead.
    """

    def setup_module(self, module: nn.Module) -> Any:
        """Return the network unchanged."""
        return module


def create_fabric(device: str, precision: str, devices: int = 1) -> Fabric:
    """Return a launched Fabric on one device, or on several with one process each.

    With several devices, the current command is started again for each further one, and the call
    returns in all processes.

    Args:
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
        precision: ``"fp32"`` or ``"bf16"``.
        devices: Number of devices; on a CPU, number of processes.

    Raises:
        BenchbedError: Device or precision is unknown, or too few devices are present.
    """
    if precision not in FABRIC_PRECISIONS:
        raise make_unknown_error("precision", precision, FABRIC_PRECISIONS, "benchbed run --help")
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (number and not number.isdigit()):
        raise BenchbedError(f"--device must be auto, cpu, cuda or cuda:N, not {device!r}.")
    present = torch.cuda.device_count()
    if kind == "cuda" and int(number or 0) >= present:
        raise _make_unavailable_error(f"--device {device}", present)
    if devices > 1 and number:
        raise BenchbedError(
            f"--devices {devices} uses the first devices and cannot be combined with --device "
            f"{device}. Use one of the two options."
        )
    if devices > 1 and kind != "cpu" and 0 < present < devices:
        raise _make_unavailable_error(f"--devices {devices}", present)
    # Fabric logs the precision, which the record states already.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    lightning = Fabric(
        accelerator=kind,
        devices=[int(number)] if number else devices,
        strategy=UnwrappedDDPStrategy() if devices > 1 else "auto",
        plugins=[LightningEnvironment()] if devices > 1 else None,
        precision=FABRIC_PRECISIONS[precision],  # type: ignore[arg-type]
    )
    lightning.launch()
    if lightning.device.type == "cpu":
        keep_freed_memory()
    return lightning


def _make_unavailable_error(option: str, present: int) -> BenchbedError:
    return BenchbedError(
        f"{option} is unavailable: torch detects {present} CUDA devices. Run `benchbed doctor` for "
        "details."
    )


def measure_peak_memory(device: torch.device) -> int:
    """Return the peak memory in bytes: of the device, or of the process on a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
