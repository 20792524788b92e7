"""Training sets that hold synthetic pairs: drawn from a generator that was trained first."""

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
"""Added to the run's seed for the pairs that are trained on, which no scored sample shares."""

Counted = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Mixture:
    """A training set of real and synthetic pairs.

    Attributes:
        regime: A key of `REGIMES`.
        real: The real pairs.
        synthetic: The synthetic pairs, or None under the regime ``"real"``.
    """

    regime: str
    real: Split
    synthetic: Split | None

    def feed(self, seed: int, device: torch.device, protocol: Protocol) -> Feed | StagedFeed:
        """The stream of training cases.

        Args:
            seed: Seed of the order.
            device: Where batches are wanted.
            protocol: Says what is done to a case, and the budget that a regime divides.
        """
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
    """Draw pairs from a trained generator.

    They get the field of view that most real cases share; what lies outside belongs to no mask.

    Args:
        method: A trained method with the ability ``pairs``.
        count: Number of pairs.
        seed: The run's seed.
        real: The real pairs of the same size.
        counted: Told how far it is.

    Raises:
        BenchbedError: The method made no masks.
    """
    made = draw(
        method,
        count,
        PAIR_SEED + seed,
        lambda done: counted("making pairs", done, count),
        pairs=True,
    )
    if made.mask is None:
        raise BenchbedError(
            f"{type(method).__name__} returns images without masks, although it declares the "
            "capability pairs."
        )
    arrays: dict[str, npt.NDArray[Any]] = {
        "image": stored(made.image, real.image.dtype),
        # Structures that the generator's data were lent come before the data set's own.
        "mask": to_codes(made.mask[:, made.mask.shape[1] - real.structures :]),
    }
    if "fov" in real.arrays:
        arrays["fov"] = common_fov(real.arrays["fov"], count)
        arrays["mask"] *= arrays["fov"]
    ids = tuple(f"synthetic-{number:05d}" for number in range(count))
    return Split(ids, arrays, real.structures)


def share_of(real: Split, share: float, seed: int) -> Split:
    """Some of the real cases; of one seed, a smaller share is part of every larger one.

    Args:
        real: All of them.
        share: In (0, 1]; at least one case is kept.
        seed: The run's seed.
    """
    if share == 1.0:
        return real
    order = np.random.default_rng(PAIR_SEED + seed).permutation(len(real))
    kept = np.sort(order[: max(1, round(share * len(real)))])
    arrays = {name: np.asarray(array[kept]) for name, array in real.arrays.items()}
    return replace(real, ids=tuple(real.ids[place] for place in kept), arrays=arrays)


def joined(first: Split, second: Split) -> Split:
    """Two splits as one, with the arrays that both have."""
    names = first.arrays.keys() & second.arrays.keys()
    arrays = {
        name: np.concatenate([first.arrays[name], second.arrays[name]]) for name in sorted(names)
    }
    return Split((*first.ids, *second.ids), arrays, first.structures)
