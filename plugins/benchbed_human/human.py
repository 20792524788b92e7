"""Human expert: not trained; the task reads the masks of the second annotator."""

from __future__ import annotations

from benchbed import Batch, DataShape, Losses, Method
from benchbed_human.settings import HumanExpertSettings


class HumanExpert(Method[HumanExpertSettings]):
    """Second annotator as a method (Staal et al. 2004, section IV: the human observer)."""

    def build(self, data: DataShape) -> None:
        """Do nothing: there is no network."""
        del data

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Do nothing: the method is not trained."""
        del batch, progress
        return {}
