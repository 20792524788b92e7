"""The small JSON file that a run leaves: what was run, on what, how it went, every number."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from benchbed.errors import BenchbedError
from benchbed.files import write_json

SCHEMA = 1
"""Version of the record; a reader knows every version up to its own."""

Count = Annotated[int, Field(ge=0, lt=2**63)]
"""A number of things: what every reader can compute with."""

Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
"""A measured size, as of seconds: finite, and far from where sums of it would not be."""

MOST = 1e100
"""A metric's value beyond it is no result: of squares of such values no mean could be had."""


class _Part(BaseModel):
    # A later minor addition to a record must not break an older reader of the same schema.
    model_config = ConfigDict(extra="ignore", frozen=True)


class Measured(_Part):
    """One metric's value; the fields are those of `MetricValue`."""

    metric: str
    value: float | None
    recipe: str
    n_real: Count
    n_fake: Count
    floor: float | None = None
    n_floor: Count = 0
    low: float | None = None
    high: float | None = None
    note: str = ""

    @property
    def sound(self) -> bool:
        """Whether its value may enter a mean or a comparison: NaN and infinity may not."""
        return usable(self.value)


def usable(value: float | None) -> bool:
    """Whether a value is there, and a number that can be computed with."""
    return value is not None and abs(value) <= MOST


class Training(_Part):
    """How the training went."""

    kimg: Amount
    steps: Count
    seconds: Amount
    images_per_second: Amount
    updates: dict[str, Count] = Field(default_factory=dict)
    parameters: dict[str, Count] = Field(default_factory=dict)
    peak_memory_bytes: Count | None = None


class LentMasks(_Part):
    """Masks that a segmentation network drew, having learnt from another data set.

    Attributes:
        dataset: The data set that has masks.
        annotator: The method that drew them.
        run: Its run.
        kimg: Its budget in thousands of images.
    """

    dataset: str
    annotator: str
    run: str
    kimg: Amount | None = None

    @property
    def label(self) -> str:
        """In a few words, for a table."""
        return f"masks of {self.dataset} by {self.annotator}{_budget(self.kimg)}"


class Pairs(_Part):
    """What a segmentation network was trained on beside, or instead of, real pairs.

    Attributes:
        regime: A key of `REGIMES`.
        generator: Method that made the pairs; None under the regime ``"real"``.
        run: Its run.
        dataset: What it was trained on.
        kimg: Its budget in thousands of images.
        count: Number of pairs.
        real_share: Share of the real training cases that were used.
        masks: Where the masks that it learnt from came from; None for its own data set.
    """

    regime: str
    generator: str | None = None
    run: str | None = None
    dataset: str | None = None
    kimg: Amount | None = None
    count: Count = 0
    real_share: Amount = 1.0
    masks: LentMasks | None = None

    @property
    def label(self) -> str:
        """In a few words, for a table."""
        share = "" if self.real_share == 1.0 else f", {self.real_share:.0%} of the real cases"
        if self.generator is None:
            return f"{self.regime}{share}"
        lent = "" if self.masks is None else f", {self.masks.label}"
        learnt = "" if self.dataset is None else f" from {self.dataset}"
        made = f"{self.generator}{learnt}{_budget(self.kimg)}"
        return f"{self.regime}, {self.count} of {made}{share}{lent}"


def _budget(kimg: float | None) -> str:
    """The budget of a helping run in a label; without it two of them would look like one."""
    return "" if kimg is None else f" with {kimg:g} kimg"


class Provenance(_Part):
    """Where and with what it was made.

    Attributes:
        instructions: The processor's vector instructions that torch computes with, such as
            ``"AVX2"``: processors of one name have other ones, and round otherwise. None in
            records from before it was noted.
    """

    created: str
    command: str
    commit: str | None
    dirty: bool | None
    benchbed: str
    plugins: dict[str, str]
    libraries: dict[str, str]
    python: str
    system: str
    processor: str
    instructions: str | None = None
    cores: Count
    threads: Count
    memory_bytes: Count
    device: str
    devices: Count = 1


class Imported(_Part):
    """Where a record came from that was not made in this results folder.

    Attributes:
        archive: Name of the archive, without its folder.
        sha256: Hash of the archive; `benchbed export` tells the same one.
        at: When it was imported; `Provenance.created` keeps when the run was made.
    """

    archive: str
    sha256: str
    at: str


class _Protocol(_Part):
    """What readers of a record take from its protocol; the fields are those of `Protocol`."""

    # Its hash is of what stands there, so that a text in the place of a number stays a text.
    model_config = ConfigDict(strict=True)

    preset: str
    size: Count
    kimg: Amount | None
    seconds: Amount | None
    samples: Count
    reference_split: str


FILE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$"
"""What names files must be a name and no path, and none that is too long for a disk: records of
strangers are read too."""


class Record(_Part):
    """One run's record.

    Attributes:
        imported: Where it came from; None where the run was made in this results folder.
    """

    schema_version: int = SCHEMA
    id: str = Field(pattern=FILE_NAME)
    state: Literal["finished", "diverged"]
    message: str = ""
    method: str
    settings: dict[str, Any]
    dataset: str
    source: Literal["real", "phantom"]
    fingerprint: str
    cases: dict[str, Count]
    skipped: list[str] = Field(default_factory=list)
    copies: list[str] = Field(default_factory=list)
    task: str = Field(pattern=FILE_NAME)
    pairs: Pairs | None = None
    masks: LentMasks | None = None
    protocol: dict[str, Any]
    protocol_hash: str
    seed: Count
    precision: str
    training: Training
    metrics: list[Measured] = Field(default_factory=list)
    provenance: Provenance
    imported: Imported | None = None

    @field_validator("protocol")
    @classmethod
    def _readable(cls, protocol: dict[str, Any]) -> dict[str, Any]:
        """The protocol as it is: its hash is of every field."""
        known = _Protocol.model_validate(protocol)
        if known.kimg is None and known.seconds is None:
            raise ValueError("it has no budget")
        return protocol


def write_record(path: Path, record: Record) -> None:
    """Write a record whole."""
    content = record.model_dump(mode="json")
    if record.imported is None:
        # Said where it is so, and left out of every other record.
        del content["imported"]
    write_json(path, content)


def read_record(path: Path) -> Record:
    """Read a record of this schema or an older one.

    Raises:
        BenchbedError: The file is no record, or is of a newer schema.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchbedError(f"The record {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise BenchbedError(f"The record {path} cannot be read: {error}.") from error
    return parse_record(content, str(path))


def parse_record(content: Any, place: str) -> Record:
    """A record from what its JSON holds.

    Args:
        content: What was read.
        place: Where from, for the error text.

    Raises:
        BenchbedError: It is no record, or is of a newer schema.
    """
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise BenchbedError(f"{place} is not a benchbed record: schema_version is missing.")
    if version > SCHEMA:
        raise BenchbedError(
            f"Record {place} has schema {version}, but this benchbed reads up to {SCHEMA}. "
            "Update benchbed, or move the file away."
        )
    if (text := obeyed(content)) is not None:
        raise BenchbedError(f"Record {place} contains control characters ({text[:40]!r}).")
    try:
        return Record.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        part = ".".join(str(part) for part in first["loc"])
        raise BenchbedError(f"Record {place} is invalid at {part!r}: {first['msg']}.") from (error)


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def obeyed(value: Any) -> str | None:
    """The first text in a JSON value that a terminal would obey, or None."""
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, str) and _CONTROL.search(each):
            return each
        if isinstance(each, dict):
            todo += [*each.keys(), *each.values()]
        elif isinstance(each, list):
            todo += each
    return None
