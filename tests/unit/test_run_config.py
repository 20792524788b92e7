"""RunConfig: the one description of a run, for the command line, suites, run.json and hashes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from benchbed.cli import run_command
from benchbed.config.run_config import OPTIONS, RunConfig, get_flag
from benchbed.errors import BenchbedError
from benchbed.runs.planner import plan_run

FULL = {
    "method": "unet", "dataset": "drive", "task": "augmentation", "preset": "standard",
    "settings": {"batch_size": 2, "name": "a b"}, "seed": 3, "source": "phantom",
    "data_root": "x y", "size": 32, "kimg": 0.08, "seconds": 90.5, "samples": 8,
    "augment": "flip", "metrics": ("dice", "accuracy"), "regime": "mixed",
    "generator": "dual-gan", "generator_dataset": "stare", "generator_kimg": 1234567.0,
    "pairs": 20, "real_share": 0.5, "masks_from": "chasedb1", "annotator": "unet",
    "annotator_kimg": 1e-5, "window": "-1000,400", "precision": "bf16", "skip_bad": True,
}  # fmt: skip


def _parse(words: list[str], monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """Return the configuration that `benchbed run` makes of command line options."""
    found: list[RunConfig] = []
    monkeypatch.setattr(run_command, "_execute_plan", lambda config, *_, **__: found.append(config))
    result = CliRunner().invoke(run_command.app, words)
    assert result.exit_code == 0, (result.output, result.exception)
    return found[0]


def test_words_are_parsed_to_the_same_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    assert FULL.keys() == RunConfig.model_fields.keys() == OPTIONS.keys()
    config = RunConfig(**FULL)
    assert _parse(config.to_words(), monkeypatch) == config
    small = RunConfig(method="dcgan", dataset="drive")
    assert _parse(small.to_words(), monkeypatch) == small


def test_every_field_has_an_option_with_help() -> None:
    command = typer.main.get_command(run_command.app)
    texts = {word: each.help for each in command.params for word in each.opts}
    for field, option in OPTIONS.items():
        # `run` has a precision more than a configuration: one that is measured.
        assert (texts[get_flag(field)] or "").startswith(option.help), field


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "dcgan", "settings": {"batch_size": 4}, "seconds": 60, "precision": "bf16"},
        {"method": "unet", "task": "segmentation"},
        {"method": "unet", "task": "augmentation", "regime": "real", "real_share": 0.5},
        {
            "method": "unet", "task": "augmentation", "regime": "mixed", "generator": "dual-gan",
            "pairs": 20, "metrics": ("dice",),
        },
    ],
)  # fmt: skip
def test_run_json_and_command_repeat_the_run(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_run(RunConfig(dataset="drive", source="phantom", **changes))
    assert plan_run(RunConfig.from_plan(plan.as_dict())).id == plan.id
    assert plan_run(_parse(plan.command.split()[2:], monkeypatch)).id == plan.id


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"precison": "bf16"}, ["'precison'", "'precision'"]),
        ({"precision": "bf61"}, ["precision", "'bf61'", "'bf16'", "benchbed run --help"]),
        ({"preset": "quik"}, ["preset", "'quik'", "'quick'"]),
        ({"method": None}, ["--method", "None"]),
        ({"seed": -1}, ["--seed", "-1", "0"]),
        ({"seed": 2**63}, ["--seed", f"{2**63}"]),
        ({"kimg": math.nan}, ["--kimg", "nan"]),
        ({"seconds": math.inf}, ["--time", "inf"]),
        ({"size": 0}, ["--size", "0"]),
        ({"samples": "many"}, ["--samples", "'many'"]),
    ],
)
def test_an_invalid_value_is_refused(changes: dict[str, Any], facts: list[str]) -> None:
    with pytest.raises(BenchbedError) as error:
        RunConfig(**{"method": "dcgan", "dataset": "drive", **changes})
    for fact in facts:
        assert fact in str(error.value)


@pytest.mark.parametrize(
    "options", [{"generator_kimg": 3.0}, {"pairs": 20}, {"generator_dataset": "drive"}]
)
def test_options_of_a_generator_are_rejected_without_a_regime(options: dict[str, Any]) -> None:
    (name,) = options
    config = RunConfig(method="dcgan", dataset="drive", source="phantom", **options)
    with pytest.raises(BenchbedError, match=f"{get_flag(name)}.*augmentation"):
        plan_run(config)


def test_a_method_of_another_task_gets_the_option_for_its_task() -> None:
    """Segmentation networks were refused on the default task without the next step."""
    with pytest.raises(BenchbedError, match="--task segmentation"):
        plan_run(RunConfig(method="unet", dataset="drive", source="phantom"))
