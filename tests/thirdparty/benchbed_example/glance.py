"""A metric of brightness, and a task with a single sample."""

import numpy as np
import torch

from benchbed import EvaluationContext, MetricInputs, MetricValue, Task


def brightness_gap(inputs: MetricInputs) -> float:
    """Return the absolute difference of the mean pixel values, in grey levels."""
    return float(abs(inputs.real.images.mean() - inputs.fake.images.mean()))


class Glance(Task):
    """Compares the brightness of one sample with that of the real images."""

    def evaluate(self, evaluation: EvaluationContext) -> list[MetricValue]:
        rng = torch.Generator().manual_seed(evaluation.seed)
        evaluation.method.eval()
        with torch.no_grad():
            image = evaluation.method.sample(1, rng).image
        real = evaluation.real_images[evaluation.reference_split].images
        (spec,) = evaluation.metrics
        level = float((image.float().mean() + 1) * 127.5)
        gap = abs(float(np.mean(real)) - level)
        return [MetricValue(spec.name, gap, spec.recipe, n_real=len(real), n_fake=1)]
