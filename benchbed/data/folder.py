"""Score any folder of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchbed.api.metric import ImageSet
from benchbed.data.collection import Collection
from benchbed.data.decode import picture_size
from benchbed.data.prepare import Progress, identify, prepare, quiet
from benchbed.data.source import FOLDER, resolve
from benchbed.errors import BenchbedError

SIZES = (16, 32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class Folder:
    """A folder of images that can all be decoded.

    Attributes:
        collection: Its images, in one split.
        fingerprint: Hash of the images.
    """

    collection: Collection
    fingerprint: str

    def images(self, size: int, progress: Progress = quiet) -> ImageSet:
        """Load the central squares of the images at `size`, RGB."""
        prepared = prepare(
            self.collection,
            self.fingerprint,
            size=size,
            channels=3,
            framing="center",
            progress=progress,
        )
        return ImageSet(prepared.split("train").image)

    @property
    def smallest(self) -> int:
        """The shortest side of any image, in pixels."""
        return min(min(picture_size(case.image)) for case in self.collection.cases)


def open_folder(path: Path, skip_bad: bool, progress: Progress = quiet) -> Folder:
    """Open a folder of images.

    Raises:
        BenchbedError: The folder is missing or empty, or an image cannot be decoded.
    """
    collection = resolve(f"{FOLDER}{path}")
    # Keep duplicates: repeated samples must be scored as they are.
    cases = tuple(replace(case, split="train", official=True) for case in collection.cases)
    collection = replace(collection, cases=tuple(sorted(cases, key=lambda case: case.id)))
    return Folder(*identify(collection, skip_bad=skip_bad, progress=progress))


def common_size(folders: Sequence[Folder]) -> int:
    """Return the largest size for which no image must be enlarged.

    Raises:
        BenchbedError: An image is smaller than the smallest size.
    """
    smallest = min(folder.smallest for folder in folders)
    fitting = [size for size in SIZES if size <= smallest]
    if not fitting:
        raise BenchbedError(
            f"The smallest image is {smallest} px, below the minimum of {SIZES[0]} px. Set a "
            "size with --size."
        )
    return fitting[-1]
