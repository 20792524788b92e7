"""Masks from another data set: who draws them, which stage sees what, and that it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchbed.api.method import Method
from benchbed.api.types import DataShape
from benchbed.cli.run_command import _request_of
from benchbed.data.feed import StagedFeed
from benchbed.errors import BenchbedError
from benchbed.report.frame import frame
from benchbed.runs.plan import Plan, plan
from benchbed.runs.request import Request
from benchbed.runs.runner import carry_out
from benchbed.runs.store import Store
from benchbed.runs.training_set import TrainingSet
from benchbed.training.events import Silent

pytestmark = pytest.mark.usefixtures("mean_colours")


def _plan(**changes: Any) -> Plan:
    given = {
        "method": "dual-gan",
        "dataset": "messidor",
        "settings": {"mask_features": 4, "photo_features": 4, "batch_size": 4},
        "source": "phantom",
        "size": 32,
        "kimg": 0.04,
        "samples": 8,
        "metrics": ("kl",),
        "masks_from": "drive",
        "annotator": "unet",
        "annotator_kimg": 0.02,
        **changes,
    }
    return plan(Request(**given))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "dcgan", "settings": {}}, r"dcgan learns from no masks"),
        ({"annotator": None}, r"--masks-from needs --annotator, a method .* image: .*unet"),
        ({"annotator": "dcgan"}, r"mask from an image, which dcgan does not; these do: .*unet"),
        ({"masks_from": None}, r"--annotator needs --masks-from"),
        ({"masks_from": "driv"}, r"did you mean 'drive'"),
        (
            {"masks_from": "chest-xray"},
            r"needs masks to judge by, .* of chest-xray has one",
        ),
        ({"dataset": "drive"}, r"drive has masks of its own"),
        ({"kimg": None, "seconds": 5.0}, r"give --kimg"),
        ({"masks_from": None, "annotator": None}, r"needs a mask with every .* --masks-from"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BenchbedError, match=words):
        _plan(**changes)


def test_who_draws_the_masks_is_part_of_the_identity_and_of_the_command() -> None:
    plans = [_plan(), _plan(masks_from="stare"), _plan(annotator_kimg=0.03)]
    assert len({planned.id for planned in plans}) == len(plans)
    assert len({planned.protocol.hash for planned in plans}) == 1
    assert "--masks-from drive --annotator unet --annotator-kimg 0.02" in plans[0].command


class _Left(torch.nn.Module):
    """Calls the left half of every image a vessel."""

    data = DataShape(channels=3, spatial=(32, 32), mask_channels=1)

    def segment(self, image: torch.Tensor) -> torch.Tensor:
        score = torch.zeros_like(image[:, :1])
        score[..., :16] = 0.9
        return score

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")


def test_the_first_stage_sees_the_lender_and_the_second_the_drawn_masks() -> None:
    """Masks lie inside the field of view; those of the lender are its annotators' own."""
    planned = _plan()

    def trained(other: Plan, what: str) -> Method[Any]:
        assert planned.masks is not None
        assert (other.id, what) == (planned.masks.annotator.id, "Masks")
        return _Left()  # type: ignore[return-value]

    shown: list[str] = []
    cpu = torch.device("cpu")
    training_set = TrainingSet(planned, cpu, Silent(), lambda name, _: shown.append(name), trained)
    prepared = training_set.prepared()
    assert shown == ["masks"]
    assert "mask" not in prepared.split("test").arrays
    feed = training_set.feed(prepared)
    assert isinstance(feed, StagedFeed)
    assert feed.switch == 26  # 65 % of 40 images
    assert len(feed.first.split) == 20
    left = np.arange(32) < 16
    for case in range(4):
        drawn, fov = (feed.then.split.arrays[n][case].astype(bool) for n in ("mask", "fov"))
        assert np.array_equal(drawn, fov & left)
    first = feed.batch(0, 4).mask
    assert first is not None
    assert (first[..., 16:] > 0).any()


def test_a_run_with_lent_masks(tmp_path: Path) -> None:
    """The annotator comes first; the record and the row say whose masks they are."""
    store = Store(tmp_path)
    planned = _plan()
    record = carry_out(planned, store).record
    assert record.state == "finished"
    assert planned.masks is not None
    assert record.masks is not None
    assert record.masks.run == planned.masks.annotator.id
    assert store.record(record.masks.run) is not None
    assert record.training.updates["mask_discriminator"] == 7
    assert set(frame([record])["trained_on"]) == {"masks of drive by unet with 0.02 kimg"}
    assert (store.run_folder(planned.id) / "samples/masks.png").exists()
    assert plan(_request_of(store, planned.id, None)).id == planned.id


def test_a_generator_may_have_lent_masks() -> None:
    """A network learns from pairs whose generator learnt photographs of a set without masks."""
    planned = _plan(
        method="unet",
        dataset="drive",
        task="augmentation",
        settings={"features": 4},
        metrics=(),
        regime="synthetic",
        generator="dual-gan",
        generator_dataset="messidor",
        generator_kimg=0.04,
        pairs=4,
    )
    assert planned.masks is None
    assert planned.pairs is not None
    generator = planned.pairs.generator
    assert generator is not None
    assert generator.masks is not None
    assert generator.masks.annotator.dataset == "drive"
    assert planned.pairs.as_dict()["masks"]["dataset"] == "drive"
    assert "--masks-from drive" in planned.command
