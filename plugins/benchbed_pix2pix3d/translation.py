"""Base of both directions: pix2pix's networks, losses and updates for volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from torch import Tensor
from torch.nn import functional as F

from benchbed import Losses, Method
from benchbed.nn import adam, bce_with_target
from benchbed_pix2pix3d.networks import Discriminator, Generator
from benchbed_pix2pix3d.settings import TranslationSettings

SettingsT = TypeVar("SettingsT", bound=TranslationSettings)


class TranslationMethod(Method[SettingsT]):
    """Translation of a volume to another one of the same case (Isola et al. 2017)."""

    discriminator_losses = ("discriminator",)

    def build_networks(
        self,
        source: Sequence[float],
        target: Sequence[float],
        spatial: Sequence[int],
        *,
        discriminator_learning_rate: float | None = None,
    ) -> None:
        """Create G, D and their optimisers.

        Args:
            source: Background value of each source channel.
            target: Background value of each target channel.
            spatial: ``(D, H, W)``.
            discriminator_learning_rate: Learning rate of D; None for that of G.
        """
        s = self.settings
        self.generator = Generator(
            source,
            len(target),
            spatial,
            features=s.features,
            dropout=s.dropout,
            lasting=s.inference_dropout,
        )
        self.discriminator = Discriminator([*source, *target], spatial, s.discriminator_features)
        betas = (s.beta1, 0.999)
        self.register_optimizers(
            generator=adam(self.generator, s.learning_rate, betas),
            discriminator=adam(
                self.discriminator, discriminator_learning_rate or s.learning_rate, betas
            ),
        )

    def step_translation(self, source: Tensor, target: Tensor) -> Losses:
        """Update D, then G, by eq. 4 of pix2pix, from one output of G."""
        fake = self.generator(source)
        d_loss = bce_with_target(self.discriminator(source, target), 1.0) + bce_with_target(
            self.discriminator(source, fake.detach()), 0.0
        )
        self.update("discriminator", d_loss)
        adversarial = bce_with_target(self.discriminator(source, fake), 1.0)
        l1 = F.l1_loss(fake, target)
        self.update("generator", adversarial + self.settings.l1_weight * l1)
        return {"discriminator": d_loss, "adversarial": adversarial, "l1": l1}
