"""The box in millimetres that becomes a block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbed.api.dataset import VolumeSpec
from benchbed.data.io.geometry import Geometry
from benchbed.data.preprocessing.volume_cases import compute_box
from benchbed.data.sources.extent import compute_extent, compute_voxel_size

CUBE = VolumeSpec(sequences=("T1",), structures=(), framing="cube")
PLANE = VolumeSpec(sequences=("T1",), structures=())
BRAIN = VolumeSpec(sequences=("T1",), structures=(), slices_per_pixel=54 / 128, central_slices=108)


def _facts(shape: str, spacing: str) -> dict[str, str]:
    return {"shape": shape, "spacing": spacing}


@pytest.mark.parametrize(
    ("volumes", "facts", "extent"),
    [
        (CUBE, [("1x32x32x32", "1,1,1"), ("1x8x32x32", "4,1,1")], (32, 32, 32)),
        (CUBE, [("1x10x20x30", "4,1,1"), ("1x10x20x30", "1,1,1.5")], (45, 45, 45)),
        (PLANE, [("2x10x20x30", "4,1,1"), ("2x10x20x30", "1,2,1")], (40, 40, 30)),
        (BRAIN, [("4x155x240x240", "1,1,1")], (108, 240, 240)),
        (BRAIN, [("1x155x240x240", "1,1,1"), ("1x30x240x240", "4,1,1")], (120, 240, 240)),
        (BRAIN, [("1x1x240x240", "1,1,1")], (1, 240, 240)),
    ],
)
def test_the_largest_case_of_a_dataset_decides(
    volumes: VolumeSpec, facts: list[tuple[str, str]], extent: tuple[float, float, float]
) -> None:
    assert compute_extent([_facts(*entry) for entry in facts], volumes) == extent


def test_the_voxel_size_of_a_block() -> None:
    assert BRAIN.compute_shape(128) == (54, 128, 128)
    assert compute_voxel_size((108, 240, 240), (54, 128, 128)) == (2, 1.875, 1.875)


SIDES = st.tuples(*[st.integers(2, 60)] * 3)
SPACINGS = st.tuples(*[st.sampled_from([0.5, 0.7, 1, 1.2, 3, 4])] * 3)


@given(st.lists(st.tuples(SIDES, SPACINGS), min_size=1, max_size=4))
def test_a_cube_contains_every_case_at_the_same_scale(
    cases: list[tuple[tuple[int, int, int], tuple[float, float, float]]],
) -> None:
    """Up to half a voxel of the case, since boxes consist of its voxels."""
    facts = [
        _facts("x".join(map(str, (1, *shape))), ",".join(map(str, spacing)))
        for shape, spacing in cases
    ]
    extent = compute_extent(facts, CUBE)
    for shape, (depth, height, width) in cases:
        affine = [[width, 0, 0, 0], [0, height, 0, 0], [0, 0, depth, 0], [0, 0, 0, 1]]
        geometry = Geometry(shape, np.asarray(affine, float))
        box = compute_box(geometry, extent)
        for side, length, whole, distance in zip(
            box.shape, extent, shape, geometry.spacing, strict=True
        ):
            assert side >= whole
            assert abs(side * distance - length) <= distance / 2 + 1e-3
