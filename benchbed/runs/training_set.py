"""The training set of a run, with pseudo-labels and pairs from upstream runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchbed.api.method import Method
from benchbed.data.feed import CaseLoader, StagedLoader
from benchbed.data.prepare import PreparedDataset
from benchbed.runs.assemble import prepare_plan_data
from benchbed.runs.lent_masks import annotate_split, build_staged_loader
from benchbed.runs.pairs import TrainingMixture, select_share, sample_synthetic_pairs
from benchbed.runs.plan import RunPlan
from benchbed.training.case_pictures import draw_pairs
from benchbed.training.events import Reporter


@dataclass(frozen=True)
class TrainingSetBuilder:
    """Builds the training set of a plan.

    Attributes:
        plan: The run.
        device: Device of the batches.
        reporter: Receives progress events.
        save_picture: Saves a picture under a name.
        load_upstream_method: Executes an upstream run and returns its method; the text names what it provides.
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
            prepared = annotate_split(prepared, split, annotator, plan.seed, self.reporter.report_progress)
        self.save_picture("masks", draw_pairs(prepared.get_split(train)))
        return prepared

    def build_loader(self, prepared: PreparedDataset) -> CaseLoader | StagedLoader:
        """Return the loader of training cases.

        A method with a mask stage starts with the cases of the dataset that has masks.
        """
        plan = self.plan
        feed = self._build_mixture(prepared).build_loader(plan.seed, self.device, plan.protocol)
        if plan.mask_plan is None or plan.method.mask_stage_setting is None:
            return feed
        assert isinstance(feed, CaseLoader)
        assert plan.protocol.kimg is not None
        cases = prepare_plan_data(plan.mask_plan.annotator, self.reporter).get_split(plan.protocol.train_split)
        share = float(getattr(plan.settings, plan.method.mask_stage_setting))
        first = CaseLoader(cases, plan.seed, self.device, plan.protocol.augment)
        return build_staged_loader(first, feed, share, plan.protocol.kimg)

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
