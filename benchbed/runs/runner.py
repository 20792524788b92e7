"""Carrying out a run: prepare, train, sample, score, record."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
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
from benchbed.data.feed import Feed, StagedFeed, in_order
from benchbed.data.prepare import Prepared
from benchbed.data.references import references
from benchbed.errors import BenchbedError
from benchbed.metrics.feature_cache import FeatureCache
from benchbed.protocol import Protocol
from benchbed.registry import load
from benchbed.runs.along import check_devices, in_company, train_along
from benchbed.runs.aside import stdout_aside
from benchbed.runs.assemble import build, parameter_counts, restored
from benchbed.runs.device import fabric, peak_memory
from benchbed.runs.failure import place, sentence
from benchbed.runs.logbook import Logbook
from benchbed.runs.lookup import state_of
from benchbed.runs.obtain import obtainable
from benchbed.runs.plan import Plan
from benchbed.runs.provenance import provenance
from benchbed.runs.record import LentMasks, Measured, Pairs, Record, Training
from benchbed.runs.showcase import publish, showcase_folder
from benchbed.runs.status import forget_status, read_status, told
from benchbed.runs.stop import Stop
from benchbed.runs.store import State, Store, held_at_once
from benchbed.runs.training_set import TrainingSet
from benchbed.training.board import FOLDER as BOARD
from benchbed.training.budget import Budget
from benchbed.training.case_pictures import own_figure, real_picture
from benchbed.training.copies import end_if_copy
from benchbed.training.events import Reporter, Silent
from benchbed.training.loop import Diverged, Interrupted, Loop, Options
from benchbed.training.pictures import save_picture
from benchbed.training.preview import Preview
from benchbed.training.sampling import NotFinite
from benchbed.training.state import checkpoint_in

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
    if (done := _done(plan, store, force=force, weights=weights)) is not None:
        _settle(plan, store, done)
        return Outcome(done, folder, fresh=False)
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
        if (done := _done(plan, store, force=force, weights=weights)) is not None:
            return Outcome(done, folder, fresh=False)
        _tidy(store, plan.id, everything=force)
        logbook = Logbook(folder / "log.txt", listener)
        run = _Run(plan, store, folder, logbook, lightning, device, options or Options())
        return run.guarded()


def _done(plan: Plan, store: Store, *, force: bool, weights: bool) -> Record | None:
    """The record of a run that need not be computed again."""
    if force or (weights and not checkpoint_of(plan, store).exists()):
        return None
    return store.record(plan.id)


def _settle(plan: Plan, store: Store, record: Record) -> None:
    """Let a run say that it is done which was killed after it had written its record."""
    folder = store.run_folder(plan.id)
    if state_of(store, plan.id) in ("unreadable", record.state) and read_status(folder) is None:
        return
    with contextlib.suppress(OSError), held_at_once(folder) as held:
        if held:
            _tidy(store, plan.id, everything=False)
            forget_status(folder)
            content = {"plan": plan.as_dict(), "message": record.message}
            store.write_state(plan.id, record.state, content)


def checkpoint_of(plan: Plan, store: Store) -> Path:
    """The file that holds a run's weights."""
    return checkpoint_in(store.run_folder(plan.id))


def _tidy(store: Store, run: str, *, everything: bool) -> None:
    """Remove what a killed process left half-written, or all that a run has made."""
    folder = store.run_folder(run)
    leftovers = [
        *folder.rglob("*.part"),
        *showcase_folder(store.root, run).glob(".*.part"),
        *store.records_folder.glob(f".{run}.json.*.part"),
    ]
    for leftover in leftovers:
        leftover.unlink()
    if everything:
        for name in ("checkpoints", "samples", BOARD):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / "history.csv").unlink(missing_ok=True)


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
        metrics = obtainable(self.plan.metrics, self.reporter)
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
        self.reporter.say(f"{what} come from the run {other.id}, which comes first.")
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
                f"The run {other.id} diverged ({outcome.record.message}): there are no "
                f"{what.lower()} to learn from."
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
            metrics=[Measured(**value.as_dict()) for value in values or []],
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
