"""A few rendered cases of a phantom: what tells it from others, and what its cases have."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.api.layouts import Phantom
from benchbed.data import fingerprint as prints
from benchbed.registry import at_work, load

CASES = 3
SIZE = 64


def phantom_fingerprint(phantom: Phantom) -> str:
    """Hash of a few rendered cases, the recipe's counts and its seed.

    Raises:
        BenchbedError: Its plugin does not render them; the text names it.
    """
    arrays = _rendered(phantom.render, phantom.seed)
    chunks = [np.ascontiguousarray(array).tobytes() for _, array in sorted(arrays.items())]
    return prints.content_fingerprint(f"{phantom.counts}{phantom.seed}", chunks)


def phantom_roles(phantom: Phantom) -> frozenset[str]:
    """What every case has: ``image``, and where there are any ``mask``, ``label`` and so on.

    Raises:
        BenchbedError: Its plugin does not render them; the text names it.
    """
    return frozenset(_rendered(phantom.render, phantom.seed))


@lru_cache
def _rendered(render: str, seed: int) -> Mapping[str, npt.NDArray[Any]]:
    """A suite asks for the same phantom many times; its cases hang on recipe and seed alone."""
    draw = load(render)
    with at_work(render, "cannot render cases"):
        rendered: Mapping[str, npt.NDArray[Any]] = draw(range(CASES), SIZE, seed)
        if not isinstance(rendered, Mapping) or "image" not in rendered:
            raise TypeError(
                f"the renderer returned {type(rendered).__name__} instead of a dict of arrays"
            )
        for name, array in rendered.items():
            if not isinstance(array, np.ndarray) or len(array) != CASES:
                raise TypeError(f"array {name} does not contain {CASES} cases")
    return rendered
