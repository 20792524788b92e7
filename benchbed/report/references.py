"""The values that papers printed, with their place and their caveats."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchbed.errors import BenchbedError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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


class ReferenceRow(_Strict):
    """One row (a data set) of a printed table.

    Attributes:
        label: As printed.
        datasets: The data sets here that stand for it.
        data: What the paper used.
        same_data: Those of them that are the very data of the paper.
        notes: Keys of the notes that belong to every cell of the row.
        values: Method and metric to the printed value, kept as text for its digits.
    """

    label: str
    datasets: tuple[str, ...]
    data: str
    same_data: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    values: dict[str, dict[str, str]]


class ReferenceTable(_Strict):
    """One printed table.

    Attributes:
        name: Such as ``"table1"``.
        title: Heading of the leaderboard.
        task: The task that recomputes it.
        methods: Method here to its name in the paper.
        metrics: Metric in the paper to what measures it here.
        conditions: Fields of the protocol that the paper states.
        rows: Its rows.
        notes: Keys of the notes that belong to the whole table.
    """

    name: str
    title: str
    task: str
    methods: dict[str, str]
    metrics: dict[str, ReferenceMetric]
    conditions: dict[str, int | str] = Field(default_factory=dict)
    rows: tuple[ReferenceRow, ...]
    notes: tuple[str, ...] = ()


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


def read_papers(folder: Path) -> list[ReferencePaper]:
    """Every file of reference values, in the order of their names.

    Raises:
        BenchbedError: A file does not have the form of one.
    """
    return [_read(path) for path in sorted(folder.glob("*.yaml"))]


def _read(path: Path) -> ReferencePaper:
    try:
        return ReferencePaper.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, OSError) as error:
        raise BenchbedError(f"{path} cannot be read: {' '.join(str(error).split())}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BenchbedError(f"{path} is wrong at {place!r}: {first['msg']}.") from error
