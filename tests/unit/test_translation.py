"""Task ``translation``: images generated from the masks of unseen cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchbed.api.metric import PairedInputs
from benchbed.api.specs import MetricSpec, TaskSpec
from benchbed.config.run_config import RunConfig
from benchbed.data.loader import iter_batches, to_signed
from benchbed.data.preprocessing.prepare import PreparedDataset
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry
from benchbed.results.store import ResultStore
from benchbed.runs.execute import execute_run
from benchbed.runs.planner import plan_run
from benchbed.tasks.translation import score_pairs

METRICS = get_registry().get_spec(TaskSpec, "translation").metrics


def _metrics() -> list[MetricSpec]:
    return [get_registry().get_spec(MetricSpec, name) for name in METRICS]


def test_a_run_is_evaluated_on_every_unseen_case(tmp_path: Path) -> None:
    request = RunConfig(
        method="mi-gan", dataset="drive", task="translation", source="phantom", size=32, kimg=0.02,
        settings={"batch_size": 4},
    )  # fmt: skip
    record = execute_run(plan_run(request), ResultStore(tmp_path)).record
    assert [value.metric for value in record.metrics] == list(METRICS)
    for value in record.metrics:
        assert (value.n_real, value.n_fake) == (20, 20)
        assert value.value is not None
        assert value.ci_low is not None
        assert value.ci_high is not None
        assert value.ci_low <= value.value <= value.ci_high


def test_cases_are_returned_once_and_in_order(retinas: PreparedDataset) -> None:
    split = retinas.get_split("test")
    batches = list(iter_batches(split, 3))
    assert [len(batch) for batch, _ in batches] == [3, 3, 2]
    assert {total for _, total in batches} == {8}
    images = np.concatenate([batch.image.numpy() for batch, _ in batches])
    assert np.array_equal(images, to_signed(torch.from_numpy(np.array(split.images))).numpy())


def test_every_metric_prefers_the_image_of_the_same_case() -> None:
    rng = np.random.default_rng(0)
    real = rng.uniform(-1, 1, (6, 1, 24, 24)).astype(np.float32)
    near = (real + rng.normal(0, 0.05, real.shape)).clip(-1, 1).astype(np.float32)
    for spec, good, bad in zip(
        _metrics(),
        score_pairs(_metrics(), PairedInputs(real, near)),
        score_pairs(_metrics(), PairedInputs(real, real[::-1])),
        strict=True,
    ):
        assert good.value is not None
        assert bad.value is not None
        assert (good.value > bad.value) == (spec.direction == "up")


def test_a_method_without_the_capability_is_refused() -> None:
    with pytest.raises(BenchbedError, match=r"translation.*synthesize.*unet.*mi-gan"):
        plan_run(RunConfig(method="unet", dataset="drive", task="translation", settings={}))
