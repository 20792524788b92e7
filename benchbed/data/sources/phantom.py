"""Render a few cases of a phantom, to identify it and to list what its cases have."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.api.dataset import Phantom
from benchbed.data.sources import fingerprint as prints
from benchbed.registry.lookup import load_object, wrap_plugin_call

CASE_COUNT = 3
RENDER_SIZE = 64


def compute_phantom_fingerprint(phantom: Phantom) -> str:
    """Hash a few rendered cases, the recipe's counts and its seed.

    Raises:
        BenchbedError: Its plugin fails to render them; the text names it.
    """
    arrays = _render_cases(phantom.render, phantom.seed)
    chunks = [np.ascontiguousarray(array).tobytes() for _, array in sorted(arrays.items())]
    return prints.compute_content_fingerprint(f"{phantom.case_counts}{phantom.seed}", chunks)


def list_phantom_roles(phantom: Phantom) -> frozenset[str]:
    """Return what every case has: ``image``, and ``mask``, ``label`` and so on where present."""
    return frozenset(_render_cases(phantom.render, phantom.seed))


@lru_cache
def _render_cases(render: str, seed: int) -> Mapping[str, npt.NDArray[Any]]:
    """Render the first cases; cached, since a suite needs the same phantom many times."""
    renderer = load_object(render)
    with wrap_plugin_call(render, "cannot render cases"):
        rendered: Mapping[str, npt.NDArray[Any]] = renderer(range(CASE_COUNT), RENDER_SIZE, seed)
        if not isinstance(rendered, Mapping) or "image" not in rendered:
            raise TypeError(
                f"the renderer returned {type(rendered).__name__} instead of a dict of arrays"
            )
        for name, array in rendered.items():
            if not isinstance(array, np.ndarray) or len(array) != CASE_COUNT:
                raise TypeError(f"array {name} does not contain {CASE_COUNT} cases")
    return rendered
