"""The configuration of a run as the user requests it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchbed.config.protocol import normalize_number
from benchbed.utils.files import hash_json


def compute_run_hash(
    *,
    method: str,
    settings: Mapping[str, Any],
    protocol: str,
    seed: int,
    precision: str,
    pairs: Mapping[str, Any] | None,
    masks: Mapping[str, Any] | None,
) -> str:
    """Return eight hexadecimal digits that identify a run.

    Args:
        method: Its method.
        settings: All of the method's settings, in JSON types.
        protocol: The protocol's hash.
        seed: Its random seed.
        precision: ``"fp32"`` or ``"bf16"``.
        pairs: Its training set as `build_pairs_dict` returns it; None if the task has no regimes.
        masks: Source of its pseudo-labels as `build_masks_dict` returns it; None without them.
    """
    found: dict[str, Any] = {
        "method": method,
        "settings": settings,
        "protocol": protocol,
        "seed": seed,
        "precision": precision,
    }
    # Keys that did not exist in the first version are left out if unused: old hashes stay valid.
    if pairs is not None:
        found["pairs"] = pairs
    if masks is not None:
        found["masks"] = masks
    return hash_json(found, 8)


def build_pairs_dict(
    *,
    regime: str,
    real_share: float,
    generator: str | None,
    run: str | None,
    dataset: str | None,
    kimg: float | None,
    count: int,
    masks: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the composition of a training set, for ``run.json`` and the hash.

    Args:
        regime: A key of `REGIMES`.
        real_share: Share of the real training cases that are used.
        generator: Method that makes the pairs; None under the regime ``"real"``.
        run: Run id of the generator.
        dataset: Dataset of the generator.
        kimg: Budget of the generator in thousands of images.
        count: Number of pairs.
        masks: Source of the generator's pseudo-labels, as `build_masks_dict` returns it.
    """
    # Left out at its default, which keeps hashes from before the option valid.
    share = {} if real_share == 1.0 else {"real_share": real_share}
    if generator is None:
        return {"regime": regime, **share}
    return {
        "regime": regime,
        **share,
        "generator": generator,
        "run": run,
        "dataset": dataset,
        "kimg": _normalize_kimg(kimg),
        "count": count,
        **({} if masks is None else {"masks": masks}),
    }


def build_masks_dict(
    *, dataset: str, annotator: str, run: str, kimg: float | None
) -> dict[str, Any]:
    """Return the source of pseudo-labels, for ``run.json`` and the hash."""
    return {"dataset": dataset, "annotator": annotator, "run": run, "kimg": _normalize_kimg(kimg)}


def _normalize_kimg(kimg: float | None) -> float | None:
    return None if kimg is None else normalize_number(kimg)


Source = Literal["auto", "real", "phantom"]


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Configuration of a run.

    Attributes:
        method: Name of the method.
        dataset: Name of the dataset, or ``folder:PATH``.
        task: Name of the task.
        preset: Name of the preset.
        settings: Settings to change.
        seed: Random seed.
        source: ``"auto"``, ``"real"`` or ``"phantom"``.
        data_root: Folder of real data; None for the default.
        size: In-plane size in pixels. This and the next four replace the preset's.
        kimg: Budget in thousands of images.
        seconds: Budget in seconds of training.
        samples: Number of samples to score.
        augment: ``"none"`` or ``"flip"``.
        metrics: Metrics to report, instead of the task's.
        precision: ``"fp32"`` or ``"bf16"``.
        skip_bad: Whether to leave out unreadable files.
        regime: Composition of the training set, a key of `REGIMES`, or None.
        generator: Name of the method that makes synthetic pairs.
        generator_dataset: Training dataset of the generator, instead of `dataset`.
        generator_kimg: Budget of the generator in thousands of images, instead of the preset's.
        pair_count: Number of synthetic pairs.
        real_share: Share of the real training cases that a regime uses, instead of all.
        masks_from: A dataset with masks, if `dataset`, or the generator's, has none.
        annotator: Name of the segmentation method that is trained on it and predicts the missing
            masks.
        annotator_kimg: Budget of the annotator in thousands of images, instead of the preset's.
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
    pair_count: int | None = None
    real_share: float | None = None
    masks_from: str | None = None
    annotator: str | None = None
    annotator_kimg: float | None = None

    def derive_upstream(
        self, *, method: str, dataset: str, task: str, kimg: float | None, **more: Any
    ) -> RunConfig:
        """Return the configuration of an upstream run: the same preset, source, size and seed."""
        return RunConfig(
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


PRECISIONS = ("fp32", "bf16")
