"""Reference masks at the cases' own size, for evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.api.specs import DatasetSpec
from benchbed.api.task import ReferenceCase
from benchbed.api.types import CropBox, CropWindow
from benchbed.config.protocol import Framing
from benchbed.data.preprocessing.blocks import make_box_mask
from benchbed.data.preprocessing.image_cases import read_native_case
from benchbed.data.preprocessing.prepare import PreparedDataset
from benchbed.data.sources.cases import Case
from benchbed.errors import BenchbedError


def iter_references(
    prepared: PreparedDataset, split: str, framing: Framing
) -> Iterator[ReferenceCase]:
    """Iterate over the cases of a split that have a mask.

    A phantom has no other size: its cases are evaluated at the run's size.

    Raises:
        BenchbedError: No case of the split has a mask.
    """
    arrays = prepared.get_split(split).arrays
    if "mask" not in arrays:
        raise BenchbedError(f"Split {split} of {prepared.collection.spec.name} has no masks.")
    if prepared.collection.source == "phantom":
        yield from _iter_phantom_references(prepared, split)
        return
    cases = [case for case in prepared.collection.cases if case.split == split]
    for case, image in zip(cases, arrays["image"], strict=True):
        if case.mask is None:
            continue
        if prepared.collection.spec.volumes is not None:
            yield _make_volume_reference(case, image, prepared.collection.spec)
            continue
        native = read_native_case(
            case, prepared.collection.spec, channels=image.shape[0], framing=framing
        )
        mask = native.masks["mask"]
        yield ReferenceCase(
            case.id,
            image,
            mask,
            native.masks.get("second_mask"),
            native.masks.get("fov", np.ones_like(mask)),
            native.window,
        )


def _make_volume_reference(case: Case, image: npt.NDArray[Any], spec: DatasetSpec) -> ReferenceCase:
    # nibabel is slow to import, and images do not need it.
    from benchbed.data.preprocessing.volume_cases import read_labels

    codes, box = read_labels(case, spec)
    depth, height, width = codes.shape
    # Slices outside the box are not scored: no method has seen them.
    visible = make_box_mask(box, (depth, height, width))
    return ReferenceCase(case.id, image, codes > 0, None, visible, box)


def _iter_phantom_references(prepared: PreparedDataset, split: str) -> Iterator[ReferenceCase]:
    data = prepared.get_split(split)
    frame: CropWindow | CropBox = CropWindow(0, 0, prepared.size, prepared.size)
    if (volumes := prepared.collection.spec.volumes) is not None:
        frame = CropBox((0, 0, 0), volumes.compute_shape(prepared.size))
    fovs = data.arrays.get("fov", np.ones_like(data.arrays["mask"]))
    seconds = data.arrays.get("second_mask", [None] * len(data))
    for identity, image, mask, second, fov in zip(
        data.ids, data.images, data.arrays["mask"], seconds, fovs, strict=True
    ):
        other = None if second is None else second > 0
        yield ReferenceCase(identity, image, mask > 0, other, fov > 0, frame)
