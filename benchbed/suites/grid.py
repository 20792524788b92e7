"""From a suite to its runs, and which of them are done."""

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
    """One run of a suite.

    Attributes:
        request: What is asked for.
        plan: The run that it makes.
    """

    request: Request
    plan: Plan

    @property
    def row(self) -> str:
        """The method, with what tells its rows from each other."""
        told = [f"{name}={value}" for name, value in self.request.settings.items()]
        told += [self.request.regime] if self.request.regime else []
        told += [f"{share:.0%} of the real cases"] if (share := self.request.real_share) else []
        told += [f"of {self.request.generator}"] if self.request.generator else []
        told += [f"masks of {self.request.masks_from}"] if self.request.masks_from else []
        return f"{self.request.method} ({', '.join(told)})" if told else self.request.method

    def devices(self, asked: int) -> int:
        """On how many devices it trains where so many are asked for; 1 if nothing is trained."""
        return asked if asked > 1 and self.plan.method.trains else 1

    def standing(self, store: Store) -> Standing:
        """How far it is: recorded, begun, or not there.

        A run whose record lacks a metric of the suite, and whose weights are here, is begun.
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
    """What a suite asks for, seed by seed, so that an unfinished suite compares what it has.

    Args:
        suite: The suite.
        preset: Its scale.
        seeds: Seeds, instead of the suite's.
        source: ``"auto"``, ``"real"`` or ``"phantom"``.
        data_root: Where real data lie; None for the usual places.
        precision: ``"fp32"`` or ``"bf16"``, of every run; what a run builds on has its own.
        skip_bad: Leave out files that do not decode.
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
    """What a scale says of all rows, for a row that has somebody to make it."""
    return None if made_by is None else value


def members(asked: Sequence[Request], reporter: Reporter) -> list[Member]:
    """Plan each request; a suite with a mistake in it starts nothing.

    Raises:
        BenchbedError: A request does not go together.
    """
    found: list[Member] = []
    for number, request in enumerate(asked):
        reporter.counted("planning", number, len(asked))
        found.append(Member(request, plan(request)))
    reporter.counted("planning", len(asked), len(asked))
    return found
