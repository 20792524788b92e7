"""Plan the runs of a suite, and find which of them are complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from benchbed.data.source import Source
from benchbed.runs.lacking import lacking
from benchbed.runs.plan import Plan, plan
from benchbed.runs.request import Request
from benchbed.runs.store import Store
from benchbed.suites.suite import PresetName, Suite
from benchbed.training.checkpoint_file import checkpoint_in
from benchbed.training.events import Reporter

N = TypeVar("N", int, float)

Standing = Literal["done", "diverged", "begun", "missing"]


@dataclass(frozen=True)
class Member:
    """One run of a suite."""

    request: Request
    plan: Plan

    @property
    def row(self) -> str:
        """Label of the method, with what distinguishes its rows."""
        parts = [f"{name}={value}" for name, value in self.request.settings.items()]
        parts += [self.request.regime] if self.request.regime else []
        parts += [f"{share:.0%} of the real cases"] if (share := self.request.real_share) else []
        parts += [f"of {self.request.generator}"] if self.request.generator else []
        parts += [f"masks of {self.request.masks_from}"] if self.request.masks_from else []
        return f"{self.request.method} ({', '.join(parts)})" if parts else self.request.method

    def devices(self, asked: int) -> int:
        """Return the devices to use of `asked`; 1 if nothing is trained."""
        return asked if asked > 1 and self.plan.method.trains else 1

    def standing(self, store: Store) -> Standing:
        """Return the state: recorded, started or missing.

        A recorded run without a metric of the suite counts as started if its weights are here.
        """
        record = store.record(self.plan.id)
        if record is not None:
            if lacking(self.plan.metrics, record) and self._weights(store).exists():
                return "begun"
            return "diverged" if record.state == "diverged" else "done"
        return "begun" if (store.run_folder(self.plan.id) / "run.json").exists() else "missing"

    def _weights(self, store: Store) -> Path:
        return checkpoint_in(store.run_folder(self.plan.id))


def requests(
    suite: Suite,
    preset: PresetName,
    *,
    seeds: Sequence[int] | None = None,
    source: Source = "auto",
    data_root: Path | None = None,
    precision: str = "fp32",
    skip_bad: bool = False,
) -> Iterator[Request]:
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
    scale = suite.scale(preset)
    for seed in seeds or scale.seeds or suite.seeds:
        for dataset in suite.datasets:
            for entry in suite.methods:
                yield Request(
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
                    generator_kimg=_scaled(entry.generator, scale.generator_kimg)
                    or entry.generator_kimg,
                    pairs=_scaled(entry.generator, scale.pairs) or entry.pairs,
                    real_share=entry.real_share,
                    masks_from=entry.masks_from,
                    annotator=entry.annotator,
                    annotator_kimg=_scaled(entry.annotator, scale.annotator_kimg)
                    or entry.annotator_kimg,
                )


def _scaled(made_by: str | None, value: N | None) -> N | None:
    """Return a preset value for all rows, for a row to which it applies."""
    return None if made_by is None else value


def members(asked: Sequence[Request], reporter: Reporter) -> list[Member]:
    """Plan all configurations before any run starts, so that a mistake starts nothing.

    Raises:
        BenchbedError: A configuration is invalid.
    """
    found: list[Member] = []
    for number, request in enumerate(asked):
        reporter.counted("planning", number, len(asked))
        found.append(Member(request, plan(request)))
    reporter.counted("planning", len(asked), len(asked))
    return found
