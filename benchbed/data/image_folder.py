"""A folder of images as a set to evaluate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

from benchbed.api.metric import ImageSet
from benchbed.config import paths
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


def check_separate_folders(folders: Mapping[str, Path]) -> None:
    """Check that no folder is, or is inside, another one; links are resolved.

    Args:
        folders: Folders of images by the option that names them; missing folders are ignored.

    Raises:
        BenchbedError: Two folders overlap; the text names both.
    """
    existing = {
        option: full.resolve()
        for option, path in folders.items()
        if paths.is_folder(full := paths.expand_home(path))
    }
    for (outer, top), (inner, place) in permutations(existing.items(), 2):
        # samefile also knows names that differ only in case, and bind mounts.
        if any(parent.samefile(top) for parent in (place, *place.parents)):
            relation = "are the same folder" if place.samefile(top) else "overlap"
            raise _make_overlap_error(
                f"{outer} {folders[outer]} and {inner} {folders[inner]} {relation}"
            )


def check_separate_images(folders: Mapping[str, ImageFolder]) -> None:
    """Check that no image is in two folders, such as through a link inside one of them.

    Args:
        folders: Folders of images by the option that names them.

    Raises:
        BenchbedError: Two folders share a file; the text names both and the file.
    """
    owners: dict[Path, tuple[str, ImageFolder]] = {}
    for option, folder in folders.items():
        files = {case.image.resolve() for case in folder.collection.cases}
        for file in sorted(files):
            if file in owners:
                other, holder = owners[file]
                raise _make_overlap_error(
                    f"{other} {holder.collection.root} and {option} {folder.collection.root} "
                    f"both contain {file}"
                )
        owners |= dict.fromkeys(files, (option, folder))


def _make_overlap_error(fact: str) -> BenchbedError:
    return BenchbedError(
        f"{fact}, so images would be compared with themselves. Move the images into separate "
        "folders and repeat `benchbed evaluate`."
    )


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
