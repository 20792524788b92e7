"""Plan the runs of a suite, and find which of them are complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from benchbed.config.paths import get_checkpoint_path
from benchbed.config.run_config import RunConfig, Source
from benchbed.results.record import find_missing_metrics
from benchbed.results.store import ResultStore
from benchbed.runs.plan import RunPlan
from benchbed.runs.planner import plan_run
from benchbed.suites.spec import PresetName, Suite
from benchbed.utils.progress import Reporter

NumberT = TypeVar("NumberT", int, float)

SuiteRunState = Literal["done", "diverged", "begun", "missing"]


@dataclass(frozen=True)
class SuiteRun:
    """One run of a suite."""

    config: RunConfig
    plan: RunPlan

    @property
    def row_label(self) -> str:
        """Label of the method, with what distinguishes its rows."""
        parts = [f"{name}={value}" for name, value in self.config.settings.items()]
        parts += [self.config.regime] if self.config.regime else []
        parts += [f"{share:.0%} of the real cases"] if (share := self.config.real_share) else []
        parts += [f"of {self.config.generator}"] if self.config.generator else []
        parts += [f"masks of {self.config.masks_from}"] if self.config.masks_from else []
        return f"{self.config.method} ({', '.join(parts)})" if parts else self.config.method

    def count_devices(self, asked: int) -> int:
        """Return the devices to use of `asked`; 1 if nothing is trained."""
        return asked if asked > 1 and self.plan.method.is_trainable else 1

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
    suite: Suite,
    preset: PresetName,
    *,
    seeds: Sequence[int] | None = None,
    source: Source = "auto",
    data_root: Path | None = None,
    precision: str = "fp32",
    skip_bad: bool = False,
) -> Iterator[RunConfig]:
    """Yield the run configurations of a suite by seed, so that a partial suite is comparable.

    Args:
        suite: The suite.
        preset: The preset.
        seeds: Seeds, instead of the suite's.
        source: ``"auto"``, ``"real"`` or ``"phantom"``.
        data_root: Folder of real data; None for the default.
        precision: ``"fp32"`` or ``"bf16"``, of every run; upstream runs have their default.
        skip_bad: Whether to leave out unreadable files.
    """
    scale = suite.get_overrides(preset)
    for seed in seeds or scale.seeds or suite.seeds:
        for dataset in suite.datasets:
            for entry in suite.methods:
                yield RunConfig(
                    method=entry.method,
                    dataset=dataset,
                    task=suite.task,
                    preset=preset,
                    settings={**scale.settings, **entry.settings},
                    seed=seed,
                    source=source,
                    data_root=data_root,
                    size=scale.size,
                    kimg=scale.kimg,
                    samples=scale.samples,
                    augment=scale.augment,
                    metrics=suite.metrics,
                    precision=precision,
                    skip_bad=skip_bad,
                    regime=entry.regime,
                    generator=entry.generator,
                    generator_dataset=entry.generator_dataset,
                    generator_kimg=_resolve_scaled_value(entry.generator, scale.generator_kimg)
                    or entry.generator_kimg,
                    pair_count=_resolve_scaled_value(entry.generator, scale.pairs) or entry.pairs,
                    real_share=entry.real_share,
                    masks_from=entry.masks_from,
                    annotator=entry.annotator,
                    annotator_kimg=_resolve_scaled_value(entry.annotator, scale.annotator_kimg)
                    or entry.annotator_kimg,
                )


def _resolve_scaled_value(made_by: str | None, value: NumberT | None) -> NumberT | None:
    """Return a preset value for all rows, for a row to which it applies."""
    return None if made_by is None else value


def plan_suite_runs(asked: Sequence[RunConfig], reporter: Reporter) -> list[SuiteRun]:
    """Plan all configurations before any run starts, so that a mistake starts nothing.

    Raises:
        BenchbedError: A configuration is invalid.
    """
    found: list[SuiteRun] = []
    for number, request in enumerate(asked):
        reporter.report_progress("planning", number, len(asked))
        found.append(SuiteRun(request, plan_run(request)))
    reporter.report_progress("planning", len(asked), len(asked))
    return found
