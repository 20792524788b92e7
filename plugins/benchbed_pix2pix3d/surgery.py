"""Alteration of tumours in label maps: moved, resized, transplanted (Shin et al. 2018, 3.1).

Label maps are codes: 0 is background; of the classes 1 to K the last ones are tumour and the
others, if any, tissue. Uncovered voxels become the nearest tissue, or background if there is no
tissue; tumour outside the brain is dropped.
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
"""Alterations of a single label map; a transplant takes two."""

REFERENCE_SIZE = 128
"""In-plane size in pixels to which the maximum shift refers."""


@dataclass(frozen=True)
class LabelMap:
    """Labels of one volume.

    Attributes:
        codes: ``(D, H, W)`` uint8.
        brain: Possible positions of a tumour, bool ``(D, H, W)``.
        first: First tumour code; all higher codes are tumour too.
    """

    codes: Codes
    brain: Bools
    first: int

    @property
    def tumour(self) -> Codes:
        """Codes of the tumour, 0 elsewhere."""
        return np.where(self.codes >= self.first, self.codes, 0).astype(np.uint8)

    def remove_tumour(self) -> Codes:
        """Return the codes with the tumour replaced by the nearest tissue."""
        is_tumour = self.codes >= self.first
        tissue = np.where(is_tumour, 0, self.codes).astype(np.uint8)
        if not is_tumour.any() or not tissue.any():
            return tissue
        nearest = ndimage.distance_transform_edt(
            tissue == 0, return_distances=False, return_indices=True
        )
        return np.where(is_tumour, tissue[tuple(nearest)], tissue).astype(np.uint8)

    def replace_tumour(self, tumour: Codes) -> Codes:
        """Return the codes with another tumour, restricted to the brain, instead of its own.

        Args:
            tumour: Codes ``(D, H, W)``, 0 outside the tumour.
        """
        return np.where((tumour > 0) & self.brain, tumour, self.remove_tumour()).astype(np.uint8)


def shift_tumour(case: LabelMap, offset: Sequence[int]) -> Codes:
    """Shift the tumour.

    Args:
        case: Label map.
        offset: Offset in voxels on each axis.
    """
    coordinates = [
        np.arange(length) - step for length, step in zip(case.codes.shape, offset, strict=True)
    ]
    return case.replace_tumour(_gather_tumour(case.tumour, coordinates))


def scale_tumour(case: LabelMap, factor: float) -> Codes:
    """Scale the tumour about its centroid, by nearest-neighbour interpolation.

    Args:
        case: Label map with a tumour.
        factor: Scale factor of each axis, > 0.
    """
    centre = np.argwhere(case.tumour > 0).mean(0)
    coordinates = [
        np.floor(middle + (np.arange(length) - middle) / factor + 0.5).astype(np.intp)
        for length, middle in zip(case.codes.shape, centre, strict=True)
    ]
    return case.replace_tumour(_gather_tumour(case.tumour, coordinates))


def transplant_tumour(donor: LabelMap, host: LabelMap) -> Codes:
    """Place the tumour of `donor` at the same position in the brain of `host`."""
    return host.replace_tumour(donor.tumour)


def alter_tumour(
    case: LabelMap,
    alteration: Alteration,
    rng: np.random.Generator,
    *,
    largest_shift: float,
    largest_scaling: float,
) -> Codes:
    """Alter the tumour of a label map at random.

    Args:
        case: Label map.
        alteration: One of `SINGLE_CASE_ALTERATIONS`.
        rng: Random generator.
        largest_shift: Maximum shift per axis, in voxels of a volume of 128 px.
        largest_scaling: Maximum relative change of the extent.

    Returns:
        Codes; those of `case` if it has no tumour or would lose it entirely.
    """
    if not case.tumour.any():
        return case.codes
    if alteration == "shift":
        reach = largest_shift * case.codes.shape[-1] / REFERENCE_SIZE
        altered = shift_tumour(case, [int(step) for step in np.rint(rng.uniform(-reach, reach, 3))])
    else:
        sign = 1 if alteration == "enlarge" else -1
        altered = scale_tumour(case, 1 + sign * rng.uniform(0, largest_scaling))
    return altered if (altered >= case.first).any() else case.codes


def _gather_tumour(tumour: Codes, coordinates: Sequence[npt.NDArray[np.intp]]) -> Codes:
    """Gather the tumour at the rows, columns and slices `coordinates`; 0 outside the volume."""
    inside = [(w >= 0) & (w < n) for w, n in zip(coordinates, tumour.shape, strict=True)]
    source = [w[there] for w, there in zip(coordinates, inside, strict=True)]
    moved = np.zeros_like(tumour)
    moved[np.ix_(*inside)] = tumour[np.ix_(*source)]
    return moved
