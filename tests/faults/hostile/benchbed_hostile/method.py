"""A tiny LSGAN that misbehaves once."""

from __future__ import annotations

import torch
from benchbed_example.lsgan import LSGAN

from benchbed import Batch, DataShape, Losses
from benchbed_hostile import deeds


class Hostile(LSGAN):
    """Does its deed while it is built, at a step, or while it draws samples."""

    def build(self, data: DataShape) -> None:
        """Two small networks."""
        super().build(data)
        self._perhaps("build")

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """A step, and at one of them the deed."""
        losses = super().training_step(batch, progress)
        if self.steps == self.settings.at:
            losses = self._perhaps("step", losses)
        return losses

    def sample(self, count: int, rng: torch.Generator) -> Batch:
        """Samples, and where it is for those, the deed."""
        return self._perhaps("sample", super().sample(count, rng))

    def _perhaps(self, where, what=None):
        if self.settings.where == where and self.settings.deed != "none":
            return getattr(deeds, self.settings.deed)(self, what)
        return what
