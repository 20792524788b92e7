"""The record of a run: a small JSON file with what was run and every result."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from benchbed.api.specs import MetricSpec
from benchbed.config.protocol import normalize_number
from benchbed.errors import BenchbedError, describe_validation_error
from benchbed.utils.collapse import CollapseSign
from benchbed.utils.content import find_content_fault
from benchbed.utils.files import hash_json, write_json
from benchbed.utils.regular_files import read_regular_file
from benchbed.utils.statistics import MIN_BOOTSTRAP_CASES

SCHEMA_VERSION = 1
"""Version of the record; a reader supports all versions up to its own."""

NonNegativeInt = Annotated[int, Field(ge=0, lt=2**63)]
"""A count within 64 bits, which every reader can represent."""

NonNegativeFloat = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
"""A finite amount, such as seconds, small enough for sums to stay finite."""

MAX_RECORD_BYTES = 4 * 2**20
"""Maximum size of a record's file in bytes."""

MAX_METRIC_VALUE = 1e100
"""Largest usable metric value: the mean of squares of larger ones would overflow."""


def _json_key(name: str) -> Any:
    """Return the field info of an attribute whose JSON key differs from its name."""
    return Field(validation_alias=name, serialization_alias=name)


SupersededReason = Annotated[str, BeforeValidator(lambda _: ""), Field(exclude=True)]
"""Why something is superseded; empty if it is not. Set after reading: the JSON cannot set it."""


class _RecordModel(BaseModel):
    # An older reader of the same schema ignores fields that were added since.
    model_config = ConfigDict(
        extra="ignore", frozen=True, populate_by_name=True, serialize_by_alias=True
    )


class MeasuredMetric(_RecordModel):
    """One metric's value; the fields are those of `MetricValue`.

    Attributes:
        superseded: Why the value is superseded, from ``superseded.yaml``; empty if it is not.
    """

    metric: str
    value: float | None
    recipe: str
    n_real: NonNegativeInt
    n_fake: NonNegativeInt
    baseline: Annotated[float | None, _json_key("floor")] = None
    n_baseline: Annotated[NonNegativeInt, _json_key("n_floor")] = 0
    ci_low: Annotated[float | None, _json_key("low")] = None
    ci_high: Annotated[float | None, _json_key("high")] = None
    note: str = ""
    superseded: SupersededReason = ""

    @property
    def is_usable(self) -> bool:
        """Whether the value can be used in a mean or a comparison.

        NaN, infinity and superseded values cannot.
        """
        return not self.superseded and is_usable_value(self.value)

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval over cases; None if unknown, unusable, or over too few cases.

        Older records have intervals over fewer cases than keep their coverage.
        """
        low, high = self.ci_low, self.ci_high
        if low is None or high is None or min(self.n_real, self.n_fake) < MIN_BOOTSTRAP_CASES:
            return None
        return (low, high) if is_usable_value(low) and is_usable_value(high) else None


def is_usable_value(value: float | None) -> bool:
    """Return whether a value exists and can be computed with."""
    return value is not None and abs(value) <= MAX_METRIC_VALUE


class TrainingSummary(_RecordModel):
    """Summary of the training."""

    kimg: NonNegativeFloat
    steps: NonNegativeInt
    seconds: NonNegativeFloat
    images_per_second: NonNegativeFloat
    updates: dict[str, NonNegativeInt] = Field(default_factory=dict)
    parameters: dict[str, NonNegativeInt] = Field(default_factory=dict)
    peak_memory_bytes: NonNegativeInt | None = None


class PseudoLabels(_RecordModel):
    """Source of pseudo-labels.

    Attributes:
        dataset: The dataset with masks that the annotator was trained on.
        annotator: The segmentation method that predicted them.
        run: Run id of the annotator.
        kimg: Budget of the annotator in thousands of images.
    """

    dataset: str
    annotator: str
    run: str
    kimg: NonNegativeFloat | None = None

    @property
    def label(self) -> str:
        """Short description for a table."""
        return f"masks of {self.dataset} by {self.annotator}{_format_budget(self.kimg)}"

    def as_dict(self) -> dict[str, Any]:
        """Return the form in ``run.json``, which the run hash covers."""
        return {**self.model_dump(), "kimg": _normalize_budget(self.kimg)}


class TrainingPairs(_RecordModel):
    """Composition of the training set of a segmentation network.

    Attributes:
        regime: A key of `REGIMES`.
        generator: Method that made the pairs; None under the regime ``"real"``.
        generator_run: Run id of the generator.
        dataset: Dataset of the generator.
        kimg: Budget of the generator in thousands of images.
        count: Number of pairs.
        real_share: Share of the real training cases that were used.
        pseudo_labels: Source of the masks that the generator trained on; None for its own dataset.
    """

    regime: str
    generator: str | None = None
    generator_run: Annotated[str | None, _json_key("run")] = None
    dataset: str | None = None
    kimg: NonNegativeFloat | None = None
    count: NonNegativeInt = 0
    real_share: NonNegativeFloat = 1.0
    pseudo_labels: Annotated[PseudoLabels | None, _json_key("masks")] = None

    @property
    def label(self) -> str:
        """Short description for a table."""
        share = "" if self.real_share == 1.0 else f", {self.real_share:.0%} of the real cases"
        if self.generator is None:
            return f"{self.regime}{share}"
        mask_source = "" if self.pseudo_labels is None else f", {self.pseudo_labels.label}"
        dataset = "" if self.dataset is None else f" from {self.dataset}"
        source = f"{self.generator}{dataset}{_format_budget(self.kimg)}"
        return f"{self.regime}, {self.count} of {source}{share}{mask_source}"

    def as_dict(self) -> dict[str, Any]:
        """Return the form in ``run.json``, which the run hash covers."""
        # What did not exist in the first version is left out if unused: old hashes stay valid.
        share = {} if self.real_share == 1.0 else {"real_share": self.real_share}
        masks = {} if self.pseudo_labels is None else {"masks": self.pseudo_labels.as_dict()}
        if self.generator is None:
            return {"regime": self.regime, **share}
        content = self.model_dump(exclude={"real_share", "pseudo_labels"})
        return {**content, "kimg": _normalize_budget(self.kimg), **share, **masks}


def _normalize_budget(kimg: float | None) -> float | None:
    return None if kimg is None else normalize_number(kimg)


def _format_budget(kimg: float | None) -> str:
    """Return the budget of an upstream run for a label; labels without it could be equal."""
    return "" if kimg is None else f" with {kimg:g} kimg"


class Provenance(_RecordModel):
    """Where and with what a result was computed.

    Attributes:
        instructions: The vector instruction set that torch uses, such as ``"AVX2"``; it affects
            rounding and can differ between processors of one name. None in older records.
        sources: Hash of the code of each package that has a method of the run; empty in older
            records.
        has_local_changes: Whether files of benchbed or `uncommitted` packages differ from a commit.
        uncommitted: Packages with methods of the run that differ from their repository's commit.
    """

    created_at: Annotated[str, _json_key("created")]
    command: str
    commit: str | None
    has_local_changes: Annotated[bool | None, _json_key("dirty")]
    benchbed: str
    plugins: dict[str, str]
    libraries: dict[str, str]
    python: str
    system: str
    processor: str
    instructions: str | None = None
    cores: NonNegativeInt
    threads: NonNegativeInt
    memory_bytes: NonNegativeInt
    device: str
    devices: NonNegativeInt = 1
    sources: dict[str, str] = Field(default_factory=dict)
    uncommitted: list[str] = Field(default_factory=list)


class ImportOrigin(_RecordModel):
    """Origin of an imported record.

    Attributes:
        archive_name: Name of the archive, without its folder.
        sha256: SHA-256 of the archive, as `benchbed export` prints it.
        imported_at: Time of the import; `Provenance.created_at` is the time of the run.
    """

    archive_name: Annotated[str, _json_key("archive")]
    sha256: str
    imported_at: Annotated[str, _json_key("at")]


class ProtocolFields(_RecordModel):
    """The protocol fields that readers of a record use, as in `Protocol`."""

    # Strict, since the protocol hash covers the JSON as it is: "64" must not be read as 64.
    model_config = ConfigDict(strict=True)

    preset: str
    size: NonNegativeInt
    kimg: NonNegativeFloat | None
    seconds: NonNegativeFloat | None
    samples: NonNegativeInt
    reference_split: str


FILE_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$"
"""Pattern of ids that name files: no path and not too long, since records are untrusted input."""


class Record(_RecordModel):
    """The record of one run.

    Attributes:
        reading: How stored values were read, in words: masks, intensities, size of voxels. Empty
            for phantoms and in older records.
        collapse: Signs that the training collapsed; empty if there were none and in older records.
        imported: Origin of an imported record, None for a run of this results folder.
        superseded: Why the whole record is superseded, from ``superseded.yaml``; empty if it is
            not. Not stored in the record.
    """

    schema_version: int = SCHEMA_VERSION
    id: str = Field(pattern=FILE_NAME_PATTERN)
    state: Literal["finished", "diverged"]
    message: str = ""
    method: str
    settings: dict[str, Any]
    dataset: str
    source: Literal["real", "phantom"]
    fingerprint: str
    case_counts: Annotated[dict[str, NonNegativeInt], _json_key("cases")]
    skipped_files: Annotated[list[str], _json_key("skipped")] = Field(default_factory=list)
    duplicates: Annotated[list[str], _json_key("copies")] = Field(default_factory=list)
    reading: list[str] = Field(default_factory=list)
    task: str = Field(pattern=FILE_NAME_PATTERN)
    pairs: TrainingPairs | None = None
    pseudo_labels: Annotated[PseudoLabels | None, _json_key("masks")] = None
    protocol: dict[str, Any]
    protocol_hash: str
    seed: NonNegativeInt
    precision: str
    training: TrainingSummary
    metrics: list[MeasuredMetric] = Field(default_factory=list)
    collapse: list[CollapseSign] = Field(default_factory=list)
    provenance: Provenance
    imported: ImportOrigin | None = None
    superseded: SupersededReason = ""

    @field_validator("protocol")
    @classmethod
    def _check_protocol(cls, protocol: dict[str, Any]) -> dict[str, Any]:
        """Check the protocol and return it unchanged: its hash covers every field."""
        known = ProtocolFields.model_validate(protocol)
        if known.kimg is None and known.seconds is None:
            raise ValueError("it has no budget")
        return protocol


def to_json_object(record: Record) -> dict[str, Any]:
    """Return the JSON object of a record, without the later fields that it does not use."""
    content = record.model_dump(mode="json")
    later = [(content, name) for name in ("imported", "reading", "collapse")]
    for part, name in (*later, (content["provenance"], "uncommitted")):
        if not part[name]:
            del part[name]
    return content


def write_record(path: Path, record: Record) -> None:
    """Write a record atomically."""
    write_json(path, to_json_object(record))


def read_record(path: Path) -> Record:
    """Read a record of this schema or an older one.

    Raises:
        BenchbedError: The file is not a record, or has a newer schema.
    """
    try:
        content = json.loads(read_regular_file(path, MAX_RECORD_BYTES).decode())
    except OSError as error:
        raise BenchbedError(f"The record {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise BenchbedError(f"The record {path} cannot be read: {error}.") from error
    return parse_record(content, str(path))


def parse_record(content: Any, place: str) -> Record:
    """Return a record from parsed JSON.

    Raises:
        BenchbedError: It is not a record, has a newer schema, or its protocol has another hash.
    """
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise BenchbedError(
            f"Record {place} has no schema_version, so it is not a benchbed record."
        )
    if version > SCHEMA_VERSION:
        raise BenchbedError(
            f"Record {place} has schema {version}, but this benchbed reads up to {SCHEMA_VERSION}. "
            "Update benchbed, or move the file away."
        )
    if (fault := find_content_fault(content)) is not None:
        raise BenchbedError(f"Record {place} is rejected: {fault}.")
    try:
        record = Record.model_validate(content)
    except ValidationError as error:
        part, fault = describe_validation_error(error)
        raise BenchbedError(f"Record {place} is invalid at {part!r}: {fault}.") from error
    # Equal hashes put records in one table, so a wrong one would compare what differs.
    if record.protocol_hash != (expected := hash_json(record.protocol)):
        raise BenchbedError(
            f"Record {place} is invalid at 'protocol_hash': it is {record.protocol_hash}, but the "
            f"protocol has the hash {expected}."
        )
    return record


def find_missing_metrics(metrics: Iterable[MetricSpec], record: Record) -> tuple[MetricSpec, ...]:
    """Return the requested metrics for which neither they nor their fallback are recorded."""
    if record.state == "diverged":
        return ()
    recorded = {measured.metric for measured in record.metrics}
    return tuple(spec for spec in metrics if not recorded & {spec.name, spec.fallback_metric})


class StrictModel(BaseModel):
    """A frozen model that rejects unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ShapeModel(StrictModel):
    """Fields of `DataShape` within the bounds that a reader accepts."""

    channels: int = Field(ge=1, le=64)
    spatial: list[Annotated[int, Field(ge=1, le=8192)]] = Field(min_length=2, max_length=3)
    mask_channels: int = Field(ge=0, le=1024)
    classes: int = Field(ge=0, le=100_000)
