"""A metric that looks at brightness alone, and a task that looks at one sample."""

import numpy as np
import torch

from benchbed import EvaluationContext, MetricInputs, MetricValue, Task


def brightness_gap(inputs: MetricInputs) -> float:
    """How far the mean pixel values are apart, in grey levels."""
    return float(abs(inputs.real.images.mean() - inputs.fake.images.mean()))


class Glance(Task):
    """Draws one sample and compares its brightness."""

    def evaluate(self, evaluation: EvaluationContext) -> list[MetricValue]:
        """One value, of one sample."""
        rng = torch.Generator().manual_seed(evaluation.seed)
        evaluation.method.eval()
        with torch.no_grad():
            image = evaluation.method.sample(1, rng).image
        real = evaluation.real_images[evaluation.reference_split].images
        (spec,) = evaluation.metrics
        level = float((image.float().mean() + 1) * 127.5)
        gap = abs(float(np.mean(real)) - level)
        return [MetricValue(spec.name, gap, spec.recipe, n_real=len(real), n_fake=1)]
