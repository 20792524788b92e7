"""Folders of images that are compared: separate, and with values that mean the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import permutations
from pathlib import Path

from benchbed.config import paths
from benchbed.config.protocol import IntensityWindow
from benchbed.data.image_folder import (
    ImageFolder,
    Resize,
    has_deep_values,
    open_folder,
)
from benchbed.errors import BenchbedError
from benchbed.utils.progress import ProgressCallback, ignore_progress
from benchbed.utils.text import format_count

SIZES = (16, 32, 64, 128, 256, 512, 1024)


def open_folders(
    folders: Mapping[str, Path],
    *,
    skip_bad: bool = False,
    window: IntensityWindow | None = None,
    progress: ProgressCallback = ignore_progress,
    log: Callable[[str], None] = lambda _: None,
) -> dict[str, ImageFolder]:
    """Open the folders of a comparison; one intensity window applies to all.

    Args:
        folders: Folders of images by the option that names them; the first is the reference.
        skip_bad: Skip files that cannot be decoded, instead of raising.
        window: How values of more than 8 bits are read; None to decide it over the reference.
        progress: Receives progress.
        log: Receives messages.

    Raises:
        BenchbedError: A folder is missing or empty, an image cannot be decoded, two folders share
            images, or the images differ in bit depth and `window` does not say how to convert.
    """
    check_separate_folders(folders)
    opened: dict[str, ImageFolder] = {}
    common = window
    for option, path in folders.items():
        opened[option] = open_folder(path, skip_bad, window=common, progress=progress, log=log)
        common = common or opened[option].collection.rules.window
    check_separate_images(opened)
    check_bit_depths(opened, window)
    return opened


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


def check_bit_depths(folders: Mapping[str, ImageFolder], window: IntensityWindow | None) -> None:
    """Check that stored values mean the same in all folders.

    Args:
        folders: Folders of images by the option that names them.
        window: The declared window, or None. Values that become black and white are a rule for the
            conversion of other depths to 8 bits; stretching each file is none.

    Raises:
        BenchbedError: The depths differ and no rule is declared, or a window is declared and all
            images have 8 bits; the text names every depth with a count and an example.
    """
    depths = {_describe_depth(bits) for folder in folders.values() for bits in folder.bits}
    if len(depths) > 1 and not isinstance(window, tuple):
        found = ", ".join(
            f"{option} {part}"
            for option, folder in folders.items()
            for part in _count_depths(folder)
        )
        raise BenchbedError(
            f"The images differ in bit depth, so their values do not mean the same: {found}. Use "
            "--window LOW,HIGH, the values of images with more than 8 bits that become black and "
            "white, or convert the images to one depth."
        )
    if window is not None and not any(f.value_range for f in folders.values()):
        raise BenchbedError(
            "--window applies to images of more than 8 bits, but all images have 8 bits. Leave it "
            "out: 8-bit images are used as they are."
        )


def _count_depths(folder: ImageFolder) -> Iterable[str]:
    depths = [_describe_depth(bits) for bits in folder.bits]
    for depth in sorted(set(depths)):
        example = folder.collection.cases[depths.index(depth)].image
        yield f"{format_count(depths.count(depth), 'image')} with {depth} (such as {example})"


def _describe_depth(bits: str) -> str:
    if not has_deep_values(bits):
        return "8 bits"  # 1, 2 and 4 bits are decoded to the same range
    return f"{bits[:-1]}-bit floats" if bits.endswith("f") else f"{bits} bits"


def describe_copies(folders: Mapping[str, ImageFolder]) -> str:
    """Describe images that other folders also contain, byte for byte; empty if there are none.

    Args:
        folders: Folders of images by the option that names them; the first is the reference.
    """
    (reference, real), *others = folders.items()
    known = set(real.hashes)
    counts = {option: sum(h in known for h in folder.hashes) for option, folder in others}
    listed = [
        f"{count} of {format_count(len(folders[option].hashes), 'image')} in {option}"
        for option, count in counts.items()
        if count
    ]
    if not listed:
        return ""
    return f"Copies: {' and '.join(listed)} are equal to one in {reference}, byte for byte."


def describe_window(folders: Mapping[str, ImageFolder], window: IntensityWindow | None) -> str:
    """Describe how values of more than 8 bits are read; empty if no image has more.

    Args:
        folders: Folders of images by the option that names them; the first is the reference.
        window: The declared window, or None.
    """
    reference, *_ = folders
    used = window or folders[reference].collection.rules.window
    if used is None:
        return ""
    if used == "per-file":
        return (
            "Intensity window: per file, so differences in brightness and contrast between images "
            "are not scored."
        )
    origin = "declared" if window else f"decided over all images of {reference}"
    converted = not all(has_deep_values(bits) for f in folders.values() for bits in f.bits)
    return (
        f"Intensity window: {used[0]:g} is black and {used[1]:g} is white in every folder "
        f"({origin})." + (" Images of 8 bits are used as they are." if converted else "")
    )


def find_common_size(folders: Iterable[ImageFolder], resize: Resize = "crop") -> int:
    """Return the largest size for which no image must be enlarged.

    Raises:
        BenchbedError: An image is smaller than the smallest size.
    """
    smallest = min(folder.find_smallest_side(resize) for folder in folders)
    fitting = [size for size in SIZES if size <= smallest]
    if not fitting:
        raise BenchbedError(
            f"The smallest image is {smallest} px, below the minimum of {SIZES[0]} px. Set a "
            "size with --size."
        )
    return fitting[-1]
