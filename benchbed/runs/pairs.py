"""Training sets with synthetic pairs from an upstream generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchbed.api.method import Method
from benchbed.data.feed import Feed, StagedFeed, stored, to_codes
from benchbed.data.fov import common_fov
from benchbed.data.prepare import Split
from benchbed.errors import BenchbedError
from benchbed.protocol import Protocol
from benchbed.training.sampling import draw

PAIR_SEED = 200_000
"""Added to the run's seed for training pairs, so that they share no seed with scored samples."""

Counted = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Mixture:
    """A training set of real and synthetic pairs."""

    regime: str
    real: Split
    synthetic: Split | None

    def feed(self, seed: int, device: torch.device, protocol: Protocol) -> Feed | StagedFeed:
        """Return the loader of training cases."""
        if self.regime == "real" or self.synthetic is None:
            return Feed(self.real, seed, device, protocol.augment)
        if self.regime == "synthetic":
            return Feed(self.synthetic, seed, device, protocol.augment)
        if self.regime == "mixed":
            return Feed(joined(self.real, self.synthetic), seed, device, protocol.augment)
        assert protocol.kimg is not None
        first, then = (Feed(s, seed, device, protocol.augment) for s in (self.synthetic, self.real))
        return StagedFeed(first, then, round(protocol.kimg * 1000 / 2))


def synthetic_pairs(
    method: Method[Any], count: int, seed: int, real: Split, counted: Counted
) -> Split:
    """Return pairs sampled from a trained generator.

    They get the field of view that most real cases share; the mask is empty outside it.

    Raises:
        BenchbedError: The method returned no masks.
    """
    samples = draw(
        method,
        count,
        PAIR_SEED + seed,
        lambda done: counted("generating pairs", done, count),
        pairs=True,
    )
    if samples.mask is None:
        raise BenchbedError(
            f"{type(method).__name__} returns images without masks, although it declares the "
            "capability pairs."
        )
    arrays: dict[str, npt.NDArray[Any]] = {
        "image": stored(samples.image, real.image.dtype),
        # Pseudo-labelled structures of the generator's data are numbered before the dataset's own.
        "mask": to_codes(samples.mask[:, samples.mask.shape[1] - real.structures :]),
    }
    if "fov" in real.arrays:
        arrays["fov"] = common_fov(real.arrays["fov"], count)
        arrays["mask"] *= arrays["fov"]
    ids = tuple(f"synthetic-{number:05d}" for number in range(count))
    return Split(ids, arrays, real.structures)


def share_of(real: Split, share: float, seed: int) -> Split:
    """Return a random share in (0, 1] of the cases; larger shares contain smaller ones."""
    if share == 1.0:
        return real
    order = np.random.default_rng(PAIR_SEED + seed).permutation(len(real))
    selected = np.sort(order[: max(1, round(share * len(real)))])
    arrays = {name: np.asarray(array[selected]) for name, array in real.arrays.items()}
    return replace(real, ids=tuple(real.ids[index] for index in selected), arrays=arrays)


def joined(first: Split, second: Split) -> Split:
    """Return two splits as one, with the arrays that both have."""
    names = first.arrays.keys() & second.arrays.keys()
    arrays = {
        name: np.concatenate([first.arrays[name], second.arrays[name]]) for name in sorted(names)
    }
    return Split((*first.ids, *second.ids), arrays, first.structures)
