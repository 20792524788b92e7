"""A few rendered cases of a phantom: what tells it from others, and what its cases have."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.api.layouts import Phantom
from benchbed.data import fingerprint as prints
from benchbed.registry import load

CASES = 3
SIZE = 64


def phantom_fingerprint(phantom: Phantom) -> str:
    """Hash of a few rendered cases, the recipe's counts and its seed."""
    arrays = _rendered(phantom.render, phantom.seed)
    chunks = [np.ascontiguousarray(array).tobytes() for _, array in sorted(arrays.items())]
    return prints.content_fingerprint(f"{phantom.counts}{phantom.seed}", chunks)


def phantom_roles(phantom: Phantom) -> frozenset[str]:
    """What every case has: ``image``, and where there are any ``mask``, ``label`` and so on."""
    return frozenset(_rendered(phantom.render, phantom.seed))


@lru_cache
def _rendered(render: str, seed: int) -> Mapping[str, npt.NDArray[Any]]:
    """A suite asks for the same phantom many times; its cases hang on recipe and seed alone."""
    rendered: Mapping[str, npt.NDArray[Any]] = load(render)(range(CASES), SIZE, seed)
    return rendered
