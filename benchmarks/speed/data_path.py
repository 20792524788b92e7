"""From files to batches, against torchvision's usual way."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchbed.data.loader import CaseLoader
from benchbed.data.preprocessing.prepare import (
    PreparedDataset,
    identify_collection,
    prepare_dataset,
)
from benchbed.data.sources.resolve import resolve_collection

from .measure import Pair, Work

NAMES = ("preparation", "batch-files", "batch-memory")

PHOTOGRAPH = 300
"""Side of a picture on the disk, in pixels."""


def write_pictures(folder: Path, count: int, side: int = PHOTOGRAPH) -> None:
    """Random smooth PNG files, each with bytes of its own."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        coarse = rng.integers(0, 256, (8, 8, 3), np.uint8)
        picture = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        picture.save(folder / f"{number:06d}.png", compress_level=1)


@contextlib.contextmanager
def empty_cache() -> Iterator[None]:
    """A cache of benchbed's own, empty at first and removed at last."""
    before = os.environ.get("BENCHBED_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCHBED_CACHE"] = folder
        try:
            yield
        finally:
            os.environ.pop("BENCHBED_CACHE")
            if before is not None:
                os.environ["BENCHBED_CACHE"] = before


def prepared(folder: Path, size: int) -> PreparedDataset:
    """A folder of pictures, identified and prepared as a run does it."""
    collection, fingerprint = identify_collection(resolve_collection(f"folder:{folder}"))
    return prepare_dataset(collection, fingerprint, size=size, channels=3, framing="center")


def pairs(folder: Path, quick: bool) -> list[Pair]:
    """What is measured.

    Args:
        folder: An empty folder, for pictures.
        quick: Whether few pictures will do.
    """
    count = 64 if quick else 512
    write_pictures(folder / "pictures" / "all", count)
    return [_preparation(folder / "pictures", count), *_batches(folder / "pictures", count)]


def _transform(size: int) -> object:
    from torchvision import transforms

    return transforms.Compose(
        [
            transforms.Resize(size),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
            transforms.Normalize((0.5,) * 3, (0.5,) * 3),
        ]
    )


def _preparation(folder: Path, count: int) -> Pair:
    def ours() -> None:
        with empty_cache():
            prepared(folder / "all", 64)

    def make() -> tuple[Work, Work]:
        from torchvision.datasets import ImageFolder

        def theirs() -> torch.Tensor:
            data = ImageFolder(str(folder), _transform(64))
            return torch.stack([image for image, _ in data])

        return ours, theirs

    return Pair(
        NAMES[0],
        "data",
        f"{count} PNG of {PHOTOGRAPH} px, checked, fingerprinted and brought to 64 px",
        "torchvision's ImageFolder, once through",
        make,
        note="ours also hashes every file and looks for copies",
    )


def _batches(folder: Path, count: int) -> list[Pair]:
    batch = 32

    def feed() -> Work:
        with empty_cache():
            split = prepared(folder / "all", 64).get_split("train")
            arrays = {name: np.array(array) for name, array in split.arrays.items()}
        source = CaseLoader(type(split)(split.ids, arrays), seed=0, device=torch.device("cpu"))
        shown = iter(range(0, 10**9, batch))
        return lambda: source.get_batch(next(shown), batch)

    def endless(loader: object) -> Work:
        def batches() -> Iterator[object]:
            while True:
                yield from loader  # type: ignore[misc]

        source = batches()
        return lambda: next(source)

    def from_files() -> tuple[Work, Work]:
        from torch.utils.data import DataLoader
        from torchvision.datasets import ImageFolder

        data = ImageFolder(str(folder), _transform(64))
        return feed(), endless(DataLoader(data, batch, shuffle=True, drop_last=True))

    def from_memory() -> tuple[Work, Work]:
        from torch.utils.data import DataLoader, TensorDataset

        data = TensorDataset(torch.randn(count, 3, 64, 64))
        return feed(), endless(DataLoader(data, batch, shuffle=True, drop_last=True))

    what = f"a batch of {batch} at 64 px"
    return [
        Pair(NAMES[1], "data", what, "DataLoader of an ImageFolder", from_files),
        Pair(NAMES[2], "data", what, "DataLoader of tensors in memory", from_memory),
    ]
