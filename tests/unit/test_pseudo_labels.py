"""Pseudo-labels: the annotator, what each stage is trained on, and what records contain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchbed.api.method import Method
from benchbed.api.types import DataShape
from benchbed.config.run_config import RunConfig
from benchbed.data.loader import StagedLoader
from benchbed.errors import BenchbedError
from benchbed.report.model.build import build_frame
from benchbed.results.lookup import find_config
from benchbed.results.store import ResultStore
from benchbed.runs.execute import execute_run
from benchbed.runs.plan import RunPlan
from benchbed.runs.planner import plan_run
from benchbed.runs.training_data import TrainingSetBuilder
from benchbed.utils.progress import NullReporter

pytestmark = pytest.mark.usefixtures("mean_colours")


def _plan(**changes: Any) -> RunPlan:
    options = {
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
    return plan_run(RunConfig(**options))


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"method": "dcgan", "settings": {}}, r"dcgan\b.*--masks-from"),
        ({"annotator": None}, r"--masks-from\b.*--annotator\b.*\bunet\b"),
        ({"annotator": "dcgan"}, r"--annotator\b.*\bdcgan\b.*\bunet\b"),
        ({"masks_from": None}, r"--annotator\b.*--masks-from"),
        ({"masks_from": "driv"}, r"'driv'.*'drive'.*`benchbed list datasets`"),
        ({"masks_from": "chest-xray"}, r"masks\b.*\bchest-xray\b"),
        ({"dataset": "drive"}, r"drive\b.*masks\b.*--masks-from"),
        ({"kimg": None, "seconds": 5.0}, r"dual-gan\b.*--kimg"),
        ({"masks_from": None, "annotator": None}, r"--annotator-kimg\b.*--masks-from"),
        (
            {"masks_from": None, "annotator": None, "annotator_kimg": None},
            r"dual-gan\b.*mask\b.*messidor\b.*--masks-from",
        ),
    ],
)
def test_inconsistent_options_raise(changes: dict[str, Any], facts: str) -> None:
    with pytest.raises(BenchbedError, match=facts):
        _plan(**changes)


def test_the_annotator_is_part_of_the_run_id_and_the_command() -> None:
    plans = [_plan(), _plan(masks_from="stare"), _plan(annotator_kimg=0.03)]
    assert len({planned.id for planned in plans}) == len(plans)
    assert len({planned.protocol.hash for planned in plans}) == 1
    assert "--masks-from drive --annotator unet --annotator-kimg 0.02" in plans[0].command


class _LeftHalf(torch.nn.Module):
    """Annotator that predicts the left half of every image as vessel."""

    data = DataShape(channels=3, spatial=(32, 32), mask_channels=1)

    def segment(self, image: torch.Tensor) -> torch.Tensor:
        score = torch.zeros_like(image[:, :1])
        score[..., :16] = 0.9
        return score

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")


def test_stage_one_uses_real_masks_and_stage_two_pseudo_labels() -> None:
    """Pseudo-labels are inside the field of view; real masks come from the other dataset."""
    planned = _plan()

    def trained(other: RunPlan, what: str) -> Method[Any]:
        assert planned.mask_plan is not None
        assert (other.id, what) == (planned.mask_plan.annotator.id, "Masks")
        return _LeftHalf()  # type: ignore[return-value]

    pictures: list[str] = []
    cpu = torch.device("cpu")
    training_set = TrainingSetBuilder(
        planned, cpu, NullReporter(), lambda name, _: pictures.append(name), trained
    )
    prepared = training_set.prepare_data()
    assert pictures == ["masks"]
    assert "mask" not in prepared.get_split("test").arrays
    feed = training_set.build_loader(prepared)
    assert isinstance(feed, StagedLoader)
    assert feed.switch_at == 26  # 65 % of 40 images
    assert len(feed.first_loader.split) == 20
    left = np.arange(32) < 16
    for case in range(4):
        predicted, fov = (
            feed.second_loader.split.arrays[n][case].astype(bool) for n in ("mask", "fov")
        )
        assert np.array_equal(predicted, fov & left)
    first = feed.get_batch(0, 4).mask
    assert first is not None
    assert (first[..., 16:] > 0).any()


def test_a_run_with_pseudo_labels(tmp_path: Path) -> None:
    """The annotator is trained first; the record and the table row name it."""
    store = ResultStore(tmp_path)
    planned = _plan()
    record = execute_run(planned, store).record
    assert record.state == "finished"
    assert planned.mask_plan is not None
    assert record.pseudo_labels is not None
    assert record.pseudo_labels.run == planned.mask_plan.annotator.id
    assert store.load_record(record.pseudo_labels.run) is not None
    assert record.training.updates["mask_discriminator"] == 7
    assert set(build_frame([record])["trained_on"]) == {"masks of drive by unet with 0.02 kimg"}
    assert (store.get_run_folder(planned.id) / "samples/masks.png").exists()
    assert plan_run(find_config(store, planned.id)[1]).id == planned.id


def test_a_generator_may_be_trained_on_pseudo_labels() -> None:
    """For pairs from a generator that was trained on a dataset without masks."""
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
    assert planned.mask_plan is None
    assert planned.pair_plan is not None
    generator = planned.pair_plan.generator
    assert generator is not None
    assert generator.mask_plan is not None
    assert generator.mask_plan.annotator.config.dataset == "drive"
    assert planned.as_dict()["masks"]["dataset"] == "drive"
    assert "--masks-from drive" in planned.command
