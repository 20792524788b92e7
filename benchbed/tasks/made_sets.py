"""Score a set of generated images against the real images of a run."""

from __future__ import annotations

from collections.abc import Sequence

from benchbed.api.metric import ImageSet, MetricValue, MemorisationSets
from benchbed.api.specs import MetricSpec
from benchbed.api.task import EvaluationContext
from benchbed.tasks.nearest import draw_nearest_grid
from benchbed.tasks.scoring import score_sets


def score_generated_set(
    evaluation: EvaluationContext, fake: ImageSet, metrics: Sequence[MetricSpec]
) -> list[MetricValue]:
    """Score generated images against the reference split, and draw the nearest training images."""
    train = evaluation.real_images[evaluation.train_split]
    held_out = evaluation.held_out_split
    unseen = MemorisationSets(train, evaluation.real_images[held_out]) if held_out is not None else None
    evaluation.save_picture("nearest", draw_nearest_grid(fake, train, unseen))
    return score_sets(
        metrics,
        evaluation.real_images[evaluation.reference_split],
        fake,
        evaluation.feature_provider,
        seed=evaluation.seed,
        unseen=unseen,
        counted=evaluation.report_progress,
    )
