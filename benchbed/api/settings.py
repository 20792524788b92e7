"""Settings of a method: validated models, with the source of every default.

pydantic validates; this module attaches the source in the paper and formats errors for the command
line.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def setting(default: Any, *, help: str, source: str, **bounds: Any) -> Any:
    """Declare a setting with its default, meaning and source.

    Args:
        default: The paper's value, where it states one.
        help: Meaning, with unit.
        source: Source of the default, such as ``"section 3"`` or ``"unstated; ..."``.
        **bounds: Bounds for pydantic's ``Field``: ``gt``, ``ge``, ``lt``, ``le``, ``multiple_of``.
    """
    return Field(default, description=help, json_schema_extra={"source": source}, **bounds)


class MethodSettings(BaseModel):
    """Base of all method settings; rejects unknown names and values out of range."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )

    batch_size: int = setting(
        16, help="Images per training step.", source="the harness; papers differ", ge=1, le=4096
    )

    @property
    def real_mask_share(self) -> float:
        """Share of the budget, from its start, in which only masks are learned.

        With pseudo-labels, the cases in it come from the dataset that has real masks.
        """
        return 0.0
