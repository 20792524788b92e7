"""The most memory that a piece of work needs."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

import psutil
import torch

_STATUS = Path("/proc/self/status")
_REFERENCES = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"


class PeakMemory:
    """The peak since it was made, beyond what was held then.

    On a CPU it is the resident memory of the process as the kernel counts it, with what was free
    given back first; on an accelerator what torch has allocated.

    Args:
        device: Whose memory.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        gc.collect()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self.before = torch.cuda.memory_allocated(device)
            return
        _give_back()
        self.known = _forget_peak()
        self.before = psutil.Process().memory_info().rss

    def peak(self) -> int | None:
        """Bytes; None where the system does not tell."""
        if self.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.device)) - self.before
        if not self.known:
            return None
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
        highest = next(line for line in lines if line.startswith("VmHWM:"))
        return max(0, int(highest.split()[1]) * 1024 - self.before)


def _give_back() -> None:
    """Return freed memory to the system, where the C library can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _forget_peak() -> bool:
    try:
        _REFERENCES.write_text(_FORGET_PEAK, encoding="ascii")
    except OSError:
        return False
    return True
