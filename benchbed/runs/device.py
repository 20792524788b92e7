"""The device of a run, in the hands of Fabric."""

from __future__ import annotations

import logging
import resource
import sys

import torch
from lightning_fabric import Fabric

from benchbed.errors import BenchbedError

PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed"}


def fabric(device: str, precision: str) -> Fabric:
    """Fabric on one device.

    Args:
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
        precision: ``"fp32"`` or ``"bf16"``.

    Raises:
        BenchbedError: There is no such device.
    """
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (number and not number.isdigit()):
        raise BenchbedError(f"--device takes auto, cpu, cuda or cuda:N, not {device!r}.")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise BenchbedError(
            f"--device {device} is not there: torch sees {torch.cuda.device_count()} CUDA "
            f"devices. See `benchbed doctor`."
        )
    # Its remarks on the precision are no news: a record says which it was.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    made = Fabric(
        accelerator=kind,
        devices=[int(number)] if number else 1,
        precision=PRECISION[precision],  # type: ignore[arg-type]
    )
    made.launch()
    return made


def peak_memory(device: torch.device) -> int:
    """The most memory held so far: of the device, or of the process on a CPU, in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
