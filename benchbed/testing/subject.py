"""A method under test, and what is needed to build and train it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from benchbed.api.method import Derived, Method
from benchbed.api.specs import DatasetSpec, MethodSpec
from benchbed.api.types import Batch, DataShape
from benchbed.data.collection import Collection
from benchbed.data.feed import Feed, data_shape
from benchbed.data.prepare import Prepared, identify, prepare
from benchbed.data.rendered import phantom_roles
from benchbed.registry import load, registry
from benchbed.runs.device import fabric
from benchbed.runs.plan import method_settings
from benchbed.settings import MethodSettings
from benchbed.testing.checks import Skipped
from benchbed.training.state import seed_everything

CASES = 16

LARGEST_VOLUME = 64


@dataclass(frozen=True)
class Subject:
    """A method under test."""

    spec: MethodSpec

    @cached_property
    def settings(self) -> MethodSettings:
        """Settings of preset ``quick`` with a small batch: checks need no scale."""
        return method_settings(self.spec, "quick", {"batch_size": self.batch_size})

    @property
    def batch_size(self) -> int:
        """Batch size: small, but large enough to detect mixed-up cases."""
        return 4 if 2 in self.spec.dimensions else 2

    @property
    def smallest(self) -> int:
        """The smallest declared size."""
        return min(self.spec.sizes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes to build; for volumes, only those that fit the memory of a laptop."""
        if self.phantom.volumes is None:
            return self.spec.sizes
        return tuple(size for size in self.spec.sizes if size <= LARGEST_VOLUME)

    @cached_property
    def phantom(self) -> DatasetSpec:
        """The first dataset whose phantom has all required inputs, reduced to a few cases."""
        for spec in registry().specs(DatasetSpec).values():
            if spec.phantom is None:
                continue
            small = replace(spec.phantom, counts={"train": CASES, "test": 4})
            if spec.dimensions not in self.spec.dimensions:
                continue
            if self.spec.needs <= {*phantom_roles(spec.phantom), "image"}:
                return replace(spec, phantom=small)
        kind = "volumes" if self.spec.dimensions == (3,) else "images"
        needs = " and ".join(sorted({kind, *self.spec.needs}))
        raise Skipped(f"no installed dataset has a phantom with {needs}")

    @cached_property
    def prepared(self) -> Prepared:
        """A few phantom cases at the smallest size, with the method's derived arrays."""
        collection, fingerprint = identify(Collection(self.phantom, "phantom"))
        return prepare(
            collection,
            fingerprint,
            size=self.smallest,
            channels=self.channels[-1],
            framing="center",
            derived=self.derived(),
        )

    def derived(self) -> dict[str, Derived]:
        """Return the declarations of the method's derived arrays."""
        implementation: type[Method[Any]] = load(self.spec.implementation)
        return implementation.derived(self.settings)

    @property
    def channels(self) -> tuple[int, ...]:
        """Numbers of image channels that the method must support."""
        volumes = self.phantom.volumes
        return (1, 3) if volumes is None else (1, len(volumes.sequences))

    def shape(self, size: int, channels: int) -> DataShape:
        """Return the shape of the phantom's cases at this size."""
        known = data_shape(self.prepared.split("train"), len(self.phantom.classes))
        volumes = self.phantom.volumes
        spatial = (size, size) if volumes is None else volumes.spatial(size)
        return replace(known, channels=channels, spatial=spatial)

    def build(self, size: int, channels: int | None = None, *, seed: int = 0) -> Method[Any]:
        """Return the method with its networks on the CPU, without Fabric."""
        seed_everything(seed)
        method: Method[Any] = load(self.spec.implementation)(self.settings)
        method.data = self.shape(size, self.channels[-1] if channels is None else channels)
        method.build(method.data)
        return method

    def ready(
        self, *, seed: int = 0, precision: str = "fp32", accelerator: str = "cpu"
    ) -> Method[Any]:
        """Return the method at its smallest size, ready to train."""
        method = self.build(self.smallest, seed=seed)
        method.attach(fabric(accelerator, precision))
        method.train()
        return method

    def batch(self, step: int, device: torch.device | str = "cpu") -> Batch:
        """Return the training batch of one step at the smallest size."""
        split = self.prepared.split("train")
        return Feed(split, 0, torch.device(device)).batch(step * self.batch_size, self.batch_size)

    def train(self, method: Method[Any], steps: range, total: int) -> list[dict[str, float]]:
        """Train some steps of a budget of `total` and return the losses of each step."""
        history: list[dict[str, float]] = []
        for step in steps:
            batch = self.batch(step, method.device)
            losses = method.training_step(batch, step / total)
            method.steps += 1
            history.append({name: float(loss.detach()) for name, loss in losses.items()})
        return history


def through_file(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state after saving and loading it."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    loaded: dict[str, Any] = torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)
    return loaded


def equal(first: Any, second: Any) -> bool:
    """Return whether two states are bitwise equal; NaN equals NaN."""
    if isinstance(first, torch.Tensor):
        if not isinstance(second, torch.Tensor) or first.shape != second.shape:
            return False
        return bool(torch.isclose(first, second, rtol=0, atol=0, equal_nan=True).all())
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(equal, first, second))
    return bool(first == second)


@contextmanager
def watched_seeds() -> Iterator[list[str]]:
    """Record every call that sets a global seed, and yield the names of the functions."""
    import random

    import numpy as np

    called: list[str] = []
    functions: list[tuple[Any, str]] = [
        (torch, "manual_seed"),
        (torch.random, "manual_seed"),
        (np.random, "seed"),
        (random, "seed"),
    ]
    originals = [(module, name, getattr(module, name)) for module, name in functions]
    for module, name, function in originals:
        setattr(module, name, _noting(f"{module.__name__}.{name}", function, called))
    try:
        yield called
    finally:
        for module, name, function in originals:
            setattr(module, name, function)


def _noting(label: str, function: Any, called: list[str]) -> Any:
    def noting(*args: Any, **keywords: Any) -> Any:
        called.append(label)
        return function(*args, **keywords)

    return noting
