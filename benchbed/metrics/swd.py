"""The sliced Wasserstein distance between patches of two image sets, level by level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchbed.api.metric import MetricInputs

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

COARSEST_SIZE = 16
PATCH_SIZE = 7
CHANNELS = 3

_CHUNK_VALUES = 2**20
"""Values of images in float32 at once, so that memory does not grow with the set."""

_CHUNK_PATCHES = 4096
"""Patches scaled at once: few enough to stay in the cache."""

_CHUNK_DIRECTIONS = 128
"""Directions projected at once."""

_MIN_SPREAD = 1e-4
"""Minimum standard deviation in grey levels: less is float32 rounding, not content."""


@dataclass(frozen=True)
class SlicedWasserstein:
    """Distances per level of the pyramid, not multiplied by 1000.

    Attributes:
        levels: Resolution in pixels, finest first, to distance (>= 0, no unit).
        mean: Mean over levels.
    """

    levels: dict[int, float]
    mean: float


def compute_sliced_wasserstein(
    real: Pixels,
    fake: Pixels,
    *,
    seed: int = 0,
    patches: int = 128,
    repeats: int = 4,
    directions: int = 128,
) -> SlicedWasserstein:
    """Compare the patch statistics of two sets at each scale.

    Karras et al. 2018 (arXiv:1710.10196), section 5: a Laplacian pyramid of each image (Burt and
    Adelson 1983) down to 16 pixels; random 7 x 7 x 3 patches of each level; each channel of the
    patches scaled to mean 0 and standard deviation 1 over its own set; then the sliced Wasserstein
    distance (Rabin et al. 2011). Patches of the two sets are drawn independently, so a set has a
    distance > 0 to itself. The value falls with the number of images: compare only equal numbers,
    next to the real-vs-real baseline.

    At each level, patches take 75 KB of an RGB image, and the coarser levels as many bytes as the
    image. Images are read a few at a time, so a memory map stays on disk.

    Args:
        real: uint8 ``(N, C, S, S)``, C of 1 or 3, S a power of two >= 16.
        fake: uint8, same shape.
        seed: Seed of patches and directions, >= 0.
        patches: Patches per image and level.
        repeats: How many times directions are drawn; distances are averaged.
        directions: Directions per repeat.

    Returns:
        The distances. A grey image counts as three equal channels.

    Raises:
        ValueError: The sets differ in shape or are empty, or the size is unsupported.
    """
    _check_sets(real, fake)
    count, channels, size, _ = real.shape
    sides = (
        iter_descriptors(images, _sample_level_positions(seed, side, size, (count, patches)))
        for side, images in enumerate((real, fake))
    )
    distances = {}
    for (resolution, first), (_, second) in zip(*sides, strict=True):
        generator = np.random.default_rng((seed, resolution, 2))  # 0 and 1 seed the sets
        drawn = [sample_directions(generator, directions, channels) for _ in range(repeats)]
        distances[resolution] = compute_sliced_distance(
            first, second, np.concatenate(drawn, axis=1)
        )
    return SlicedWasserstein(distances, float(np.mean(list(distances.values()))))


def list_resolutions(size: int) -> list[int]:
    """List the sizes of the pyramid's levels, finest first, such as ``[64, 32, 16]``.

    Raises:
        ValueError: The size is no power of two, or below 16.
    """
    if size < COARSEST_SIZE or size & (size - 1):
        raise ValueError(
            f"SWD does not support {size} px images: the size must be a power of two of at "
            f"least {COARSEST_SIZE} (pyramid down to {COARSEST_SIZE})."
        )
    return [size >> step for step in range((size // COARSEST_SIZE).bit_length())]


def sample_patch_positions(seed: tuple[int, ...], shape: tuple[int, int], size: int) -> Indices:
    """Sample corners (row, column) of patches in `size` pixels, uniform, ``(N, P, 2)``."""
    return np.random.default_rng(seed).integers(0, size - PATCH_SIZE + 1, (*shape, 2))


def _sample_level_positions(
    seed: int, side: int, size: int, shape: tuple[int, int]
) -> dict[int, Indices]:
    return {
        resolution: sample_patch_positions((seed, resolution, side), shape, resolution)
        for resolution in list_resolutions(size)
    }


def sample_directions(generator: np.random.Generator, count: int, channels: int) -> Floats:
    """Sample directions uniform on the sphere of R^147 for descriptors of 1 or 3 channels.

    Args:
        generator: Source of randomness; the draw does not depend on `channels`.
        count: Number of directions.
        channels: Channels of the descriptors.

    Returns:
        Columns ``(channels * 49, count)``. For one channel the three blocks are summed: a grey
        descriptor counts as three equal blocks, and this gives the same projection.
    """
    columns = generator.standard_normal((CHANNELS * PATCH_SIZE * PATCH_SIZE, count))
    columns /= np.linalg.norm(columns, axis=0)
    if channels == 1:
        columns = columns.reshape(CHANNELS, -1, count).sum(axis=0)
    return columns.astype(np.float32)


def iter_descriptors(
    images: Pixels, positions: Mapping[int, Indices]
) -> Iterator[tuple[int, Floats]]:
    """Iterate over normalised patches of each level of a set's Laplacian pyramid, finest first.

    Args:
        images: uint8 ``(N, C, S, S)``.
        positions: For each level of `images`, the upper left corners ``(N, P, 2)`` of patches.

    Yields:
        The resolution and its patches ``(N P, C 49)`` from `normalize_patches`; the memory is
        reused.
    """
    level: npt.NDArray[Any] = images
    count, channels, size, _ = images.shape
    patches = np.empty(
        (count, positions[size].shape[1], channels, PATCH_SIZE * PATCH_SIZE), np.float32
    )
    for resolution in list_resolutions(size):
        coarser = np.empty((count, channels, resolution // 2, resolution // 2), np.float32)
        step = max(1, _CHUNK_VALUES // (channels * resolution**2))
        for start in range(0, count, step):
            piece = slice(start, start + step)
            pixels = torch.from_numpy(level[piece].astype(np.float32))
            if resolution > COARSEST_SIZE:
                pixels, smaller = compute_laplacian_level(pixels)
                coarser[piece] = smaller.numpy()
            patches[piece] = extract_patches(pixels.numpy(), positions[resolution][piece])
        yield resolution, normalize_patches(patches)
        level = coarser


def normalize_patches(patches: Floats) -> Floats:
    """Normalise patches ``(N, P, C, 49)`` to descriptors ``(N P, C 49)``, in place.

    Each channel gets mean 0 and standard deviation 1 over the set; 0 if it is constant.
    """
    channels = patches.shape[2]
    rows = torch.from_numpy(patches.reshape(-1, channels * PATCH_SIZE * PATCH_SIZE))
    means = _reduce_to_channels(rows.sum(0), channels) / len(rows)
    squares = torch.zeros(rows.shape[1], dtype=torch.float64)
    for chunk in rows.split(_CHUNK_PATCHES):
        chunk.sub_(means.float())
        squares += chunk.square().sum(0)
    spreads = (_reduce_to_channels(squares, channels) / len(rows)).sqrt()
    rows /= torch.where(spreads > _MIN_SPREAD, spreads, 1).float()
    result: Floats = rows.numpy()
    return result


def _reduce_to_channels(columns: Tensor, channels: int) -> Tensor:
    means = columns.double().view(channels, -1).mean(1)
    return means.repeat_interleave(PATCH_SIZE * PATCH_SIZE)


def extract_patches(level: Floats, positions: Indices) -> Floats:
    """Extract patches of images ``(N, C, S, S)`` at corners ``(N, P, 2)``: ``(N, P, C, 49)``."""
    windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH_SIZE, PATCH_SIZE), axis=(2, 3))
    image = np.arange(len(level))[:, None]
    patches: Floats = windows[image, :, positions[..., 0], positions[..., 1]]
    return patches.reshape(*patches.shape[:3], -1)


def compute_sliced_distance(
    first: npt.NDArray[Any], second: npt.NDArray[Any], directions: Floats
) -> float:
    """Average the Wasserstein-1 distance of two equally large point sets over projections.

    Args:
        first: Points ``(K, d)``.
        second: Points ``(K, d)``.
        directions: Unit columns ``(d, M)``.

    Returns:
        The distance, >= 0, in units of the points.
    """
    shape, kind = (min(_CHUNK_DIRECTIONS, directions.shape[1]), len(first)), first.dtype
    projected = np.empty(shape, kind), np.empty(shape, kind)
    distances: list[float] = []
    # numpy releases the GIL while it sorts.
    with ThreadPoolExecutor(max_workers=2) as pool:
        for start in range(0, directions.shape[1], _CHUNK_DIRECTIONS):
            # Directions are rows, so that each sort runs on contiguous memory.
            rows = directions.T[start : start + _CHUNK_DIRECTIONS]
            one, other = (side[: len(rows)] for side in projected)
            np.matmul(rows, first.T, out=one)
            np.matmul(rows, second.T, out=other)
            distances += pool.map(_compute_wasserstein, one, other)
    return float(np.mean(distances))


def _compute_wasserstein(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """Average the distance of two equally long sequences, sorted; overwrites both."""
    one.sort()
    other.sort()
    one -= other
    return float(np.abs(one, out=one).mean(dtype=np.float64))


def compute_laplacian_level(images: Tensor) -> tuple[Tensor, Tensor]:
    """Split off a level of the Laplacian pyramid (Burt and Adelson 1983).

    Args:
        images: float ``(N, C, H, W)``, sides even and at least 4.

    Returns:
        The detail that the next coarser level loses, of the same shape, and that level,
        ``(N, C, H / 2, W / 2)``. The coarsest level of a pyramid is the smoothed image itself.
    """
    smaller = reduce_image(images)
    return images - expand_image(smaller), smaller


def reduce_image(images: Tensor) -> Tensor:
    """Smooth with [1 4 6 4 1] / 16 along both axes, border mirrored; keep every second pixel.

    Args:
        images: float ``(N, C, H, W)``, sides even and at least 4.

    Returns:
        ``(N, C, H / 2, W / 2)``.
    """
    for axis in (2, 3):
        even, odd = torch.unflatten(images, axis, (-1, 2)).unbind(axis + 1)
        # Mirrored border: the pixel left of the first is the second, the first of the odd ones.
        odd_before = torch.cat(
            [odd.narrow(axis, 0, 1), odd.narrow(axis, 0, odd.shape[axis] - 1)], axis
        )
        outer = _get_left_neighbours(even, axis) + _get_right_neighbours(even, axis)
        images = outer.add_(odd + odd_before, alpha=4).add_(even, alpha=6).div_(16)
    return images


def expand_image(images: Tensor) -> Tensor:
    """Double the size: zeros between the pixels, then the filter of `reduce_image`, times 4.

    Half of the taps meet zeros, so old pixels become [1 6 1] / 8 and new ones [1 1] / 2 of their
    neighbours.

    Args:
        images: float ``(N, C, H, W)``, sides at least 2.

    Returns:
        ``(N, C, 2 H, 2 W)``.
    """
    for axis in (2, 3):
        after = _get_right_neighbours(images, axis)
        old = (_get_left_neighbours(images, axis) + after).add_(images, alpha=6).div_(8)
        new = (images + after).div_(2)
        images = torch.stack([old, new], axis + 1).flatten(axis, axis + 1)
    return images


def _get_left_neighbours(even: Tensor, axis: int) -> Tensor:
    # The row is mirrored at its first pixel, the even pixel 0: left of it is even pixel 1.
    return torch.cat([even.narrow(axis, 1, 1), even.narrow(axis, 0, even.shape[axis] - 1)], axis)


def _get_right_neighbours(even: Tensor, axis: int) -> Tensor:
    # The row is mirrored at its last pixel, an odd one: right of it is the last even pixel again.
    last = even.shape[axis] - 1
    return torch.cat([even.narrow(axis, 1, last), even.narrow(axis, last, 1)], axis)


def _check_sets(real: Pixels, fake: Pixels) -> None:
    if real.shape != fake.shape:
        raise ValueError(
            f"The real set has shape {real.shape}, the fake set {fake.shape}. SWD needs equally "
            "many images of one size."
        )
    if real.ndim != 4 or real.size == 0 or real.shape[1] not in (1, 3):
        raise ValueError(
            f"Images of shape {real.shape} are not supported. Expected (N, C, S, S) with C = 1 "
            "or 3."
        )
    if real.shape[2] != real.shape[3]:
        raise ValueError(f"Images of {real.shape[2]} x {real.shape[3]} pixels are not square.")


def swd(inputs: MetricInputs) -> float:
    """Compute SWD between equally many seeded images of each set."""
    count = min(len(inputs.real), len(inputs.fake))
    real, fake = (_sample_images(s.images, count, inputs.seed) for s in (inputs.real, inputs.fake))
    return compute_sliced_wasserstein(real, fake, seed=inputs.seed).mean


def _sample_images(images: Pixels, count: int, seed: int) -> Pixels:
    if len(images) == count:
        return images
    chosen = np.random.default_rng(seed).choice(len(images), count, replace=False)
    return images[np.sort(chosen)]
