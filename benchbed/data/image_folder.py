"""A folder of images as a set to evaluate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from benchbed.api.metric import ImageSet
from benchbed.config.protocol import Framing, IntensityWindow
from benchbed.data.io.images import FileFacts
from benchbed.data.preprocessing.framing import compute_window
from benchbed.data.preprocessing.prepare import prepare_dataset
from benchbed.data.sources.cases import Collection
from benchbed.data.sources.identify import examine_collection
from benchbed.data.sources.own_data import FOLDER_PREFIX
from benchbed.data.sources.resolve import resolve_collection
from benchbed.errors import BenchbedError
from benchbed.utils.progress import ProgressCallback, ignore_progress
from benchbed.utils.text import format_count

Resize = Literal["crop", "pad", "stretch"]
"""What makes images square."""

FRAMINGS: dict[Resize, Framing] = {"crop": "center", "pad": "pad", "stretch": "stretch"}
"""Framing by choice of `Resize`."""

_ACTIVITIES: dict[Resize, str] = {
    "crop": "cropped to the central square",
    "pad": "padded with black to a square",
    "stretch": "stretched to a square",
}


@dataclass(frozen=True)
class ImageFolder:
    """A folder of images that can all be decoded.

    Attributes:
        collection: Its images, in one split.
        fingerprint: Hash of the images.
        shapes: Height and width of each image, in the order of the cases.
        bits: Bits per channel as stored, such as ``"16"`` or ``"32f"``, of each image.
        value_range: Smallest and largest value of images of more than 8 bits; None without any.
        hashes: SHA-256 of each file.
        notes: What the reader of a score must know, such as splits that are used together.
    """

    collection: Collection
    fingerprint: str
    shapes: tuple[tuple[int, int], ...]
    bits: tuple[str, ...]
    value_range: tuple[float, float] | None = None
    hashes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def load_images(
        self,
        size: int,
        resize: Resize = "crop",
        progress: ProgressCallback = ignore_progress,
        log: Callable[[str], None] = lambda _: None,
    ) -> ImageSet:
        """Load the images as squares of `size`, RGB; `log` is called if they cannot be cached."""
        prepared = prepare_dataset(
            self.collection,
            self.fingerprint,
            size=size,
            channels=3,
            framing=FRAMINGS[resize],
            progress=progress,
            log=log,
        )
        return ImageSet(prepared.get_split("train").images)

    def find_smallest_side(self, resize: Resize) -> int:
        """Return the shortest side of what becomes a square, of all images, in pixels."""
        windows = (compute_window(shape, FRAMINGS[resize], None) for shape in self.shapes)
        return min(min(window.height, window.width) for window in windows)

    def describe_loading(self, size: int, resize: Resize) -> str:
        """Return what the images are, and how many are made square and resized."""
        ordered = sorted(self.shapes, key=lambda shape: (shape[0] * shape[1], shape))
        ends = dict.fromkeys(f"{width} x {height}" for height, width in (ordered[0], ordered[-1]))
        oblong = sum(height != width for height, width in ordered)
        windows = (compute_window(shape, FRAMINGS[resize], None) for shape in ordered)
        resized = sum((window.height, window.width) != (size, size) for window in windows)
        changes = {_ACTIVITIES[resize]: oblong, f"resized to {size} px": resized}
        if not resized:
            changes[f"not resized ({size} px)"] = len(ordered)
        parts = [format_count(len(ordered), "image"), " to ".join(ends)]
        if self.value_range is not None:
            parts.append("values {:g} to {:g}".format(*self.value_range))
        return f"{', '.join(parts)}, {_describe_changes(changes, len(ordered))}."


def _describe_changes(counts: Mapping[str, int], total: int) -> str:
    """Describe what is done to how many of the images, by what is done."""
    counts = {change: count for change, count in counts.items() if count}
    if all(count == total for count in counts.values()):
        return " and ".join(counts)
    return ", ".join(f"{'all' if n == total else n} {change}" for change, n in counts.items())


def open_folder(
    path: Path,
    skip_bad: bool,
    *,
    window: IntensityWindow | None = None,
    progress: ProgressCallback = ignore_progress,
    log: Callable[[str], None] = lambda _: None,
) -> ImageFolder:
    """Open a folder of images; those of all splits and classes are used, masks are not.

    Args:
        path: The folder.
        skip_bad: Skip files that cannot be decoded, instead of raising.
        window: How values of more than 8 bits are read; None to decide it over all images.
        progress: Receives progress.
        log: Receives messages, such as on files that are not used.

    Raises:
        BenchbedError: The folder is missing or empty, or an image cannot be decoded or read.
    """
    found = resolve_collection(f"{FOLDER_PREFIX}{path}", log=log)
    if found.spec.volumes is not None:
        raise BenchbedError(
            f"{path} contains volumes, but `benchbed evaluate` scores images. Volumes are scored "
            "by `benchbed run`."
        )
    # One official split keeps duplicates: repeated samples must be scored as they are.
    cases = tuple(
        replace(case, split="train", is_official_split=True, mask=None, second_mask=None, fov=None)
        for case in sorted(found.cases, key=lambda case: case.id)
    )
    examination = examine_collection(
        replace(found, cases=cases), skip_bad=skip_bad, progress=progress, log=log, window=window
    )
    if examination.problems:
        raise BenchbedError(examination.problems[0])
    facts = [examination.facts[case.image] for case in examination.collection.cases]
    # The window is described once for all folders.
    remarks = [n for n in examination.notes if n not in examination.collection.rules.sentences]
    return ImageFolder(
        examination.collection,
        examination.fingerprint,
        tuple(_parse_shape(entry["shape"]) for entry in facts),
        tuple(entry["bits"] for entry in facts),
        _find_value_range(facts),
        tuple(entry["sha256"] for entry in facts),
        (*_list_notes(found), *remarks),
    )


def _parse_shape(text: str) -> tuple[int, int]:
    height, width = map(int, text.split("x"))
    return height, width


def has_deep_values(bits: str) -> bool:
    """Return whether a depth as stored is more than 8 bits, so that values have no agreed range."""
    return bits.endswith("f") or int(bits) > 8


def _find_value_range(facts: Sequence[FileFacts]) -> tuple[float, float] | None:
    deep = [entry for entry in facts if has_deep_values(entry["bits"])]
    if not deep:
        return None
    return min(float(entry["low"]) for entry in deep), max(float(entry["high"]) for entry in deep)


def _list_notes(collection: Collection) -> tuple[str, ...]:
    """Return what is known about the images and has no effect on their scores."""
    names = collection.spec.classes
    splits = Counter(case.split for case in collection.cases if case.is_official_split)
    classes = Counter(names[case.label] for case in collection.cases if case.label is not None)
    notes = []
    for kind, counts in (("splits", splits), ("classes", classes)):
        if len(counts) > 1:
            listed = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
            notes.append(f"images of all {kind} are used ({listed}).")
    if masks := sum(case.mask is not None for case in collection.cases):
        notes.append(f"masks are not used ({masks}).")
    return tuple(notes)
