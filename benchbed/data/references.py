"""Reference masks at the cases' own size, for evaluation."""

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
    """Iterate over the cases of a split that have a mask.

    A phantom has no other size: its cases are evaluated at the run's size.

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
    # nibabel is slow to import, and images do not need it.
    from benchbed.data.volume_cases import read_labels

    codes, box = read_labels(case, spec)
    depth, height, width = codes.shape
    # Slices outside the box are not scored: no method has seen them.
    visible = inside(box, (depth, height, width))
    return Reference(case.id, image, codes > 0, None, visible, box)


def _of_phantom(prepared: Prepared, split: str) -> Iterator[Reference]:
    data = prepared.split(split)
    frame: Window | Box = Window(0, 0, prepared.size, prepared.size)
    if (volumes := prepared.collection.spec.volumes) is not None:
        frame = Box((0, 0, 0), volumes.spatial(prepared.size))
    fovs = data.arrays.get("fov", np.ones_like(data.arrays["mask"]))
    seconds = data.arrays.get("second_mask", [None] * len(data))
    for identity, image, mask, second, fov in zip(
        data.ids, data.image, data.arrays["mask"], seconds, fovs, strict=True
    ):
        other = None if second is None else second > 0
        yield Reference(identity, image, mask > 0, other, fov > 0, frame)
