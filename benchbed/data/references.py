"""What predictions are judged by: masks at the cases' own size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchbed.api.task import Reference
from benchbed.api.types import Window
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
        raise BenchbedError(f"The split {split} of {prepared.collection.spec.name} has no masks.")
    if prepared.collection.source == "phantom":
        yield from _of_phantom(prepared, split)
        return
    cases = [case for case in prepared.collection.cases if case.split == split]
    for case, image in zip(cases, arrays["image"], strict=True):
        if case.mask is None:
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


def _of_phantom(prepared: Prepared, split: str) -> Iterator[Reference]:
    found = prepared.split(split)
    whole = Window(0, 0, prepared.size, prepared.size)
    fovs = found.arrays.get("fov", np.ones_like(found.arrays["mask"]))
    seconds = found.arrays.get("second_mask", [None] * len(found))
    for identity, image, mask, second, fov in zip(
        found.ids, found.image, found.arrays["mask"], seconds, fovs, strict=True
    ):
        other = None if second is None else second > 0
        yield Reference(identity, image, mask > 0, other, fov > 0, whole)
