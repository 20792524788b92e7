"""The plan of pseudo-labels for a dataset without masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchbed.api.specs import MethodSpec
from benchbed.errors import BenchbedError
from benchbed.runs.identity import masks_of
from benchbed.runs.plan_checks import helper
from benchbed.runs.request import Request

if TYPE_CHECKING:
    from benchbed.runs.plan import Plan

SEGMENTATION = "segmentation"
"""The task of an annotator's run."""


@dataclass(frozen=True, kw_only=True)
class MaskPlan:
    """Source of the pseudo-labels of a dataset.

    Attributes:
        annotator: The run of a segmentation network on a dataset that has masks.
    """

    annotator: Plan

    def as_dict(self) -> dict[str, Any]:
        """Return a dict for ``run.json`` and the hash."""
        return masks_of(
            dataset=self.annotator.dataset,
            annotator=self.annotator.method.name,
            run=self.annotator.id,
            kimg=self.annotator.protocol.kimg,
        )


def plan_masks(
    request: Request, method: MethodSpec, planned: Callable[[Request], Plan]
) -> MaskPlan | None:
    """Plan the run of the annotator, if the configuration names a dataset for masks.

    Raises:
        BenchbedError: The method does not train on masks, the annotator is missing or cannot
            segment, or its own configuration is invalid.
    """
    if request.masks_from is None:
        if request.annotator is not None:
            raise BenchbedError("--annotator requires --masks-from, a dataset with masks.")
        return None
    if "mask" not in method.needs:
        raise BenchbedError(f"{method.name} does not learn from masks. Remove --masks-from.")
    if method.mask_stage is not None and request.seconds is not None:
        raise BenchbedError(
            f"{method.name} uses {request.masks_from} for a share of a budget in images. Set "
            "--kimg."
        )
    spec = helper(request.annotator, "segment", "--masks-from requires --annotator")
    annotator = planned(
        request.before(
            method=spec.name,
            dataset=request.masks_from,
            task=SEGMENTATION,
            kimg=request.annotator_kimg,
        )
    )
    return MaskPlan(annotator=annotator)
