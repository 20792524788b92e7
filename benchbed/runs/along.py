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
from benchbed.runs.assemble import build
from benchbed.runs.plan import Plan
from benchbed.runs.store import Store
from benchbed.runs.training_set import TrainingSet
from benchbed.training.budget import Budget
from benchbed.training.events import Silent
from benchbed.training.loop import Diverged, Interrupted, Loop


def check_devices(plan: Plan, devices: int) -> None:
    """Refuse a run that cannot be trained on several devices.

    Raises:
        BenchbedError: The batch is not divisible, nothing is trained, or it needs an upstream run.
    """
    if devices == 1:
        return
    if not plan.method.trains:
        raise BenchbedError(
            f"{plan.method.name} is not trained, so --devices has no effect. Remove the option."
        )
    batch = int(plan.settings.model_dump()["batch_size"])
    if batch % devices:
        raise BenchbedError(
            f"The batch size {batch} is not divisible by --devices {devices}. Change one of "
            f"them, for example with --set batch_size={max(1, batch // devices) * devices}."
        )
    if plan.borrowed is not None or (plan.pairs is not None and plan.pairs.generator is not None):
        raise BenchbedError(
            "--devices is not supported for a run that needs an upstream run. Remove --devices."
        )


def train_along(plan: Plan, store: Store, lightning: Fabric) -> NoReturn:
    """Train in step with rank 0, write nothing, and exit this process."""
    # Rank 0 receives the interrupt too, and broadcasts when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = 0
    try:
        _loop(plan, store, lightning).train()
    except (Diverged, Interrupted):
        pass
    except Exception:
        traceback.print_exc()
        code = 1
    # A normal exit runs handlers that could wait for the other processes.
    sys.stderr.flush()
    os._exit(code)


def _loop(plan: Plan, store: Store, lightning: Fabric) -> Loop:
    training_set = TrainingSet(plan, lightning.device, Silent(), _no_picture, _no_other_run)
    prepared = training_set.prepared()
    return Loop(
        method=build(plan, prepared, lightning),
        name=plan.method.name,
        run=plan.id,
        feed=training_set.feed(prepared),
        budget=Budget(plan.protocol.kimg, plan.protocol.seconds),
        folder=store.run_folder(plan.id),
        reporter=Silent(),
        preview=lambda: np.zeros((1, 1), np.uint8),
    )


def _no_picture(name: str, pixels: npt.NDArray[np.uint8]) -> None:
    """Do nothing: rank 0 saves the pictures."""


def _no_other_run(plan: Plan, what: str) -> Method[Any]:
    raise AssertionError("check_devices refuses a run that builds on another")


@contextmanager
def in_company(lightning: Fabric) -> Iterator[None]:
    """Kill this process's worker ranks on exit; by then all that have finished have exited."""
    try:
        yield
    finally:
        processes = getattr(lightning.strategy.launcher, "procs", [])
        for process in processes:
            process.kill()
            process.wait()
        processes.clear()  # otherwise Fabric, which monitors them, would kill this process too
