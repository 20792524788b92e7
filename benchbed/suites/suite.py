"""A suite file: which methods on which data, with which seeds and budget."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from benchbed import paths
from benchbed.api.specs import PRESETS, DatasetSpec, MethodSpec, TaskSpec
from benchbed.data.source import path_of
from benchbed.errors import BenchbedError, nearest, unknown
from benchbed.registry import registry
from benchbed.settings import read_yaml

PresetName = Literal["quick", "standard", "paper"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Scale(_Strict):
    """What a suite changes of a preset.

    Attributes:
        size: In-plane size in pixels.
        kimg: Budget in thousands of images.
        samples: Number of samples to score.
        pairs: Number of synthetic pairs, of every row that has some.
        generator_kimg: Budget of the generators in thousands of images.
        annotator_kimg: Budget of the annotators in thousands of images.
        augment: ``"none"`` or ``"flip"``.
        seeds: Seeds, instead of the suite's.
        settings: Settings of every method.
    """

    size: int | None = None
    kimg: float | None = None
    samples: int | None = None
    pairs: int | None = None
    generator_kimg: float | None = None
    annotator_kimg: float | None = None
    augment: Literal["none", "flip"] | None = None
    seeds: tuple[int, ...] | None = None
    settings: dict[str, Any] = Field(default_factory=dict)


class Entry(_Strict):
    """A method in a suite: one row of its table.

    Attributes:
        method: Its name.
        settings: Settings that the suite changes.
        regime: What it is trained on, for a task that asks.
        generator: Method that makes synthetic pairs.
        generator_dataset: What that is trained on.
        generator_kimg: Its budget in thousands of images.
        pairs: Number of synthetic pairs.
        real_share: Share of the real cases that the regime uses.
        masks_from: Data set with masks, where the data set has none.
        annotator: Method that learns those masks and draws the missing ones.
        annotator_kimg: Its budget in thousands of images.
    """

    method: str
    settings: dict[str, Any] = Field(default_factory=dict)
    regime: str | None = None
    generator: str | None = None
    generator_dataset: str | None = None
    generator_kimg: float | None = None
    pairs: int | None = None
    real_share: float | None = None
    masks_from: str | None = None
    annotator: str | None = None
    annotator_kimg: float | None = None


class Suite(_Strict):
    """A grid of runs.

    Attributes:
        name: What it is called; the file's name without its suffix.
        title: What it recomputes.
        task: How the methods are judged.
        methods: Its rows: a list of entries, or each method's name with the settings that the
            suite changes.
        datasets: The data sets.
        seeds: The seeds.
        metrics: Metrics to report, instead of the task's.
        presets: What changes of a preset, by its name.
    """

    name: str
    title: str
    task: str
    methods: tuple[Entry, ...]
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    metrics: tuple[str, ...] = ()
    presets: dict[PresetName, Scale] = Field(default_factory=dict)

    @field_validator("methods", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        """Names with their settings, as the entries that they stand for."""
        if not isinstance(value, dict):
            return value
        return [{"method": name, "settings": settings} for name, settings in value.items()]

    def scale(self, preset: PresetName) -> Scale:
        """What the suite changes of a preset."""
        return self.presets.get(preset, Scale())

    def narrowed(self, methods: Sequence[str] = (), datasets: Sequence[str] = ()) -> Suite:
        """The suite with other methods or data sets; none given leaves them as they are.

        A method keeps the rows that the suite gives it.
        """
        rows = [
            entry
            for name in methods
            for entry in ([e for e in self.methods if e.method == name] or [Entry(method=name)])
        ]
        changes: dict[str, Any] = {
            "methods": tuple(rows) or self.methods,
            "datasets": tuple(datasets) or self.datasets,
        }
        return self.model_copy(update=changes)


def shipped() -> dict[str, Path]:
    """The suites that come with benchbed, by name."""
    return {path.stem: path for path in sorted(paths.benchmarks().glob("*.yaml"))}


def find_suite(text: str) -> Suite:
    """The suite of a file, or the shipped one of that name.

    Args:
        text: A path, or a name as `shipped` gives them.

    Raises:
        BenchbedError: There is no such file or name, the file is no suite, or it names something
            that does not exist.
    """
    path = shipped().get(text, Path(text))
    if text not in shipped() and path.suffix not in (".yaml", ".yml") and not _there(path):
        raise unknown("suite", text, shipped(), "benchbed list suites")
    suite = read_suite(path)
    for empty in ("methods", "datasets", "seeds"):
        if not getattr(suite, empty):
            raise BenchbedError(f"Suite file {path} contains no {empty}.")
    check_names(suite)
    return suite


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # no disk takes such a name
        return False


def read_suite(path: Path) -> Suite:
    """Read a suite file; what it names may not be installed here.

    Raises:
        BenchbedError: It cannot be read, or is no suite.
    """
    content = read_yaml(path, "suite file")
    if not isinstance(content, dict):
        raise BenchbedError(f"Suite file {path} must contain 'name: value' lines.")
    try:
        return Suite.model_validate({"name": path.stem, **content})
    except ValidationError as error:
        raise BenchbedError(_sentence(path, error)) from error


def _sentence(path: Path, error: ValidationError) -> str:
    # A misspelt entry is also a missing one; the misspelling is what helps.
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = [*Suite.model_fields, *Entry.model_fields, *Scale.model_fields, *PRESETS]
        close = nearest(str(first["loc"][-1]), known)
        guess = f"; did you mean {close!r}?" if close else "."
        return f"Suite file {path} contains the unknown entry {place!r}{guess}"
    reason = first["msg"][0].lower() + first["msg"][1:]
    return f"Suite file {path} is invalid: {place}: {reason}."


def check_names(suite: Suite) -> None:
    """Refuse what no plugin offers.

    Raises:
        BenchbedError: The suite names a task, method or data set that does not exist.
    """
    known = registry()
    known.spec(TaskSpec, suite.task)
    for entry in suite.methods:
        for method in (entry.method, entry.generator, entry.annotator):
            if method is not None:
                known.spec(MethodSpec, method)
    for dataset in suite.datasets:
        if path_of(dataset) is None:
            known.spec(DatasetSpec, dataset)
