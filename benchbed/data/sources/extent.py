"""The box in millimetres that becomes a block of voxels, equal for all cases of a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchbed.api.dataset import VolumeSpec

Extent = tuple[float, float, float]


def compute_extent(facts: Iterable[Mapping[str, str]], volumes: VolumeSpec) -> Extent:
    """Compute the size of the box that becomes the block, from the images of all cases.

    A cube has the longest side of any case. A plane has the height and width of the largest case
    on each axis, and the depth of the central slices of any case, or of all its slices.

    Args:
        facts: Facts of each image, with ``shape`` in voxels and ``spacing`` in millimetres.
        volumes: Number of central slices, and framing.

    Returns:
        ``(D, H, W)`` in millimetres, to six significant digits.
    """
    sides = [_measure_sides(entry, volumes) for entry in facts]
    depth, height, width = (_round(max(lengths)) for lengths in zip(*sides, strict=True))
    if volumes.framing == "cube":
        longest = max(depth, height, width)
        return longest, longest, longest
    return depth, height, width


def compute_voxel_size(extent: Extent, shape: tuple[int, int, int]) -> Extent:
    """Return the size ``(D, H, W)`` in millimetres of a voxel of a block of this shape."""
    depth, height, width = (
        _round(length / count) for length, count in zip(extent, shape, strict=True)
    )
    return depth, height, width


def _measure_sides(facts: Mapping[str, str], volumes: VolumeSpec) -> list[float]:
    """Return depth, height and width of the used part of a volume in millimetres."""
    counts = [int(length) for length in facts["shape"].split("x")[-3:]]
    if volumes.framing == "plane" and volumes.central_slices is not None:
        counts[0] = min(counts[0], volumes.central_slices)
    spacing = [float(distance) for distance in facts["spacing"].split(",")]
    return [count * distance for count, distance in zip(counts, spacing, strict=True)]


def _round(length: float) -> float:
    """Round, so that spacings such as 0.9999999 in headers do not make another box."""
    return float(f"{length:.6g}")
