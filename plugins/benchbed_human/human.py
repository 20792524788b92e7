"""The human expert: nothing is trained, the task reads the second annotator's masks."""

from __future__ import annotations

from benchbed import Batch, DataShape, Losses, Method
from benchbed_human.settings import HumanExpertSettings


class HumanExpert(Method[HumanExpertSettings]):
    """The second annotator as a method (Staal et al. 2004, section IV: the human observer)."""

    def build(self, data: DataShape) -> None:
        """There is no network."""
        del data

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """There is nothing to learn."""
        del batch, progress
        return {}
