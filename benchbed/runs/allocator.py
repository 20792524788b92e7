"""The C library's allocator, set to keep what training frees."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""``M_TRIM_THRESHOLD`` and ``M_MMAP_MAX`` of ``malloc.h``."""


def keep_freed_memory() -> bool:
    """Keep freed memory in the process, for the tensors of the next step.

    As it comes, glibc asks the system for the memory of every large tensor and gives it back when
    the tensor is freed, so that each step of training on a CPU has its pages mapped and zeroed
    anew. The process holds on to what it had at its peak instead.

    Returns:
        Whether the C library took it; another than glibc is left as it is.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, -1))
