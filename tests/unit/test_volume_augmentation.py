"""Volumes are rotated, shifted, cropped and deformed together with their masks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchbed import Batch
from benchbed.nn import augment_volumes, augmentation

SHAPE = (14, 32, 32)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def _batch(count: int = 4) -> Batch:
    """Return an off-centre ellipsoid, brighter in the first sequence than in the second."""
    grid = torch.stack(torch.meshgrid(*(torch.arange(n) for n in SHAPE), indexing="ij")).float()
    centre, radii = torch.tensor([7.0, 14.0, 18.0]), torch.tensor([4.0, 7.0, 6.0])
    inside = (((grid - centre.view(3, 1, 1, 1)) / radii.view(3, 1, 1, 1)) ** 2).sum(0) < 1
    image = torch.stack([torch.where(inside, 0.8, -1.0), torch.where(inside, 0.2, -1.0)])
    mask = torch.where(inside, 1.0, -1.0).unsqueeze(0)
    return Batch(
        image=image.repeat(count, 1, 1, 1, 1),
        mask=mask.repeat(count, 1, 1, 1, 1),
        fov=torch.ones(count, 1, *SHAPE),
        label=torch.arange(count),
        extra={"edges": image[:1].repeat(count, 1, 1, 1, 1)},
    )


def test_probability_0_changes_nothing_and_1_changes_all_cases() -> None:
    batch = _batch()
    same, changed = augment_volumes(batch, 0.0), augment_volumes(batch, 1.0)
    assert torch.equal(same.image, batch.image)
    assert not any(torch.equal(a, b) for a, b in zip(changed.image, batch.image, strict=True))
    assert not torch.equal(changed.image[0], changed.image[1])
    assert type(changed.image) is torch.Tensor
    assert batch.label is not None
    assert changed.label is batch.label


def test_masks_are_transformed_and_stay_binary() -> None:
    """The mask is where the interpolated image is closer to the inside value."""
    changed = augment_volumes(_batch(8), 1.0)
    assert changed.mask is not None
    assert changed.fov is not None
    assert set(changed.mask.unique().tolist()) == {-1.0, 1.0}
    assert set(changed.fov.unique().tolist()) <= {0.0, 1.0}
    disagree = (changed.image[:, :1] > -0.1) != (changed.mask > 0)
    assert float(disagree.float().mean()) < 0.01
    torch.testing.assert_close(changed.extra["edges"], changed.image[:, :1])


def test_values_stay_in_range_and_new_voxels_are_empty() -> None:
    batch = _batch(1)
    batch.image[:] = 1.0
    for _ in range(10):
        changed = augment_volumes(batch, 1.0).image
        assert float(changed.max()) <= 1
        assert float(changed.min()) >= -1
    shifted = torch.cat([augment_volumes(batch, 1.0).image for _ in range(10)])
    assert (shifted == -1).any()


def test_results_depend_on_the_torch_seed_only() -> None:
    before = np.random.get_state()[1].copy()
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        made.append(augment_volumes(_batch(2), 1.0).image)
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])
    assert np.array_equal(before, np.random.get_state()[1])


def _only(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable all transforms but one."""
    neutral = {"MAX_ANGLE": 0.0, "MAX_SHIFT": 0.0, "MIN_CROP": 1.0, "ELASTIC_AMPLITUDE": 0.0}
    for name, value in neutral.items():
        if name != kind:
            monkeypatch.setattr(augmentation, name, value)


def _centres(batch: Batch) -> torch.Tensor:
    assert batch.mask is not None
    return torch.stack([(m[0] > 0).nonzero().float().mean(0) for m in batch.mask])


def test_translations_are_up_to_8_voxels_at_128_px(monkeypatch: pytest.MonkeyPatch) -> None:
    """2 at 32 px on each axis, without rotation or scaling."""
    _only("MAX_SHIFT", monkeypatch)
    batch = _batch(40)
    moved = _centres(augment_volumes(batch, 1.0)) - _centres(batch)
    assert float(moved.abs().max()) <= 2.5
    assert (moved.abs().amax(0) > 1.2).all()


def test_a_crop_enlarges_by_at_most_a_ninth(monkeypatch: pytest.MonkeyPatch) -> None:
    _only("MIN_CROP", monkeypatch)
    batch = _batch(40)
    before, after = (
        (b.image[:, 0] + 1).flatten(1).sum(1) for b in (batch, augment_volumes(batch, 1.0))
    )
    assert float((after / before).min()) > 0.97
    assert 1.2 < float((after / before).max()) < (1 / 0.9) ** 3 * 1.03


def test_rotations_are_of_at_most_10_degrees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured on the ends of a bar in x direction, in its slices."""
    _only("MAX_ANGLE", monkeypatch)
    mask = -torch.ones(40, 1, 15, 33, 33)
    mask[:, :, 5:10, 14:19, 4:29] = 1
    turned = augment_volumes(Batch(image=mask.clone(), mask=mask), 1.0).mask
    assert turned is not None
    angles = []
    for case in turned[:, 0] > 0:
        left, right = (case[:, :, cut].nonzero()[:, 1].float().mean() for cut in (7, 25))
        angles.append(math.degrees(math.atan2(float(right - left), 18)))
    assert max(map(abs, angles)) < 11.5
    assert max(map(abs, angles)) > 5


def test_an_elastic_displacement_has_its_amplitude(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three standard deviations are 6 voxels at 128 px, 3 at 64; measured on a gradient image."""
    _only("ELASTIC_AMPLITUDE", monkeypatch)
    slope = torch.linspace(-0.9, 0.9, 64).expand(1, 1, 40, 64, 64).clone()
    changed = augment_volumes(Batch(image=slope), 1.0).image
    inner = (changed - slope)[..., 8:-8, 8:-8, 8:-8] * 63 / 1.8  # in voxels
    assert float(inner.std()) == pytest.approx(1.0, rel=0.25)
    assert abs(float(inner.mean())) < 0.3
