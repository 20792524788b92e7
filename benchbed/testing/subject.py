"""A method under test, and what is needed to build and train it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from benchbed.api.method import DerivedArray, Method
from benchbed.api.settings import MethodSettings
from benchbed.api.specs import DatasetSpec, MethodSpec
from benchbed.api.types import Batch, DataShape
from benchbed.data.loader import CaseLoader, get_data_shape
from benchbed.data.preprocessing.prepare import (
    PreparedDataset,
    prepare_dataset,
)
from benchbed.data.sources.cases import Collection
from benchbed.data.sources.fingerprint import list_phantom_roles
from benchbed.data.sources.identify import identify_collection
from benchbed.registry.lookup import get_registry, load_object
from benchbed.runs.plan import resolve_method_settings
from benchbed.testing.check import CheckSkipped
from benchbed.training.checkpoint import seed_everything
from benchbed.training.device import create_fabric

CASE_COUNT = 16

MAX_VOLUME_SIZE = 64


@dataclass(frozen=True)
class MethodUnderTest:
    """A method under test."""

    spec: MethodSpec

    @cached_property
    def settings(self) -> MethodSettings:
        """Settings of preset ``quick`` with a small batch: checks need no scale."""
        return resolve_method_settings(self.spec, "quick", {"batch_size": self.batch_size})

    @property
    def batch_size(self) -> int:
        """Batch size: small, but large enough to detect mixed-up cases."""
        return 4 if 2 in self.spec.dimensions else 2

    @property
    def smallest_size(self) -> int:
        """The smallest declared size."""
        return min(self.spec.sizes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes to build; for volumes, only those that fit the memory of a laptop."""
        if self.phantom.volumes is None:
            return self.spec.sizes
        return tuple(size for size in self.spec.sizes if size <= MAX_VOLUME_SIZE)

    @cached_property
    def phantom(self) -> DatasetSpec:
        """The first dataset whose phantom has all required inputs, reduced to a few cases."""
        for spec in get_registry().get_specs(DatasetSpec).values():
            if spec.phantom is None:
                continue
            small = replace(spec.phantom, case_counts={"train": CASE_COUNT, "test": 4})
            if spec.dimensions not in self.spec.dimensions:
                continue
            if self.spec.required_inputs <= {*list_phantom_roles(spec.phantom), "image"}:
                return replace(spec, phantom=small)
        kind = "volumes" if self.spec.dimensions == (3,) else "images"
        needs = " and ".join(sorted({kind, *self.spec.required_inputs}))
        raise CheckSkipped(f"no installed dataset has a phantom with {needs}")

    @cached_property
    def prepared(self) -> PreparedDataset:
        """A few phantom cases at the smallest size, with the method's derived arrays."""
        collection, fingerprint = identify_collection(Collection(self.phantom, "phantom"))
        return prepare_dataset(
            collection,
            fingerprint,
            size=self.smallest_size,
            channels=self.channels[-1],
            framing="center",
            derived=self.get_derived_arrays(),
        )

    def get_derived_arrays(self) -> dict[str, DerivedArray]:
        """Return the declarations of the method's derived arrays."""
        implementation: type[Method[Any]] = load_object(self.spec.implementation)
        return implementation.get_derived_arrays(self.settings)

    @property
    def channels(self) -> tuple[int, ...]:
        """Numbers of image channels that the method must support."""
        volumes = self.phantom.volumes
        return (1, 3) if volumes is None else (1, len(volumes.sequences))

    def get_shape(self, size: int, channels: int) -> DataShape:
        """Return the shape of the phantom's cases at this size."""
        shape = get_data_shape(self.prepared.get_split("train"), len(self.phantom.classes))
        volumes = self.phantom.volumes
        spatial = (size, size) if volumes is None else volumes.compute_shape(size)
        return replace(shape, channels=channels, spatial=spatial)

    def build(self, size: int, channels: int | None = None, *, seed: int = 0) -> Method[Any]:
        """Return the method with its networks on the CPU, without Fabric."""
        seed_everything(seed)
        method: Method[Any] = load_object(self.spec.implementation)(self.settings)
        method.data = self.get_shape(size, self.channels[-1] if channels is None else channels)
        method.build(method.data)
        return method

    def build_trainable(
        self, *, seed: int = 0, precision: str = "fp32", accelerator: str = "cpu"
    ) -> Method[Any]:
        """Return the method at its smallest size, ready to train."""
        method = self.build(self.smallest_size, seed=seed)
        method.attach(create_fabric(accelerator, precision))
        method.train()
        return method

    def make_batch(self, step: int, device: torch.device | str = "cpu") -> Batch:
        """Return the training batch of one step at the smallest size."""
        split = self.prepared.get_split("train")
        return CaseLoader(split, 0, torch.device(device)).get_batch(
            step * self.batch_size, self.batch_size
        )

    def train_steps(self, method: Method[Any], steps: range, total: int) -> list[dict[str, float]]:
        """Train some steps of a budget of `total` and return the losses of each step."""
        history: list[dict[str, float]] = []
        for step in steps:
            batch = self.make_batch(step, method.device)
            losses = method.training_step(batch, step / total)
            method.steps += 1
            history.append({name: float(loss.detach()) for name, loss in losses.items()})
        return history


def save_and_load(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state after saving and loading it."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    loaded: dict[str, Any] = torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)
    return loaded


def is_equal_state(first: Any, second: Any) -> bool:
    """Return whether two states are bitwise equal; NaN equals NaN."""
    if isinstance(first, torch.Tensor):
        if not isinstance(second, torch.Tensor) or first.shape != second.shape:
            return False
        return bool(torch.isclose(first, second, rtol=0, atol=0, equal_nan=True).all())
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(
            is_equal_state(first[k], second[k]) for k in first
        )
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(is_equal_state, first, second))
    return bool(first == second)


@contextmanager
def record_seed_calls() -> Iterator[list[str]]:
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
        setattr(module, name, _wrap_seed_function(f"{module.__name__}.{name}", function, called))
    try:
        yield called
    finally:
        for module, name, function in originals:
            setattr(module, name, function)


def _wrap_seed_function(label: str, function: Any, called: list[str]) -> Any:
    def noting(*args: Any, **keywords: Any) -> Any:
        called.append(label)
        return function(*args, **keywords)

    return noting
