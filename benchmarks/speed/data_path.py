"""From image files to batches, against torchvision's usual way."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchbed.data.loader import CaseLoader
from benchbed.data.preprocessing.prepare import DataSplit, prepare_dataset
from benchbed.data.sources.identify import identify_collection
from benchbed.data.sources.resolve import resolve_collection

from .timing import CPU, ReferencePair, Work

FILE_SIDE, SIDE, BATCH = 300, 64, 32


def write_images(folder: Path, count: int, side: int) -> None:
    """Write random smooth PNG files, all different."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        coarse = rng.integers(0, 256, (8, 8, 3), np.uint8)
        image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        image.save(folder / f"{number:06d}.png", compress_level=1)


def prepare_images(folder: Path) -> DataSplit:
    """Return images prepared as a run does it, with an empty cache that is then removed."""
    with TemporaryDirectory() as cache, mock.patch.dict("os.environ", BENCHBED_CACHE=cache):
        collection, fingerprint = identify_collection(resolve_collection(f"folder:{folder}"))
        prepared = prepare_dataset(collection, fingerprint, size=SIDE, channels=3, framing="center")
        split = prepared.get_split("train")
        return DataSplit(split.ids, {name: np.array(array) for name, array in split.arrays.items()})


def list_pairs(scratch: Path, quick: bool) -> list[ReferencePair]:
    """Return what is measured; images are written to an empty folder."""
    count, root = 64 if quick else 512, scratch / "images"
    files = f"{count} PNG of {FILE_SIDE} px, checked, fingerprinted and brought to {SIDE} px"
    batch = f"a batch of {BATCH} at {SIDE} px"

    def make_preparation() -> tuple[Work, Work]:
        images = _open_image_folder(root, count)
        return partial(prepare_images, root / "all"), partial(_stack_images, images)

    def make_batches(from_files: bool) -> tuple[Work, Work]:
        images: Any = _open_image_folder(root, count)
        feed, shown = (
            CaseLoader(prepare_images(root / "all"), seed=0, device=CPU),
            itertools.count(),
        )
        data = images if from_files else TensorDataset(torch.randn(count, 3, SIDE, SIDE))
        loader = _iterate(data)
        return lambda: feed.get_batch(next(shown) * BATCH, BATCH), lambda: next(loader)

    files_loader, memory_loader = "DataLoader of an ImageFolder", "DataLoader of tensors in memory"
    rows: list[tuple[str, str, str, Callable[[], tuple[Work, Work]]]] = [
        ("preparation", files, "torchvision's ImageFolder, once through", make_preparation),
        ("batch-files", batch, files_loader, partial(make_batches, True)),
        ("batch-memory", batch, memory_loader, partial(make_batches, False)),
    ]
    return [ReferencePair(name, "data", what, other, make) for name, what, other, make in rows]


def _open_image_folder(root: Path, count: int) -> ImageFolder:
    if not root.exists():
        write_images(root / "all", count, FILE_SIDE)
    steps = [transforms.Resize(SIDE), transforms.CenterCrop(SIDE), transforms.ToTensor()]
    normalize = transforms.Normalize((0.5,) * 3, (0.5,) * 3)
    return ImageFolder(str(root), transforms.Compose([*steps, normalize]))


def _stack_images(images: ImageFolder) -> torch.Tensor:
    return torch.stack([image for image, _ in images])


def _iterate(dataset: Any) -> Iterator[Any]:
    loader: DataLoader[Any] = DataLoader(dataset, BATCH, shuffle=True, drop_last=True)
    while True:
        yield from loader
