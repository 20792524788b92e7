"""Blocks of segmentation methods: the network and joint augmentation of images and masks."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchbed import Batch
from benchbed.nn import SegmentationUNet, augment_batch, crop_batch, mask_above_otsu, rotate_batch


@pytest.mark.parametrize("upsampling", ["transposed", "nearest"])
@pytest.mark.parametrize("shape", [(32, 48), (37, 50), (17, 33)])
def test_the_mask_has_the_size_of_any_image(upsampling: str, shape: tuple[int, int]) -> None:
    network = SegmentationUNet(3, 2, 4, upsampling=upsampling).eval()  # type: ignore[arg-type]
    assert network(torch.rand(2, 3, *shape)).shape == (2, 2, *shape)


def test_padding_is_by_reflection_and_only_if_needed() -> None:
    """Sizes divisible by 16 are not padded."""
    torch.manual_seed(0)
    network = SegmentationUNet(1, 1, 4).eval()
    entered: list[torch.Size] = []
    network.encoders[0].register_forward_pre_hook(lambda _, given: entered.append(given[0].shape))
    image = torch.rand(1, 1, 41, 48)
    with torch.no_grad():
        padded = network(image)
        expected = network(F.pad(image, (0, 0, 0, 7), mode="reflect"))
        network(image[..., :32, :])
    assert torch.equal(padded, expected[..., :41, :])
    assert [tuple(shape) for shape in entered] == [(1, 1, 48, 48), (1, 1, 48, 48), (1, 1, 32, 48)]


def test_initial_weights_keep_the_scale() -> None:
    """Section 3: N(0, 2 / N), N the inputs of a neuron."""
    network = SegmentationUNet(3, 1, 32)
    weight = network.encoders[2][3].weight
    assert weight.shape == (128, 128, 3, 3)
    assert weight.detach().std() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)
    assert all(not m.bias.any() for m in network.modules() if isinstance(m, nn.ConvTranspose2d))


def _marked(count: int = 6, size: int = 33) -> Batch:
    """Return asymmetric images that are bright exactly in their masks."""
    mask = -torch.ones(count, 1, size, size)
    mask[:, :, 6:16, 8:12] = 1
    mask[:, :, 6:10, 8:26] = 1
    image = (0.8 * mask).expand(-1, 3, -1, -1).clone()
    return Batch(image, mask, (mask + 1) / 2, torch.arange(count), {"edge": mask.clone()})


def test_masks_and_derived_arrays_are_transformed_with_their_image() -> None:
    """Transforming only one of them would leave a third of the bright pixels unmatched."""
    torch.manual_seed(0)
    before = _marked()
    after = augment_batch(before)
    assert after.mask is not None
    assert after.fov is not None
    bright = after.image.mean(1, keepdim=True) > 0
    differing = (bright != (after.mask > 0)).float().sum((1, 2, 3))
    # The two interpolations differ at the border.
    assert (differing / (after.mask > 0).sum((1, 2, 3))).max() < 0.2
    assert torch.equal(after.fov, (after.mask + 1) / 2)
    assert ((after["edge"] > 0) == bright).float().mean() > 0.99
    assert torch.equal(after.label, before.label)  # type: ignore[arg-type]
    # The check can fail: the mask of another case does not match.
    others = (bright != (after.mask.roll(1, 0) > 0)).float().sum((1, 2, 3))
    assert (others / (after.mask > 0).sum((1, 2, 3))).min() > 0.3


def test_augmented_batches_keep_their_ranges_and_differ() -> None:
    torch.manual_seed(0)
    batch = _marked(24)
    batch.image += 0.2 * torch.rand_like(batch.image)
    first, second = augment_batch(batch), augment_batch(batch)
    assert not torch.equal(first.image, second.image)
    assert first.image.shape == batch.image.shape
    assert first.image.abs().max() <= 1
    assert first.mask is not None
    assert first.fov is not None
    assert set(first.mask.unique().tolist()) == {-1.0, 1.0}
    assert set(first.fov.unique().tolist()) == {0.0, 1.0}
    levels = first.image[:, :, 4:-4, 4:-4].amax((1, 2, 3))
    assert levels.std() > 0.02  # brightness and contrast were changed, case by case


def test_flips_are_left_to_right_in_half_of_the_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the angle at 0 every case is either itself or its mirror image."""
    torch.manual_seed(0)
    draws = iter([torch.zeros(40), torch.rand(40)])
    monkeypatch.setattr(torch, "rand", lambda *_: next(draws))
    batch = _marked(40)
    after = rotate_batch(batch)
    assert after.mask is not None
    assert batch.mask is not None
    same = [torch.equal(a, b) for a, b in zip(after.mask, batch.mask, strict=True)]
    mirrored = [torch.equal(a, b.flip(-1)) for a, b in zip(after.mask, batch.mask, strict=True)]
    assert all(s != m for s, m in zip(same, mirrored, strict=True))
    assert 10 < sum(mirrored) < 30


def test_the_same_seed_gives_the_same_augmentation() -> None:
    """So a resumed run equals an uninterrupted one."""
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        results.append(augment_batch(_marked()).image)
    assert torch.equal(*results)


def test_image_masks_and_arrays_share_one_crop() -> None:
    torch.manual_seed(0)
    place = torch.arange(40 * 40.0).view(1, 1, 40, 40).expand(2, -1, -1, -1)
    batch = Batch(place.expand(-1, 3, -1, -1), place, place, None, {"edge": place})
    corners = set()
    for _ in range(20):
        cropped = crop_batch(batch, 16)
        assert cropped.image.shape == (2, 3, 16, 16)
        for tensor in (cropped.image[:, 1:2], cropped.fov, cropped["edge"]):
            assert torch.equal(tensor, cropped.mask)  # type: ignore[arg-type]
        corners.add(float(cropped.image[0, 0, 0, 0]))
    assert len(corners) > 10
    assert crop_batch(batch, 0) is batch
    assert crop_batch(batch, 48) is batch


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, 123.0, 200.0, 341.0])
def test_a_rotated_crop_equals_the_crop_of_the_rotated_image(
    angle: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its own pixels are rotated: equal to half a pixel, with filled corners."""
    across = torch.linspace(-0.9, 0.9, 60)
    places = torch.stack([across.view(1, -1).expand(60, -1), across.view(-1, 1).expand(-1, 60)])
    batch = Batch(places[None], torch.ones(1, 1, 60, 60))
    monkeypatch.setattr(torch, "rand", lambda *_: torch.tensor([angle / 360]))
    whole = rotate_batch(batch).image
    beyond = (whole <= -1).all(1, keepdim=True).float()
    # Pixels at the border may be on either side.
    inside, outside = F.max_pool2d(beyond, 7, 1, 3) == 0, -F.max_pool2d(-beyond, 7, 1, 3) == 1
    for top, left in ((3, 3), (33, 11), (18, 20)):
        draws = iter([torch.tensor(top), torch.tensor(left)])
        monkeypatch.setattr(torch, "randint", lambda *_, draws=draws: next(draws))
        part = rotate_batch(batch, 24)
        square = (..., slice(top, top + 24), slice(left, left + 24))
        error = (part.image - whole[square]).abs()
        assert (error * inside[square]).max() <= 0.75 * 1.8 / 59
        assert (error * outside[square]).max() < 1e-6
        assert (inside | outside)[square].float().mean() > 0.5


def test_otsu_thresholds_each_map_separately() -> None:
    """A map of two values is split between them at any scale; a constant map is empty."""
    maps = torch.tensor([[0.1, 0.2], [10.0, 70.0], [5.0, 5.0]]).repeat_interleave(8, dim=1)
    found = mask_above_otsu(maps.view(3, 1, 4, 4)).flatten(1)
    assert found[:2, 8:].all()
    assert not found[:, :8].any()
    assert not found[2].any()
