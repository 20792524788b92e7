"""Batches: every case once per epoch, in an order that depends on seed and position alone."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from benchbed.data import loader as feed_module
from benchbed.data.loader import CaseLoader, as_batch, get_data_shape, to_pixels, to_signed
from benchbed.data.preprocessing.prepare import DataSplit

CPU = torch.device("cpu")
COUNT = 10


def _split() -> DataSplit:
    image = np.zeros((COUNT, 1, 4, 4), np.uint8)
    image[:] = np.arange(COUNT)[:, None, None, None] * 20
    image[..., 0] += 5
    mask = (image[:, 0] > 60).astype(np.uint8)
    label = np.arange(COUNT, dtype=np.int64)
    sketch = image.copy()
    arrays = {"image": image, "mask": mask, "fov": mask, "label": label, "sketch": sketch}
    return DataSplit(tuple(map(str, range(COUNT))), arrays)


def test_every_case_is_shown_once_per_epoch_also_across_batches() -> None:
    feed = CaseLoader(_split(), seed=3, device=CPU)
    shown = [
        int(label) for start in range(0, 3 * COUNT, 4) for label in feed.get_batch(start, 4).label
    ]
    for epoch in range(3):
        assert Counter(shown[epoch * COUNT : (epoch + 1) * COUNT]) == Counter(range(COUNT))
    assert shown[:COUNT] != shown[COUNT : 2 * COUNT]


def test_batches_depend_on_the_position_alone() -> None:
    first = [
        CaseLoader(_split(), 3, CPU, flip=True).get_batch(start, 4).image for start in (0, 4, 8)
    ]
    feed = CaseLoader(_split(), 3, CPU, flip=True)
    again = [feed.get_batch(start, 4).image for start in (0, 4, 8)]
    assert all(map(torch.equal, first, again))
    assert not torch.equal(CaseLoader(_split(), 4, CPU).get_batch(0, 4).image, first[0])


def test_a_batch_may_be_larger_than_the_dataset() -> None:
    labels = CaseLoader(_split(), 0, CPU).get_batch(0, 25).label
    assert labels is not None
    assert set(Counter(labels.tolist()).values()) == {2, 3}


def test_accelerators_get_the_same_batches_as_the_cpu() -> None:
    """On the accelerator, arrays are tensors indexed on the device; on the CPU, memory maps."""
    cpu, accelerator = (CaseLoader(_split(), 3, CPU, flip=True) for _ in range(2))
    accelerator._arrays = {n: torch.from_numpy(a) for n, a in accelerator._arrays.items()}
    for shown, count in ((0, 4), (4, 4), (8, 4), (17, 1), (5, 25)):
        batches = (dict(feed.get_batch(shown, count).iter_tensors()) for feed in (cpu, accelerator))
        one, other = batches
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_order_of_an_epoch_is_copied_to_the_device_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Indices and flips: a copy in every step would wait for the step before."""
    copied: list[int] = []
    copy = feed_module._copy_to_device

    def counted(values: Any, device: torch.device) -> torch.Tensor:
        copied.append(len(values))
        return copy(values, device)

    monkeypatch.setattr(feed_module, "_copy_to_device", counted)
    feed = CaseLoader(_split(), 1234, torch.device("meta"), flip=True)
    for shown in range(0, 3 * COUNT, 2):
        assert feed.get_batch(shown, 2).image.device.type == "meta"
    assert copied == [COUNT] * 2 * 3


def test_flipping_mirrors_all_arrays_of_a_case() -> None:
    plain, flipped = (
        CaseLoader(_split(), 0, CPU, flip).get_batch(0, COUNT) for flip in (False, True)
    )
    mirrored = [
        torch.equal(a.flip(-1), b) and not torch.equal(a, b)
        for a, b in zip(plain.image, flipped.image, strict=True)
    ]
    assert 0 < sum(mirrored) < COUNT
    for name, tensor in plain.iter_tensors():
        other = dict(flipped.iter_tensors())[name]
        for case, is_mirrored in enumerate(mirrored):
            expected = tensor[case].flip(-1) if is_mirrored and name != "label" else tensor[case]
            assert torch.equal(other[case], expected)


def test_value_ranges() -> None:
    batch = CaseLoader(_split(), 0, CPU).get_batch(0, COUNT)
    assert batch.image.dtype == torch.float32
    assert batch["sketch"].min() >= -1
    assert batch.mask is not None
    assert batch.fov is not None
    assert set(batch.mask.unique().tolist()) == {-1.0, 1.0}
    assert set(batch.fov.unique().tolist()) == {0.0, 1.0}
    assert batch.mask.shape == (COUNT, 1, 4, 4)


def test_pixels_are_unchanged_by_a_round_trip() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert np.array_equal(to_pixels(to_signed(pixels)), pixels.numpy())
    out_of_range = torch.tensor([[-3.0, 3.0, float("nan"), 0.0]])
    assert to_pixels(out_of_range).tolist() == [[0, 255, 0, 128]]


def test_data_shape_describes_the_split() -> None:
    shape = get_data_shape(_split(), classes=10)
    assert (shape.channels, shape.spatial, shape.mask_channels, shape.classes) == (1, (4, 4), 1, 10)
    assert (shape.size, shape.dimensions) == (4, 2)


def test_a_batch_keeps_its_fields_on_a_device() -> None:
    batch = as_batch({"image": torch.zeros(2, 3, 4, 4, dtype=torch.uint8)})
    assert batch.to("cpu").mask is None
    assert len(batch) == 2
    with pytest.raises(KeyError):
        batch["sketch"]
