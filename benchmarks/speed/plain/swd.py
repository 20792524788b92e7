"""The sliced Wasserstein distance in plain numpy and scipy, in the order of its paper."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float32]
Corners = npt.NDArray[np.int64]

FILTER = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]).astype(np.float32) / 256
SIDE = 7


def pyramid(images: Floats) -> list[Floats]:
    """Laplacian pyramid of ``(N, C, S, S)`` down to 16 px."""
    levels = [images]
    while levels[-1].shape[-1] > 16:
        finer = levels[-1]
        smaller = ndimage.convolve(finer, FILTER[None, None], mode="mirror")[:, :, ::2, ::2]
        spread = np.zeros_like(finer)
        spread[:, :, ::2, ::2] = smaller
        levels[-1] = finer - ndimage.convolve(spread, 4 * FILTER[None, None], mode="mirror")
        levels.append(smaller)
    return levels


def descriptors(level: Floats, corners: Corners) -> Floats:
    """Patches ``(N count, C, 7, 7)`` of images ``(N, C, S, S)``, count of each."""
    number, channels, _, _ = level.shape
    image, plane, row, column = np.ogrid[: len(corners), :channels, :SIDE, :SIDE]
    image = image // (len(corners) // number)
    row = row + corners[:, 0].reshape(-1, 1, 1, 1)
    column = column + corners[:, 1].reshape(-1, 1, 1, 1)
    found: Floats = level[image, plane, row, column]
    return found


def finalize(parts: list[Floats]) -> Floats:
    """All patches of a level as rows, each channel with mean 0 and deviation 1."""
    patches = np.concatenate(parts)
    patches -= np.mean(patches, axis=(0, 2, 3), keepdims=True)
    patches /= np.std(patches, axis=(0, 2, 3), keepdims=True)
    return patches.reshape(len(patches), -1)


class Draws:
    """Random numbers, as the original takes them."""

    def corners(self, side: int, resolution: int, count: int) -> Corners:
        """Upper left corners ``(count, 2)`` of patches of a set's level; side is 0 or 1."""
        del side
        return np.random.randint(0, resolution - SIDE + 1, (count, 2))

    def directions(self, resolution: int, dims: int, count: int) -> Floats:
        """Columns ``(dims, count)`` of length 1."""
        del resolution
        drawn = np.random.randn(dims, count)
        drawn /= np.sqrt(np.sum(np.square(drawn), axis=0, keepdims=True))
        return drawn.astype(np.float32)


def distance(
    first: Floats,
    second: Floats,
    draws: Draws,
    resolution: int,
    *,
    repeats: int = 4,
    directions: int = 128,
) -> float:
    """Mean distance of the projections on random directions."""
    found = []
    for _ in range(repeats):
        drawn = draws.directions(resolution, first.shape[1], directions)
        one = np.sort(np.matmul(first, drawn), axis=0)
        other = np.sort(np.matmul(second, drawn), axis=0)
        found.append(np.mean(np.abs(one - other)))
    return float(np.mean(found))


def sliced_wasserstein(
    real: npt.NDArray[np.uint8],
    fake: npt.NDArray[np.uint8],
    patches: int = 128,
    draws: Draws | None = None,
) -> float:
    """The mean over the levels, minibatch by minibatch."""
    draws = draws or Draws()
    sides = []
    for side, images in enumerate((real, fake)):
        parts: dict[int, list[Floats]] = {}
        for start in range(0, len(images), 16):
            for level in pyramid(images[start : start + 16].astype(np.float32)):
                resolution = level.shape[-1]
                corners = draws.corners(side, resolution, len(level) * patches)
                parts.setdefault(resolution, []).append(descriptors(level, corners))
        sides.append({resolution: finalize(part) for resolution, part in parts.items()})
    real_levels, fake_levels = sides
    return float(np.mean([distance(real_levels[r], fake_levels[r], draws, r) for r in real_levels]))
