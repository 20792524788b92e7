"""Suite files: methods, datasets, seeds and budget of a grid of runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Required, TypeAlias, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, with_config

from benchbed.api.specs import DatasetSpec, MethodSpec, PresetName, TaskSpec
from benchbed.config import paths
from benchbed.config.run_config import RunConfig
from benchbed.config.settings import read_yaml
from benchbed.data.sources.own_data import parse_own_path
from benchbed.errors import (
    BenchbedError,
    find_similar_name,
    make_unknown_error,
    simplify_validation_message,
)
from benchbed.registry.lookup import get_registry

SUITE_FIELDS = (
    *("method", "dataset", "task", "preset", "seed", "metrics"),
    *("source", "data_root", "precision", "skip_bad"),
)
"""Fields of `RunConfig` that the suite or its command sets; rows and presets may set the others."""

_ROW_TYPES = {
    name: kind
    for name, kind in get_type_hints(RunConfig, include_extras=True).items()
    if name in RunConfig.model_fields and name not in SUITE_FIELDS
}

if TYPE_CHECKING:
    MethodEntry: TypeAlias = dict[str, Any]
    PresetOverrides: TypeAlias = dict[str, Any]
else:
    from typing_extensions import TypedDict  # pydantic accepts no other before Python 3.12

    MethodEntry = with_config(extra="forbid")(
        TypedDict("MethodEntry", {**_ROW_TYPES, "method": Required[str]}, total=False)
    )
    """A method in a suite, one row of its table: fields of `RunConfig` that it sets."""

    PresetOverrides = with_config(extra="forbid")(
        TypedDict("PresetOverrides", {**_ROW_TYPES, "seeds": tuple[int, ...]}, total=False)
    )
    """Changes of a suite to a preset: fields of `RunConfig`, and seeds instead of the suite's."""


class Suite(BaseModel):
    """A grid of runs.

    Attributes:
        name: Name of the file without its suffix.
        title: Short description.
        task: Task of all runs.
        methods: Its rows: a list of entries, or each method's name with the settings that the
            suite changes.
        datasets: Names of the datasets.
        seeds: The seeds.
        metrics: Metrics to report, instead of the task's.
        presets: Changes to presets, by preset name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    task: str
    methods: tuple[MethodEntry, ...]
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    metrics: tuple[str, ...] = ()
    presets: dict[PresetName, PresetOverrides] = Field(default_factory=dict)

    @field_validator("methods", mode="before")
    @classmethod
    def _expand_entries(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return [{"method": name, "settings": settings} for name, settings in value.items()]

    def get_overrides(self, preset: PresetName) -> PresetOverrides:
        """Return the suite's changes to a preset."""
        return self.presets.get(preset, {})

    def select_entries(self, methods: Sequence[str] = (), datasets: Sequence[str] = ()) -> Suite:
        """Return the suite with other methods or datasets; empty arguments change nothing.

        A method of the suite keeps its rows.
        """
        rows = [
            entry
            for name in methods
            for entry in ([e for e in self.methods if e["method"] == name] or [{"method": name}])
        ]
        changes: dict[str, Any] = {
            "methods": tuple(rows) or self.methods,
            "datasets": tuple(datasets) or self.datasets,
        }
        return self.model_copy(update=changes)


def list_shipped_suites() -> dict[str, Path]:
    """Return the suites that benchbed includes, by name."""
    return {path.stem: path for path in sorted(paths.find_benchmarks_folder().glob("*.yaml"))}


def find_suite(text: str) -> Suite:
    """Return the suite of a file, or the included one of that name.

    Args:
        text: A path, or a name from `list_shipped_suites`.

    Raises:
        BenchbedError: No such file or name exists, the file is invalid, or it names something
            that does not exist.
    """
    path = list_shipped_suites().get(text) or paths.expand_home(Path(text))
    if (
        text not in list_shipped_suites()
        and path.suffix not in (".yaml", ".yml")
        and not _is_present(path)
    ):
        raise make_unknown_error("suite", text, list_shipped_suites(), "benchbed list suites")
    suite = read_suite(path)
    for empty in ("methods", "datasets", "seeds"):
        if not getattr(suite, empty):
            raise BenchbedError(f"Suite file {path} contains no {empty}.")
    check_names(suite)
    return suite


def _is_present(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file system accepts
        return False


def read_suite(path: Path) -> Suite:
    """Read a suite file, without checking the names in it.

    Raises:
        BenchbedError: It is unreadable or invalid.
    """
    content = read_yaml(path, "suite file")
    if not isinstance(content, dict):
        raise BenchbedError(f"Suite file {path} must contain 'name: value' lines.")
    try:
        return Suite.model_validate({"name": path.stem, **content})
    except ValidationError as error:
        raise BenchbedError(_format_validation_error(path, error)) from error


def _format_validation_error(path: Path, error: ValidationError) -> str:
    # A misspelt entry also causes a missing one; the misspelling is the helpful message.
    first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        inner = {"methods": ["method", *_ROW_TYPES], "presets": ["seeds", *_ROW_TYPES]}
        known = inner.get(str(first["loc"][0]), [*Suite.model_fields])
        suggestion = find_similar_name(str(first["loc"][-1]), known)
        guess = f"; did you mean {suggestion!r}?" if suggestion else "."
        return f"Suite file {path} contains the unknown entry {place!r}{guess}"
    reason = simplify_validation_message(first["msg"])
    return f"Suite file {path} is invalid: {place}: {reason}."


def check_names(suite: Suite) -> None:
    """Check that the names in a suite exist.

    Raises:
        BenchbedError: The suite names an unknown task, method or dataset.
    """
    registry = get_registry()
    registry.get_spec(TaskSpec, suite.task)
    for entry in suite.methods:
        for role in ("method", "generator", "annotator"):
            if entry.get(role) is not None:
                registry.get_spec(MethodSpec, entry[role])
    for dataset in suite.datasets:
        if parse_own_path(dataset) is None:
            registry.get_spec(DatasetSpec, dataset)
