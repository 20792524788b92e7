"""Carrying out a run: prepare, train, sample, score, record."""

from __future__ import annotations

import contextlib
import math
import os
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lightning_fabric import Fabric

from benchbed.api.method import Method
from benchbed.api.metric import ImageSet, MetricValue
from benchbed.api.specs import MetricSpec
from benchbed.api.task import Evaluation, Task
from benchbed.aside import stdout_aside
from benchbed.data.feed import Feed, StagedFeed, in_order
from benchbed.data.prepare import Prepared
from benchbed.data.references import references
from benchbed.errors import BenchbedError
from benchbed.metrics.feature_cache import FeatureCache
from benchbed.protocol import Protocol
from benchbed.registry import load
from benchbed.runs.along import check_devices, in_company, train_along
from benchbed.runs.assemble import build, parameter_counts, restored
from benchbed.runs.device import fabric, peak_memory
from benchbed.runs.done import (
    checkpoint_of,
    done,
    keeping_metrics,
    settle,
    tidy,
    to_be_measured,
)
from benchbed.runs.failure import place, sentence
from benchbed.runs.lacking import lacking
from benchbed.runs.logbook import Logbook
from benchbed.runs.obtain import obtainable
from benchbed.runs.plan import Plan
from benchbed.runs.provenance import provenance
from benchbed.runs.record import LentMasks, Measured, Pairs, Record, Training
from benchbed.runs.showcase import publish
from benchbed.runs.status import told
from benchbed.runs.stop import Stop
from benchbed.runs.store import State, Store
from benchbed.runs.training_set import TrainingSet
from benchbed.training.budget import Budget
from benchbed.training.case_pictures import own_figure, real_picture
from benchbed.training.copies import end_if_copy
from benchbed.training.events import Reporter, Silent
from benchbed.training.loop import Diverged, Interrupted, Loop, Options
from benchbed.training.pictures import save_picture
from benchbed.training.preview import Preview
from benchbed.training.sampling import NotFinite

HELD_OUT = "test"
"""The split that is held out of training, where a data set has it."""

SAMPLE_SEED = 100_000
"""Added to the run's seed for the samples that are scored, which no training draw shares."""


class RunFailed(Exception):
    """A run broke; its folder holds the traceback."""


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        record: Its record.
        folder: Its folder.
        fresh: Whether it was computed now, and not found done.
    """

    record: Record
    folder: Path
    fresh: bool


def carry_out(
    plan: Plan,
    store: Store,
    reporter: Reporter | None = None,
    *,
    device: str = "auto",
    force: bool = False,
    weights: bool = False,
    options: Options | None = None,
    patience: float = 0.0,
    devices: int = 1,
) -> Outcome:
    """Carry out a run, or go on with it, unless it is done.

    A run that is done and lacks a metric that is asked for is measured by it, where its weights
    are here; nothing is trained again.

    Args:
        plan: What to run.
        store: Where results go.
        reporter: Told how far it is.
        device: Where to compute.
        force: Start anew, whatever is there.
        weights: Its weights are wanted: a record without them, such as a committed one, is not
            enough, and another process that is at work on the run is waited for.
        options: What does not change the result.
        patience: Seconds to wait for another process that is at work on the run.
        devices: How many devices train it together, each in a process of its own; those beside
            the first never return from here.

    Raises:
        BenchbedError: The folder cannot be written to, another process is at work on the run, or
            it cannot be trained on so many devices.
        Interrupted: It was asked to stop, and can be resumed.
        RunFailed: It broke.
    """
    reporter = reporter or Silent()
    folder = store.run_folder(plan.id)
    if (found := done(plan, store, force=force, weights=weights)) is not None:
        settle(plan, store, found)
        if not weights and (absent := lacking(plan.metrics, found)):
            names = ", ".join(spec.name for spec in absent)
            reporter.say(
                f"The record of {plan.id} does not contain {names}, and its weights are "
                "missing. Use --force to retrain."
            )
        return Outcome(found, folder, fresh=False)
    check_devices(plan, devices)
    lightning = fabric(device, plan.precision, devices)
    if not lightning.is_global_zero:
        train_along(plan, store, lightning)
    patience = math.inf if weights else patience
    with (
        in_company(lightning),
        store.locked(plan.id, patience=patience, say=reporter.say) as folder,
        told(folder, reporter) as listener,
    ):
        # Whoever was waited for may have done it.
        if (found := done(plan, store, force=force, weights=weights)) is not None:
            return Outcome(found, folder, fresh=False)
        earlier = None if force or weights else to_be_measured(plan, store)
        tidy(store, plan.id, everything=force)
        logbook = Logbook(folder / "log.txt", listener)
        if earlier is None:
            plan = keeping_metrics(plan, store)
        run = _Run(plan, store, folder, logbook, lightning, device, options or Options(), earlier)
        return run.guarded()


@dataclass
class _Run:
    """One run on its way."""

    plan: Plan
    store: Store
    folder: Path
    reporter: Logbook
    fabric: Fabric
    device: str
    options: Options
    earlier: Record | None = None
    stop: Stop = field(init=False)

    def __post_init__(self) -> None:
        self.stop = Stop(self.reporter.say, self.plan.method.name)

    def guarded(self) -> Outcome:
        """Carry it out, and leave the right state behind however it ends."""
        self._state("running")
        name, process = self.plan.method.name, os.getpid()
        try:
            with self.stop.listening(), stdout_aside(name, self.reporter.say):
                try:
                    record = self._carry_out()
                finally:
                    end_if_copy(process, name)
        except (Interrupted, KeyboardInterrupt) as error:
            if isinstance(error, KeyboardInterrupt) and (where := place(error)):
                self.reporter.say(f"Stopped in {where}.")
            self._last_state("interrupted")
            raise Interrupted from error
        except BenchbedError as error:
            self._last_state("failed", error=str(error))
            raise
        except (Exception, SystemExit) as error:
            # What filled the memory hangs on the frames, and what follows needs some.
            traceback.clear_frames(error.__traceback__)
            self.reporter.write(traceback.format_exc())
            words = sentence(error, self.plan, self.fabric.device)
            self._last_state("failed", error=words)
            raise RunFailed(words) from error
        # Before the record: a run that has one is done, and is not gone through again.
        publish(self.store, record.id, self.reporter.say)
        self.store.write_record(record)
        self._state(record.state, message=record.message)
        return Outcome(record, self.folder, fresh=True)

    def _state(self, state: State, **more: str) -> None:
        self.store.write_state(self.plan.id, state, {"plan": self.plan.as_dict(), **more})

    def _last_state(self, state: State, **more: str) -> None:
        """The state of a run that ends badly; a full disk must not hide why."""
        with contextlib.suppress(OSError):
            self._state(state, **more)

    def _carry_out(self) -> Record:
        wanted = self.plan.metrics
        if self.earlier is not None:
            wanted = lacking(wanted, self.earlier)
        metrics = obtainable(wanted, self.reporter)
        training_set = TrainingSet(
            self.plan, self.fabric.device, self.reporter, self._picture, self._trained
        )
        prepared = training_set.prepared()
        feed = training_set.feed(prepared)
        method = build(self.plan, prepared, self.fabric)
        preview = self._preview(method, prepared)
        loop = self._loop(method, feed, preview)
        self._picture_real(prepared, preview.grid)
        try:
            if self.plan.method.trains:
                with self.stop.training():
                    loop.train()
            self._picture("final", preview())
            if (figure := own_figure(method, SAMPLE_SEED + self.plan.seed)) is not None:
                self._picture("figure", figure)
            values = self._evaluate(method, prepared, metrics)
        except (Diverged, NotFinite) as error:
            self.reporter.say(f"Diverged: {error}.")
            return self._record(loop, prepared, "diverged", f"{error}")
        return self._record(loop, prepared, "finished", "", values)

    def _preview(self, method: Method[Any], prepared: Prepared) -> Preview:
        shown = prepared.split(self.plan.protocol.reference_split)
        return Preview(method, self.plan.method.abilities, shown)

    def _trained(self, other: Plan, what: str) -> Method[Any]:
        """The method of another run that this one builds on."""
        self.reporter.say(f"{what} come from upstream run {other.id}, which starts first.")
        outcome = carry_out(
            other,
            self.store,
            self.reporter.listener,
            device=self.device,
            weights=True,
            options=self.options,
        )
        if outcome.record.state == "diverged":
            raise BenchbedError(
                f"Upstream run {other.id} diverged ({outcome.record.message}), so it provides "
                f"no {what.lower()}."
            )
        return restored(other, checkpoint_of(other, self.store), self.fabric)

    def _loop(self, method: Method[Any], feed: Feed | StagedFeed, preview: Preview) -> Loop:
        protocol = self.plan.protocol
        return Loop(
            method=method,
            name=self.plan.method.name,
            run=self.plan.id,
            feed=feed,
            budget=Budget(protocol.kimg, protocol.seconds),
            folder=self.folder,
            reporter=self.reporter,
            preview=preview,
            stop=self.stop,
            options=self.options,
        )

    def _picture_real(self, prepared: Prepared, grid: tuple[int, int]) -> None:
        shown = real_picture(prepared.split(self.plan.protocol.train_split), grid)
        save_picture(self.folder / "samples" / "real.png", shown)

    def _picture(self, name: str, pixels: npt.NDArray[np.uint8]) -> None:
        path = self.folder / "samples" / f"{name}.png"
        save_picture(path, pixels)
        self.reporter.picture(path)

    def _evaluate(
        self, method: Method[Any], prepared: Prepared, metrics: tuple[MetricSpec, ...]
    ) -> list[MetricValue]:
        protocol = self.plan.protocol
        task: Task = load(self.plan.task.implementation)(**self.plan.task.parameters)
        return task.evaluate(
            Evaluation(
                method=method,
                abilities=self.plan.method.abilities,
                real={
                    n: ImageSet(s.image, s.arrays.get("fov")) for n, s in prepared.splits.items()
                },
                train_split=protocol.train_split,
                reference_split=protocol.reference_split,
                held_out_split=_held_out(protocol, prepared),
                references=lambda split: references(prepared, split, protocol.framing),
                batches=lambda split: in_order(prepared.split(split)),
                samples=protocol.samples,
                metrics=metrics,
                features=FeatureCache(self.fabric.device, self.reporter.counted),
                seed=SAMPLE_SEED + self.plan.seed,
                counted=self.reporter.counted,
                picture=self._picture,
            )
        )

    def _record(
        self,
        loop: Loop,
        prepared: Prepared,
        state: Any,
        message: str,
        values: list[MetricValue] | None = None,
    ) -> Record:
        plan = self.plan
        measured = [Measured(**value.as_dict()) for value in values or []]
        if self.earlier is not None:
            both = [*self.earlier.metrics, *measured]
            return self.earlier.model_copy(update={"metrics": both})
        return Record(
            id=plan.id,
            state=state,
            message=message,
            method=plan.method.name,
            settings=plan.settings.model_dump(mode="json"),
            dataset=plan.protocol.dataset,
            source=plan.collection.source,
            fingerprint=plan.protocol.fingerprint,
            cases={name: len(split) for name, split in prepared.splits.items()},
            skipped=[Path(name).name for name in plan.collection.skipped],
            copies=list(plan.collection.copies),
            task=plan.task.name,
            pairs=None if plan.pairs is None else Pairs.model_validate(plan.pairs.as_dict()),
            masks=None if plan.masks is None else LentMasks.model_validate(plan.masks.as_dict()),
            protocol=plan.protocol.as_dict(),
            protocol_hash=plan.protocol.hash,
            seed=plan.seed,
            precision=plan.precision,
            training=self._training(loop),
            metrics=measured,
            provenance=provenance(plan.command, self.fabric.device, self.fabric.world_size),
        )

    def _training(self, loop: Loop) -> Training:
        seconds = loop.position.seconds
        return Training(
            kimg=loop.position.shown / 1000,
            steps=loop.method.steps,
            seconds=round(seconds, 2),
            images_per_second=round(loop.position.shown / seconds, 2) if seconds else 0.0,
            updates=dict(loop.method.updates),
            parameters=parameter_counts(loop.method),
            peak_memory_bytes=peak_memory(self.fabric.device),
        )


def _held_out(protocol: Protocol, prepared: Prepared) -> str | None:
    """The split that no training image of this run is from, or None."""
    return HELD_OUT if HELD_OUT in prepared.splits and protocol.train_split != HELD_OUT else None
