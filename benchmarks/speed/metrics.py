"""Our metrics against the packages, and against the definitions written out."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

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

from .goals import METRICS, TOLERANCES
from .measure import CPU, Pair, Work
from .plain import ms_ssim as plain_ms_ssim
from .plain import swd as plain_swd

Features = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

DIMS = 2048

PATCHES = 128
"""Patches of an image and level, as SWD is defined."""


def pairs(quick: bool, device: torch.device) -> list[Pair]:
    """Every metric that is measured.

    Args:
        quick: Whether small sets will do.
        device: Where features are computed.
    """
    less = 4 if quick else 1
    found = [
        _fid(100, "torch-fidelity", "fid-distance-100"),
        _fid(1000 // less, "torch-fidelity", "fid-distance-1000"),
        _inception(32 // less, device),
        _swd(100 // less, 512 // less, "swd-512"),
        _swd(1000 // less**2, 128, "swd-128"),
        _prdc(1000, "prdc-1000"),
    ]
    for size in (256, 512):
        found.append(_ms_ssim(8, size))
        found += [_ms_ssim_other(8, size, package) for package in OTHERS]
    if not quick:
        found.append(_prdc(5000, "prdc-5000"))
        found.append(_fid(1000, "pytorch-fid", "fid-distance-1000-pytorch-fid"))
    return found


def features(count: int, dims: int = DIMS, seed: int = 0) -> Features:
    """Features like a network's: at least 0, of few directions, with some noise."""
    directions = np.random.default_rng(0).standard_normal((64, dims)) / 8
    rng = np.random.default_rng((1, seed))
    made = rng.standard_normal((count, 64)) @ directions + 0.2 * rng.standard_normal((count, dims))
    return np.maximum(made + 0.05 * seed, 0).astype(np.float32)


def images(count: int, size: int, seed: int = 0, channels: int = 3) -> Pixels:
    """Smooth random images with some grain, uint8 ``(N, C, S, S)``."""
    rng = np.random.default_rng(seed)
    few = rng.standard_normal((min(count, 16), channels, size, size))
    smooth = ndimage.gaussian_filter(few, (0, 0, size / 32, size / 32))
    made = 128 + 40 * smooth / smooth.std() + 6 * few
    repeated = made[np.arange(count) % len(made)] + np.arange(count)[:, None, None, None] % 7
    pixels: Pixels = np.clip(repeated, 0, 255).astype(np.uint8)
    return pixels


def _pair(
    name: str,
    what: str,
    reference: str,
    make: Callable[[], tuple[Work, Work]],
    *,
    tolerance: str,
    agree: Callable[[Any, Any], float] | None = None,
    note: str = "",
    device: torch.device = CPU,
) -> Pair:
    """A pair of metrics with its goal and a tolerance of `TOLERANCES`."""
    return Pair(
        name,
        "metrics",
        what,
        reference,
        make,
        METRICS.get(name),
        agree or _relative,
        TOLERANCES[tolerance],
        note,
        device,
    )


def _absolute(ours: Any, theirs: Any) -> float:
    """Largest difference, of values in [0, 1]."""
    return float(np.max(np.abs(np.asarray(ours) - np.asarray(theirs))))


def _relative(ours: Any, theirs: Any) -> float:
    """Largest relative difference."""
    one, other = np.atleast_1d(ours).astype(float), np.atleast_1d(theirs).astype(float)
    return float(np.max(np.abs(one - other) / np.maximum(np.abs(other), 1e-12)))


def _fid(count: int, package: str, name: str) -> Pair:
    def make() -> tuple[Work, Work]:
        real, fake = features(count), features(count, seed=1)
        theirs = by_torch_fidelity if package == "torch-fidelity" else by_pytorch_fid
        return lambda: compute_frechet_distance(real, fake), lambda: theirs(real, fake)

    what = f"FID distance with its statistics, N = {count}, {DIMS} features"
    return _pair(name, what, package, make, tolerance="fid-distance")


def by_torch_fidelity(real: npt.NDArray[Any], fake: npt.NDArray[Any]) -> float:
    """The Fréchet distance as torch-fidelity computes it."""
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    one, other = (fid_features_to_statistics(torch.from_numpy(side)) for side in (real, fake))
    return float(fid_statistics_to_metric(one, other, False)["frechet_inception_distance"])


def by_pytorch_fid(real: npt.NDArray[Any], fake: npt.NDArray[Any]) -> float:
    """The Fréchet distance as pytorch-fid computes it."""
    from pytorch_fid.fid_score import calculate_frechet_distance

    moments = [part for side in (real, fake) for part in (side.mean(0), np.cov(side, rowvar=False))]
    with warnings.catch_warnings(), contextlib.redirect_stdout(None):
        warnings.simplefilter("ignore")  # of scipy, about an argument that the package passes
        return float(calculate_frechet_distance(*moments))


def _inception(count: int, device: torch.device) -> Pair:
    def make() -> tuple[Work, Work]:
        from pytorch_fid import inception

        rng = np.random.default_rng(0)
        with (
            torch.device("meta"),
            mock.patch.object(inception, "load_state_dict_from_url", return_value={}),
        ):
            shapes = _without_weights(inception).state_dict()
        state = {name: _plausible(name, tensor, rng) for name, tensor in shapes.items()}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "random.pth"
            torch.save(state, path)
            ours = create_inception_extractor(path, device, hash_prefix=hash_file(path)[:8])
        with mock.patch.object(inception, "load_state_dict_from_url", return_value=state):
            network = inception.InceptionV3().eval().to(device)
        pixels = images(count, 256)
        batch = 16

        def theirs() -> npt.NDArray[np.float32]:
            found = []
            with torch.no_grad():
                for start in range(0, count, batch):
                    part = torch.from_numpy(pixels[start : start + batch]).to(device).float() / 255
                    found.append(network(part)[0].flatten(1).cpu().numpy())
            return np.concatenate(found)

        return lambda: ours(pixels), theirs

    def agree(ours: Any, theirs: Any) -> float:
        return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))

    what = f"Inception features of {count} images of 256 px, random weights, fp32"
    reference = "pytorch-fid as shipped"
    return _pair(
        "inception", what, reference, make, tolerance="inception", agree=agree, device=device
    )


def _without_weights(inception: Any) -> torch.nn.Module:
    """The package's network, not filled."""
    with (
        mock.patch.object(torch.nn.Module, "load_state_dict"),
        mock.patch.object(inception, "load_state_dict_from_url"),
    ):
        made: torch.nn.Module = inception.fid_inception_v3()
    return made


def _plausible(name: str, tensor: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Random weights that keep the features' scale through the layers."""
    if name.endswith("num_batches_tracked"):
        return torch.zeros((), dtype=torch.int64)
    if tensor.ndim > 1:
        values = rng.standard_normal(tensor.shape) * np.sqrt(2 / np.prod(tensor.shape[1:]))
    elif name.endswith(("bias", "running_mean")):
        values = rng.normal(0, 0.1, tensor.shape)
    else:
        values = rng.uniform(0.8, 1.2, tensor.shape)
    return torch.from_numpy(values.astype(np.float32))


def _swd(count: int, size: int, name: str) -> Pair:
    def make() -> tuple[Work, Work]:
        real, fake = images(count, size), images(count, size, seed=1)
        return (
            lambda: compute_sliced_wasserstein(real, fake).mean,
            lambda: plain_swd.sliced_wasserstein(real, fake),
        )

    what = f"SWD of 2 x {count} images of {size} px"
    note = "values are compared at the same random patches and directions, of 8 images a set"
    return _pair(
        name,
        what,
        "the original's order in numpy",
        make,
        tolerance="swd",
        agree=lambda ours, theirs: swd_difference(size),
        note=note,
    )


class SameDraws(plain_swd.Draws):
    """The random numbers that ours draws."""

    def __init__(self) -> None:
        self._generators: dict[int, np.random.Generator] = {}

    def corners(self, side: int, resolution: int, count: int) -> npt.NDArray[np.int64]:
        """Of a minibatch that is the whole set."""
        shape = (count // PATCHES, PATCHES)
        return sample_patch_positions((0, resolution, side), shape, resolution).reshape(-1, 2)

    def directions(self, resolution: int, dims: int, count: int) -> npt.NDArray[np.float32]:
        """Of the next repeat."""
        seed = (0, resolution, 2)
        generator = self._generators.setdefault(resolution, np.random.default_rng(seed))
        return sample_directions(generator, count, dims // plain_swd.SIDE**2)


def swd_difference(size: int) -> float:
    """Relative difference of ours from the reference where both draw the same numbers."""
    real, fake = images(8, size), images(8, size, seed=1)
    theirs = plain_swd.sliced_wasserstein(real, fake, PATCHES, SameDraws())
    return _relative(compute_sliced_wasserstein(real, fake, patches=PATCHES).mean, theirs)


def _ms_ssim(count: int, size: int) -> Pair:
    return _pair(
        f"ms-ssim-{size}",
        f"MS-SSIM of {count} pairs of {size} px",
        "the original's FFT in scipy",
        _similarity(count, size, plain_ms_ssim.ms_ssim),
        tolerance="ms-ssim",
        agree=_absolute,
    )


def _ms_ssim_other(count: int, size: int, package: str) -> Pair:
    def theirs(first: Pixels, second: Pixels) -> npt.NDArray[Any]:
        one, other = (torch.from_numpy(side).float() for side in (first, second))
        return np.asarray(OTHERS[package](one, other).numpy())

    return _pair(
        f"ms-ssim-{size}-{package}",
        f"MS-SSIM of {count} pairs of {size} px",
        f"{package}, in float32",
        _similarity(count, size, theirs),
        tolerance="ms-ssim-other",
        agree=_absolute,
        note=f"{package}'s definition is another one",
    )


def _by_piq(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    import piq

    value: torch.Tensor = piq.multi_scale_ssim(one, other, data_range=255.0, reduction="none")
    return value


def _by_torchmetrics(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    from torchmetrics.functional import image

    value: torch.Tensor = image.multiscale_structural_similarity_index_measure(
        one, other, data_range=255.0, reduction="none"
    )
    return value


OTHERS = {"piq": _by_piq, "torchmetrics": _by_torchmetrics}


def _similarity(
    count: int, size: int, theirs: Callable[[Pixels, Pixels], Any]
) -> Callable[[], tuple[Work, Work]]:
    def make() -> tuple[Work, Work]:
        first = images(count, size)
        grain = np.random.default_rng(2).normal(0, 12, first.shape)
        second = np.clip(first + grain, 0, 255).astype(np.uint8)
        return lambda: compute_ms_ssim(first, second), lambda: theirs(first, second)

    return make


def _prdc(count: int, name: str) -> Pair:
    def make() -> tuple[Work, Work]:
        from prdc import compute_prdc

        real, fake = features(count), features(count, seed=1)

        def ours() -> list[float]:
            return [float(terms.mean()) for terms in measure_manifold(real, fake, 5)]

        def theirs() -> list[float]:
            with contextlib.redirect_stdout(None):
                found = compute_prdc(real_features=real, fake_features=fake, nearest_k=5)
            return [float(found[key]) for key in ("precision", "recall", "density", "coverage")]

        return ours, theirs

    what = f"precision, recall, density, coverage, N = {count}, {DIMS} features"
    return _pair(name, what, "prdc", make, tolerance="prdc")
