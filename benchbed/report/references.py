"""The values that papers printed, with their place and their caveats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchbed.api.specs import REGIMES
from benchbed.errors import BenchbedError
from benchbed.settings import read_yaml


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _number(printed: str) -> str:
    try:
        finite = Decimal(printed).is_finite()
    except InvalidOperation:
        finite = False
    if not finite:
        raise ValueError(f"{printed!r} is not a number")
    return printed


Printed = Annotated[str, AfterValidator(_number)]
"""A value as it stands in the paper, kept as text for its digits."""


def _regime(name: str) -> str:
    if name not in REGIMES:
        raise ValueError(f"unknown regime {name!r}; expected one of {', '.join(REGIMES)}")
    return name


class ReferencePairs(_Strict):
    """What a line's training set was made of.

    Attributes:
        regime: A key of `REGIMES`.
        generator: Method here that made the synthetic pairs; empty under the regime ``"real"``.
        count: Number of synthetic pairs.
        real_share: Share of the real pairs that were used.
    """

    regime: Annotated[str, AfterValidator(_regime)]
    generator: str = ""
    count: int = 0
    real_share: float = 1.0


_NO_PAIRS = ReferencePairs.model_construct(regime="")
"""What a run of another task has in the frame."""


class ReferenceMethod(_Strict):
    """One line of a printed table, and which runs stand beside it.

    Attributes:
        label: Its name in the paper.
        method: The method here; None where nothing here stands for it, so that its values are
            shown as published alone.
        settings: Settings that a run of the method must have to stand here.
        pairs: The regime, the generator and the share of real pairs that it must have; None where
            that is no question. With another count it stands here, and does not compare.
    """

    label: str
    method: str | None = None
    settings: dict[str, bool | int | float | str] = Field(default_factory=dict)
    pairs: ReferencePairs | None = None

    def stands_for(self, run: Mapping[str, Any]) -> bool:
        """Whether a run, given as a row of the frame, stands beside it."""
        known = self.pairs or _NO_PAIRS
        pairs = (known.regime, known.generator, known.real_share)
        return (
            self.method == run["method"]
            and all(run["settings"].get(name) == value for name, value in self.settings.items())
            and pairs == (run["regime"], run["generator"], run["real_share"])
        )


class ReferenceMetric(_Strict):
    """One metric of a printed table.

    Attributes:
        metric: The metric that measures the same here.
        title: Its column heading.
        direction: Which way is better.
    """

    metric: str
    title: str
    direction: Literal["up", "down", "none"]


class CellNote(_Strict):
    """A note that belongs to some cells of a printed table.

    Attributes:
        note: Key of the note.
        methods: Keys of the lines; all where none is named.
        metrics: Keys of the metrics; all where none is named.
    """

    note: str
    methods: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()

    def belongs(self, method: str, metric: str) -> bool:
        """Whether it belongs to the cell of a line and a metric, given by their keys."""
        return (not self.methods or method in self.methods) and (
            not self.metrics or metric in self.metrics
        )


class ReferenceRow(_Strict):
    """One row (a data set) of a printed table.

    Attributes:
        label: As printed.
        datasets: The data sets here that stand for it.
        data: What the paper used.
        same_data: Those of them that are the very data of the paper.
        notes: Keys of the notes that belong to the whole row.
        cells: Notes that belong to single cells of the row.
        values: Keys of the table's methods and metrics to the printed value.
    """

    label: str
    datasets: tuple[str, ...]
    data: str
    same_data: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    cells: tuple[CellNote, ...] = ()
    values: dict[str, dict[str, Printed]]


class ReferenceTable(_Strict):
    """One printed table.

    Attributes:
        name: Such as ``"table1"``.
        title: Heading of the leaderboard.
        task: The task that recomputes it.
        methods: Its lines, by keys that its rows use.
        metrics: Metric in the paper to what measures it here.
        conditions: Fields of the protocol that the paper states.
        rows: Its rows.
        notes: Keys of the notes that belong to the whole table.
        cells: Notes that belong to the same cells in every row.
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
    def _check(self) -> ReferenceTable:
        for row in self.rows:
            _known("method", row.values, self.methods)
            for values in row.values.values():
                _known("metric", values, self.metrics)
            _known("data set", row.same_data, row.datasets)
        for note in (*self.cells, *(note for row in self.rows for note in row.cells)):
            _known("method", note.methods, self.methods)
            _known("metric", note.metrics, self.metrics)
        return self

    @property
    def told(self) -> dict[str, set[str]]:
        """By method, the settings that tell its lines apart."""
        names: dict[str, set[str]] = {}
        for line in self.methods.values():
            if line.method is not None:
                names.setdefault(line.method, set()).update(line.settings)
        return names

    def key(self, run: Mapping[str, Any]) -> str | None:
        """The line that a run, given as a row of the frame, stands beside, or None."""
        return next((key for key, line in self.methods.items() if line.stands_for(run)), None)


class ReferencePaper(_Strict):
    """A paper's tables.

    Attributes:
        paper: Key of the paper.
        citation: How it is cited.
        tables: Its tables.
        notes: Texts of the notes.
    """

    paper: str
    citation: str
    tables: tuple[ReferenceTable, ...]
    notes: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> ReferencePaper:
        for table in self.tables:
            _known("note", (*table.notes, *(n.note for n in table.cells)), self.notes)
            for row in table.rows:
                _known("note", (*row.notes, *(n.note for n in row.cells)), self.notes)
        return self


def _known(kind: str, used: Iterable[str], declared: Iterable[str]) -> None:
    allowed = list(declared)
    for name in used:
        if name not in allowed:
            raise ValueError(
                f"unknown {kind} {name!r}; expected one of {', '.join(allowed) or 'none'}"
            )


def read_papers(folder: Path) -> list[ReferencePaper]:
    """Every file of reference values, in the order of their names.

    Raises:
        BenchbedError: A file does not have the form of one.
    """
    return [_read(path) for path in sorted(folder.glob("*.yaml"))]


def _read(path: Path) -> ReferencePaper:
    try:
        return ReferencePaper.model_validate(read_yaml(path, "file of a paper's values"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise BenchbedError(f"{path} is invalid at {place!r}: {reason}.") from error
