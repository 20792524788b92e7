"""The sliced Wasserstein distance in plain numpy and scipy, in the order of its paper."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float32]

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


def descriptors(level: Floats, count: int) -> Floats:
    """Random patches ``(N count, C, 7, 7)`` of images ``(N, C, S, S)``."""
    number, channels, size, _ = level.shape
    image, plane, row, column = np.ogrid[: number * count, :channels, :SIDE, :SIDE]
    image = image // count
    row = row + np.random.randint(0, size - SIDE + 1, (number * count, 1, 1, 1))
    column = column + np.random.randint(0, size - SIDE + 1, (number * count, 1, 1, 1))
    found: Floats = level[image, plane, row, column]
    return found


def finalize(parts: list[Floats]) -> Floats:
    """All patches of a level as rows, each channel with mean 0 and deviation 1."""
    patches = np.concatenate(parts)
    patches -= np.mean(patches, axis=(0, 2, 3), keepdims=True)
    patches /= np.std(patches, axis=(0, 2, 3), keepdims=True)
    return patches.reshape(len(patches), -1)


def distance(first: Floats, second: Floats, repeats: int = 4, directions: int = 128) -> float:
    """Mean distance of the projections on random directions."""
    found = []
    for _ in range(repeats):
        drawn = np.random.randn(first.shape[1], directions)
        drawn /= np.sqrt(np.sum(np.square(drawn), axis=0, keepdims=True))
        drawn = drawn.astype(np.float32)
        one = np.sort(np.matmul(first, drawn), axis=0)
        other = np.sort(np.matmul(second, drawn), axis=0)
        found.append(np.mean(np.abs(one - other)))
    return float(np.mean(found))


def sliced_wasserstein(
    real: npt.NDArray[np.uint8], fake: npt.NDArray[np.uint8], patches: int = 128
) -> float:
    """The mean over the levels, minibatch by minibatch."""
    sides = []
    for images in (real, fake):
        parts: list[list[Floats]] = []
        for start in range(0, len(images), 16):
            for number, level in enumerate(pyramid(images[start : start + 16].astype(np.float32))):
                if start == 0:
                    parts.append([])
                parts[number].append(descriptors(level, patches))
        sides.append([finalize(part) for part in parts])
    return float(np.mean([distance(*levels) for levels in zip(*sides, strict=True)]))
