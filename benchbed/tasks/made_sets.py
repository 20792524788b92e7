"""Score a set of generated images against the real images of a run."""

from __future__ import annotations

from collections.abc import Sequence

from benchbed.api.metric import ImageSet, MetricValue, Unseen
from benchbed.api.specs import MetricSpec
from benchbed.api.task import Evaluation
from benchbed.tasks.nearest import nearest_grid
from benchbed.tasks.scoring import score


def score_made(
    evaluation: Evaluation, fake: ImageSet, metrics: Sequence[MetricSpec]
) -> list[MetricValue]:
    """Score generated images against the reference split, and draw the nearest training images."""
    train = evaluation.real[evaluation.train_split]
    held_out = evaluation.held_out_split
    unseen = Unseen(train, evaluation.real[held_out]) if held_out is not None else None
    evaluation.picture("nearest", nearest_grid(fake, train, unseen))
    return score(
        metrics,
        evaluation.real[evaluation.reference_split],
        fake,
        evaluation.features,
        seed=evaluation.seed,
        unseen=unseen,
        counted=evaluation.counted,
    )
