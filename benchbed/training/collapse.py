"""Detect collapse: a discriminator that has won, and samples that are nearly equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchbed.api.method import Method
from benchbed.data.loader import to_codes, to_pixels
from benchbed.data.preprocessing.prepare import DataSplit
from benchbed.metrics.ms_ssim import SCALE_WEIGHTS, compute_ms_ssim
from benchbed.training.sampling import draw_samples
from benchbed.utils.collapse import CollapseSign
from benchbed.utils.progress import Budget, TrainingPosition

MIN_DISCRIMINATOR_LOSS = 0.1
"""Lowest median of -E[log D(x)] - E[log(1 - D(G(z)))]; 2 log 2 = 1.39 is chance.

A loss near 0 is a known sign of failure (Chintala et al. 2016, "How to train a GAN?", tip 10): the
generator's gradient then vanishes or is noise (Arjovsky and Bottou 2017, theorems 2.4 and 2.6).
The limit was chosen: 0.1 corresponds to a probability of 0.95 for the right answer.
"""

WINDOW_SHARE = 0.25
"""Share of the budget over which the median of the loss is taken."""

MIN_DISSIMILARITY = 0.1
"""Lowest mean of 1 - MS-SSIM over pairs of samples, relative to pairs of real images.

Odena et al. 2017 (section 4.2) measure the collapse of samples by the mean MS-SSIM of pairs, and
compare it with that of the training images. The limit was chosen.
"""

SAMPLE_COUNT, VOLUME_COUNT = 64, 8
"""Samples that are compared, in disjoint pairs."""

SAMPLE_SEED = 4321
"""Seed of the samples: the same noise every time."""

MIN_SIDE = 2 ** (len(SCALE_WEIGHTS) - 1)
"""Smallest side in pixels that MS-SSIM supports."""

Pixels = npt.NDArray[np.uint8]


def find_won_discriminators(
    rows: Sequence[Mapping[str, str]], budget: Budget, names: Sequence[str]
) -> list[CollapseSign]:
    """Return the losses whose median over a quarter of the budget is below the limit.

    The quarter ends at the last row with the loss, which in methods of several stages is the end of
    its stage. A loss with a shorter history is not judged.

    Args:
        rows: Rows of the training history, oldest first.
        budget: Training budget.
        names: Losses that are the cross-entropy of a discriminator, summed over real and generated.
    """
    signs = []
    for name in names:
        points = [(_compute_share(row, budget), float(row[name])) for row in rows if row.get(name)]
        if not points or points[-1][0] - points[0][0] < WINDOW_SHARE:
            continue
        start = points[-1][0] - WINDOW_SHARE
        value = median(loss for share, loss in points if share >= start)
        if value < MIN_DISCRIMINATOR_LOSS:
            signs.append(CollapseSign("discriminator", name, value, MIN_DISCRIMINATOR_LOSS))
    return signs


def _compute_share(row: Mapping[str, str], budget: Budget) -> float:
    position = TrainingPosition(round(float(row["kimg"]) * 1000), float(row["seconds"]))
    return budget.compute_share(position)


def find_equal_samples(method: Method[Any], split: DataSplit) -> list[CollapseSign]:
    """Return which parts of the samples, image or mask, are nearly equal.

    Of volumes, the central axial slices are compared.

    Args:
        method: A built method with the capability ``sample``.
        split: Real cases to compare with.

    Raises:
        NonFiniteError: A sample has NaN or infinity.
    """
    limit = SAMPLE_COUNT if method.data.dimensions == 2 else VOLUME_COUNT
    count = min(limit, len(split)) // 2 * 2
    if count < 2 or min(method.data.spatial[-2:]) < MIN_SIDE:
        return []
    samples = draw_samples(method, count, SAMPLE_SEED)
    parts = {"image": (_to_slices(split.images[:count]), _to_slices(samples.image))}
    if samples.mask is not None and "mask" in split.arrays:
        codes = np.array(split.arrays["mask"][:count])
        parts["mask"] = (_draw_foreground(codes), _draw_foreground(to_codes(samples.mask)))
    signs = []
    for name, (real, made) in parts.items():
        expected = compute_dissimilarity(real)
        # Equal real images, such as copies, set no standard.
        if expected > 0 and (value := compute_dissimilarity(made) / expected) < MIN_DISSIMILARITY:
            signs.append(CollapseSign("samples", name, value, MIN_DISSIMILARITY))
    return signs


def compute_dissimilarity(images: Pixels) -> float:
    """Return the mean of 1 - MS-SSIM over disjoint pairs of images.

    Args:
        images: ``(N, C, H, W)`` with an even N. The first half is paired with the second, since
            neighbours in a dataset are often of one patient.
    """
    first, second = np.split(images, 2)
    return float(1.0 - compute_ms_ssim(first, second).mean())


def _to_slices(images: npt.NDArray[Any] | torch.Tensor) -> Pixels:
    """Return images, or the central slices of volumes ``(N, C, D, H, W)``, as pixels."""
    flat = images[:, :, images.shape[2] // 2] if images.ndim == 5 else images
    return np.array(flat) if flat.dtype == np.uint8 else to_pixels(torch.as_tensor(flat))


def _draw_foreground(codes: Pixels) -> Pixels:
    """Return labels ``(N, ...)`` as white foreground ``(N, 1, H, W)``; of volumes, a slice."""
    return _to_slices((codes > 0).astype(np.uint8)[:, None] * np.uint8(255))
