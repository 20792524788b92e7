"""The training set of a run, with pseudo-labels and pairs from upstream runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchbed.api.method import Method
from benchbed.config.augmentation import parse_augment
from benchbed.config.protocol import Protocol
from benchbed.data.loader import CaseLoader, StagedLoader, iter_batches, to_codes, to_stored
from benchbed.data.preprocessing.framing import compute_common_fov
from benchbed.data.preprocessing.prepare import DataSplit, PreparedDataset
from benchbed.errors import BenchbedError
from benchbed.runs.build import prepare_plan_data
from benchbed.runs.plan import RunPlan
from benchbed.training.sampling import draw_samples, predict_probabilities, select_structures
from benchbed.training.visualization.preview import draw_pairs
from benchbed.utils.progress import ProgressCallback, Reporter

PAIR_SEED_OFFSET = 200_000
"""Added to the run's seed for training pairs, so that they share no seed with scored samples."""


@dataclass(frozen=True)
class TrainingMixture:
    """A training set of real and synthetic pairs."""

    regime: str
    real: DataSplit
    synthetic: DataSplit | None

    def build_loader(
        self, seed: int, device: torch.device, protocol: Protocol
    ) -> CaseLoader | StagedLoader:
        """Return the loader of training cases."""
        flip = parse_augment(protocol.augment).flip
        if self.regime == "real" or self.synthetic is None:
            return CaseLoader(self.real, seed, device, flip)
        if self.regime == "synthetic":
            return CaseLoader(self.synthetic, seed, device, flip)
        if self.regime == "mixed":
            return CaseLoader(join_splits(self.real, self.synthetic), seed, device, flip)
        assert protocol.kimg is not None
        first, second = (CaseLoader(s, seed, device, flip) for s in (self.synthetic, self.real))
        return StagedLoader(first, second, round(protocol.kimg * 1000 / 2))


def sample_synthetic_pairs(
    method: Method[Any], count: int, seed: int, real: DataSplit, progress: ProgressCallback
) -> DataSplit:
    """Return pairs sampled from a trained generator.

    They get the field of view that most real cases share; the mask is empty outside it.

    Raises:
        BenchbedError: The method returned no masks.
    """
    samples = draw_samples(
        method,
        count,
        PAIR_SEED_OFFSET + seed,
        lambda done: progress("generating pairs", done, count),
        pairs=True,
    )
    if samples.mask is None:
        raise BenchbedError(
            f"{type(method).__name__} returns images without masks, although it declares the "
            "capability pairs."
        )
    arrays: dict[str, npt.NDArray[Any]] = {
        "image": to_stored(samples.image, real.images.dtype),
        # Pseudo-labelled structures of the generator's data are numbered before the dataset's own.
        "mask": to_codes(samples.mask[:, samples.mask.shape[1] - real.structure_count :]),
    }
    if "fov" in real.arrays:
        arrays["fov"] = compute_common_fov(real.arrays["fov"], count)
        arrays["mask"] *= arrays["fov"]
    ids = tuple(f"synthetic-{number:05d}" for number in range(count))
    return DataSplit(ids, arrays, real.structure_count)


def select_share(real: DataSplit, share: float, seed: int) -> DataSplit:
    """Return a random share in (0, 1] of the cases; larger shares contain smaller ones."""
    if share == 1.0:
        return real
    order = np.random.default_rng(PAIR_SEED_OFFSET + seed).permutation(len(real))
    selected = np.sort(order[: max(1, round(share * len(real)))])
    arrays = {name: np.asarray(array[selected]) for name, array in real.arrays.items()}
    return replace(real, ids=tuple(real.ids[index] for index in selected), arrays=arrays)


def join_splits(first: DataSplit, second: DataSplit) -> DataSplit:
    """Return two splits as one, with the arrays that both have."""
    names = first.arrays.keys() & second.arrays.keys()
    arrays = {
        name: np.concatenate([first.arrays[name], second.arrays[name]]) for name in sorted(names)
    }
    return DataSplit((*first.ids, *second.ids), arrays, first.structure_count)


ANNOTATION_SEED_OFFSET = 300_000
"""Added to the run's seed for random numbers of the annotator."""


def annotate_split(
    prepared: PreparedDataset,
    split: str,
    annotator: Method[Any],
    seed: int,
    progress: ProgressCallback,
) -> PreparedDataset:
    """Return the data with pseudo-labels in one split; the splits for evaluation get none.

    If the cases have their own masks, such as tumours in brains, the predicted structures are
    numbered before those, and the own masks overwrite them.
    """
    cases = prepared.get_split(split)
    image = cases.arrays["image"]
    # The annotator was trained on the first of the sequences only.
    scores = predict_probabilities(
        annotator,
        image[:, : annotator.data.channels],
        ANNOTATION_SEED_OFFSET + seed,
        lambda done: progress("predicting masks", done, len(cases)),
    )
    mask = select_structures(scores)
    predicted_count, own_mask = scores.shape[1], cases.arrays.get("mask")
    if own_mask is not None:
        mask = np.where(own_mask > 0, own_mask + np.uint8(predicted_count), mask)
    if "fov" in cases.arrays:
        mask *= cases.arrays["fov"]
    arrays: dict[str, npt.NDArray[Any]] = {**cases.arrays, "mask": mask}
    count = predicted_count if own_mask is None else predicted_count + cases.structure_count
    completed = replace(cases, arrays=arrays, structure_count=count)
    return replace(prepared, splits={**prepared.splits, split: completed})


def build_staged_loader(
    masks: CaseLoader, second: CaseLoader, share: float, kimg: float
) -> StagedLoader:
    """Return a loader of the dataset with masks for a share of the budget, then of `second`."""
    # Rounded first: in floating point 0.65 * 40 is slightly above 26, which ceil would make 27.
    return StagedLoader(masks, second, math.ceil(round(share * kimg * 1000, 6)))


@dataclass(frozen=True)
class TrainingSetBuilder:
    """Builds the training set of a plan.

    Attributes:
        plan: The run.
        device: Device of the batches.
        reporter: Receives progress events.
        save_picture: Saves a picture under a name.
        load_upstream_method: Executes an upstream run and returns its method; the text names what
            it provides.
    """

    plan: RunPlan
    device: torch.device
    reporter: Reporter
    save_picture: Callable[[str, npt.NDArray[np.uint8]], None]
    load_upstream_method: Callable[[RunPlan, str], Method[Any]]

    def prepare_data(self) -> PreparedDataset:
        """Return the data, with pseudo-labels from an annotator if it has no masks."""
        plan = self.plan
        prepared = prepare_plan_data(plan, self.reporter)
        if plan.mask_plan is None:
            return prepared
        annotator = self.load_upstream_method(plan.mask_plan.annotator, "Masks")
        train, evaluated = plan.protocol.train_split, plan.protocol.reference_split
        # A task on pairs generates images from masks, so its reference split needs masks too.
        for split in {train, evaluated} if "pairs" in plan.task.input_kinds else {train}:
            prepared = annotate_split(
                prepared, split, annotator, plan.seed, self.reporter.report_progress
            )
        self.save_picture("masks", draw_pairs(prepared.get_split(train)))
        return prepared

    def iter_other_masks(self) -> Iterator[torch.Tensor]:
        """Yield the training masks of the dataset that the annotator learned from."""
        assert self.plan.mask_plan is not None
        annotator = self.plan.mask_plan.annotator
        cases = prepare_plan_data(annotator, self.reporter).get_split(
            self.plan.protocol.train_split
        )
        for batch, _ in iter_batches(cases):
            assert batch.mask is not None
            yield batch.mask

    def build_loader(self, prepared: PreparedDataset) -> CaseLoader | StagedLoader:
        """Return the loader of training cases.

        A method that learns masks first starts with the cases of the dataset that has masks.
        """
        plan = self.plan
        loader = self._build_mixture(prepared).build_loader(plan.seed, self.device, plan.protocol)
        if plan.mask_plan is None or plan.settings.real_mask_share == 0:
            return loader
        assert isinstance(loader, CaseLoader)
        assert plan.protocol.kimg is not None
        cases = prepare_plan_data(plan.mask_plan.annotator, self.reporter).get_split(
            plan.protocol.train_split
        )
        share = plan.settings.real_mask_share
        flip = parse_augment(plan.protocol.augment).flip
        first = CaseLoader(cases, plan.seed, self.device, flip)
        return build_staged_loader(first, loader, share, plan.protocol.kimg)

    def _build_mixture(self, prepared: PreparedDataset) -> TrainingMixture:
        real = prepared.get_split(self.plan.protocol.train_split)
        pairs = self.plan.pair_plan
        if pairs is None:
            return TrainingMixture("real", real, None)
        real = select_share(real, pairs.real_share, self.plan.seed)
        if pairs.generator is None:
            return TrainingMixture("real", real, None)
        synthetic = sample_synthetic_pairs(
            self.load_upstream_method(pairs.generator, "Pairs"),
            pairs.count,
            self.plan.seed,
            real,
            self.reporter.report_progress,
        )
        self.save_picture("pairs", draw_pairs(synthetic))
        return TrainingMixture(pairs.regime, real, synthetic)
