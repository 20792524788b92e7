"""Execute a run: prepare, train, sample, score, record."""

from __future__ import annotations

import contextlib
import math
import os
import traceback
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lightning_fabric import Fabric

from benchbed.api.method import Method
from benchbed.api.metric import ImageSet, MetricValue
from benchbed.api.specs import MetricSpec
from benchbed.api.task import EvaluationContext, Task
from benchbed.config.protocol import HELD_OUT_SPLIT, Protocol
from benchbed.data.loader import CaseLoader, StagedLoader, iter_batches
from benchbed.data.preprocessing.native_cases import iter_references
from benchbed.data.preprocessing.prepare import DataSplit, PreparedDataset
from benchbed.errors import BenchbedError
from benchbed.metrics.features.cache import FeatureCache
from benchbed.registry.lookup import load_object
from benchbed.results.provenance import collect_provenance
from benchbed.results.record import MeasuredMetric, Record, TrainingSummary, find_missing_metrics
from benchbed.results.showcase import write_showcase
from benchbed.results.sources import hash_sources
from benchbed.results.store import ResultStore, RunState
from benchbed.runs.build import build_method, count_parameters, restore_method
from benchbed.runs.failures import describe_failure, describe_plugin_location
from benchbed.runs.plan import RunPlan
from benchbed.runs.resume import (
    clean_run_folder,
    find_checkpoint,
    find_completed_run,
    find_unmeasured_record,
    finish_killed_run,
    merge_recorded_metrics,
    report_changed_code,
)
from benchbed.runs.status import LogReporter, track_status
from benchbed.runs.training_data import TrainingSetBuilder
from benchbed.runs.validate import check_results_folder
from benchbed.runs.workers import check_devices, run_worker_rank, terminate_workers_on_exit
from benchbed.tasks.scoring import resolve_available_metrics
from benchbed.training.collapse import find_equal_samples
from benchbed.training.device import create_fabric, measure_peak_memory
from benchbed.training.loop import (
    TrainingDiverged,
    TrainingInterrupted,
    TrainingLoop,
    TrainingOptions,
)
from benchbed.training.process import StopHandler, terminate_if_forked
from benchbed.training.sampling import NonFiniteError
from benchbed.training.visualization.images import save_picture
from benchbed.training.visualization.preview import Preview, draw_method_figure, draw_real_cases
from benchbed.utils.collapse import CollapseSign
from benchbed.utils.progress import Budget, NullReporter, Reporter
from benchbed.utils.stdout import redirect_plugin_stdout

SAMPLE_SEED_OFFSET = 100_000
"""Added to the run's seed for scored samples, so that they share no seed with training draws."""


class RunError(Exception):
    """Error of a failed run; its folder holds the traceback."""


@dataclass(frozen=True)
class RunOutcome:
    """Result of a run."""

    record: Record
    folder: Path
    is_new: bool


def execute_run(
    plan: RunPlan,
    store: ResultStore,
    reporter: Reporter | None = None,
    *,
    device: str = "auto",
    force: bool = False,
    weights: bool = False,
    options: TrainingOptions | None = None,
    timeout: float = 0.0,
    devices: int = 1,
    keep_changed: bool = False,
) -> RunOutcome:
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
        timeout: Seconds to wait for another process that holds the run.
        keep_changed: Keep the result of a completed run although the code of a method changed
            since; else it is computed anew.
        devices: Number of devices, each with its own process; this function does not return in
            worker ranks.

    Raises:
        BenchbedError: The folder is not writable, another process holds the run, or the run does
            not support this number of devices.
        TrainingInterrupted: It was interrupted, and can be resumed.
        RunError: It failed.
    """
    reporter = reporter or NullReporter()
    check_results_folder(plan.config.dataset, store.root)
    folder = store.get_run_folder(plan.id)
    force = force or (not keep_changed and report_changed_code(plan, store, reporter))
    if (record := find_completed_run(plan, store, force=force, weights=weights)) is not None:
        finish_killed_run(plan, store, record)
        if not weights and (missing := find_missing_metrics(plan.metrics, record)):
            names = ", ".join(spec.name for spec in missing)
            reporter.report_message(
                f"The record of {plan.id} does not contain {names}, and its weights are "
                "missing. Use --force to retrain."
            )
        return RunOutcome(record, folder, is_new=False)
    check_devices(plan, devices)
    lightning = create_fabric(device, plan.config.precision, devices)
    if not lightning.is_global_zero:
        run_worker_rank(plan, store, lightning)
    timeout = math.inf if weights else timeout
    with (
        terminate_workers_on_exit(lightning),
        store.lock_run(plan.id, timeout=timeout, log=reporter.report_message) as folder,
        track_status(folder, reporter) as listener,
    ):
        # The process that was waited for may have completed the run.
        if (record := find_completed_run(plan, store, force=force, weights=weights)) is not None:
            return RunOutcome(record, folder, is_new=False)
        earlier = None if force or weights else find_unmeasured_record(plan, store)
        clean_run_folder(store, plan.id, everything=force)
        logbook = LogReporter(folder / "log.txt", listener)
        if earlier is None:
            plan = merge_recorded_metrics(plan, store)
        run = _RunExecution(
            plan, store, folder, logbook, lightning, device, options or TrainingOptions(), earlier
        )
        return run.execute()


@dataclass
class _RunExecution:
    plan: RunPlan
    store: ResultStore
    folder: Path
    reporter: LogReporter
    fabric: Fabric
    device: str
    options: TrainingOptions
    previous_record: Record | None = None
    stop_handler: StopHandler = field(init=False)
    sources: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.sources = hash_sources(self.plan.implementations)
        self.stop_handler = StopHandler(self.reporter.report_message, self.plan.method.name)

    def execute(self) -> RunOutcome:
        """Execute the run and write its final state, also after an error."""
        self._write_state("running")
        name, process = self.plan.method.name, os.getpid()
        try:
            with (
                self.stop_handler.handle_signals(),
                redirect_plugin_stdout(name, self.reporter.report_message),
            ):
                try:
                    record = self._execute_stages()
                finally:
                    terminate_if_forked(process, name)
        except (TrainingInterrupted, KeyboardInterrupt) as error:
            if isinstance(error, KeyboardInterrupt) and (
                location := describe_plugin_location(error)
            ):
                self.reporter.report_message(f"Stopped in {location}.")
            self._write_final_state("interrupted")
            raise TrainingInterrupted from error
        except BenchbedError as error:
            self._write_final_state("failed", error=str(error))
            raise
        except (Exception, SystemExit) as error:
            # The frames hold the tensors that filled the memory; formatting the error needs some.
            traceback.clear_frames(error.__traceback__)
            self.reporter.write_line(traceback.format_exc())
            description = describe_failure(error, self.plan, self.fabric.device)
            self._write_final_state("failed", error=description)
            raise RunError(description) from error
        # Before the record, because a run with a record is complete and is not executed again.
        write_showcase(self.store, record.id, self.reporter.report_message)
        self.store.write_record(record)
        self._write_state(record.state, message=record.message)
        return RunOutcome(record, self.folder, is_new=True)

    def _write_state(self, state: RunState, **more: str) -> None:
        content = {"plan": self.plan.as_dict(), "sources": self.sources, **more}
        self.store.write_state(self.plan.id, state, content)

    def _write_final_state(self, state: RunState, **more: str) -> None:
        """Write the state of a failed run; a full disk must not hide the original error."""
        with contextlib.suppress(OSError):
            self._write_state(state, **more)

    def _execute_stages(self) -> Record:
        missing = self.plan.metrics
        if self.previous_record is not None:
            missing = find_missing_metrics(missing, self.previous_record)
        metrics = resolve_available_metrics(missing, self.reporter)
        training_set = TrainingSetBuilder(
            self.plan,
            self.fabric.device,
            self.reporter,
            self._save_picture,
            self._load_upstream_method,
        )
        prepared = training_set.prepare_data()
        loader = training_set.build_loader(prepared)
        method = build_method(self.plan, prepared, self.fabric)
        if self.plan.mask_plan is not None:
            method.receive_masks(training_set.iter_other_masks())
        preview = self._build_preview(method, prepared)
        loop = self._build_loop(method, loader, preview)
        self._save_real_picture(prepared, preview.grid_shape)
        try:
            if self.plan.method.is_trainable:
                with self.stop_handler.defer_stop():
                    loop.train()
            self._save_picture("final", preview())
            if (
                figure := draw_method_figure(method, SAMPLE_SEED_OFFSET + self.plan.seed)
            ) is not None:
                self._save_picture("figure", figure)
            values = self._evaluate(method, prepared, metrics)
        except (TrainingDiverged, NonFiniteError) as error:
            self.reporter.report_message(f"Diverged: {error}.")
            return self._build_record(loop, prepared, "diverged", f"{error}")
        return self._build_record(loop, prepared, "finished", "", values)

    def _build_preview(self, method: Method[Any], prepared: PreparedDataset) -> Preview:
        cases = prepared.get_split(self.plan.protocol.reference_split)
        return Preview(method, self.plan.method.capabilities, cases)

    def _load_upstream_method(self, other: RunPlan, product: str) -> Method[Any]:
        """Return the method of an upstream run, trained first if necessary."""
        self.reporter.report_message(
            f"{product} come from upstream run {other.id}, which starts first."
        )
        outcome = execute_run(
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
                f"no {product.lower()}."
            )
        return restore_method(other, find_checkpoint(other, self.store), self.fabric)

    def _build_loop(
        self, method: Method[Any], loader: CaseLoader | StagedLoader, preview: Preview
    ) -> TrainingLoop:
        protocol = self.plan.protocol
        return TrainingLoop(
            method=method,
            name=self.plan.method.name,
            run=self.plan.id,
            loader=loader,
            budget=Budget(protocol.kimg, protocol.seconds),
            folder=self.folder,
            reporter=self.reporter,
            draw_preview=preview,
            find_equal_samples=partial(self._find_equal_samples, method, preview.split),
            should_stop=self.stop_handler,
            options=self.options,
        )

    def _find_equal_samples(self, method: Method[Any], split: DataSplit) -> list[CollapseSign]:
        if "sample" not in self.plan.method.capabilities:
            return []
        return find_equal_samples(method, split)

    def _save_real_picture(self, prepared: PreparedDataset, grid: tuple[int, int]) -> None:
        pixels = draw_real_cases(prepared.get_split(self.plan.protocol.train_split), grid)
        save_picture(self.folder / "samples" / "real.png", pixels)

    def _save_picture(self, name: str, pixels: npt.NDArray[np.uint8]) -> None:
        path = self.folder / "samples" / f"{name}.png"
        save_picture(path, pixels)
        self.reporter.report_picture(path)

    def _evaluate(
        self, method: Method[Any], prepared: PreparedDataset, metrics: tuple[MetricSpec, ...]
    ) -> list[MetricValue]:
        protocol = self.plan.protocol
        task: Task = load_object(self.plan.task.implementation)(**self.plan.task.parameters)
        return task.evaluate(
            EvaluationContext(
                method=method,
                capabilities=self.plan.method.capabilities,
                real_images={
                    n: ImageSet(s.images, s.arrays.get("fov")) for n, s in prepared.splits.items()
                },
                train_split=protocol.train_split,
                reference_split=protocol.reference_split,
                held_out_split=_find_held_out_split(protocol, prepared),
                load_references=lambda split: iter_references(prepared, split, protocol.framing),
                iter_batches=lambda split: iter_batches(prepared.get_split(split)),
                sample_count=protocol.samples,
                metrics=metrics,
                feature_provider=FeatureCache(self.fabric.device, self.reporter.report_progress),
                seed=SAMPLE_SEED_OFFSET + self.plan.seed,
                report_progress=self.reporter.report_progress,
                save_picture=self._save_picture,
            )
        )

    def _build_record(
        self,
        loop: TrainingLoop,
        prepared: PreparedDataset,
        state: Any,
        message: str,
        values: list[MetricValue] | None = None,
    ) -> Record:
        plan = self.plan
        measured = [MeasuredMetric(**value.as_dict()) for value in values or []]
        if self.previous_record is not None:
            merged = [*self.previous_record.metrics, *measured]
            return self.previous_record.model_copy(update={"metrics": merged})
        return Record(
            id=plan.id,
            state=state,
            message=message,
            method=plan.method.name,
            settings=plan.settings.model_dump(mode="json"),
            dataset=plan.protocol.dataset,
            source=plan.collection.source,
            fingerprint=plan.protocol.fingerprint,
            case_counts={name: len(split) for name, split in prepared.splits.items()},
            skipped_files=[Path(name).name for name in plan.collection.skipped],
            duplicates=list(plan.collection.duplicates),
            reading=list(plan.collection.rules.sentences),
            task=plan.task.name,
            pairs=plan.pairs,
            pseudo_labels=plan.pseudo_labels,
            protocol=plan.protocol.as_dict(),
            protocol_hash=plan.protocol.hash,
            seed=plan.seed,
            precision=plan.config.precision,
            training=self._summarize_training(loop),
            metrics=measured,
            collapse=list(loop.collapse),
            provenance=collect_provenance(
                plan.command, self.fabric.device, self.fabric.world_size, self.sources
            ),
        )

    def _summarize_training(self, loop: TrainingLoop) -> TrainingSummary:
        seconds = loop.position.seconds
        return TrainingSummary(
            kimg=loop.position.images_shown / 1000,
            steps=loop.method.steps,
            seconds=round(seconds, 2),
            images_per_second=round(loop.position.images_shown / seconds, 2) if seconds else 0.0,
            updates=dict(loop.method.updates),
            parameters=count_parameters(loop.method),
            peak_memory_bytes=measure_peak_memory(self.fabric.device),
        )


def _find_held_out_split(protocol: Protocol, prepared: PreparedDataset) -> str | None:
    """Return the split that this run does not train on, or None."""
    return (
        HELD_OUT_SPLIT
        if HELD_OUT_SPLIT in prepared.splits and protocol.train_split != HELD_OUT_SPLIT
        else None
    )
