"""Our metrics against packages, and against their definitions written out."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import nn

from benchbed.metrics.features.inception import create_inception_extractor
from benchbed.metrics.fid import compute_frechet_distance
from benchbed.metrics.ms_ssim import compute_ms_ssim
from benchbed.metrics.prdc import measure_manifold
from benchbed.metrics.swd import (
    compute_sliced_wasserstein,
    sample_directions,
    sample_patch_positions,
)
from benchbed.utils.files import hash_file

from .plain import metrics as plain
from .timing import ReferencePair, Work

Features = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

DIMS = 2048


def list_pairs(quick: bool, device: torch.device) -> list[ReferencePair]:
    """Return every metric that is measured; features are computed on `device`."""
    less = 4 if quick else 1
    pairs = [
        _compare_fid("fid-distance-100", 100, "torch-fidelity", 8),
        _compare_fid("fid-distance-1000", 1000 // less, "torch-fidelity", 8),
        _compare_inception(32 // less, device),
        _compare_swd("swd-512", 100 // less, 512 // less, 5),
        _compare_swd("swd-128", 1000 // less**2, 128, 7),
        _compare_prdc("prdc-1000", 1000),
        *(_compare_ms_ssim(size, name) for size in (256, 512) for name in MS_SSIM),
    ]
    if not quick:
        pairs.append(_compare_prdc("prdc-5000", 5000))
        pairs.append(_compare_fid("fid-distance-1000-pytorch-fid", 1000, "pytorch-fid", 60))
    return pairs


def draw_features(count: int, dims: int = DIMS, seed: int = 0) -> Features:
    """Return features like a network's: non-negative, of few directions, with some noise."""
    directions = np.random.default_rng(0).standard_normal((64, dims)) / 8
    rng = np.random.default_rng((1, seed))
    signal = rng.standard_normal((count, 64)) @ directions
    noise = 0.2 * rng.standard_normal((count, dims))
    return np.maximum(signal + noise + 0.05 * seed, 0).astype(np.float32)


def draw_images(count: int, size: int, seed: int = 0, channels: int = 3) -> Pixels:
    """Return smooth random images with some grain, uint8 ``(N, C, S, S)``."""
    rng = np.random.default_rng(seed)
    few = rng.standard_normal((min(count, 16), channels, size, size))
    smooth = ndimage.gaussian_filter(few, (0, 0, size / 32, size / 32))
    drawn = 128 + 40 * smooth / smooth.std() + 6 * few
    repeated = drawn[np.arange(count) % len(drawn)] + np.arange(count)[:, None, None, None] % 7
    pixels: Pixels = np.clip(repeated, 0, 255).astype(np.uint8)
    return pixels


def _max_difference(ours: Any, theirs: Any) -> float:
    return float(np.max(np.abs(np.asarray(ours) - np.asarray(theirs))))


def _max_relative(ours: Any, theirs: Any) -> float:
    one, other = np.atleast_1d(ours).astype(float), np.atleast_1d(theirs).astype(float)
    return float(np.max(np.abs(one - other) / np.maximum(np.abs(other), 1e-12)))


def _compare_fid(name: str, count: int, package: str, goal: float) -> ReferencePair:
    def make() -> tuple[Work, Work]:
        sides = draw_features(count), draw_features(count, seed=1)
        theirs = torch_fidelity_fid if package == "torch-fidelity" else pytorch_fid
        return lambda: compute_frechet_distance(*sides), lambda: theirs(*sides)

    what = f"FID distance with its statistics, N = {count}, {DIMS} features"
    # The packages' root of a singular covariance is accurate to some 1e-6.
    return ReferencePair(name, "metrics", what, package, make, goal, _max_relative, 1e-5)


def torch_fidelity_fid(real: npt.NDArray[Any], fake: npt.NDArray[Any]) -> float:
    """Return the Fréchet distance as torch-fidelity computes it."""
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    one, other = (fid_features_to_statistics(torch.from_numpy(side)) for side in (real, fake))
    return float(fid_statistics_to_metric(one, other, False)["frechet_inception_distance"])


def pytorch_fid(real: npt.NDArray[Any], fake: npt.NDArray[Any]) -> float:
    """Return the Fréchet distance as pytorch-fid computes it."""
    from pytorch_fid.fid_score import calculate_frechet_distance

    moments = [part for side in (real, fake) for part in (side.mean(0), np.cov(side, rowvar=False))]
    with warnings.catch_warnings(), contextlib.redirect_stdout(None):
        warnings.simplefilter("ignore")  # of scipy, about an argument that the package passes
        return float(calculate_frechet_distance(*moments))


def _compare_inception(count: int, device: torch.device) -> ReferencePair:
    def make() -> tuple[Work, Work]:
        from pytorch_fid import inception

        download = partial(mock.patch.object, inception, "load_state_dict_from_url")
        with mock.patch.object(nn.Module, "load_state_dict"), download():
            state = inception.fid_inception_v3().state_dict()
        torch.manual_seed(0)
        for name, tensor in state.items():  # weights that keep the scale through the layers
            if tensor.ndim > 1:
                nn.init.kaiming_normal_(tensor)
            elif name.endswith(("bias", "running_mean")):
                nn.init.normal_(tensor, 0, 0.1)
            elif tensor.ndim == 1:
                nn.init.uniform_(tensor, 0.8, 1.2)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "random.pth"
            torch.save(state, path)
            ours = create_inception_extractor(path, device, hash_prefix=hash_file(path)[:8])
        with download(return_value=state):
            network = inception.InceptionV3().eval().to(device)
        pixels = draw_images(count, 256)

        def theirs() -> Features:
            parts = torch.from_numpy(pixels).split(16)
            with torch.no_grad():
                found = [network(part.to(device).float() / 255)[0].flatten(1) for part in parts]
            features: Features = torch.cat(found).cpu().numpy()
            return features

        return lambda: ours(pixels), theirs

    def compare(ours: Features, theirs: Features) -> float:
        return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))

    what = f"Inception features of {count} images of 256 px, random weights, fp32"
    package = "pytorch-fid as shipped"
    return ReferencePair("inception", "metrics", what, package, make, 2, compare, 1e-4, device)


def _compare_swd(name: str, count: int, size: int, goal: float) -> ReferencePair:
    def make() -> tuple[Work, Work]:
        sides = draw_images(count, size), draw_images(count, size, seed=1)
        return lambda: compute_sliced_wasserstein(*sides).mean, lambda: plain_swd(*sides)

    what, reference = f"SWD of 2 x {count} images of {size} px", "the original's order in numpy"
    return ReferencePair(name, "metrics", what, reference, make, goal, _max_relative, 1e-5)


def plain_swd(real: Pixels, fake: Pixels) -> float:
    """Return SWD in the original's order, with the random numbers of ours."""
    generators = {2**n: np.random.default_rng((0, 2**n, 2)) for n in range(4, 11)}

    def draw_corners(side: int, size: int, count: int) -> npt.NDArray[np.int64]:
        return sample_patch_positions((0, size, side), (count, plain.PATCHES), size)

    def draw_directions(size: int) -> Features:
        return sample_directions(generators[size], 128, 3)

    return plain.sliced_wasserstein(real, fake, draw_corners, draw_directions)


def _call_package(name: str, first: Pixels, second: Pixels) -> npt.NDArray[Any]:
    if name == "piq":
        from piq import multi_scale_ssim as function
    else:
        from torchmetrics.functional import image

        function = image.multiscale_structural_similarity_index_measure
    one, other = (torch.from_numpy(side).float() for side in (first, second))
    return np.asarray(function(one, other, data_range=255.0, reduction="none"))


MS_SSIM: dict[str, tuple[str, Callable[[Pixels, Pixels], Any], float | None, float]] = {
    "": ("the original's FFT in scipy", plain.ms_ssim, 15, 1e-6),
    "-piq": ("piq, in float32", partial(_call_package, "piq"), 5, 4e-3),
    "-torchmetrics": ("torchmetrics, in float32", partial(_call_package, ""), None, 4e-3),
}
"""Suffix to reference, function, goal and tolerance; the packages define it differently."""


def _compare_ms_ssim(size: int, suffix: str) -> ReferencePair:
    reference, theirs, goal, tolerance = MS_SSIM[suffix]

    def make() -> tuple[Work, Work]:
        first = draw_images(8, size)
        grain = np.random.default_rng(2).normal(0, 12, first.shape)
        second = np.clip(first + grain, 0, 255).astype(np.uint8)
        return lambda: compute_ms_ssim(first, second), lambda: theirs(first, second)

    name, what = f"ms-ssim-{size}{suffix}", f"MS-SSIM of 8 pairs of {size} px"
    return ReferencePair(name, "metrics", what, reference, make, goal, _max_difference, tolerance)


def _compare_prdc(name: str, count: int) -> ReferencePair:
    def make() -> tuple[Work, Work]:
        from prdc import compute_prdc

        real, fake = draw_features(count), draw_features(count, seed=1)

        def theirs() -> list[float]:
            with contextlib.redirect_stdout(None):
                found = compute_prdc(real_features=real, fake_features=fake, nearest_k=5)
            return [float(found[key]) for key in ("precision", "recall", "density", "coverage")]

        return lambda: [float(term.mean()) for term in measure_manifold(real, fake, 5)], theirs

    what = f"precision, recall, density, coverage, N = {count}, {DIMS} features"
    return ReferencePair(name, "metrics", what, "prdc", make, 6, _max_relative, 1e-4)
