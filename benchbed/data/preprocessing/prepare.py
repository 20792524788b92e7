"""Prepare cases as arrays of the run's size, cached as memory maps."""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchbed.config.protocol import Framing
from benchbed.data.cache import load_cached, load_indexed_arrays, write_arrays
from benchbed.data.io.images import Pixels
from benchbed.data.preprocessing.framing import crop_window, resize_classes, resize_image
from benchbed.data.preprocessing.native_cases import NativeCase, convert_channels, read_native_case
from benchbed.data.sources.cases import Case, Collection
from benchbed.data.stamps import check_stamps
from benchbed.data.stored_files import read_array
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import load_object
from benchbed.utils.files import hash_json
from benchbed.utils.progress import ProgressCallback, ignore_progress

if TYPE_CHECKING:
    from benchbed.api.method import DerivedArray


PREPROCESSING_VERSION = 2
"""Version of preprocessing: increase it when the same files give other arrays."""

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class DataSplit:
    """Arrays of the cases of one split.

    Attributes:
        ids: Case ids.
        arrays: ``image`` uint8 ``(N, C, size, size)``; ``mask``, ``second_mask`` and ``fov`` uint8
            ``(N, size, size)`` in {0, 1} and ``label`` int64 ``(N,)`` where present; derived arrays
            uint8 ``(N, C, size, size)``. For volumes, ``image`` float16 ``(N, C, D, size, size)``
            in [-1, 1] and ``mask`` uint8 ``(N, D, size, size)``, labels of structures. Read-only
            memory maps.
        structure_count: Number of structures in a mask, without background.
    """

    ids: tuple[str, ...]
    arrays: Mapping[str, npt.NDArray[Any]]
    structure_count: int = 1

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def images(self) -> Pixels:
        """Images of the split."""
        return self.arrays["image"]


@dataclass(frozen=True)
class PreparedDataset:
    """A dataset ready to train on.

    Attributes:
        collection: The cases.
        fingerprint: Hash of the data.
        size: In-plane size in pixels.
        splits: Splits by name.
    """

    collection: Collection
    fingerprint: str
    size: int
    splits: Mapping[str, DataSplit]

    def get_split(self, name: str) -> DataSplit:
        """Return the split called `name`.

        Raises:
            BenchbedError: The dataset has no such split.
        """
        if name not in self.splits:
            raise BenchbedError(
                f"{self.collection.spec.name} has no split {name!r}. Available splits: "
                f"{', '.join(self.splits)}."
            )
        return self.splits[name]


def prepare_dataset(
    collection: Collection,
    fingerprint: str,
    *,
    size: int,
    channels: int,
    framing: Framing,
    derived: Mapping[str, DerivedArray] | None = None,
    progress: ProgressCallback = ignore_progress,
    log: Callable[[str], None] = lambda _: None,
) -> PreparedDataset:
    """Load the arrays of a dataset from the cache, computing them first if missing.

    Args:
        collection: The cases, identified.
        fingerprint: Their fingerprint.
        size: In-plane size in pixels.
        channels: Image channels.
        framing: How an image becomes square.
        derived: Further arrays computed from each image, by name.
        progress: Receives progress.
        log: Receives a message if prepared data are damaged and are prepared again.

    Raises:
        BenchbedError: A file cannot be used, or was changed after it was hashed.
    """
    recipe: dict[str, Any] = {
        "fingerprint": fingerprint,
        "size": size,
        "channels": channels,
        "framing": framing,
        "rules": collection.rules.as_dict(),
        "version": PREPROCESSING_VERSION,
    }
    if collection.spec.volumes is not None:
        recipe["volumes"] = collection.spec.volumes.as_dict()
    builder = _ArrayBuilder(collection, channels, framing, progress, log)
    folder = f"{collection.spec.name}-{hash_json(recipe)}"
    index, arrays = load_cached(
        folder, lambda path: builder.build(path, size), load_indexed_arrays, log
    )
    images = arrays["image"]
    for name, rule in (derived or {}).items():
        arrays[name] = builder.derive_array(folder, images, name, rule, size)
    splits = {
        split: DataSplit(
            index.ids[start:stop],
            {name: array[start:stop] for name, array in arrays.items()},
            collection.spec.structure_count,
        )
        for split, (start, stop) in index.splits.items()
    }
    return PreparedDataset(collection, fingerprint, size, splits)


@dataclass(frozen=True)
class _ArrayBuilder:
    """Computes arrays case by case, in several threads."""

    collection: Collection
    channels: int
    framing: Framing
    progress: ProgressCallback
    log: Callable[[str], None]

    def build(self, folder: Path, size: int) -> None:
        ids = [identity for _, identity in self._list_cases()]
        cases = self._track_progress("preparing images", self._iter_cases(size))
        write_arrays(folder, cases, len(ids))
        names = sorted(file.stem for file in folder.glob("*.npy"))
        index = {"ids": ids, "splits": self._compute_ranges(), "arrays": names}
        (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")

    def derive_array(
        self, source: str, images: Pixels, name: str, rule: DerivedArray, size: int
    ) -> npt.NDArray[Any]:
        """Load or compute one derived array, from the prepared images or at its own size."""
        recipe = {
            "code": inspect.getsource(sys.modules[rule.function.__module__]),
            "function": rule.function.__qualname__,
            "parameters": dict(rule.parameters),
            "size": rule.size,
        }

        def derive_one(image: Pixels) -> Arrays:
            return {name: _resize_derived(rule.function(image, **rule.parameters), size)}

        def build(folder: Path) -> None:
            with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
                cases = pool.map(derive_one, self._iter_images(images, rule.size or size))
                write_arrays(
                    folder, self._track_progress(f"deriving {name}", cases), len(self._list_cases())
                )

        return load_cached(
            f"{source}-{name}-{hash_json(recipe)}",
            build,
            lambda folder: read_array(folder / f"{name}.npy", len(self._list_cases())),
            self.log,
        )

    def _track_progress(self, activity: str, cases: Iterable[Arrays]) -> Iterator[Arrays]:
        total = len(self._list_cases())
        for position, case in enumerate(cases):
            yield case
            self.progress(activity, position + 1, total)

    def _iter_images(self, images: Pixels, size: int) -> Iterator[Pixels]:
        if images.shape[-1] == size:
            return (np.moveaxis(np.asarray(image), 0, -1) for image in images)
        return (np.moveaxis(case["image"], 0, -1) for case in self._iter_cases(size))

    def _list_cases(self) -> list[tuple[str, str]]:
        """Return split and id of every case in the order of the arrays, split by split."""
        if self.collection.source == "real":
            return [(case.split, case.id) for case in self.collection.cases]
        counts = sorted(self.collection.count_cases().items())
        return [(s, f"{s}-{number:04d}") for s, count in counts for number in range(count)]

    def _compute_ranges(self) -> dict[str, tuple[int, int]]:
        names = [split for split, _ in self._list_cases()]
        return {n: (names.index(n), len(names) - names[::-1].index(n)) for n in sorted(set(names))}

    def _iter_cases(self, size: int) -> Iterator[Arrays]:
        if self.collection.source == "phantom":
            return self._iter_phantom_cases(size)
        return self._iter_real_cases(size)

    def _iter_phantom_cases(self, size: int, chunk: int = 16) -> Iterator[Arrays]:
        phantom = self.collection.spec.phantom
        assert phantom is not None
        render = load_object(phantom.render)
        total = len(self._list_cases())
        chunks = [range(start, min(start + chunk, total)) for start in range(0, total, chunk)]
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            for cases in pool.map(lambda numbers: render(numbers, size, phantom.seed), chunks):
                for position in range(len(cases["image"])):
                    case = {name: array[position] for name, array in cases.items()}
                    case["image"] = self._convert_rendered(case["image"])
                    yield {name: np.asarray(value) for name, value in case.items()}

    def _convert_rendered(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self.collection.spec.volumes is not None:
            return image.astype(np.float16)
        return _move_channels_first(convert_channels(image, self.channels))

    def _iter_real_cases(self, size: int) -> Iterator[Arrays]:
        roles = {role for case in self.collection.cases for role in case.files}
        labelled = all(case.label is not None for case in self.collection.cases)
        spec = self.collection.spec

        def read(case: Case) -> Arrays:
            # Before, so that a changed file is named instead of failing in its decoder.
            check_stamps(case.files.values(), self.collection.stamps)
            arrays = decode(case)
            check_stamps(case.files.values(), self.collection.stamps)
            return arrays

        def decode(case: Case) -> Arrays:
            if spec.volumes is not None:
                from benchbed.data.preprocessing.volume_cases import build_volume_arrays

                return build_volume_arrays(case, spec, self.collection.rules, size)
            native = read_native_case(
                case,
                spec,
                self.collection.rules,
                channels=self.channels,
                framing=self.framing,
            )
            arrays = _crop_case(native, size)
            for role in roles - arrays.keys():
                arrays[role] = np.zeros((size, size), np.uint8)
            if labelled:
                arrays["label"] = np.asarray(case.label, dtype=np.int64)
            return arrays

        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            yield from pool.map(read, self.collection.cases)


def _crop_case(native: NativeCase, size: int) -> Arrays:
    arrays: Arrays = {
        "image": _move_channels_first(resize_image(crop_window(native.image, native.window), size))
    }
    for role, mask in native.masks.items():
        arrays[role] = resize_classes(crop_window(mask, native.window), size)
    return arrays


def _move_channels_first(image: Pixels) -> Pixels:
    return np.ascontiguousarray(np.moveaxis(image, -1, 0))


def _resize_derived(value: Pixels, size: int) -> Pixels:
    """Resize a derived image to ``(C, size, size)``: area mean to shrink, bicubic to enlarge."""
    picture = value if value.ndim == 3 else value[..., None]
    if picture.shape[0] <= size:
        return _move_channels_first(resize_image(picture, size))
    factor, remainder = divmod(picture.shape[0], size)
    if remainder:
        raise BenchbedError(
            f"A derived array of {picture.shape[0]} px cannot be averaged to {size} px. Its "
            "size must be a multiple of the target size."
        )
    blocks = picture.reshape(size, factor, size, factor, -1).mean((1, 3))
    return _move_channels_first(np.round(blocks).astype(np.uint8))
