"""Values that papers printed, with their place in the paper and their caveats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchbed.api.specs import REGIMES
from benchbed.config.settings import read_yaml
from benchbed.errors import BenchbedError, describe_validation_error


class _PaperModel(BaseModel):
    """A frozen model that rejects unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _check_number(printed: str) -> str:
    try:
        if Decimal(printed).is_finite():
            return printed
    except InvalidOperation:
        pass
    raise ValueError(f"{printed!r} is not a number")


PrintedValue = Annotated[str, AfterValidator(_check_number)]
"""A value as printed in the paper, as text to preserve its digits."""


def _check_regime(name: str) -> str:
    _check_known("regime", [name], REGIMES)
    return name


class ReferencePairs(_PaperModel):
    """Composition of the training set of a line.

    Attributes:
        generator: Method that made the synthetic pairs; empty under the regime ``"real"``.
        count: Number of synthetic pairs.
        real_share: Share of the real pairs that were used.
    """

    regime: Annotated[str, AfterValidator(_check_regime)]
    generator: str = ""
    count: int = 0
    real_share: float = 1.0


_NO_PAIRS = ReferencePairs.model_construct(regime="")
"""Value of runs whose task has no regimes."""


class ReferenceMethod(_PaperModel):
    """One line of a printed table, and the runs that it is compared with.

    Attributes:
        method: Name of the method here; None if there is none, so that only the published values
            are shown.
        settings: Settings that a matching run must have.
        pairs: The regime, generator and share of real pairs that a matching run must have; None
            if the task has none. A run with another pair count matches but is not comparable.
    """

    label: str
    method: str | None = None
    settings: dict[str, bool | int | float | str] = Field(default_factory=dict)
    pairs: ReferencePairs | None = None

    def is_match(self, run: Mapping[str, Any]) -> bool:
        """Return whether a run, given as a row of the frame, matches the line."""
        expected = self.pairs or _NO_PAIRS
        pairs = (expected.regime, expected.generator, expected.real_share)
        return (
            self.method == run["method"]
            and all(run["settings"].get(name) == value for name, value in self.settings.items())
            and pairs == (run["regime"], run["generator"], run["real_share"])
        )


class ReferenceMetric(_PaperModel):
    """One metric of a printed table, with the equivalent metric here."""

    metric: str
    title: str
    direction: Literal["up", "down", "none"]


class CellNote(_PaperModel):
    """A note on some cells of a printed table; no methods or no metrics means all of them."""

    note: str
    methods: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()

    def is_for_cell(self, method: str, metric: str) -> bool:
        """Return whether it applies to the cell of a line and a metric, given by their keys."""
        return method in (self.methods or [method]) and metric in (self.metrics or [metric])


class ReferenceRow(_PaperModel):
    """One row (a dataset) of a printed table.

    Attributes:
        datasets: Names of the corresponding datasets here.
        data: The data that the paper used.
        same_data: Those of the datasets that are exactly the paper's data.
        notes: Keys of the notes on the whole row.
        cells: Notes on single cells of the row.
        values: From keys of the table's methods and metrics to the printed value.
    """

    label: str
    datasets: tuple[str, ...]
    data: str
    same_data: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    cells: tuple[CellNote, ...] = ()
    values: dict[str, dict[str, PrintedValue]]


class ReferenceTable(_PaperModel):
    """One printed table.

    Attributes:
        name: Such as ``"table1"``.
        task: The task that reproduces it.
        methods: Its lines, by the keys that its rows use.
        metrics: Its metrics, by the keys that its rows use.
        conditions: Protocol fields that the paper states.
        rows: Its rows.
        notes: Keys of the notes on the whole table.
        cells: Notes on the same cells in every row.
    """

    name: str
    title: str
    task: str
    methods: dict[str, ReferenceMethod]
    metrics: dict[str, ReferenceMetric]
    conditions: dict[str, int | str] = Field(default_factory=dict)
    rows: tuple[ReferenceRow, ...]
    notes: tuple[str, ...] = ()
    cells: tuple[CellNote, ...] = ()

    @model_validator(mode="after")
    def _check_keys(self) -> ReferenceTable:
        for row in self.rows:
            _check_known("method", row.values, self.methods)
            for values in row.values.values():
                _check_known("metric", values, self.metrics)
            _check_known("dataset", row.same_data, row.datasets)
        for note in (*self.cells, *(note for row in self.rows for note in row.cells)):
            _check_known("method", note.methods, self.methods)
            _check_known("metric", note.metrics, self.metrics)
        return self

    @property
    def distinguishing_settings(self) -> dict[str, set[str]]:
        """By method, the settings that distinguish its lines."""
        names: dict[str, set[str]] = {}
        for line in self.methods.values():
            if line.method is not None:
                names.setdefault(line.method, set()).update(line.settings)
        return names

    def find_key(self, run: Mapping[str, Any]) -> str | None:
        """Return the key of the line that a row of the frame matches, or None."""
        return next((key for key, line in self.methods.items() if line.is_match(run)), None)


class ReferencePaper(_PaperModel):
    """The tables of one paper."""

    paper: str
    citation: str
    tables: tuple[ReferenceTable, ...]
    notes: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_notes(self) -> ReferencePaper:
        rows = (row for table in self.tables for row in table.rows)
        parts: list[ReferenceTable | ReferenceRow] = [*self.tables, *rows]
        for part in parts:
            _check_known("note", (*part.notes, *(n.note for n in part.cells)), self.notes)
        return self


def _check_known(kind: str, used: Iterable[str], declared: Iterable[str]) -> None:
    allowed = list(declared)
    for name in used:
        if name not in allowed:
            expected = ", ".join(allowed) or "none"
            raise ValueError(f"unknown {kind} {name!r}; expected one of {expected}")


def read_papers(folder: Path) -> list[ReferencePaper]:
    """Return all files of paper values, sorted by name.

    Raises:
        BenchbedError: A file is invalid.
    """
    return [_read_paper(path) for path in sorted(folder.glob("*.yaml"))]


def _read_paper(path: Path) -> ReferencePaper:
    try:
        return ReferencePaper.model_validate(read_yaml(path, "file of a paper's values"))
    except ValidationError as error:
        place, fault = describe_validation_error(error)
        # A check of the whole file, such as that of its notes, has no place.
        where = f" at {place!r}" if place else ""
        raise BenchbedError(f"{path} is invalid{where}: {fault}.") from error


VerdictWord = Literal["matches", "better", "worse", "not comparable"]


@dataclass(frozen=True)
class Verdict:
    """Result of a comparison with the paper, with reasons if the values are not comparable."""

    word: VerdictWord
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.word} ({'; '.join(self.reasons)})" if self.reasons else self.word


def list_differences(
    table: ReferenceTable, row: ReferenceRow, run: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return how a run, given as a row of the frame, differs from what the paper states."""
    differences: list[str] = []
    if run["source"] == "phantom":
        differences.append("phantom")
    elif run["dataset"] not in row.same_data:
        differences.append("other data")
    # Methods without training, such as a human annotator, have no networks to reduce.
    if run["preset"] == "quick" and run["seconds"] > 0:
        differences.append("reduced networks of preset quick")
    for name, paper_value in table.conditions.items():
        value = run[name]
        if value != paper_value:
            differences.append(
                f"{_format_setting(name, value)}, paper {_format_setting(name, paper_value)}"
            )
    line = table.methods.get(table.find_key(run) or "")
    if line is not None and line.pairs is not None and run["pair_count"] != line.pairs.count:
        differences.append(f"{run['pair_count']} pairs, paper {line.pairs.count} pairs")
    return tuple(differences)


def compare_with_paper(
    value: float, printed: str, direction: str, reasons: Sequence[str]
) -> Verdict:
    """Compare at the printed digits; papers round or truncate, so both count as a match."""
    if reasons:
        return Verdict("not comparable", tuple(reasons))
    if direction == "none":
        return Verdict("not comparable", ("the metric has no better direction",))
    paper_value = Decimal(printed)
    unit = Decimal(1).scaleb(int(paper_value.as_tuple().exponent))
    difference = Decimal(repr(value)) - paper_value
    if abs(difference) < unit:
        return Verdict("matches")
    return Verdict("better" if (difference > 0) == (direction == "up") else "worse")


def _format_setting(name: str, value: object) -> str:
    return {"size": f"{value} px", "samples": f"{value} samples"}.get(name, f"{name} {value}")
