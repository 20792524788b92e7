"""Any folder of pictures as a set to be scored."""

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
    """A folder whose pictures all decode.

    Attributes:
        collection: Its pictures, in one split.
        fingerprint: Their hash.
    """

    collection: Collection
    fingerprint: str

    def images(self, size: int, progress: Progress = quiet) -> ImageSet:
        """The pictures' central squares at `size`, RGB."""
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
        """The shortest side of any picture, in pixels."""
        return min(min(picture_size(case.image)) for case in self.collection.cases)


def open_folder(path: Path, skip_bad: bool, progress: Progress = quiet) -> Folder:
    """Open a folder of pictures.

    Raises:
        BenchbedError: There is no such folder, it is empty, or a picture does not decode.
    """
    collection = resolve(f"{FOLDER}{path}")
    # Equal pictures are all kept: samples that repeat themselves are to be scored as they are.
    together = tuple(replace(case, split="train", official=True) for case in collection.cases)
    collection = replace(collection, cases=tuple(sorted(together, key=lambda case: case.id)))
    return Folder(*identify(collection, skip_bad=skip_bad, progress=progress))


def common_size(folders: Sequence[Folder]) -> int:
    """The largest size to which no picture must be blown up.

    Raises:
        BenchbedError: A picture is smaller than the smallest size.
    """
    smallest = min(folder.smallest for folder in folders)
    fitting = [size for size in SIZES if size <= smallest]
    if not fitting:
        raise BenchbedError(
            f"The smallest image is {smallest} px, below the minimum of {SIZES[0]} px. Set a "
            "size with --size."
        )
    return fitting[-1]
