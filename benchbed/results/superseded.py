"""Records and values that are superseded: shown with the reason, but used in no statistic.

The file ``superseded.yaml`` of a results folder selects them. Records themselves never change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from benchbed.config.settings import read_yaml
from benchbed.errors import BenchbedError, describe_validation_error, find_similar_name
from benchbed.results.record import MeasuredMetric, Record, StrictModel


def _format_date(value: Any) -> Any:
    # YAML reads an unquoted date as one.
    return value.isoformat() if isinstance(value, date) else value


Names = Annotated[list[str], Field(min_length=1)]


class SupersededEntry(StrictModel):
    """One reason, and the records that it applies to.

    A record is selected if it matches every given field, which lists the accepted values.

    Attributes:
        reason: Why, as a clause without a full stop.
        since: Version of benchbed or date since which it is known.
        runs: Run ids; each must have a record.
        protocol_versions: Versions of the protocol. Required without `runs`, so that a repeated
            run, which has a newer version, is not selected too.
        generators: Methods that generated the pairs of an augmentation.
        metrics: Metrics whose values are superseded; without it the whole record is.
        max_kimg: Largest budget in thousands of images; records with a budget in seconds do not
            match.
    """

    reason: str = Field(min_length=1)
    since: Annotated[str, BeforeValidator(_format_date), Field(min_length=1)]
    runs: Names | None = None
    protocol_versions: Annotated[list[int], Field(min_length=1)] | None = None
    methods: Names | None = None
    datasets: Names | None = None
    sources: Names | None = None
    tasks: Names | None = None
    regimes: Names | None = None
    generators: Names | None = None
    metrics: Names | None = None
    max_kimg: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check_selection(self) -> Self:
        if self.runs is None and self.protocol_versions is None:
            raise ValueError("it needs runs or protocol_versions")
        return self

    @property
    def text(self) -> str:
        """The reason with its version or date."""
        return f"superseded since {self.since}: {self.reason}"

    def is_for_record(self, record: Record) -> bool:
        """Return whether it selects a record, apart from `metrics`."""
        accepted_by_value: list[tuple[Sequence[object] | None, object]] = [
            (self.runs, record.id),
            # The first records have no version.
            (self.protocol_versions, record.protocol.get("version", 1)),
            (self.methods, record.method),
            (self.datasets, record.dataset),
            (self.sources, record.source),
            (self.tasks, record.task),
            (self.regimes, record.pairs.regime if record.pairs else None),
            (self.generators, record.pairs.generator if record.pairs else None),
        ]
        kimg = record.protocol["kimg"]
        is_small = self.max_kimg is None or (kimg is not None and kimg <= self.max_kimg)
        return is_small and all(
            accepted is None or value in accepted for accepted, value in accepted_by_value
        )

    def is_for_metric(self, metric: str) -> bool:
        """Return whether it selects the value of a metric in a selected record."""
        return self.metrics is None or metric in self.metrics


class _SupersededFile(StrictModel):
    superseded: list[SupersededEntry]


def read_superseded(path: Path, has_record: Callable[[str], bool]) -> list[SupersededEntry]:
    """Return the entries of a file.

    Args:
        path: The file.
        has_record: Whether a run id has a record.

    Raises:
        BenchbedError: A key is unknown, a value invalid, or a run has no record.
    """
    try:
        entries = _SupersededFile.model_validate(read_yaml(path, "superseded records")).superseded
    except ValidationError as error:
        place, fault = describe_validation_error(error)
        if error.errors()[0]["type"] == "extra_forbidden":
            allowed = tuple(SupersededEntry.model_fields) if "." in place else ("superseded",)
            close = find_similar_name(place.rpartition(".")[2], allowed)
            guess = f"; did you mean {close!r}?" if close else "."
            raise BenchbedError(
                f"{path} has an unknown key {place!r}{guess} Available keys: {', '.join(allowed)}."
            ) from error
        raise BenchbedError(f"{path} is invalid at {place!r}: {fault}.") from error
    for entry in entries:
        for run in entry.runs or ():
            if not has_record(run):
                raise BenchbedError(
                    f"{path} names the run {run!r}, which has no record. `benchbed list runs` "
                    "shows all names."
                )
    return entries


def mark_superseded(record: Record, entries: Sequence[SupersededEntry]) -> Record:
    """Return the record with the reasons of the entries that select it or some of its values."""
    selected = [entry for entry in entries if entry.is_for_record(record)]
    if not selected:
        return record
    whole = "; ".join(entry.text for entry in selected if entry.metrics is None)
    metrics = [_mark_metric(measured, selected) for measured in record.metrics]
    return record.model_copy(update={"superseded": whole, "metrics": metrics})


def _mark_metric(measured: MeasuredMetric, selected: Sequence[SupersededEntry]) -> MeasuredMetric:
    reasons = [entry.text for entry in selected if entry.is_for_metric(measured.metric)]
    return measured.model_copy(update={"superseded": "; ".join(reasons)})
