"""Kullback-Leibler divergence between the intensity histograms of two image sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.api.metric import MetricInputs
from benchbed.api.types import LUMA_WEIGHTS
from benchbed.metrics.features.extractor import check_images

Pixels = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]

BINS = 256


def compute_histogram_kl(
    real: Pixels,
    fake: Pixels,
    real_fov: npt.NDArray[Any] | None = None,
    fake_fov: npt.NDArray[Any] | None = None,
) -> float:
    """Compute KL(real || fake) between the luma histograms of two sets.

    One histogram of 256 bins per set; one count is added to each bin, so that the value is finite
    without an arbitrary constant (Laplace's rule of succession).

    Args:
        real: uint8 ``(N, C, H, W)``, C of 1 or 3.
        fake: uint8 ``(M, C, H, W)``; the numbers of images may differ.
        real_fov: Field of view ``(N, H, W)``, bool or {0, 1}; None for all pixels.
        fake_fov: The same for `fake`, ``(M, H, W)``.

    Returns:
        The divergence in nats, at least 0.

    Raises:
        ValueError: As in `compute_histogram`.
    """
    return compute_kl_divergence(
        compute_histogram(real, real_fov) + 1, compute_histogram(fake, fake_fov) + 1
    )


def compute_histogram(images: Pixels, fov: npt.NDArray[Any] | None = None) -> Counts:
    """Count the luma values of a set.

    Args:
        images: uint8 ``(N, C, H, W)``, C of 1 (taken as luma) or 3 (RGB).
        fov: Field of view ``(N, H, W)``, bool or {0, 1}, or None for all pixels.

    Returns:
        Counts ``(256,)``, int64.

    Raises:
        ValueError: The images have another dtype or shape, the field of view does not match them or
            has other values, or no pixels are left.
    """
    check_images(images)
    pixels_shape = (len(images), *images.shape[2:])
    if fov is not None and fov.shape != pixels_shape:
        raise ValueError(f"The field of view has shape {fov.shape}, expected {pixels_shape}.")
    counts = np.zeros(BINS, np.int64)
    # One image at a time: a set may be a memory map larger than memory.
    for index, image in enumerate(images):
        luma = _compute_luma(image)
        values = luma.ravel() if fov is None else luma[_to_bool_mask(fov[index])]
        counts += np.bincount(values, minlength=BINS)
    if not counts.any():
        raise ValueError("No pixels to count: the set or its field of view is empty.")
    return counts


def compute_kl_divergence(p: npt.NDArray[Any], q: npt.NDArray[Any]) -> float:
    """Compute the divergence of Kullback and Leibler 1951, ``sum p log(p / q)``, in nats.

    Args:
        p: Counts ``(K,)``, above 0; scaled to sum 1.
        q: The same for the second distribution.
    """
    first, second = p / p.sum(), q / q.sum()
    # Rounding can give -1e-17 for equal distributions.
    return max(0.0, float(np.sum(first * np.log(first / second))))


def _compute_luma(image: Pixels) -> Pixels:
    if len(image) == 1:
        return np.asarray(image[0])
    # Integers, halves rounded up: in floats, rounding errors would decide the halves.
    weights = np.rint(1000 * np.array(LUMA_WEIGHTS)).astype(np.int64)
    return ((np.tensordot(weights, image, axes=1) + 500) // 1000).astype(np.uint8)


def _to_bool_mask(fov: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    if fov.dtype != np.bool_ and not np.isin(fov, (0, 1)).all():
        raise ValueError("The field of view contains values other than 0 and 1.")
    return fov.astype(np.bool_)


def kl(inputs: MetricInputs) -> float:
    """Compute the divergence from real to scored images, inside their fields of view."""
    real, fake = inputs.real, inputs.fake
    return compute_histogram_kl(real.images, fake.images, real.fov, fake.fov)
