"""The results of one machine: earlier ones stay where nothing new takes their place."""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableSequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from benchbed.utils.files import write_json

from . import picture, record
from .known import KnownAnswer
from .measure import Measurement
from .record import Failure
from .scaling import Growth
from .start_up import StartUp

Item = Measurement | KnownAnswer | StartUp | Growth | Failure
T = TypeVar("T", bound=Item)


@dataclass
class Results:
    """What is known.

    Attributes:
        machine: What it was measured on.
        made: Pairs.
        known: Known answers.
        started: Commands.
        grown: Fitted exponents.
        failed: What could not be measured.
    """

    machine: dict[str, Any]
    made: list[Measurement] = field(default_factory=list)
    known: list[KnownAnswer] = field(default_factory=list)
    started: list[StartUp] = field(default_factory=list)
    grown: list[Growth] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)

    def add(self, item: Item) -> None:
        """Add something, in the place of what has the same name and precision."""
        if isinstance(item, Failure):
            _put(self.failed, item)
        elif isinstance(item, Measurement):
            _put(self.made, item)
        elif isinstance(item, KnownAnswer):
            _put(self.known, item)
        elif isinstance(item, StartUp):
            _put(self.started, item)
        else:
            _put(self.grown, item)

    def forget_failure(self, name: str, precision: str) -> None:
        """It is about to be tried once more."""
        tried = name, precision
        self.failed = [one for one in self.failed if (one.name, one.precision) != tried]

    def training(self, name: str) -> list[Measurement]:
        """The training of that name in every precision."""
        return [one for one in self.made if one.group == "training" and one.name == name]

    def save(self, path: Path) -> None:
        """Write the JSON."""
        content = {
            "format": record.FORMAT,
            "machine": self.machine,
            "rules": record.RULES,
            "comparisons": [record.comparison(one) for one in self.made],
            "known_answers": [record.known_answer(one) for one in self.known],
            "start_up": [record.start_up(one) for one in self.started],
            "scaling": [record.growth(one) for one in self.grown],
            "not_measured": [vars(one) for one in self.failed],
        }
        write_json(path, content)

    def draw(self, path: Path) -> bool:
        """Write the picture; whether there was something to draw."""
        if self.made:
            picture.draw(self.made, self.machine, path)
        return bool(self.made)


def read(path: Path) -> Results:
    """The reverse of `Results.save`.

    Raises:
        ValueError: It has another format.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["format"] != record.FORMAT:
        raise ValueError(f"{path.name} has format {content['format']}, not {record.FORMAT}.")
    return Results(
        machine=content["machine"],
        made=[record.measurement(entry) for entry in content["comparisons"]],
        known=[record.answered(entry) for entry in content["known_answers"]],
        started=[record.started(entry) for entry in content["start_up"]],
        grown=[record.grown(entry) for entry in content["scaling"]],
        failed=[Failure(**entry) for entry in content["not_measured"]],
    )


def place(folder: Path, stem: str, machine: dict[str, Any]) -> Path:
    """The file of this machine: the first that holds its results, or that is not there yet.

    Args:
        folder: Where results lie.
        stem: Name of the file without its ending; those of further machines have a number.
        machine: What is measured on.
    """
    plain = json.loads(json.dumps(machine))
    return next(path for path in _places(folder, stem) if _is_free(path, plain))


def _places(folder: Path, stem: str) -> Iterator[Path]:
    yield folder / f"{stem}.json"
    number = 2
    while True:
        yield folder / f"{stem}-{number}.json"
        number += 1


def _is_free(path: Path, machine: dict[str, Any]) -> bool:
    if not path.exists():
        return True
    try:
        return read(path).machine == machine
    except (AttributeError, KeyError, TypeError, ValueError):
        return False  # damaged or of another format: it is left alone


def _key(item: Item) -> tuple[str, str]:
    """What tells two items apart."""
    if isinstance(item, Failure) or (isinstance(item, Measurement) and item.group == "training"):
        return item.name, item.precision
    return item.name, ""


def _put(items: MutableSequence[T], item: T) -> None:
    for number, one in enumerate(items):
        if _key(one) == _key(item):
            items[number] = item
            return
    items.append(item)
