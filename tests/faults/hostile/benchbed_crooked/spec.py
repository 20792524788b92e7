"""Datasets and metrics, each named after its fault."""

from collections.abc import Iterable
from dataclasses import replace

from benchbed_example.spec import BRIGHTNESS, DISCS

from benchbed import DatasetSpec, MetricSpec, Phantom, hookimpl

RENDERS = (
    "raises", "exits", "prints", "returns_nothing", "returns_no_image", "returns_lists",
    "raises_late", "exits_late", "prints_late",
)  # fmt: skip
METRICS = ("raises", "exits", "prints", "is_infinite", "is_nan")


def _name_of(function: str) -> str:
    return f"crooked-{function.replace('_', '-')}"


# Different seeds, so that each has separate cache entries.
DATASETS = [
    replace(
        DISCS,
        name=_name_of(name),
        phantom=Phantom(
            render=f"benchbed_crooked.phantoms:{name}",
            case_counts={"train": 24, "test": 8},
            seed=100 + number,
        ),
    )
    for number, name in enumerate(RENDERS)
]

MEASURES = [
    replace(BRIGHTNESS, name=_name_of(name), implementation=f"benchbed_crooked.metrics:{name}")
    for name in METRICS
]
EXITS_ON_IMPORT = replace(
    BRIGHTNESS, name="crooked-gone", implementation="benchbed_crooked.gone:measure"
)


@hookimpl
def benchbed_datasets() -> Iterable[DatasetSpec]:
    return DATASETS


@hookimpl
def benchbed_metrics() -> Iterable[MetricSpec]:
    return [*MEASURES, EXITS_ON_IMPORT]
