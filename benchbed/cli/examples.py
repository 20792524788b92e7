"""Examples in help texts, with names that exist on this machine."""

from __future__ import annotations

from benchbed.api.specs import DatasetSpec, MethodSpec
from benchbed.registry import get_registry


def format_examples(*commands: str) -> str:
    """Return the epilog of a help text.

    Args:
        *commands: Commands without the leading ``benchbed``; ``{method}`` and ``{dataset}`` are
            replaced by the first installed ones.
    """
    method = next(iter(get_registry().get_specs(MethodSpec)), "METHOD")
    dataset = next(iter(get_registry().get_specs(DatasetSpec)), "DATASET")
    lines = [f"  benchbed {command}" for command in commands]
    return "\n\n".join(["Examples:", *lines]).format(method=method, dataset=dataset)
