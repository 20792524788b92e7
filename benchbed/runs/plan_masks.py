"""The plan of pseudo-labels for a dataset without masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchbed.api.specs import MethodSpec
from benchbed.errors import BenchbedError
from benchbed.runs.identity import build_masks_dict
from benchbed.runs.plan_checks import resolve_upstream_method
from benchbed.runs.request import RunConfig

if TYPE_CHECKING:
    from benchbed.runs.plan import RunPlan

SEGMENTATION_TASK = "segmentation"
"""The task of an annotator's run."""


@dataclass(frozen=True, kw_only=True)
class PseudoLabelPlan:
    """Source of the pseudo-labels of a dataset.

    Attributes:
        annotator: The run of a segmentation network on a dataset that has masks.
    """

    annotator: RunPlan

    def as_dict(self) -> dict[str, Any]:
        """Return a dict for ``run.json`` and the hash."""
        return build_masks_dict(
            dataset=self.annotator.dataset,
            annotator=self.annotator.method.name,
            run=self.annotator.id,
            kimg=self.annotator.protocol.kimg,
        )


def plan_pseudo_labels(
    request: RunConfig, method: MethodSpec, planned: Callable[[RunConfig], RunPlan]
) -> PseudoLabelPlan | None:
    """Plan the run of the annotator, if the configuration names a dataset for masks.

    Raises:
        BenchbedError: The method does not train on masks, the annotator is missing or cannot
            segment, or its own configuration is invalid.
    """
    if request.masks_from is None:
        if request.annotator is not None:
            raise BenchbedError("--annotator requires --masks-from, a dataset with masks.")
        return None
    if "mask" not in method.required_inputs:
        raise BenchbedError(f"{method.name} does not learn from masks. Remove --masks-from.")
    if method.mask_stage_setting is not None and request.seconds is not None:
        raise BenchbedError(
            f"{method.name} uses {request.masks_from} for a share of a budget in images. Set "
            "--kimg."
        )
    spec = resolve_upstream_method(request.annotator, "segment", "--masks-from requires --annotator")
    annotator = planned(
        request.derive_upstream(
            method=spec.name,
            dataset=request.masks_from,
            task=SEGMENTATION_TASK,
            kimg=request.annotator_kimg,
        )
    )
    return PseudoLabelPlan(annotator=annotator)
