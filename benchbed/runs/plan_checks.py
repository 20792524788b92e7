"""What is refused before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import TYPE_CHECKING

from benchbed.api.specs import ABILITIES, DatasetSpec, Judged, MethodSpec, MetricSpec, TaskSpec
from benchbed.data.collection import Collection
from benchbed.errors import BenchbedError, unknown
from benchbed.registry import registry

if TYPE_CHECKING:
    from benchbed.runs.plan import Plan

PRECISIONS = ("fp32", "bf16")

SEEDS = 2**63
"""Seeds are below it: the generators take no more."""


def check_seed(seed: int) -> None:
    """Refuse what no generator can be seeded with.

    Raises:
        BenchbedError: It is none.
    """
    if not 0 <= seed < SEEDS:
        raise BenchbedError(f"The seed is {seed}, but must be between 0 and {SEEDS - 1}.")


def check_method(method: MethodSpec, task: TaskSpec, size: int, precision: str) -> None:
    """Refuse a method that the task, the size or the precision is not for.

    Raises:
        BenchbedError: They do not go together.
    """
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS, "benchbed run --help")
    check_size(method, size)
    if not method.abilities & task.abilities:
        able = [
            s.name for s in registry().specs(MethodSpec).values() if s.abilities & task.abilities
        ]
        wanted = " or ".join(f"{ability} ({ABILITIES[ability]})" for ability in task.abilities)
        raise BenchbedError(
            f"Task {task.name} needs a method with the capability {wanted}, which {method.name} "
            f"does not have. Suitable methods: {', '.join(able) or 'none'}."
        )


def helper(name: str | None, ability: str, asked: str) -> MethodSpec:
    """The method whose run comes before another one's, such as a generator.

    Args:
        name: What the user calls it; None where it was not given.
        ability: What it is for.
        asked: What asks for it, and by which option.

    Raises:
        BenchbedError: It is missing, does not exist or lacks the ability.
    """
    wanted = f"{asked}, a method that {ABILITIES[ability]}"
    able = [s.name for s in registry().specs(MethodSpec).values() if ability in s.abilities]
    if name is None:
        raise BenchbedError(f"{wanted}. Available: {', '.join(able)}.")
    spec = registry().spec(MethodSpec, name)
    if ability not in spec.abilities:
        raise BenchbedError(f"{wanted}, but {name} does not. Available: {', '.join(able)}.")
    return spec


def check_dimensions(method: MethodSpec, task: TaskSpec, dataset: DatasetSpec) -> None:
    """Refuse pictures where volumes are wanted, and the other way round.

    Raises:
        BenchbedError: The method cannot be built for the data, or the task does not judge them.
    """
    kind = "volumes" if dataset.dimensions == 3 else "pictures"
    if dataset.dimensions not in method.dimensions:
        able = [
            s.name
            for s in registry().specs(MethodSpec).values()
            if dataset.dimensions in s.dimensions and s.abilities & task.abilities
        ]
        raise BenchbedError(
            f"{method.name} does not support {kind}, which {dataset.name} contains. Methods for "
            f"{kind} and task {task.name}: {', '.join(able) or 'none'}."
        )
    if dataset.dimensions == 3 and not task.volume_metrics:
        able = [s.name for s in registry().specs(TaskSpec).values() if s.volume_metrics]
        raise BenchbedError(
            f"Task {task.name} does not support volumes, which {dataset.name} contains. Tasks "
            f"for volumes: {', '.join(able)}."
        )


def check_size(method: MethodSpec, size: int) -> None:
    """Refuse a size that the method does not declare.

    Raises:
        BenchbedError: It cannot be built for it.
    """
    if size not in method.sizes:
        close = min(method.sizes, key=lambda known: abs(known - size))
        raise BenchbedError(
            f"{method.name} does not support {size} px, only "
            f"{', '.join(map(str, method.sizes))}. The nearest is --size {close}."
        )


def check_metrics(
    task: TaskSpec, metrics: Sequence[MetricSpec], samples: int, dimensions: int
) -> None:
    """Refuse before hours of training what could not be scored after them.

    Args:
        task: The task.
        metrics: What it is to report.
        samples: How many samples it draws, if it does.
        dimensions: Of a case, 2 or 3.

    Raises:
        BenchbedError: A metric judges something else, or needs more samples.
    """
    check_judged(
        metrics, task.judges - {"images" if dimensions == 3 else "volumes"}, f"the task {task.name}"
    )
    if not task.samples:
        return
    wanting = [spec for spec in metrics if samples < spec.min_samples]
    if wanting:
        names = ", ".join(f"{spec.name} ({spec.min_samples})" for spec in wanting)
        raise BenchbedError(
            f"--samples is {samples}, too few for {names}. Use --samples "
            f"{max(spec.min_samples for spec in wanting)}, or select other metrics with "
            "--metric."
        )


def check_judged(metrics: Sequence[MetricSpec], judged: Set[Judged], who: str) -> None:
    """Refuse a metric of something that is not judged here.

    Args:
        metrics: What is to be reported.
        judged: What is judged.
        who: Who judges, for the sentence.

    Raises:
        BenchbedError: A metric judges something else.
    """
    for spec in metrics:
        if spec.judges not in judged:
            fitting = [m.name for m in registry().specs(MetricSpec).values() if m.judges in judged]
            raise BenchbedError(
                f"Metric {spec.name} evaluates {spec.judges}, but {who} evaluates "
                f"{' and '.join(sorted(judged))}. Suitable metrics: {', '.join(fitting)}."
            )


def check_needs(method: MethodSpec, task: TaskSpec, collection: Collection, *, lent: bool) -> None:
    """Refuse data that lack what the method learns from or the task judges by.

    Args:
        method: The method.
        task: The task.
        collection: The data.
        lent: Whether masks come from another data set.

    Raises:
        BenchbedError: Something is missing.
    """
    split = task.reference_split
    if "mask" not in _roles(collection, split) and (
        "masks" in task.judges or ("pairs" in task.judges and not lent)
    ):
        raise BenchbedError(
            f"Task {task.name} needs masks, but no image in split {split} of "
            f"{collection.spec.name} has one."
        )
    if "annotate" in method.abilities & task.abilities:
        _demand_second_masks(method, collection, split)
    if lent and "mask" in _roles(collection) and collection.spec.volumes is None:
        raise BenchbedError(f"{collection.spec.name} has its own masks. Remove --masks-from.")
    given = {"mask"} if lent else set()
    given |= {"label"} if collection.spec.classes else set()
    lacking = method.needs - given - _roles(collection)
    if lacking == {"mask"}:
        raise BenchbedError(
            f"{method.name} needs a mask for every image, but {collection.spec.name} has none "
            "here. Use --masks-from to train an annotator on another dataset."
        )
    if lacking:
        raise BenchbedError(
            f"{method.name} needs a {' and a '.join(sorted(lacking))} for every image, but "
            f"{collection.spec.name} has none here."
        )


def check_generator(collection: Collection, generator: Plan) -> None:
    """Refuse a generator whose pairs are not like the cases that they stand beside.

    Args:
        collection: The data of the run that learns from the pairs.
        generator: The generator's run.

    Raises:
        BenchbedError: Sources, channels, dimensions or structures differ.
    """
    check_sources(collection, generator)
    own, other = collection.spec, generator.collection.spec
    for what in ("dimensions", "channels"):
        mine, made = getattr(own, what), getattr(other, what)
        if mine != made:
            raise BenchbedError(
                f"{own.name} has {mine} {what}, but {other.name}, the training data of "
                f"{generator.method.name}, has {made}. Select another --generator-dataset; "
                "`benchbed list datasets` shows them."
            )
    if generator.masks is None and other.structures < own.structures:
        raise BenchbedError(
            f"{own.name} has {own.structures} structures, but {other.name}, the training data "
            f"of {generator.method.name}, has {other.structures}. Select another "
            "--generator-dataset; `benchbed list datasets` shows them."
        )


def check_sources(collection: Collection, other: Plan) -> None:
    """Refuse to build a run on real data upon one on a phantom, or the other way round.

    Args:
        collection: The data of the run.
        other: The run that comes before it.

    Raises:
        BenchbedError: One is real and the other is not; the result would be neither.
    """
    if other.collection.source != collection.source:
        raise BenchbedError(
            f"{collection.spec.name} is {_kind(collection)}, but {other.collection.spec.name}, "
            f"the training data of the upstream method {other.method.name}, is "
            f"{_kind(other.collection)}. Use --source phantom for both, or get the real data "
            f"with: benchbed data fetch {_phantom_of(collection, other.collection).spec.name}"
        )


def _kind(collection: Collection) -> str:
    return "real" if collection.source == "real" else "a phantom"


def _phantom_of(first: Collection, second: Collection) -> Collection:
    return first if first.source == "phantom" else second


def _demand_second_masks(method: MethodSpec, collection: Collection, split: str) -> None:
    judged = [case for case in collection.cases if case.split == split]
    missing = [case.id for case in judged if "second_mask" not in case.files]
    if missing if judged else "second_mask" not in _roles(collection):
        first = f": {missing[0]} has none" if missing else ""
        raise BenchbedError(
            f"{method.name} needs the mask of a second annotator for every image in split "
            f"{split}, but {collection.spec.name} has none{first}."
        )


def _roles(collection: Collection, split: str | None = None) -> frozenset[str]:
    """What some case of the split, or of all, has beside its image."""
    if collection.spec.phantom is not None and collection.source == "phantom":
        # Rendering loads numpy, and what is refused before it is refused without.
        from benchbed.data.rendered import phantom_roles

        return phantom_roles(collection.spec.phantom)
    cases = (case for case in collection.cases if split in (None, case.split))
    return frozenset(role for case in cases for role in case.files)
