"""Training along: the part of a run that its further processes have, one for each device."""

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
    """Refuse what cannot be trained on several devices.

    Raises:
        BenchbedError: The batch does not divide, nothing is trained, or another run comes first.
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
    """Take every step with the first process, leave nothing, and end this process."""
    # The first process hears it too, and says when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = 0
    try:
        _loop(plan, store, lightning).train()
    except (Diverged, Interrupted):
        pass
    except Exception:
        traceback.print_exc()
        code = 1
    # Nothing that the interpreter would do on its way out may wait for the other processes.
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
    """The first process keeps them."""


def _no_other_run(plan: Plan, what: str) -> Method[Any]:
    raise AssertionError("check_devices refuses a run that builds on another")


@contextmanager
def in_company(lightning: Fabric) -> Iterator[None]:
    """End the processes that train along with this one; those that are done have ended by now."""
    try:
        yield
    finally:
        processes = getattr(lightning.strategy.launcher, "procs", [])
        for process in processes:
            process.kill()
            process.wait()
        processes.clear()  # else Fabric, who watches them, would end this process too
