"""A folder of images as a set to evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchbed.api.metric import ImageSet
from benchbed.data.io.images import read_image_size
from benchbed.data.preprocessing.prepare import identify_collection, prepare_dataset
from benchbed.data.sources.cases import Collection
from benchbed.data.sources.resolve import FOLDER_PREFIX, resolve_collection
from benchbed.errors import BenchbedError
from benchbed.utils.progress import ProgressCallback, ignore_progress

SIZES = (16, 32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class ImageFolder:
    """A folder of images that can all be decoded.

    Attributes:
        collection: Its images, in one split.
        fingerprint: Hash of the images.
    """

    collection: Collection
    fingerprint: str

    def load_images(self, size: int, progress: ProgressCallback = ignore_progress) -> ImageSet:
        """Load the central squares of the images at `size`, RGB."""
        prepared = prepare_dataset(
            self.collection,
            self.fingerprint,
            size=size,
            channels=3,
            framing="center",
            progress=progress,
        )
        return ImageSet(prepared.get_split("train").images)

    @property
    def smallest_side(self) -> int:
        """The shortest side of any image, in pixels."""
        return min(min(read_image_size(case.image)) for case in self.collection.cases)


def open_folder(
    path: Path, skip_bad: bool, progress: ProgressCallback = ignore_progress
) -> ImageFolder:
    """Open a folder of images.

    Raises:
        BenchbedError: The folder is missing or empty, or an image cannot be decoded.
    """
    collection = resolve_collection(f"{FOLDER_PREFIX}{path}")
    # Keep duplicates: repeated samples must be scored as they are.
    cases = tuple(replace(case, split="train", is_official_split=True) for case in collection.cases)
    collection = replace(collection, cases=tuple(sorted(cases, key=lambda case: case.id)))
    return ImageFolder(*identify_collection(collection, skip_bad=skip_bad, progress=progress))


def find_common_size(folders: Sequence[ImageFolder]) -> int:
    """Return the largest size for which no image must be enlarged.

    Raises:
        BenchbedError: An image is smaller than the smallest size.
    """
    smallest = min(folder.smallest_side for folder in folders)
    fitting = [size for size in SIZES if size <= smallest]
    if not fitting:
        raise BenchbedError(
            f"The smallest image is {smallest} px, below the minimum of {SIZES[0]} px. Set a "
            "size with --size."
        )
    return fitting[-1]
