"""What predictions are judged by: masks at the cases' own size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.api.specs import DatasetSpec
from benchbed.api.task import Reference
from benchbed.api.types import Box, Window
from benchbed.data.boxes import inside
from benchbed.data.collection import Case
from benchbed.data.native import read_native
from benchbed.data.prepare import Prepared
from benchbed.errors import BenchbedError
from benchbed.protocol import Framing


def references(prepared: Prepared, split: str, framing: Framing) -> Iterator[Reference]:
    """The cases of a split that have a mask, one after the other.

    A phantom has no size of its own: its cases are judged at the run's.

    Args:
        prepared: The data set at the run's size.
        split: Name of the split.
        framing: How its pictures became square.

    Raises:
        BenchbedError: No case of the split has a mask.
    """
    arrays = prepared.split(split).arrays
    if "mask" not in arrays:
        raise BenchbedError(f"Split {split} of {prepared.collection.spec.name} has no masks.")
    if prepared.collection.source == "phantom":
        yield from _of_phantom(prepared, split)
        return
    cases = [case for case in prepared.collection.cases if case.split == split]
    for case, image in zip(cases, arrays["image"], strict=True):
        if case.mask is None:
            continue
        if prepared.collection.spec.volumes is not None:
            yield _of_volume(case, image, prepared.collection.spec)
            continue
        native = read_native(
            case, prepared.collection.spec, channels=image.shape[0], framing=framing
        )
        mask = native.masks["mask"]
        yield Reference(
            case.id,
            image,
            mask,
            native.masks.get("second_mask"),
            native.masks.get("fov", np.ones_like(mask)),
            native.part,
        )


def _of_volume(case: Case, image: npt.NDArray[Any], spec: DatasetSpec) -> Reference:
    # nibabel takes its time to load, and pictures need none of it.
    from benchbed.data.volume_cases import read_labels

    codes, box = read_labels(case, spec)
    depth, height, width = codes.shape
    # What the box leaves out no method has seen: slices above and below the central ones.
    seen = inside(box, (depth, height, width))
    return Reference(case.id, image, codes > 0, None, seen, box)


def _of_phantom(prepared: Prepared, split: str) -> Iterator[Reference]:
    found = prepared.split(split)
    whole: Window | Box = Window(0, 0, prepared.size, prepared.size)
    if (volumes := prepared.collection.spec.volumes) is not None:
        whole = Box((0, 0, 0), volumes.spatial(prepared.size))
    fovs = found.arrays.get("fov", np.ones_like(found.arrays["mask"]))
    seconds = found.arrays.get("second_mask", [None] * len(found))
    for identity, image, mask, second, fov in zip(
        found.ids, found.image, found.arrays["mask"], seconds, fovs, strict=True
    ):
        other = None if second is None else second > 0
        yield Reference(identity, image, mask > 0, other, fov > 0, whole)
