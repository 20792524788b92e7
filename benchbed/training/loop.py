"""The training loop: budget, checkpoints, history, pictures, divergence."""

from __future__ import annotations

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

from benchbed.api.method import Method
from benchbed.api.ranks import Ranks
from benchbed.api.types import Losses
from benchbed.data.feed import Feed, StagedFeed
from benchbed.errors import BenchbedError
from benchbed.training.board import Board, LoggerName, board
from benchbed.training.budget import Budget, Position
from benchbed.training.checkpoint_file import checkpoint_in
from benchbed.training.copies import end_if_copy
from benchbed.training.events import Progress, Reporter
from benchbed.training.history import History
from benchbed.training.pictures import save_picture
from benchbed.training.sampling import NotFinite
from benchbed.training.state import (
    fitting,
    load_checkpoint,
    random_states,
    restore_random_states,
    save_checkpoint,
)

EXPLODED = 1e6
"""Maximum absolute loss: no method has larger ones unless it diverges."""


class Diverged(Exception):
    """A loss is NaN or has exploded; a result of the method, not an error."""


class Interrupted(Exception):
    """Training was cancelled; everything is saved."""


@dataclass(frozen=True)
class Options:
    """Options that do not change the result.

    Attributes:
        checkpoint_seconds: Seconds between checkpoints.
        pictures: Number of pictures while training.
        logger: Additional logger of losses and pictures.
    """

    checkpoint_seconds: float = 60.0
    pictures: int = 10
    logger: LoggerName | None = None


@dataclass
class Loop:
    """Trains one method until the budget is spent.

    Attributes:
        method: The method, built and attached to its Fabric.
        name: Name of the method.
        run: Run id.
        feed: Loader of the training cases.
        budget: Training budget.
        folder: Run folder.
        reporter: Receives progress.
        preview: Draws samples.
        stop: Called after every step; True stops training.
        options: Options that do not change the result.
    """

    method: Method[Any]
    name: str
    run: str
    feed: Feed | StagedFeed
    budget: Budget
    folder: Path
    reporter: Reporter
    preview: Callable[[], npt.NDArray[np.uint8]]
    stop: Callable[[], bool] = lambda: False
    options: Options = field(default_factory=Options)
    position: Position = field(default_factory=Position)

    def __post_init__(self) -> None:
        self.history = History(self.folder / "history.csv")
        self._sums: dict[str, Tensor] = {}
        self._summed: Counter[str] = Counter()
        self._pictured = 0
        self._board: Board | None = None
        self._process = os.getpid()
        self._reseeded = False
        self._log_steps = self.budget.log_steps(self.batch_size)

    @property
    def batch_size(self) -> int:
        """Images per step."""
        return int(self.method.settings.batch_size)

    @property
    def ranks(self) -> Ranks:
        """Distributed context; only the first rank writes files."""
        return self.method.ranks

    @property
    def checkpoint(self) -> Path:
        """Checkpoint file."""
        return checkpoint_in(self.folder)

    def train(self) -> Position:
        """Train until the budget is spent, from the last checkpoint if there is one.

        Raises:
            Diverged: A loss is NaN or has exploded.
            Interrupted: `should_stop` returned True; the checkpoint is written.
        """
        self.ranks.wait()  # until the first rank has cleared the folder
        if self.checkpoint.exists():
            self._restore()
        with board(self.options.logger, self.folder, self.method.steps) as self._board:
            return self._train()

    def _train(self) -> Position:
        self.method.train()
        saved_at = reported_at = step_start = time.monotonic()
        reported_shown = self.position.shown
        while (share := self.ranks.agree(self.budget.share(self.position))) < 1.0:
            self._step(share)
            now = time.monotonic()
            self.position.seconds += now - step_start
            step_start = now
            if now - reported_at > 0.5:
                speed = (self.position.shown - reported_shown) / (now - reported_at)
                self.reporter.training(self._progress(speed))
                reported_at, reported_shown = now, self.position.shown
            # Before the checkpoint, which stores the number of pictures: else one is drawn twice.
            self._picture_if_due()
            if self.ranks.agree(self.stop()):
                self._save()
                raise Interrupted
            if self.ranks.agree(now - saved_at > self.options.checkpoint_seconds):
                self._save()
                saved_at = time.monotonic()
            step_start = time.monotonic()  # exclude checkpoints and pictures from the training time
        if self._summed:
            self._log()
        self._check_weights()
        self._save()
        self.reporter.training(self._progress(0.0))
        return self.position

    def _step(self, share: float) -> None:
        batch = self.feed.batch(self.position.shown, self.batch_size)
        seed = torch.initial_seed()
        losses = self.method.training_step(self.ranks.part_of(batch), share)
        end_if_copy(self._process, self.name)
        if torch.initial_seed() != seed and not self._reseeded:
            self._reseeded = True
            self.reporter.say(
                f"{self.name} seeds the global random generator of torch during training."
            )
        self.method.steps += 1
        self.position.shown += len(batch)
        self._add(losses)
        if self.method.steps % self._log_steps == 0:
            self._log()

    def _add(self, losses: Losses) -> None:
        """Sum losses on the device; reading them would make the CPU wait for it."""
        for name, loss in losses.items():
            value = loss.detach().float()
            self._sums[name] = self._sums[name] + value if name in self._sums else value.clone()
            self._summed[name] += 1

    def _log(self) -> None:
        # Losses are counted one by one: a method of several stages reports others in each.
        self.ranks.average(list(self._sums.values()))
        means = {name: float(total) / self._summed[name] for name, total in self._sums.items()}
        self._sums, self._summed = {}, Counter()
        self.history.add(self.method.steps, self.position, means)
        if self._board is not None:
            self._board.losses(self.method.steps, means)
        for name, mean in means.items():
            if not math.isfinite(mean) or abs(mean) > EXPLODED:
                if self.ranks.first:
                    self.history.write()
                raise Diverged(
                    f"loss {name!r} is {mean:g} after {self.position.shown} images "
                    f"({self.method.steps} steps)"
                )

    def _check_weights(self) -> None:
        """Raise if weights are not finite: a NaN gradient can follow from finite losses."""
        for name, weights in self.method.named_parameters():
            if not torch.isfinite(weights).all():
                raise Diverged(
                    f"weights {name!r} contain NaN or infinity after {self.position.shown} "
                    f"images ({self.method.steps} steps)"
                )

    def _progress(self, speed: float) -> Progress:
        share = self.budget.share(self.position)
        spent = self.position.seconds
        remaining = spent / share - spent if share > 0 else math.inf
        return Progress(
            share=share,
            steps=self.method.steps,
            kimg=self.position.shown / 1000,
            seconds=spent,
            images_per_second=speed,
            remaining=remaining,
            losses=self.history.last_losses,
        )

    def _picture_if_due(self) -> None:
        due = int(self.budget.share(self.position) * self.options.pictures)
        if due <= self._pictured or due >= self.options.pictures:
            return
        self._pictured = due
        if not self.ranks.first:
            return
        path = self.folder / "samples" / f"{self.position.shown / 1000:09.3f}-kimg.png"
        try:
            pixels = self.preview()
        except NotFinite as error:
            # NaN weights show in the next losses, or in the final check.
            self.reporter.say(f"Preview skipped: {error}.")
            return
        save_picture(path, pixels)
        self.reporter.picture(path)
        if self._board is not None:
            self._board.picture(self.method.steps, pixels)

    def _save(self) -> None:
        own_state, *other_states = self.ranks.gather(random_states())
        self.ranks.average(list(self._sums.values()))
        if not self.ranks.first:
            return
        self.history.write()
        if self._board is not None:
            self._board.flush()
        content = {
            "data": asdict(self.method.data),
            "state": self.method.state(),
            "random": own_state,
            "others": other_states,
            "noise": None if self.ranks.noise is None else self.ranks.noise.get_state(),
            "shown": self.position.shown,
            "seconds": self.position.seconds,
            "sums": self._sums,
            "summed": dict(self._summed),
            "pictured": self._pictured,
        }
        save_checkpoint(self.checkpoint, self.name, self.run, content)

    def _restore(self) -> None:
        content = load_checkpoint(self.checkpoint, self.name)
        with fitting(self.checkpoint):
            self._take(content)
        self.history.read(self.method.steps)
        self.reporter.say(
            f"Resuming from {self.position.shown / 1000:.1f} kimg "
            f"({self.budget.share(self.position):.0%} of the budget)."
        )

    def _take(self, content: Mapping[str, Any]) -> None:
        states = [content["random"], *content.get("others", ())]
        if len(states) != self.ranks.size:
            raise BenchbedError(
                f"Run {self.run} started on {len(states)} devices and must resume on as many. "
                f"Use --devices {len(states)}, or retrain with --force."
            )
        self.method.restore(content["state"])
        restore_random_states(states[self.ranks.rank])
        if self.ranks.noise is not None:
            self.ranks.noise.set_state(content["noise"])
        self.position = Position(content["shown"], content["seconds"])
        device = self.feed.device
        self._sums = {name: total.to(device) for name, total in content["sums"].items()}
        self._summed, self._pictured = Counter(content["summed"]), content["pictured"]
