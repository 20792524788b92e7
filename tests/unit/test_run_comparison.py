"""Comparison of runs: differences, comparability, and the best value of each metric."""

from __future__ import annotations

from typing import Any

import pytest

from benchbed.api.specs import MetricSpec
from benchbed.registry.lookup import get_registry
from benchbed.results.record import MeasuredMetric, Record
from benchbed.results.run_comparison import RunComparison, compare_runs

PROTOCOL = {
    "preset": "quick", "task": "synthesis", "dataset": "drive", "source": "phantom",
    "fingerprint": "f" * 16, "size": 64, "channels": 3, "framing": "fov", "augment": "none",
    "kimg": 16.0, "seconds": None, "train_split": "train", "reference_split": "train",
    "samples": 100, "selection": "last", "version": 1,
}  # fmt: skip

PROVENANCE = {
    "created": "2026-01-01T00:00:00+00:00", "command": "benchbed run", "commit": "c0ffee",
    "dirty": False, "benchbed": "0.1.0", "plugins": {"classics": "benchbed 0.1.0"},
    "libraries": {"torch": "2.10"}, "python": "3.11", "system": "Linux", "processor": "x",
    "cores": 2, "threads": 1, "memory_bytes": 2**30, "device": "cpu",
}  # fmt: skip


def _measured(metric: str, value: float | None, **more: Any) -> MeasuredMetric:
    recipe = more.pop("recipe", "default")
    return MeasuredMetric(metric=metric, value=value, recipe=recipe, n_real=100, n_fake=100, **more)


def _record(run: str, *metrics: MeasuredMetric, protocol: Any = None, **changes: Any) -> Record:
    merged = {**PROTOCOL, **(protocol or {})}
    content = {
        "id": run, "state": "finished", "method": "dcgan", "settings": {"batch_size": 16},
        "dataset": "drive", "source": merged["source"], "fingerprint": merged["fingerprint"],
        "cases": {"train": 20}, "task": merged["task"], "protocol": merged,
        "protocol_hash": str(hash(tuple(merged.values()))), "seed": 0, "precision": "fp32",
        "training": {"kimg": 16, "steps": 1000, "seconds": 10.0, "images_per_second": 1600},
        "metrics": [metric.model_dump() for metric in metrics], "provenance": PROVENANCE,
    }  # fmt: skip
    return Record.model_validate({**content, **changes})


def _compare(*records: Record) -> RunComparison:
    return compare_runs(records, get_registry().get_specs(MetricSpec))


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("swd", (0.2, 0.1, 0.3), {1}),
        ("dice", (0.2, 0.1, 0.3), {2}),
        ("swd", (0.1, 0.1, 0.3), {0, 1}),
        ("swd", (0.2, None, 0.3), {0}),
        ("swd", (0.2, 0.2, 0.2), set()),
        ("memorisation", (0.2, 0.5, 0.9), set()),
        ("of-no-plugin", (0.2, 0.5, 0.9), set()),
    ],
)
def test_the_best_value_follows_the_direction_of_the_metric(
    metric: str, values: tuple[float | None, ...], best: set[int]
) -> None:
    comparison = _compare(*(_record(f"r{i}", _measured(metric, v)) for i, v in enumerate(values)))
    assert comparison.reasons == ()
    (line,) = comparison.metric_rows
    assert line.best == best


@pytest.mark.parametrize(
    ("second", "overlap"), [((0.15, 0.3), True), ((0.21, 0.3), False), ((0.2, 0.3), True)]
)
def test_overlapping_intervals_are_marked(second: tuple[float, float], overlap: bool) -> None:
    low, high = second
    comparison = _compare(
        _record("a", _measured("swd", 0.1, low=0.05, high=0.2)),
        _record("b", _measured("swd", 0.25, low=low, high=high)),
    )
    assert comparison.metric_rows[0].best == {0}
    assert comparison.metric_rows[0].has_overlap is overlap


@pytest.mark.parametrize(
    ("change", "field", "values"),
    [
        ({"source": "real"}, "source", "phantom, real"),
        ({"fingerprint": "0" * 16}, "fingerprint", f"{'f' * 16}, {'0' * 16}"),
        ({"task": "translation"}, "task", "synthesis, translation"),
        ({"size": 128}, "size", "64, 128"),
        ({"kimg": 8.0}, "kimg", "16, 8"),
        ({"version": 2}, "version", "1, 2"),
    ],
)
def test_runs_of_different_protocols_are_not_ranked(
    change: dict[str, Any], field: str, values: str
) -> None:
    comparison = _compare(
        _record("a", _measured("swd", 0.1)), _record("b", _measured("swd", 0.2), protocol=change)
    )
    (reason,) = comparison.reasons
    assert field in reason
    assert reason.endswith(f": {values}")
    assert comparison.metric_rows[0].best == frozenset()
    assert comparison.as_dict()["comparable"] is False


def test_runs_of_different_precision_are_not_ranked() -> None:
    comparison = _compare(_record("a"), _record("b", precision="bf16"))
    (reason,) = comparison.reasons
    assert "precision" in reason
    assert reason.endswith(": fp32, bf16")


def test_values_of_different_recipes_are_not_ranked() -> None:
    comparison = _compare(
        _record("a", _measured("swd", 0.1)), _record("b", _measured("swd", 0.2, recipe="new"))
    )
    assert comparison.metric_rows[0].best == frozenset()
    assert "recipe" in comparison.metric_rows[0].note


def test_only_different_facts_are_listed() -> None:
    comparison = _compare(
        _record("a"), _record("b", seed=1, settings={"batch_size": 16, "width": 0.5})
    )
    differing = {(f.group, f.name): f.values for f in comparison.facts if f.differs}
    assert differing == {("run", "seed"): (0, 1), ("settings", "width"): (None, 0.5)}
    listed = comparison.as_dict()["facts"]
    assert [fact["name"] for fact in listed] == ["seed", "width"]
    everything = {fact["name"] for fact in comparison.as_dict(everything=True)["facts"]}
    assert {"processor", "batch_size", "cases of train", "steps", "torch"} <= everything


def test_processors_differ_by_their_instruction_sets() -> None:
    """They round differently, so that the same command and seed give other values."""
    older, newer = (
        _record(name, provenance={**PROVENANCE, "instructions": instructions})
        for name, instructions in (("a", "AVX2"), ("b", "AVX512"))
    )
    differing = {(f.group, f.name): f.values for f in _compare(older, newer).facts if f.differs}
    assert differing == {("machine", "instructions"): ("AVX2", "AVX512")}


def test_a_run_that_diverged_has_no_value() -> None:
    comparison = _compare(_record("a", _measured("swd", 0.1)), _record("b", state="diverged"))
    assert comparison.metric_rows[0].values[1] is None
    assert comparison.metric_rows[0].best == frozenset()
    assert ("finished", "diverged") in [fact.values for fact in comparison.facts]
