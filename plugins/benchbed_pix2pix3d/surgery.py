"""Tumours moved, enlarged, shrunk and transplanted in label maps (Shin et al. 2018, section 3.1).

Label maps are codes: 0 is background, and of the classes 1 to K the last ones are the tumour, those
before them tissue, if there is any. What a tumour uncovers becomes the nearest tissue, or
background where there is no tissue; what would lie outside the brain is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Codes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

Alteration = Literal["shift", "enlarge", "shrink", "transplant"]

SINGLE_CASE_ALTERATIONS: tuple[Alteration, ...] = ("shift", "enlarge", "shrink")
"""What takes one label map; a transplant takes two."""

REFERENCE_SIZE = 128
"""The in-plane size in pixels that a largest shift is meant for."""


@dataclass(frozen=True)
class LabelMap:
    """The labels of one volume.

    Attributes:
        codes: ``(D, H, W)`` uint8.
        brain: Where a tumour may be, bool ``(D, H, W)``.
        first: The first code that is tumour; all from it on are.
    """

    codes: Codes
    brain: Bools
    first: int

    @property
    def tumour(self) -> Codes:
        """The codes of the tumour, 0 elsewhere."""
        return np.where(self.codes >= self.first, self.codes, 0).astype(np.uint8)

    def remove_tumour(self) -> Codes:
        """The codes without the tumour: where it was there is the nearest tissue."""
        sick = self.codes >= self.first
        tissue = np.where(sick, 0, self.codes).astype(np.uint8)
        if not sick.any() or not tissue.any():
            return tissue
        nearest = ndimage.distance_transform_edt(
            tissue == 0, return_distances=False, return_indices=True
        )
        return np.where(sick, tissue[tuple(nearest)], tissue).astype(np.uint8)

    def replace_tumour(self, tumour: Codes) -> Codes:
        """The codes with another tumour, as far as it lies in the brain, in place of its own.

        Args:
            tumour: Codes ``(D, H, W)``, 0 where there is none.
        """
        return np.where((tumour > 0) & self.brain, tumour, self.remove_tumour()).astype(np.uint8)


def shift_tumour(case: LabelMap, offset: Sequence[int]) -> Codes:
    """The tumour elsewhere.

    Args:
        case: A label map.
        offset: Voxels towards larger indices, along each axis.
    """
    where = [
        np.arange(length) - step for length, step in zip(case.codes.shape, offset, strict=True)
    ]
    return case.replace_tumour(_gather_tumour(case.tumour, where))


def scale_tumour(case: LabelMap, factor: float) -> Codes:
    """The tumour larger or smaller about its centroid, by the nearest neighbour.

    Args:
        case: A label map with a tumour.
        factor: Of its extent along each axis, > 0.
    """
    centre = np.argwhere(case.tumour > 0).mean(0)
    where = [
        np.floor(middle + (np.arange(length) - middle) / factor + 0.5).astype(np.intp)
        for length, middle in zip(case.codes.shape, centre, strict=True)
    ]
    return case.replace_tumour(_gather_tumour(case.tumour, where))


def transplant_tumour(donor: LabelMap, host: LabelMap) -> Codes:
    """The tumour of `donor` at the same place in the brain of `host`, which has none."""
    return host.replace_tumour(donor.tumour)


def alter_tumour(
    case: LabelMap,
    how: Alteration,
    rng: np.random.Generator,
    *,
    largest_shift: float,
    largest_scaling: float,
) -> Codes:
    """One label map, altered at random.

    Args:
        case: A label map.
        how: One of `SINGLE_CASE_ALTERATIONS`.
        rng: Source of chance.
        largest_shift: Along each axis, in voxels of a volume of 128 px.
        largest_scaling: Largest change of the extent, as a share of it.

    Returns:
        Codes; those of `case` where it has no tumour or would lose it altogether.
    """
    if not case.tumour.any():
        return case.codes
    if how == "shift":
        reach = largest_shift * case.codes.shape[-1] / REFERENCE_SIZE
        altered = shift_tumour(case, [int(step) for step in np.rint(rng.uniform(-reach, reach, 3))])
    else:
        sign = 1 if how == "enlarge" else -1
        altered = scale_tumour(case, 1 + sign * rng.uniform(0, largest_scaling))
    return altered if (altered >= case.first).any() else case.codes


def _gather_tumour(tumour: Codes, where: Sequence[npt.NDArray[np.intp]]) -> Codes:
    """The tumour at the rows, columns and slices `where`; nothing outside of the volume."""
    inside = [(w >= 0) & (w < n) for w, n in zip(where, tumour.shape, strict=True)]
    known = [w[there] for w, there in zip(where, inside, strict=True)]
    found = np.zeros_like(tumour)
    found[np.ix_(*inside)] = tumour[np.ix_(*known)]
    return found
