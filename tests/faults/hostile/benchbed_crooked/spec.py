"""The data sets and metrics: each is called after what it does."""

from collections.abc import Iterable
from dataclasses import replace

from benchbed_example.spec import BRIGHTNESS, DISCS

from benchbed import DatasetSpec, MetricSpec, Phantom, hookimpl

RENDERS = (
    "raises", "leaves", "talks", "gives_nothing", "gives_no_image", "gives_no_arrays",
    "raises_late", "leaves_late", "talks_late",
)  # fmt: skip
METRICS = ("raises", "leaves", "talks", "is_infinite", "is_no_number")


def _called(function: str) -> str:
    return f"crooked-{function.replace('_', '-')}"


# A seed of its own each: what is prepared of one is not found by the others.
DATASETS = [
    replace(
        DISCS,
        name=_called(name),
        phantom=Phantom(
            render=f"benchbed_crooked.phantoms:{name}",
            case_counts={"train": 24, "test": 8},
            seed=100 + number,
        ),
    )
    for number, name in enumerate(RENDERS)
]

MEASURES = [
    replace(BRIGHTNESS, name=_called(name), implementation=f"benchbed_crooked.metrics:{name}")
    for name in METRICS
]
GONE = replace(BRIGHTNESS, name="crooked-gone", implementation="benchbed_crooked.gone:measure")


@hookimpl
def benchbed_datasets() -> Iterable[DatasetSpec]:
    """The data sets."""
    return DATASETS


@hookimpl
def benchbed_metrics() -> Iterable[MetricSpec]:
    """The metrics."""
    return [*MEASURES, GONE]
