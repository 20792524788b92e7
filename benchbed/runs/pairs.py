"""Training sets with synthetic pairs from an upstream generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchbed.api.method import Method
from benchbed.data.feed import CaseLoader, StagedLoader, to_stored, to_codes
from benchbed.data.fov import compute_common_fov
from benchbed.data.prepare import DataSplit
from benchbed.errors import BenchbedError
from benchbed.protocol import Protocol
from benchbed.training.sampling import draw_samples

PAIR_SEED_OFFSET = 200_000
"""Added to the run's seed for training pairs, so that they share no seed with scored samples."""

ProgressCallback = Callable[[str, int, int], None]


@dataclass(frozen=True)
class TrainingMixture:
    """A training set of real and synthetic pairs."""

    regime: str
    real: DataSplit
    synthetic: DataSplit | None

    def build_loader(self, seed: int, device: torch.device, protocol: Protocol) -> CaseLoader | StagedLoader:
        """Return the loader of training cases."""
        if self.regime == "real" or self.synthetic is None:
            return CaseLoader(self.real, seed, device, protocol.augment)
        if self.regime == "synthetic":
            return CaseLoader(self.synthetic, seed, device, protocol.augment)
        if self.regime == "mixed":
            return CaseLoader(join_splits(self.real, self.synthetic), seed, device, protocol.augment)
        assert protocol.kimg is not None
        first, then = (CaseLoader(s, seed, device, protocol.augment) for s in (self.synthetic, self.real))
        return StagedLoader(first, then, round(protocol.kimg * 1000 / 2))


def sample_synthetic_pairs(
    method: Method[Any], count: int, seed: int, real: DataSplit, counted: ProgressCallback
) -> DataSplit:
    """Return pairs sampled from a trained generator.

    They get the field of view that most real cases share; the mask is empty outside it.

    Raises:
        BenchbedError: The method returned no masks.
    """
    samples = draw_samples(
        method,
        count,
        PAIR_SEED_OFFSET + seed,
        lambda done: counted("generating pairs", done, count),
        pairs=True,
    )
    if samples.mask is None:
        raise BenchbedError(
            f"{type(method).__name__} returns images without masks, although it declares the "
            "capability pairs."
        )
    arrays: dict[str, npt.NDArray[Any]] = {
        "image": to_stored(samples.image, real.images.dtype),
        # Pseudo-labelled structures of the generator's data are numbered before the dataset's own.
        "mask": to_codes(samples.mask[:, samples.mask.shape[1] - real.structure_count :]),
    }
    if "fov" in real.arrays:
        arrays["fov"] = compute_common_fov(real.arrays["fov"], count)
        arrays["mask"] *= arrays["fov"]
    ids = tuple(f"synthetic-{number:05d}" for number in range(count))
    return DataSplit(ids, arrays, real.structure_count)


def select_share(real: DataSplit, share: float, seed: int) -> DataSplit:
    """Return a random share in (0, 1] of the cases; larger shares contain smaller ones."""
    if share == 1.0:
        return real
    order = np.random.default_rng(PAIR_SEED_OFFSET + seed).permutation(len(real))
    selected = np.sort(order[: max(1, round(share * len(real)))])
    arrays = {name: np.asarray(array[selected]) for name, array in real.arrays.items()}
    return replace(real, ids=tuple(real.ids[index] for index in selected), arrays=arrays)


def join_splits(first: DataSplit, second: DataSplit) -> DataSplit:
    """Return two splits as one, with the arrays that both have."""
    names = first.arrays.keys() & second.arrays.keys()
    arrays = {
        name: np.concatenate([first.arrays[name], second.arrays[name]]) for name in sorted(names)
    }
    return DataSplit((*first.ids, *second.ids), arrays, first.structure_count)
