"""A tiny LSGAN with one fault."""

from __future__ import annotations

import torch
from benchbed_example.lsgan import LSGAN

from benchbed import Batch, DataShape, Losses
from benchbed_hostile import faults


class Hostile(LSGAN):
    """Misbehaves in build, at a training step, or in sample."""

    def build(self, data: DataShape) -> None:
        super().build(data)
        self._misbehave_if_in("build")

    def training_step(self, batch: Batch, progress: float) -> Losses:
        losses = super().training_step(batch, progress)
        if self.steps == self.settings.at:
            losses = self._misbehave_if_in("step", losses)
        return losses

    def sample(self, count: int, rng: torch.Generator) -> Batch:
        return self._misbehave_if_in("sample", super().sample(count, rng))

    def _misbehave_if_in(self, where, value=None):
        if self.settings.where == where and self.settings.fault != "none":
            return getattr(faults, self.settings.fault)(self, value)
        return value
