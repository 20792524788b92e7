"""Freed memory stays in the process that trains."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from benchbed.runs.allocator import keep_freed_memory

FAULTS = """
import resource

import torch
from benchbed.runs.device import fabric

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(16):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
faults()
fresh = faults()
fabric("cpu", "fp32")
faults()
print(fresh, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_large_tensors_are_not_mapped_anew() -> None:
    """Tensors of 64 MiB fault their pages in each time, and on Fabric's CPU few do."""
    words = [sys.executable, "-c", FAULTS]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    fresh, kept = map(int, shown.split())
    assert kept < fresh / 4


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `mallopt` nothing is set and nothing breaks."""
    monkeypatch.setattr("benchbed.runs.allocator.ctypes.CDLL", lambda _: object())
    assert keep_freed_memory() is False
