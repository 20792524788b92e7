"""The configuration of a run: one model for command line, suites, executors and records."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import ErrorDetails

from benchbed.api.specs import PresetName, Regime
from benchbed.config.augmentation import parse_augment
from benchbed.config.protocol import (
    Precision,
    Source,
    format_window,
    normalize_number,
    parse_window,
)
from benchbed.errors import (
    BenchbedError,
    find_similar_name,
    make_unknown_error,
    simplify_validation_message,
)
from benchbed.utils.files import hash_json

_PositiveFloat = Annotated[float | None, Field(gt=0, allow_inf_nan=False)]
_PositiveInt = Annotated[int | None, Field(gt=0)]


@dataclass(frozen=True)
class RunOption:
    """The option of ``benchbed run`` that sets a field of `RunConfig`.

    Attributes:
        help: Its help text.
        name: Its name without dashes, if not the field's.
        key: Where ``run.json`` contains the value, if not under the field's name in the plan or its
            protocol.
        completion: Kind of name to complete: ``"method"``, ``"dataset"`` or ``"metric"``.
        is_duration: Whether it is a duration, such as ``10m``, and the field is in seconds.
        requires: The field without which a suite's preset does not apply this one to a row.
    """

    help: str
    name: str | None = None
    key: str | None = None
    completion: str | None = None
    is_duration: bool = False
    requires: str | None = None


class RunConfig(BaseModel):
    """Configuration of a run; the `RunOption` of a field describes it.

    Raises:
        BenchbedError: A value is unknown (with the nearest match) or out of range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Annotated[str, RunOption("Name of the method.", completion="method")]
    dataset: Annotated[
        str,
        RunOption(
            "Dataset name, folder:PATH, volumes:PATH or manifest:FILE.csv.", completion="dataset"
        ),
    ]
    task: Annotated[str, RunOption("Task that the method is evaluated on.")] = "synthesis"
    preset: Annotated[PresetName, RunOption("Preset for size, budget and sample counts.")] = "quick"
    settings: Annotated[
        dict[str, Any], RunOption("Method setting as name=value. Repeat for several.", name="set")
    ] = Field(default_factory=dict)
    # torch's generators accept no larger seeds.
    seed: Annotated[int, Field(ge=0, lt=2**63), RunOption("Random seed.")] = 0
    source: Annotated[
        Source, RunOption("Which images to use: real, phantom, or auto (real if found).")
    ] = "auto"
    data_root: Annotated[
        Path | None, RunOption("Folder with the real data. Default: $BENCHBED_DATA.", key="root")
    ] = None
    size: Annotated[_PositiveInt, RunOption("Image size in pixels.")] = None
    kimg: Annotated[_PositiveFloat, RunOption("Training budget in thousands of images.")] = None
    seconds: Annotated[
        _PositiveFloat,
        RunOption("Training budget as a duration, such as 10m.", name="time", is_duration=True),
    ] = None
    samples: Annotated[_PositiveInt, RunOption("Number of samples to score.")] = None
    augment: Annotated[
        str | None,
        RunOption(
            "Comma-joined: flip (training images), and diffaugment or ada (what a discriminator "
            "sees); or none. Default: the method's, else none."
        ),
    ] = None
    metrics: Annotated[
        tuple[str, ...],
        RunOption("Metric to compute. Repeat for several.", name="metric", completion="metric"),
    ] = ()
    regime: Annotated[
        Regime | None,
        RunOption("Training data of a segmentation network (regime).", key="pairs.regime"),
    ] = None
    generator: Annotated[
        str | None,
        RunOption(
            "Method that generates the synthetic pairs.", key="pairs.generator", completion="method"
        ),
    ] = None
    generator_dataset: Annotated[
        str | None,
        RunOption(
            "Dataset the generator is trained on. Default: --dataset.",
            key="pairs.dataset",
            requires="generator",
        ),
    ] = None
    generator_kimg: Annotated[
        _PositiveFloat,
        RunOption(
            "Budget of the generator in thousands of images. Default: from the preset.",
            key="pairs.kimg",
            requires="generator",
        ),
    ] = None
    pairs: Annotated[
        _PositiveInt,
        RunOption("Number of synthetic pairs.", key="pairs.count", requires="generator"),
    ] = None
    real_share: Annotated[
        float | None,
        Field(gt=0, le=1),
        RunOption(
            "Fraction of the real training cases to use, such as 0.1.", key="pairs.real_share"
        ),
    ] = None
    masks_from: Annotated[
        str | None,
        RunOption(
            "Dataset with masks to learn pseudo-labels from, if --dataset has no masks.",
            key="masks.dataset",
        ),
    ] = None
    annotator: Annotated[
        str | None,
        RunOption(
            "Method that predicts the pseudo-labels.", key="masks.annotator", completion="method"
        ),
    ] = None
    annotator_kimg: Annotated[
        _PositiveFloat,
        RunOption(
            "Budget of the annotator in thousands of images. Default: from the preset.",
            key="masks.kimg",
            requires="annotator",
        ),
    ] = None
    window: Annotated[
        str | None,
        RunOption(
            "Intensities that become black and white in images of more than 8 bits: LOW,HIGH or "
            "per-file. Default: percentiles over the dataset."
        ),
    ] = None
    precision: Annotated[Precision, RunOption("Precision.")] = "fp32"
    skip_bad: Annotated[bool, RunOption("Skip images that do not decode.")] = False

    @field_validator("window")
    @classmethod
    def _normalize_window(cls, window: str | None) -> str | None:
        return None if window is None else format_window(parse_window(window, "--window"))

    @field_validator("augment")
    @classmethod
    def _normalize_augment(cls, augment: str | None) -> str | None:
        return None if augment is None else str(parse_augment(augment))

    @model_validator(mode="wrap")
    @classmethod
    def _raise_user_errors(
        cls, values: Any, handler: ModelWrapValidatorHandler[RunConfig]
    ) -> RunConfig:
        try:
            return handler(values)
        except ValidationError as error:
            raise _make_value_error(error.errors()[0]) from error

    @classmethod
    def from_plan(cls, plan: Mapping[str, Any]) -> RunConfig:
        """Return the configuration that repeats the run of a ``run.json``."""
        content, values = {**plan["protocol"], **plan}, dict[str, Any]()
        for field, option in OPTIONS.items():
            value: Any = content
            for part in (option.key or field).split("."):
                value = (value or {}).get(part)
            if value is not None and (field, value) != ("samples", 0):  # 0: the task needs none
                values[field] = value
        # Upstream runs on a user's own data: their pairs and masks contain only its name.
        return cls(**{**values, **plan.get("own_data", {})})

    def to_words(self) -> list[str]:
        """Return the options of ``benchbed run`` for this configuration."""
        words: list[str] = []
        for field, option in OPTIONS.items():
            value, flag = getattr(self, field), get_flag(field)
            if isinstance(value, dict):
                words += [w for k, v in value.items() for w in (flag, f"{k}={json.dumps(v)}")]
            elif isinstance(value, tuple):
                words += [word for item in value for word in (flag, item)]
            elif isinstance(value, bool):
                words += [flag] if value else []
            elif value is not None:
                text = str(normalize_number(value) if isinstance(value, float) else value)
                words += [flag, f"{text}s" if option.is_duration else text]
        return words

    def derive_upstream(self, **changes: Any) -> RunConfig:
        """Return the configuration of an upstream run: the same preset, source, size and seed."""
        shared = ["preset", "source", "data_root", "size", "seed", "skip_bad"]
        if changes["dataset"] == self.dataset:
            # Other data can have other intensities.
            shared.append("window")
        return RunConfig(**{**{name: getattr(self, name) for name in shared}, **changes})


OPTIONS: Mapping[str, RunOption] = {
    name: next(item for item in field.metadata if isinstance(item, RunOption))
    for name, field in RunConfig.model_fields.items()
}
"""The option of each field."""


def get_flag(field: str) -> str:
    """Return the option of a field as the user types it, such as ``--real-share``."""
    return f"--{OPTIONS[field].name or field.replace('_', '-')}"


def _make_value_error(error: ErrorDetails) -> BenchbedError:
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        close = find_similar_name(name, OPTIONS)
        guess = f"; did you mean {close!r}?" if close else "."
        return BenchbedError(f"A run has no option {name!r}{guess}")
    if error["type"] == "missing":
        return BenchbedError(f"{get_flag(name)} is required.")
    if error["type"] == "literal_error":
        allowed = re.findall(r"'([^']+)'", error["ctx"]["expected"])
        return make_unknown_error(name, str(error["input"]), allowed, "benchbed run --help")
    reason = simplify_validation_message(error["msg"])
    return BenchbedError(f"{get_flag(name)} is {error['input']!r}, but {reason}.")


def compute_run_hash(plan: Mapping[str, Any]) -> str:
    """Return eight hexadecimal digits that identify the run of a ``run.json``."""
    identity = {name: plan[name] for name in ("method", "settings", "seed", "precision")}
    identity["protocol"] = hash_json(plan["protocol"])
    # Keys that did not exist in the first version are left out if unused: old hashes stay valid.
    if plan["pairs"] is not None:
        identity["pairs"] = plan["pairs"]
    if plan["masks"] is not None and not (plan["pairs"] or {}).get("generator"):
        identity["masks"] = plan["masks"]  # those of a generator are part of the pairs
    return hash_json(identity, 8)
