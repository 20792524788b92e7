"""What a user asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbed.data.source import Source


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks for.

    Attributes:
        method: Name of the method.
        dataset: Name of the data set, or ``folder:PATH``.
        task: Name of the task.
        preset: Name of the preset.
        settings: Settings that are changed.
        seed: Seed of everything.
        source: ``"auto"``, ``"real"`` or ``"phantom"``.
        data_root: Where real data lie; None for the usual places.
        size: In-plane size in pixels, instead of the preset's.
        kimg: Budget in thousands of images, instead of the preset's.
        seconds: Budget in seconds of training, instead of the preset's.
        samples: Number of samples to score, instead of the preset's.
        augment: ``"none"`` or ``"flip"``, instead of the preset's.
        metrics: Metrics to report, instead of the task's.
        precision: ``"fp32"`` or ``"bf16"``.
        skip_bad: Leave out files that do not decode.
        regime: What the training set is made of; a key of `REGIMES`, or None.
        generator: Name of the method that makes synthetic pairs.
        generator_dataset: What the generator is trained on, instead of `dataset`.
        generator_kimg: Its budget in thousands of images, instead of the preset's.
        pairs: Number of pairs that it makes.
        real_share: Share of the real training cases that a regime uses, instead of all.
        masks_from: A data set with masks, where `dataset`, or the generator's, has none.
        annotator: Name of the segmentation method that learns from its masks and then draws those
            that are missing.
        annotator_kimg: Its budget in thousands of images, instead of the preset's.
    """

    method: str
    dataset: str
    task: str = "synthesis"
    preset: str = "quick"
    settings: Mapping[str, Any]
    seed: int = 0
    source: Source = "auto"
    data_root: Path | None = None
    size: int | None = None
    kimg: float | None = None
    seconds: float | None = None
    samples: int | None = None
    augment: str | None = None
    metrics: tuple[str, ...] = ()
    precision: str = "fp32"
    skip_bad: bool = False
    regime: str | None = None
    generator: str | None = None
    generator_dataset: str | None = None
    generator_kimg: float | None = None
    pairs: int | None = None
    real_share: float | None = None
    masks_from: str | None = None
    annotator: str | None = None
    annotator_kimg: float | None = None

    def before(
        self, *, method: str, dataset: str, task: str, kimg: float | None, **more: Any
    ) -> Request:
        """What is asked for of a run that this one builds on: the same data, size and seed.

        Args:
            method: Name of its method, with the settings of the preset.
            dataset: What it is trained on.
            task: Its task.
            kimg: Its budget in thousands of images, instead of the preset's.
            **more: Further fields.
        """
        return Request(
            method=method,
            dataset=dataset,
            task=task,
            preset=self.preset,
            settings={},
            seed=self.seed,
            source=self.source,
            data_root=self.data_root,
            size=self.size,
            kimg=kimg,
            skip_bad=self.skip_bad,
            **more,
        )
