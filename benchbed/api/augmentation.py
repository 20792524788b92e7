"""The augmentation of what a discriminator sees, as methods use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from benchbed.api.distributed import DistributedContext


class Augmentation:
    """Augmentation of what a discriminator sees; this one changes nothing.

    The harness sets the one that the run asks for. All random numbers come from torch's global
    generator, whose state is in checkpoints.
    """

    def apply(self, image: Tensor, colour_channels: int) -> Tensor:
        """Augment each image on its own; gradients flow through.

        Args:
            image: ``(B, C, S, S)`` in [-1, 1].
            colour_channels: Only the first of this number of channels can change their colour; all
                channels of an image move together.

        Returns:
            The same shape; colours can leave [-1, 1].
        """
        del colour_channels
        return image

    def observe(self, real: Tensor, fake: Tensor | None = None) -> None:
        """Receive a discriminator's scores of one batch, for policies that adapt to them.

        Args:
            real: Scores of augmented real images, any shape; above 0 means "real".
            fake: Scores of augmented generated images, if the scores have no fixed boundary, as
                those of a Wasserstein critic: then above the mean of both means is "real".
        """

    def begin_step(
        self, batch_size: int, progress: float, distributed: DistributedContext
    ) -> str | None:
        """Adapt to the scores of earlier steps; the loop calls it before each step.

        Args:
            batch_size: Images per step, over all processes.
            progress: Share of the budget spent, in [0, 1).
            distributed: This process among those that train together.

        Returns:
            A message for the user, or None.
        """
        del batch_size, progress, distributed
        return None

    def synchronize(self, distributed: DistributedContext) -> None:
        """Make the state equal in all processes, before a checkpoint."""

    @property
    def values(self) -> dict[str, float]:
        """Values to log in the training history, by name."""
        return {}

    def get_state(self) -> dict[str, Any]:
        """Return what a checkpoint must contain: plain values, or nothing."""
        return {}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Restore what ``get_state`` returned."""
        del state
