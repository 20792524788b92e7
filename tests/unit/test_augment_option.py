"""``--augment``: its values, what a plan makes of them, and runs that use them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchbed.api.augmentation import Augmentation
from benchbed.api.specs import MethodSpec
from benchbed.config.augmentation import parse_augment
from benchbed.config.run_config import RunConfig
from benchbed.data.loader import CaseLoader
from benchbed.errors import BenchbedError
from benchbed.nn.ada import AdaptiveAugmentation
from benchbed.nn.diffaugment import DiffAugment
from benchbed.registry.lookup import get_registry
from benchbed.results.store import ResultStore
from benchbed.runs.build import build_method, prepare_plan_data
from benchbed.runs.execute import execute_run
from benchbed.runs.plan import RunPlan
from benchbed.runs.planner import plan_run
from benchbed.testing.subject import is_equal_state
from benchbed.training.augmentation import create_augmentation
from benchbed.training.device import create_fabric
from benchbed.training.loop import TrainingInterrupted, TrainingLoop
from benchbed.utils.progress import NullReporter


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("none", "none"),
        ("flip", "flip"),
        ("ada, flip", "flip,ada"),
        ("diffaugment", "diffaugment:colour+translation+cutout"),
        ("diffaugment:translation+colour,flip", "flip,diffaugment:colour+translation"),
    ],
)
def test_equal_choices_have_one_text(text: str, canonical: str) -> None:
    assert str(parse_augment(text)) == canonical
    assert str(parse_augment(canonical)) == canonical
    assert RunConfig(method="dcgan", dataset="drive", augment=text).augment == canonical


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("flop", ["'flop'", "'flip'", "ada"]),
        ("", ["''"]),
        ("none,flip", ["none", "flip"]),
        ("flip,flip", ["flip,flip"]),
        ("diffaugment,ada", ["diffaugment", "ada"]),
        ("flip:colour", ["flip", "policies"]),
        ("diffaugment:color", ["'color'", "'colour'"]),
        ("diffaugment:", ["''", "cutout"]),
    ],
)
def test_an_invalid_choice_is_refused(text: str, facts: list[str]) -> None:
    with pytest.raises(BenchbedError) as error:
        RunConfig(method="dcgan", dataset="drive", augment=text)
    assert all(fact in str(error.value) for fact in facts)


def test_each_choice_creates_its_augmentation() -> None:
    assert type(create_augmentation("flip")) is Augmentation
    assert create_augmentation("flip,diffaugment:cutout") == DiffAugment(("cutout",))
    assert type(create_augmentation("ada")) is AdaptiveAugmentation


def _plan(**options: Any) -> RunPlan:
    return plan_run(RunConfig(**{"dataset": "drive", "source": "phantom", **options}))


def test_a_method_has_its_published_augmentation_by_default() -> None:
    spec = next(
        spec
        for spec in get_registry().get_specs(MethodSpec).values()
        if spec.default_augmentation != "none"
    )
    default, named, without, other = (
        _plan(method=spec.name, augment=text)
        for text in (None, spec.get_default_augmentation("quick"), "none", "ada")
    )
    assert default.protocol.augment == spec.get_default_augmentation("quick")
    assert _plan(method=spec.name, preset="paper").protocol.augment == spec.default_augmentation
    assert named.id == default.id
    assert without.protocol.augment == "none"
    assert other.protocol.augment == "ada"
    assert len({plan.protocol.hash for plan in (default, without, other)}) == 3
    assert RunConfig.from_plan(without.as_dict()).augment == "none"


def test_default_augmentations_are_valid_and_taken() -> None:
    for spec in get_registry().get_specs(MethodSpec).values():
        for text in (spec.default_augmentation, *spec.preset_augmentations.values()):
            assert str(parse_augment(text)) == text
            assert spec.takes_augmentation or text == "none"


def test_a_method_that_does_not_take_it_refuses_it() -> None:
    for name in ("diffaugment", "ada"):
        with pytest.raises(BenchbedError, match=rf"unet.*--augment {name}.*dcgan"):
            _plan(method="unet", task="segmentation", augment=f"flip,{name}")
    assert _plan(method="unet", task="segmentation", augment="flip").protocol.augment == "flip"


@pytest.mark.usefixtures("with_plugin")
class TestRuns:
    """Runs of a tiny method."""

    @staticmethod
    def plan(augment: str) -> RunPlan:
        return plan_run(
            RunConfig(
                method="tiny-lsgan", dataset="discs", size=16, kimg=0.4, samples=8,
                metrics=("kl",), augment=augment,
            )
        )  # fmt: skip

    @pytest.mark.parametrize("augment", ["flip,diffaugment", "ada"])
    def test_an_interrupted_run_ends_like_an_uninterrupted_one(
        self, augment: str, tmp_path: Path, make_loop: Callable[..., TrainingLoop]
    ) -> None:
        planned = self.plan(augment)
        whole = make_loop(planned, tmp_path / "whole")
        whole.train()
        with pytest.raises(TrainingInterrupted):
            make_loop(planned, tmp_path / "parts", 22).train()
        resumed = make_loop(planned, tmp_path / "parts")
        resumed.train()
        assert resumed.method.steps == whole.method.steps == 50
        assert is_equal_state(resumed.method.get_state(), whole.method.get_state())
        if augment == "ada":
            assert max(float(row["augmentation_probability"]) for row in whole.history.rows) > 0

    def test_p_and_r_are_in_the_history_and_the_choice_in_the_record(self, tmp_path: Path) -> None:
        outcome = execute_run(self.plan("ada"), ResultStore(tmp_path))
        assert outcome.record.protocol["augment"] == "ada"
        with (outcome.folder / "history.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert {row["augmentation_probability"] for row in rows[:4]} == {"0"}
        assert {row["overfitting"] for row in rows[:4]} == {""}
        assert all(-1 <= float(row["overfitting"]) <= 1 for row in rows[4:])

    def test_another_augmentation_gives_other_weights(self) -> None:
        prepared = prepare_plan_data(self.plan("none"), NullReporter())
        batch = CaseLoader(prepared.get_split("train"), 0, torch.device("cpu")).get_batch(0, 8)
        states = []
        for augment in ("none", "flip", "diffaugment", "diffaugment:colour"):
            method = build_method(self.plan(augment), prepared, create_fabric("cpu", "fp32"))
            method.train()
            method.training_step(batch, 0.0)
            states.append(method.get_state())
        # Training images are mirrored by the loader.
        assert is_equal_state(states[0], states[1])
        assert not is_equal_state(states[0], states[2])
        assert not is_equal_state(states[2], states[3])
