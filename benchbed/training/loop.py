"""The training loop: budget, checkpoints, history, pictures, divergence."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchbed.api.distributed import DistributedContext
from benchbed.api.method import Method
from benchbed.api.types import Losses
from benchbed.config.paths import get_checkpoint_path
from benchbed.data.loader import CaseLoader, StagedLoader
from benchbed.errors import BenchbedError
from benchbed.training.checkpoint import (
    get_random_states,
    handle_state_errors,
    load_checkpoint,
    restore_random_states,
    save_checkpoint,
)
from benchbed.training.collapse import find_won_discriminators
from benchbed.training.loggers import EventLogger, History, LoggerName, open_logger
from benchbed.training.process import terminate_if_forked
from benchbed.training.sampling import NonFiniteError
from benchbed.training.visualization.images import save_picture
from benchbed.utils.collapse import CollapseSign
from benchbed.utils.progress import Budget, Reporter, TrainingPosition, TrainingProgress
from benchbed.utils.text import format_count

MAX_LOSS = 1e6
"""Maximum absolute loss: no method has larger ones unless it diverges."""


class TrainingDiverged(Exception):
    """A loss is NaN or has exploded; a result of the method, not an error."""


class TrainingInterrupted(Exception):
    """Training was cancelled; everything is saved."""


class DeviceCountError(BenchbedError):
    """A checkpoint is of another number of devices; every process raises it."""


@dataclass(frozen=True)
class TrainingOptions:
    """Options that do not change the result.

    Attributes:
        checkpoint_seconds: Seconds between checkpoints.
        picture_count: Number of pictures while training.
        logger: Additional logger of losses and pictures.
    """

    checkpoint_seconds: float = 60.0
    picture_count: int = 10
    logger: LoggerName | None = None


@dataclass
class TrainingLoop:
    """Trains one method until the budget is spent.

    Attributes:
        method: The method, built and attached to its Fabric.
        name: Name of the method.
        run: Run id.
        loader: Loader of the training cases.
        budget: Training budget.
        folder: Run folder.
        reporter: Receives progress.
        draw_preview: Draws samples.
        find_equal_samples: Checks whether samples are nearly equal.
        should_stop: Called after every step; True stops training.
        options: Options that do not change the result.
        collapse: Signs of collapse at the last check.
    """

    method: Method[Any]
    name: str
    run: str
    loader: CaseLoader | StagedLoader
    budget: Budget
    folder: Path
    reporter: Reporter
    draw_preview: Callable[[], npt.NDArray[np.uint8]]
    find_equal_samples: Callable[[], list[CollapseSign]] = list
    should_stop: Callable[[], bool] = lambda: False
    options: TrainingOptions = field(default_factory=TrainingOptions)
    position: TrainingPosition = field(default_factory=TrainingPosition)

    def __post_init__(self) -> None:
        self.history = History(self.folder / "history.csv")
        self._sums: dict[str, Tensor] = {}
        self._summed: Counter[str] = Counter()
        self._picture_count = 0
        self.collapse: tuple[CollapseSign, ...] = ()
        self._event_logger: EventLogger | None = None
        self._process = os.getpid()
        self._reseeded = False
        self._log_steps = self.budget.compute_log_interval(self.batch_size)

    @property
    def batch_size(self) -> int:
        """Images per step."""
        return int(self.method.settings.batch_size)

    @property
    def distributed(self) -> DistributedContext:
        """Distributed context; only the first rank writes files."""
        return self.method.distributed

    @property
    def checkpoint(self) -> Path:
        """Checkpoint file."""
        return get_checkpoint_path(self.folder)

    def train(self) -> TrainingPosition:
        """Train until the budget is spent, from the last checkpoint if there is one.

        Raises:
            TrainingDiverged: A loss is NaN or has exploded.
            TrainingInterrupted: `should_stop` returned True; the checkpoint is written.
        """
        self.distributed.wait_for_all()  # until the first rank has cleared the folder
        if self.checkpoint.exists():
            self._load_checkpoint()
        with open_logger(self.options.logger, self.folder, self.method.steps) as self._event_logger:
            return self._run_steps()

    def _run_steps(self) -> TrainingPosition:
        self.method.train()
        saved_at = reported_at = step_start = time.monotonic()
        reported_shown = self.position.images_shown
        while (
            share := self.distributed.broadcast_value(self.budget.compute_share(self.position))
        ) < 1.0:
            self._run_step(share)
            now = time.monotonic()
            self.position.seconds += now - step_start
            step_start = now
            if now - reported_at > 0.5:
                speed = (self.position.images_shown - reported_shown) / (now - reported_at)
                self.reporter.report_training(self._make_progress(speed))
                reported_at, reported_shown = now, self.position.images_shown
            # Before the checkpoint, which stores the number of pictures: else one is drawn twice.
            self._draw_due_picture()
            if self.distributed.broadcast_value(self.should_stop()):
                self._save_checkpoint()
                raise TrainingInterrupted
            if self.distributed.broadcast_value(now - saved_at > self.options.checkpoint_seconds):
                self._save_checkpoint()
                saved_at = time.monotonic()
            step_start = time.monotonic()  # exclude checkpoints and pictures from the training time
        if self._summed:
            self._log_losses()
        self._check_weights()
        self._save_checkpoint()
        self._check_collapse()
        self.reporter.report_training(self._make_progress(0.0))
        return self.position

    def _run_step(self, share: float) -> None:
        batch = self.loader.get_batch(self.position.images_shown, self.batch_size)
        self._begin_augmentation_step(share)
        seed = torch.initial_seed()
        losses = self.method.training_step(self.distributed.split_batch(batch), share)
        terminate_if_forked(self._process, self.name)
        if torch.initial_seed() != seed and not self._reseeded:
            self._reseeded = True
            self.reporter.report_message(
                f"{self.name} seeds the global random generator of torch during training."
            )
        self.method.steps += 1
        self.position.images_shown += len(batch)
        self._add_losses(losses)
        if self.method.steps % self._log_steps == 0:
            self._log_losses()

    def _begin_augmentation_step(self, share: float) -> None:
        message = self.method.augmentation.begin_step(self.batch_size, share, self.distributed)
        if message is not None:
            self.reporter.report_message(message)

    def _add_losses(self, losses: Losses) -> None:
        """Sum losses on the device; reading them would make the CPU wait for it."""
        for name, loss in losses.items():
            value = loss.detach().float()
            self._sums[name] = self._sums[name] + value if name in self._sums else value.clone()
            self._summed[name] += 1

    def _log_losses(self) -> None:
        # Losses are counted one by one: a method of several stages reports others in each.
        self.distributed.reduce_mean(list(self._sums.values()))
        means = {name: float(total) / self._summed[name] for name, total in self._sums.items()}
        self._sums, self._summed = {}, Counter()
        means |= self.method.augmentation.values
        self.history.add_row(self.method.steps, self.position, means)
        if self._event_logger is not None:
            self._event_logger.log_losses(self.method.steps, means)
        for name, mean in means.items():
            if not math.isfinite(mean) or abs(mean) > MAX_LOSS:
                if self.distributed.is_first_rank:
                    self.history.write()
                raise TrainingDiverged(
                    f"loss {name!r} is {mean:g} after {self.position.images_shown} images "
                    f"({self.method.steps} steps)"
                )

    def _check_weights(self) -> None:
        """Raise if weights are not finite: a NaN gradient can follow from finite losses."""
        for name, weights in self.method.named_parameters():
            if not torch.isfinite(weights).all():
                raise TrainingDiverged(
                    f"weights {name!r} contain NaN or infinity after {self.position.images_shown} "
                    f"images ({self.method.steps} steps)"
                )

    def _make_progress(self, speed: float) -> TrainingProgress:
        share = self.budget.compute_share(self.position)
        spent = self.position.seconds
        remaining = spent / share - spent if share > 0 else math.inf
        return TrainingProgress(
            budget_share=share,
            steps=self.method.steps,
            kimg=self.position.images_shown / 1000,
            seconds=spent,
            images_per_second=speed,
            seconds_left=remaining,
            losses=self.history.last_losses,
            collapse=self.collapse,
        )

    def _check_collapse(self) -> None:
        """Look for signs of collapse, and report new ones.

        Samples are compared from half of the budget on: before, all methods have poor ones.
        """
        losses = self.method.discriminator_losses
        signs = find_won_discriminators(self.history.rows, self.budget, losses)
        if self.distributed.is_first_rank and self.budget.compute_share(self.position) >= 0.5:
            # NaN samples show in the preview, or in the final check.
            with contextlib.suppress(NonFiniteError):
                signs += self.find_equal_samples()
        known = {(sign.kind, sign.name) for sign in self.collapse}
        for sign in signs:
            if (sign.kind, sign.name) not in known:
                self.reporter.report_message(f"Sign of collapse: {sign.text}.")
        self.collapse = tuple(signs)

    def _draw_due_picture(self) -> None:
        due = int(self.budget.compute_share(self.position) * self.options.picture_count)
        if due <= self._picture_count or due >= self.options.picture_count:
            return
        self._picture_count = due
        if not self.distributed.is_first_rank:
            return
        self._check_collapse()
        path = self.folder / "samples" / f"{self.position.images_shown / 1000:09.3f}-kimg.png"
        try:
            pixels = self.draw_preview()
        except NonFiniteError as error:
            # NaN weights show in the next losses, or in the final check.
            self.reporter.report_message(f"Preview skipped: {error}.")
            return
        save_picture(path, pixels)
        self.reporter.report_picture(path)
        if self._event_logger is not None:
            self._event_logger.log_picture(self.method.steps, pixels)

    def _save_checkpoint(self) -> None:
        own_state, *other_states = self.distributed.gather_values(get_random_states())
        self.distributed.reduce_mean(list(self._sums.values()))
        self.method.augmentation.synchronize(self.distributed)
        if not self.distributed.is_first_rank:
            return
        self.history.write()
        if self._event_logger is not None:
            self._event_logger.flush()
        content = {
            "data": asdict(self.method.data),
            "state": self.method.get_state(),
            "random": own_state,
            "others": other_states,
            "noise": None
            if self.distributed.noise_generator is None
            else self.distributed.noise_generator.get_state(),
            "shown": self.position.images_shown,
            "seconds": self.position.seconds,
            "sums": self._sums,
            "summed": dict(self._summed),
            "pictured": self._picture_count,
        }
        save_checkpoint(self.checkpoint, self.name, self.run, content)

    def _load_checkpoint(self) -> None:
        content = load_checkpoint(self.checkpoint, self.name)
        with handle_state_errors(self.checkpoint):
            self._restore_state(content)
        self.history.read(self.method.steps)
        self.reporter.report_message(
            f"Resuming from {self.position.images_shown / 1000:.1f} kimg "
            f"({self.budget.compute_share(self.position):.0%} of the budget)."
        )

    def _restore_state(self, content: Mapping[str, Any]) -> None:
        states = [content["random"], *content.get("others", ())]
        if len(states) != self.distributed.world_size:
            raise DeviceCountError(
                f"Run {self.run} started on {format_count(len(states), 'device')} and must resume "
                f"on as many. Use --devices {len(states)}, or retrain with --force."
            )
        self.method.restore_state(content["state"])
        restore_random_states(states[self.distributed.rank])
        if self.distributed.noise_generator is not None:
            self.distributed.noise_generator.set_state(content["noise"])
        self.position = TrainingPosition(content["shown"], content["seconds"])
        device = self.loader.device
        self._sums = {name: total.to(device) for name, total in content["sums"].items()}
        self._summed, self._picture_count = Counter(content["summed"]), content["pictured"]
