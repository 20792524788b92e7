"""Configuration of the C library's allocator for training on a CPU."""

from __future__ import annotations

import ctypes

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
