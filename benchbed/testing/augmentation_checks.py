"""Checks of a method that takes the augmentation of what its discriminators see."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from benchbed.api.augmentation import Augmentation
from benchbed.api.method import Method
from benchbed.testing.check import CheckFailed, CheckSkipped
from benchbed.testing.subject import MethodUnderTest, is_equal_state
from benchbed.training.augmentation import create_augmentation

MAX_STEPS = 128
"""Steps within which every optimiser must be used: some critics take 100 per generator step."""


class RecordingAugmentation(Augmentation):
    """Augmentation that changes nothing and records what it is called with.

    Attributes:
        images: Images of every call.
        observed: Number of calls of ``observe``.
        gradients: Largest absolute gradient that each call passed on.
    """

    def __init__(self) -> None:
        self.images: list[Tensor] = []
        self.observed = 0
        self.gradients: list[float] = []

    def apply(self, image: Tensor, colour_channels: int) -> Tensor:
        """Record the images and, later, their gradient."""
        del colour_channels
        self.images.append(image.detach().clone())
        if not image.requires_grad:
            return image
        result = image.clone()
        result.register_hook(lambda slope: self.gradients.append(float(slope.abs().max())))
        return result

    def observe(self, real: Tensor, fake: Tensor | None = None) -> None:
        """Count the call."""
        del real, fake
        self.observed += 1


def check_augmentation(subject: MethodUnderTest) -> str:
    """Real and generated images are augmented, gradients reach G, and scores are reported."""
    recorded = _train_until_all_updated(subject)
    real, fake = _count_images(subject)
    if not real or not fake:
        missing = "generated" if real else "real"
        raise CheckFailed(f"a step calls augment() on no {missing} images")
    if not any(slope > 0 and math.isfinite(slope) for slope in recorded.gradients):
        raise CheckFailed("no gradient flows through augment(): the generator's step bypasses it")
    if not recorded.observed:
        raise CheckFailed("no scores are passed to augmentation.observe()")
    plain, unchanged, changed = (
        _train_with(subject, augmentation)
        for augmentation in (
            Augmentation(),
            RecordingAugmentation(),
            create_augmentation("diffaugment"),
        )
    )
    if not is_equal_state(plain.get_state(), unchanged.get_state()):
        raise CheckFailed("an augmentation that changes nothing changes the training")
    if is_equal_state(plain.get_state(), changed.get_state()):
        raise CheckFailed("diffaugment does not change the training")
    return f"{real} real and {fake} generated batches per step"


def _train_until_all_updated(subject: MethodUnderTest) -> RecordingAugmentation:
    method = subject.build_trainable()
    method.augmentation = recorded = RecordingAugmentation()
    for step in range(MAX_STEPS):
        subject.train_steps(method, range(step, step + 1), MAX_STEPS)
        if method.optimizers.keys() == method.updates.keys():
            return recorded
    raise CheckSkipped("some optimizer is never updated; see that check")


def _count_images(subject: MethodUnderTest) -> tuple[int, int]:
    """Return how often the first step augments real and generated images.

    Only generated images depend on the weights, so only they differ if the weights do.
    """
    first, other = (_record_first_step(subject, change) for change in (0.0, 0.01))
    equal = [torch.equal(*pair) for pair in zip(first, other, strict=True)]
    return sum(equal), len(equal) - sum(equal)


def _record_first_step(subject: MethodUnderTest, change: float) -> list[Tensor]:
    """Return what is augmented in the first step, after a change of all weights."""
    method = subject.build_trainable()
    method.augmentation = recorded = RecordingAugmentation()
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(change)
    subject.train_steps(method, range(1), 2)
    return recorded.images


def _train_with(subject: MethodUnderTest, augmentation: Augmentation) -> Method[Any]:
    method = subject.build_trainable()
    method.augmentation = augmentation
    subject.train_steps(method, range(2), 4)
    return method


CHECKS = (check_augmentation,)
