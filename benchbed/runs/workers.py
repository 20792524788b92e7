"""Worker ranks: the processes of a run besides rank 0, one per further device."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from lightning_fabric import Fabric

from benchbed.api.method import Method
from benchbed.errors import BenchbedError
from benchbed.results.store import ResultStore
from benchbed.runs.build import build_method
from benchbed.runs.plan import RunPlan
from benchbed.runs.training_data import TrainingSetBuilder
from benchbed.training.loop import (
    DeviceCountError,
    TrainingDiverged,
    TrainingInterrupted,
    TrainingLoop,
)
from benchbed.utils.progress import Budget, NullReporter
from benchbed.utils.stdout import write_to_stderr


def check_devices(plan: RunPlan, devices: int) -> None:
    """Refuse a run that cannot be trained on several devices.

    Raises:
        BenchbedError: The batch is not divisible, nothing is trained, or it needs an upstream run.
    """
    if devices == 1:
        return
    if not plan.method.is_trainable:
        raise BenchbedError(
            f"{plan.method.name} is not trained, so --devices has no effect. Remove the option."
        )
    batch = int(plan.settings.model_dump()["batch_size"])
    if batch % devices:
        raise BenchbedError(
            f"The batch size {batch} is not divisible by --devices {devices}. Change one of "
            f"them, for example with --set batch_size={max(1, batch // devices) * devices}."
        )
    if plan.upstream_masks is not None or (
        plan.pair_plan is not None and plan.pair_plan.generator is not None
    ):
        raise BenchbedError(
            "--devices is not supported for a run that needs an upstream run. Remove --devices."
        )


def run_worker_rank(plan: RunPlan, store: ResultStore, lightning: Fabric) -> NoReturn:
    """Train in step with rank 0, write nothing, and exit this process."""
    # Rank 0 receives the interrupt too, and broadcasts when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = 0
    try:
        _build_loop(plan, store, lightning).train()
    except (TrainingDiverged, TrainingInterrupted, DeviceCountError):
        pass  # rank 0 reports them
    except BenchbedError as error:
        write_to_stderr(f"benchbed: {error}")
        code = 1
    except Exception:
        traceback.print_exc()
        code = 1
    # A normal exit runs handlers that could wait for the other processes.
    sys.stderr.flush()
    os._exit(code)


def _build_loop(plan: RunPlan, store: ResultStore, lightning: Fabric) -> TrainingLoop:
    training_set = TrainingSetBuilder(
        plan, lightning.device, NullReporter(), _ignore_picture, _reject_upstream_run
    )
    prepared = training_set.prepare_data()
    return TrainingLoop(
        method=build_method(plan, prepared, lightning),
        name=plan.method.name,
        run=plan.id,
        loader=training_set.build_loader(prepared),
        budget=Budget(plan.protocol.kimg, plan.protocol.seconds),
        folder=store.get_run_folder(plan.id),
        reporter=NullReporter(),
        draw_preview=lambda: np.zeros((1, 1), np.uint8),
    )


def _ignore_picture(name: str, pixels: npt.NDArray[np.uint8]) -> None:
    """Do nothing: rank 0 saves the pictures."""


def _reject_upstream_run(plan: RunPlan, product: str) -> Method[Any]:
    raise AssertionError("check_devices refuses a run that builds on another")


@contextmanager
def terminate_workers_on_exit(lightning: Fabric) -> Iterator[None]:
    """Kill this process's worker ranks on exit; by then all that have finished have exited."""
    try:
        yield
    finally:
        processes = getattr(lightning.strategy.launcher, "procs", [])
        for process in processes:
            process.kill()
            process.wait()
        processes.clear()  # otherwise Fabric, which monitors them, would kill this process too
