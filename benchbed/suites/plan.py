"""Plan the runs of a suite, and find which of them are complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

from benchbed.api.specs import PresetName
from benchbed.config.paths import get_checkpoint_path
from benchbed.config.run_config import OPTIONS, RunConfig
from benchbed.results.record import find_missing_metrics
from benchbed.results.store import ResultStore
from benchbed.runs.plan import RunPlan
from benchbed.runs.planner import plan_run
from benchbed.suites.spec import Suite
from benchbed.utils.progress import Reporter

SuiteRunState = Literal["done", "diverged", "begun", "missing"]


@dataclass(frozen=True)
class SuiteRun:
    """One run of a suite."""

    plan: RunPlan

    @property
    def row_label(self) -> str:
        """Label of the method, with what distinguishes its rows."""
        config = self.plan.config
        parts = [f"{name}={value}" for name, value in config.settings.items()]
        parts += [config.regime] if config.regime else []
        parts += [f"{share:.0%} of the real cases"] if (share := config.real_share) else []
        parts += [f"of {config.generator}"] if config.generator else []
        parts += [f"masks of {config.masks_from}"] if config.masks_from else []
        return f"{config.method} ({', '.join(parts)})" if parts else config.method

    def count_devices(self, devices: int) -> int:
        """Return the devices to use of `devices`; 1 if nothing is trained."""
        return devices if devices > 1 and self.plan.method.is_trainable else 1

    def get_state(self, store: ResultStore) -> SuiteRunState:
        """Return the state: recorded, started or missing.

        A recorded run without a metric of the suite counts as started if its weights are here.
        """
        record = store.load_record(self.plan.id)
        if record is not None:
            if (
                find_missing_metrics(self.plan.metrics, record)
                and self._get_checkpoint_path(store).exists()
            ):
                return "begun"
            return "diverged" if record.state == "diverged" else "done"
        return "begun" if (store.get_run_folder(self.plan.id) / "run.json").exists() else "missing"

    def _get_checkpoint_path(self, store: ResultStore) -> Path:
        return get_checkpoint_path(store.get_run_folder(self.plan.id))


def iter_run_configs(
    suite: Suite, preset: PresetName, *, seeds: Sequence[int] | None = None, **shared: Any
) -> Iterator[RunConfig]:
    """Yield the run configurations of a suite by seed, so that a partial suite is comparable.

    Args:
        suite: The suite.
        preset: The preset.
        seeds: Seeds, instead of the suite's.
        **shared: Further fields of every run, such as its precision; upstream runs have their
            default precision.
    """
    overrides = {k: v for k, v in suite.get_overrides(preset).items() if v is not None}
    shared |= {"task": suite.task, "metrics": suite.metrics, "preset": preset}
    chosen = overrides.pop("seeds", None) or suite.seeds
    for seed, dataset, entry in product(seeds or chosen, suite.datasets, suite.methods):
        applied = {
            name: value
            for name, value in overrides.items()
            if (needed := OPTIONS[name].requires) is None or entry.get(needed) is not None
        }
        settings = {**overrides.get("settings", {}), **entry.get("settings", {})}
        fields = {**shared, **entry, **applied, "settings": settings}
        yield RunConfig(seed=seed, dataset=dataset, **fields)


def plan_suite_runs(configs: Sequence[RunConfig], reporter: Reporter) -> list[SuiteRun]:
    """Plan all configurations before any run starts, so that a mistake starts nothing.

    Raises:
        BenchbedError: A configuration is invalid.
    """
    suite_runs: list[SuiteRun] = []
    for number, config in enumerate(configs):
        reporter.report_progress("planning", number, len(configs))
        suite_runs.append(SuiteRun(plan_run(config)))
    reporter.report_progress("planning", len(configs), len(configs))
    return suite_runs
