"""A run that cannot be scored is refused before training."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from benchbed.api.specs import MetricSpec, TaskSpec
from benchbed.config.run_config import RunConfig
from benchbed.data.sources.cases import Collection
from benchbed.data.sources.resolve import resolve_dataset_spec
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry
from benchbed.runs.planner import plan_run
from benchbed.runs.validate import check_case_counts, check_reference_split


def _make_phantom(**counts: int) -> Collection:
    spec = resolve_dataset_spec("drive")
    assert spec.phantom is not None
    return Collection(replace(spec, phantom=replace(spec.phantom, case_counts=counts)), "phantom")


def _get_metrics(*names: str) -> list[MetricSpec]:
    return [get_registry().get_spec(MetricSpec, name) for name in names]


def _check(collection: Collection, task: str, *names: str) -> None:
    check_case_counts(get_registry().get_spec(TaskSpec, task), _get_metrics(*names), collection)


def test_enough_cases_pass() -> None:
    (swd,) = _get_metrics("swd")
    _check(_make_phantom(train=swd.min_samples), "synthesis", "swd")
    _check(_make_phantom(train=9, test=9), "synthesis", "fid", "memorisation")


@pytest.mark.parametrize("count", [1, 3, 7])
def test_a_small_reference_split_is_refused(count: int) -> None:
    with pytest.raises(BenchbedError) as caught:
        _check(_make_phantom(train=count, test=50), "synthesis", "swd")
    (swd,) = _get_metrics("swd")
    for fact in ("swd", str(swd.min_samples), "train", str(count)):
        assert re.search(rf"\b{fact}\b", str(caught.value))


@pytest.mark.parametrize("counts", [{"train": 40}, {"train": 40, "test": 3}])
def test_a_small_held_out_split_is_refused(counts: dict[str, int]) -> None:
    with pytest.raises(BenchbedError, match=r"memorisation.*--metric fid"):
        _check(_make_phantom(**counts), "synthesis", "memorisation", "fid")


def test_a_metric_that_is_named_works() -> None:
    """The suggestion is taken from the message."""
    collection = _make_phantom(train=5, test=2)
    with pytest.raises(BenchbedError) as caught:
        _check(collection, "synthesis", "swd", "fid", "memorisation")
    names = re.findall(r"--metric ([\w-]+)", str(caught.value))
    assert names
    _check(collection, "synthesis", *names)


def test_an_empty_reference_split_is_refused() -> None:
    with pytest.raises(BenchbedError, match=r"split test.*manifest:"):
        check_reference_split(
            get_registry().get_spec(TaskSpec, "segmentation"), _make_phantom(train=40)
        )


def test_own_images_are_counted(
    make_image_folder: Callable[..., Any],
) -> None:
    with pytest.raises(BenchbedError):
        _check(make_image_folder(3), "synthesis", "swd")


def test_a_run_is_refused_before_training(make_image_folder: Callable[[int], Collection]) -> None:
    config = RunConfig(method="dcgan", dataset=f"folder:{make_image_folder(6).root}", size=32)
    with pytest.raises(BenchbedError, match=r"swd.*--metric"):
        plan_run(config)
    assert plan_run(config.model_copy(update={"metrics": ("fid",)})).metrics[0].name == "fid"
    # Of an upstream run only the weights are needed.
    assert plan_run(config, is_upstream=True).id
