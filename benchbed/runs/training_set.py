"""What a run trains on: its data, with masks and pairs that other runs made for it."""

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
    """Puts together what a plan trains on.

    Attributes:
        plan: The run.
        device: Where batches are wanted.
        reporter: Told how far it is.
        picture: Keeps a picture under a name.
        trained: Gives the trained method of another run that this one builds on, told in a word
            what comes from it; that run is carried out first.
    """

    plan: Plan
    device: torch.device
    reporter: Reporter
    picture: Callable[[str, npt.NDArray[np.uint8]], None]
    trained: Callable[[Plan, str], Method[Any]]

    def prepared(self) -> Prepared:
        """The data; masks that they lack are drawn by an annotator."""
        plan = self.plan
        prepared = prepare_plan(plan, self.reporter)
        if plan.masks is None:
            return prepared
        annotator = self.trained(plan.masks.annotator, "Masks")
        train, judged = plan.protocol.train_split, plan.protocol.reference_split
        # An image is made from a mask where that is judged; elsewhere drawn masks judge nothing.
        for split in {train, judged} if "pairs" in plan.task.judges else {train}:
            prepared = annotated(prepared, split, annotator, plan.seed, self.reporter.counted)
        self.picture("masks", pairs_picture(prepared.split(train)))
        return prepared

    def feed(self, prepared: Prepared) -> Feed | StagedFeed:
        """The stream of training cases.

        A method with a stage for masks alone has those of the lending data set in it.
        """
        plan = self.plan
        feed = self._mixture(prepared).feed(plan.seed, self.device, plan.protocol)
        if plan.masks is None or plan.method.mask_stage is None:
            return feed
        assert isinstance(feed, Feed)
        assert plan.protocol.kimg is not None
        lender = prepare_plan(plan.masks.annotator, self.reporter).split(plan.protocol.train_split)
        share = float(getattr(plan.settings, plan.method.mask_stage))
        first = Feed(lender, plan.seed, self.device, plan.protocol.augment)
        return masks_first(first, feed, share, plan.protocol.kimg)

    def _mixture(self, prepared: Prepared) -> Mixture:
        """Real pairs, and those of a generator."""
        real = prepared.split(self.plan.protocol.train_split)
        pairs = self.plan.pairs
        if pairs is None:
            return Mixture("real", real, None)
        real = share_of(real, pairs.real_share, self.plan.seed)
        if pairs.generator is None:
            return Mixture("real", real, None)
        made = synthetic_pairs(
            self.trained(pairs.generator, "Pairs"),
            pairs.count,
            self.plan.seed,
            real,
            self.reporter.counted,
        )
        self.picture("pairs", pairs_picture(made))
        return Mixture(pairs.regime, real, made)
