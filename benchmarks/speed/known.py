"""Fréchet distances whose value is known, so that it shows who is nearer to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from benchbed.metrics.fid import compute_frechet_distance

from .goals import KNOWN_ANSWER
from .metrics import by_pytorch_fid, by_torch_fidelity

Samples = npt.NDArray[np.float64]

ROUNDING = 1e-10
"""A relative error below which one answer is as good as another: the sums cancel in float64."""

OURS = "ours"


@dataclass
class KnownAnswer:
    """What came of a case with a known answer.

    Attributes:
        name: Short name.
        what: The case.
        answer: The value.
        found: Who computed which value.
    """

    name: str
    what: str
    answer: float
    found: dict[str, float] = field(default_factory=dict)

    def error(self, who: str) -> float:
        """The relative error of one of them."""
        return abs(self.found[who] - self.answer) / self.answer

    @property
    def verdict(self) -> str:
        """``"met"`` where ours is right, and no other is nearer to it by more than rounding."""
        best = min(self.error(who) for who in self.found)
        right = self.error(OURS) <= min(KNOWN_ANSWER, max(best, ROUNDING))
        return "met" if right else "short"


@dataclass(frozen=True)
class KnownCase:
    """A case with a known answer.

    Attributes:
        name: Short name.
        count: Samples of each set.
        dims: Dimensions.
    """

    name: str
    count: int
    dims: int

    def measure(self) -> KnownAnswer:
        """Ask everybody."""
        rng = np.random.default_rng(0)
        spreads = [rng.uniform(0.2, 1.0, self.dims) for _ in range(2)]
        means = [rng.uniform(0.0, 0.1, self.dims) for _ in range(2)]
        real, fake = (
            samples(self.count, mean, spread, seed)
            for seed, (mean, spread) in enumerate(zip(means, spreads, strict=True))
        )
        # Diagonal matrices commute: the trace is a sum over the axes that the samples reach.
        reached = min(self.count - 1, self.dims)
        offset = np.square(means[0] - means[1]).sum()
        answer = offset + np.square(spreads[0] - spreads[1])[:reached].sum()
        made = KnownAnswer(
            self.name,
            f"FID distance of 2 x {self.count} samples of {self.dims} dimensions, covariances "
            "diagonal",
            float(answer),
        )
        for who, distance in WHO.items():
            made.found[who] = distance(real, fake)
        return made


WHO: dict[str, Callable[[Samples, Samples], float]] = {
    OURS: compute_frechet_distance,
    "torch-fidelity": by_torch_fidelity,
    "pytorch-fid": by_pytorch_fid,
}


def cases(quick: bool) -> list[KnownCase]:
    """Fewer samples than dimensions, as it is with small sets, and more.

    Args:
        quick: Whether few dimensions will do.
    """
    return [
        KnownCase("fid-known-few", 100, 256 if quick else 2048),
        KnownCase("fid-known-many", 1000, 256),
    ]


def samples(count: int, mean: Samples, spread: Samples, seed: int) -> Samples:
    """A set whose mean and whose covariance (ddof 1) are exactly what is wanted.

    Args:
        count: Number of samples.
        mean: Their mean ``(d,)``.
        spread: Their standard deviation along each axis ``(d,)``; no two axes vary together. Axes
            from ``count - 1`` on do not vary.
        seed: Of the samples.

    Returns:
        ``(count, d)``.
    """
    reached = min(count - 1, len(mean))
    drawn = np.random.default_rng((seed, count)).standard_normal((count, reached))
    # Columns of length 1 that are orthogonal to one another and to a constant.
    columns = np.linalg.qr(drawn - drawn.mean(0))[0]
    found = np.zeros((count, len(mean)))
    found[:, :reached] = columns * np.sqrt(count - 1) * spread[:reached]
    return found + mean
