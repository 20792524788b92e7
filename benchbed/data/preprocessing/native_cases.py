"""Cases at their own size, at which predictions are evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchbed.api.specs import DatasetSpec
from benchbed.api.task import ReferenceCase
from benchbed.api.types import LUMA_WEIGHTS, CropBox, CropWindow
from benchbed.config.protocol import Framing
from benchbed.data.io.arrays import read_image_row
from benchbed.data.io.images import Pixels, read_image, read_mask_values
from benchbed.data.preprocessing.framing import Mask, compute_window
from benchbed.data.sources.cases import MASK_ROLES, Case, Collection
from benchbed.data.sources.rules import ReadingRules
from benchbed.data.stamps import check_stamps
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import load_object

if TYPE_CHECKING:
    from benchbed.data.preprocessing.prepare import PreparedDataset

Codes = npt.NDArray[np.uint8]

FovDetector = Callable[[Pixels], Mask]


@dataclass(frozen=True)
class NativeCase:
    """A case at the size of its files.

    Attributes:
        image: ``(H, W, C)`` uint8.
        masks: ``mask``, ``second_mask`` and ``fov`` where present, each ``(H, W)``, classes with 0
            for the background.
        window: Window that becomes the square.
    """

    image: Pixels
    masks: Mapping[str, Codes]
    window: CropWindow


def read_native_case(
    case: Case, spec: DatasetSpec, rules: ReadingRules, *, channels: int, framing: Framing
) -> NativeCase:
    """Read the files of a case; a missing field of view is detected if its dataset can.

    Raises:
        BenchbedError: A file cannot be decoded, has a value without a class, or a mask differs
            from its image in size.
    """
    image = _read_case_image(case, spec, rules, channels)
    masks: dict[str, Codes] = {}
    for role in MASK_ROLES:
        if (path := case.files.get(role)) is not None:
            values = read_mask_values(path, case.page)
            masks[role] = _apply_levels(values, _get_levels(case, role, rules), path)
    for role, mask in masks.items():
        if mask.shape != image.shape[:2]:
            raise BenchbedError(
                f"{case.files[role]} has {_format_size(mask)} pixels, but its image {case.image} "
                f"has {_format_size(image)}. A mask must have the size of its image."
            )
    if "fov" not in masks and spec.fov_detector is not None:
        detect: FovDetector = load_object(spec.fov_detector)
        masks["fov"] = detect(convert_channels(image, 3)).astype(np.uint8)
    fov = masks["fov"] > 0 if "fov" in masks else None
    part = compute_window((image.shape[0], image.shape[1]), framing, fov)
    return NativeCase(image, masks, part)


def _get_levels(case: Case, role: str, rules: ReadingRules) -> Mapping[int, int]:
    """Return the class of each value: what the layout declares, else the rule of the dataset."""
    if role == "mask" and case.label_mapping:
        return {0: 0, **case.label_mapping}
    return rules.mask_levels[role]


def _apply_levels(values: npt.NDArray[np.int64], levels: Mapping[int, int], path: Path) -> Codes:
    """Return the class of each value."""
    stored, indices = np.unique(values, return_inverse=True)
    if unknown := [int(value) for value in stored if int(value) not in levels]:
        raise BenchbedError(
            f"{path} has the value {unknown[0]}, which the masks of its dataset did not have when "
            "they were examined. Run the command again."
        )
    classes = np.array([levels[int(value)] for value in stored], np.uint8)
    return np.asarray(classes[indices].reshape(values.shape))


def _read_case_image(case: Case, spec: DatasetSpec, rules: ReadingRules, channels: int) -> Pixels:
    if spec.archive is None or case.page is None:
        return read_image(case.image, channels, window=rules.shared_window, page=case.page)
    image = read_image_row(case.image, spec.archive.images[case.split], case.page)
    return convert_channels(image, channels)


def convert_channels(image: Pixels, channels: int) -> Pixels:
    """Convert ``(H, W, C)`` to 1 or 3 channels; grey by BT.601 luma weights."""
    if image.shape[2] == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=2)
    luma = image.astype(np.float32) @ np.asarray(LUMA_WEIGHTS, np.float32)
    return np.round(luma).astype(np.uint8)[..., None]


def _format_size(picture: npt.NDArray[np.generic]) -> str:
    return f"{picture.shape[1]} x {picture.shape[0]}"


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
        check_stamps(case.files.values(), prepared.collection.stamps)
        if prepared.collection.spec.volumes is not None:
            yield _make_volume_reference(case, image, prepared.collection)
            continue
        native = read_native_case(
            case,
            prepared.collection.spec,
            prepared.collection.rules,
            channels=image.shape[0],
            framing=framing,
        )
        masks = {role: codes > 0 for role, codes in native.masks.items()}
        fov = masks.get("fov", np.ones_like(masks["mask"]))
        second = masks.get("second_mask")
        yield ReferenceCase(case.id, image, masks["mask"], second, fov, native.window)


def _make_volume_reference(
    case: Case, image: npt.NDArray[Any], collection: Collection
) -> ReferenceCase:
    # torch and nibabel are slow to import, and images do not need them.
    from benchbed.data.preprocessing.volume_cases import make_box_mask, read_labels

    codes, box = read_labels(case, collection.spec, collection.rules)
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
