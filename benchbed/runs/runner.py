"""Execute a run: prepare, train, sample, score, record."""

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
"""The split that is held out of training, if the dataset has it."""

SAMPLE_SEED = 100_000
"""Added to the run's seed for scored samples, so that they share no seed with training draws."""


class RunFailed(Exception):
    """Error of a failed run; its folder holds the traceback."""


@dataclass(frozen=True)
class Outcome:
    """Result of a run."""

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
    """Execute or resume a run, unless it is completed.

    A completed run without a requested metric is only measured, if its weights are here.

    Args:
        plan: The run.
        store: The results folder.
        reporter: Receives progress events.
        device: Device to compute on.
        force: Retrain even if a record or checkpoint exists.
        weights: Whether the caller needs the weights: a record without them, such as a committed
            one, is not enough, and a process that holds the run is waited for without limit.
        options: Options that do not change the result.
        patience: Seconds to wait for another process that holds the run.
        devices: Number of devices, each with its own process; this function does not return in
            worker ranks.

    Raises:
        BenchbedError: The folder is not writable, another process holds the run, or the run does
            not support this number of devices.
        Interrupted: It was interrupted, and can be resumed.
        RunError: It failed.
    """
    reporter = reporter or Silent()
    folder = store.run_folder(plan.id)
    if (found := done(plan, store, force=force, weights=weights)) is not None:
        settle(plan, store, found)
        if not weights and (missing := lacking(plan.metrics, found)):
            names = ", ".join(spec.name for spec in missing)
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
        # The process that was waited for may have completed the run.
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
        """Execute the run and write its final state, also after an error."""
        self._state("running")
        name, process = self.plan.method.name, os.getpid()
        try:
            with self.stop.listening(), stdout_aside(name, self.reporter.say):
                try:
                    record = self._carry_out()
                finally:
                    end_if_copy(process, name)
        except (Interrupted, KeyboardInterrupt) as error:
            if isinstance(error, KeyboardInterrupt) and (location := place(error)):
                self.reporter.say(f"Stopped in {location}.")
            self._last_state("interrupted")
            raise Interrupted from error
        except BenchbedError as error:
            self._last_state("failed", error=str(error))
            raise
        except (Exception, SystemExit) as error:
            # The frames hold the tensors that filled the memory; formatting the error needs some.
            traceback.clear_frames(error.__traceback__)
            self.reporter.write(traceback.format_exc())
            description = sentence(error, self.plan, self.fabric.device)
            self._last_state("failed", error=description)
            raise RunFailed(description) from error
        # Before the record, because a run with a record is complete and is not executed again.
        publish(self.store, record.id, self.reporter.say)
        self.store.write_record(record)
        self._state(record.state, message=record.message)
        return Outcome(record, self.folder, fresh=True)

    def _state(self, state: State, **more: str) -> None:
        self.store.write_state(self.plan.id, state, {"plan": self.plan.as_dict(), **more})

    def _last_state(self, state: State, **more: str) -> None:
        """Write the state of a failed run; a full disk must not hide the original error."""
        with contextlib.suppress(OSError):
            self._state(state, **more)

    def _carry_out(self) -> Record:
        missing = self.plan.metrics
        if self.earlier is not None:
            missing = lacking(missing, self.earlier)
        metrics = obtainable(missing, self.reporter)
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
        cases = prepared.split(self.plan.protocol.reference_split)
        return Preview(method, self.plan.method.abilities, cases)

    def _trained(self, other: Plan, what: str) -> Method[Any]:
        """Return the method of an upstream run, trained first if necessary."""
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
        pixels = real_picture(prepared.split(self.plan.protocol.train_split), grid)
        save_picture(self.folder / "samples" / "real.png", pixels)

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
            merged = [*self.earlier.metrics, *measured]
            return self.earlier.model_copy(update={"metrics": merged})
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
    """Return the split that this run does not train on, or None."""
    return HELD_OUT if HELD_OUT in prepared.splits and protocol.train_split != HELD_OUT else None
