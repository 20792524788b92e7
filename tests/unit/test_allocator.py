"""Freed memory stays in the training process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from benchbed.training.device import keep_freed_memory

FAULTS = """
import resource

import torch
from benchbed.training.device import create_fabric

def faults():
    start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(16):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - start

torch.set_num_threads(1)
faults()
before = faults()
create_fabric("cpu", "fp32")
faults()
print(before, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_large_tensors_reuse_their_pages() -> None:
    """Tensors of 64 MiB fault in all pages by default, and few after the setting."""
    command = [sys.executable, "-c", FAULTS]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    before, after = map(int, output.split())
    assert after < before / 4


def test_other_c_libraries_are_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `mallopt`, nothing is set and nothing fails."""
    monkeypatch.setattr("benchbed.training.device.ctypes.CDLL", lambda _: object())
    assert keep_freed_memory() is False
