"""The training set of a run, with pseudo-labels and pairs from upstream runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchbed.api.method import Method
from benchbed.data.feed import Feed, StagedFeed
from benchbed.data.prepare import Prepared
from benchbed.runs.assemble import prepare_plan
from benchbed.runs.lent_masks import annotated, masks_first
from benchbed.runs.pairs import Mixture, share_of, synthetic_pairs
from benchbed.runs.plan import Plan
from benchbed.training.case_pictures import pairs_picture
from benchbed.training.events import Reporter


@dataclass(frozen=True)
class TrainingSet:
    """Builds the training set of a plan.

    Attributes:
        plan: The run.
        device: Device of the batches.
        reporter: Receives progress events.
        picture: Saves a picture under a name.
        trained: Executes an upstream run and returns its method; the text names what it provides.
    """

    plan: Plan
    device: torch.device
    reporter: Reporter
    picture: Callable[[str, npt.NDArray[np.uint8]], None]
    trained: Callable[[Plan, str], Method[Any]]

    def prepared(self) -> Prepared:
        """Return the data, with pseudo-labels from an annotator if it has no masks."""
        plan = self.plan
        prepared = prepare_plan(plan, self.reporter)
        if plan.masks is None:
            return prepared
        annotator = self.trained(plan.masks.annotator, "Masks")
        train, evaluated = plan.protocol.train_split, plan.protocol.reference_split
        # A task on pairs generates images from masks, so its reference split needs masks too.
        for split in {train, evaluated} if "pairs" in plan.task.judges else {train}:
            prepared = annotated(prepared, split, annotator, plan.seed, self.reporter.counted)
        self.picture("masks", pairs_picture(prepared.split(train)))
        return prepared

    def feed(self, prepared: Prepared) -> Feed | StagedFeed:
        """Return the loader of training cases.

        A method with a mask stage starts with the cases of the dataset that has masks.
        """
        plan = self.plan
        feed = self._mixture(prepared).feed(plan.seed, self.device, plan.protocol)
        if plan.masks is None or plan.method.mask_stage is None:
            return feed
        assert isinstance(feed, Feed)
        assert plan.protocol.kimg is not None
        cases = prepare_plan(plan.masks.annotator, self.reporter).split(plan.protocol.train_split)
        share = float(getattr(plan.settings, plan.method.mask_stage))
        first = Feed(cases, plan.seed, self.device, plan.protocol.augment)
        return masks_first(first, feed, share, plan.protocol.kimg)

    def _mixture(self, prepared: Prepared) -> Mixture:
        real = prepared.split(self.plan.protocol.train_split)
        pairs = self.plan.pairs
        if pairs is None:
            return Mixture("real", real, None)
        real = share_of(real, pairs.real_share, self.plan.seed)
        if pairs.generator is None:
            return Mixture("real", real, None)
        synthetic = synthetic_pairs(
            self.trained(pairs.generator, "Pairs"),
            pairs.count,
            self.plan.seed,
            real,
            self.reporter.counted,
        )
        self.picture("pairs", pairs_picture(synthetic))
        return Mixture(pairs.regime, real, synthetic)
