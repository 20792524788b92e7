"""Train and use every method on PyTorch's meta device, in place of an accelerator.

Meta tensors have shapes and no values: mixing them with host tensors raises, and so does reading
a value. On CUDA the first is an error as well, and the second synchronises in every step.
"""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.accelerators.cpu import CPUAccelerator
from lightning_fabric.strategies.single_device import SingleDeviceStrategy
from torch import Tensor

from benchbed import Batch, DataShape, Method
from benchbed.api.specs import MethodSpec
from benchbed.registry.lookup import get_registry, load_object
from benchbed.runs.plan import resolve_method_settings


class MetaAccelerator(CPUAccelerator):
    """Fabric accelerator for the meta device, which needs no setup."""

    def setup_device(self, device: torch.device) -> None:
        """Do nothing."""


DEVICE = torch.device("meta")
STEPS = 6
"""Enough for one step of every optimiser; some generators step after five critic steps."""

TRAINED = [spec for spec in get_registry().get_specs(MethodSpec).values() if spec.is_trainable]


@pytest.fixture(params=TRAINED, ids=lambda spec: spec.name)
def spec(request: pytest.FixtureRequest) -> MethodSpec:
    param: MethodSpec = request.param
    return param


@pytest.fixture
def method(spec: MethodSpec, monkeypatch: pytest.MonkeyPatch) -> Method[Any]:
    """Return the method, built and attached to the device."""
    # The meta device has no autocast.
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    volume = 3 in spec.dimensions
    settings = resolve_method_settings(spec, "quick", {})
    if volume and hasattr(settings, "augment"):
        # MONAI computes its rotation matrices on the host.
        settings = resolve_method_settings(spec, "quick", {"augment": False})
    built: Method[Any] = load_object(spec.implementation)(settings)
    built.data = DataShape(4 if volume else 3, (16, 32, 32) if volume else (64, 64), 1, 2)
    built.build(built.data)
    strategy = SingleDeviceStrategy(device=DEVICE, accelerator=MetaAccelerator())
    fabric = Fabric(strategy=strategy)
    fabric.launch()
    built.attach(fabric)
    for module in built.modules():
        seen = getattr(module, "seen", None)
        if isinstance(seen, Tensor):
            # Mark the buffer as full: while it fills, the first batches are copied to the host.
            seen.fill_(len(next(module.buffers())))
    return built.train()


def _batch(method: Method[Any]) -> Batch:
    shape = method.data.spatial
    derived = method.get_derived_arrays(method.settings)
    return Batch(
        image=torch.empty(4, method.data.channels, *shape, device=DEVICE),
        mask=torch.empty(4, 1, *shape, device=DEVICE),
        label=torch.zeros(4, dtype=torch.int64, device=DEVICE),
        extra={name: torch.empty(4, 1, *shape, device=DEVICE) for name in derived},
    )


def test_training_steps_stay_on_the_device(method: Method[Any]) -> None:
    """No step uses a host tensor or reads a value, at any progress."""
    batch = _batch(method)
    for step in range(STEPS):
        for name, loss in method.training_step(batch, step / STEPS).items():
            assert loss.device == DEVICE, name
        method.steps += 1
    assert method.updates.keys() == method.optimizers.keys()


def test_outputs_stay_on_the_device(spec: MethodSpec, method: Method[Any]) -> None:
    """Also where the noise is drawn on the host."""
    rng, batch = torch.Generator().manual_seed(0), _batch(method.eval())
    assert batch.mask is not None
    calls = {
        "sample": lambda: method.sample(2, rng).image,
        "synthesize": lambda: method.synthesize(batch.mask, rng),
        "segment": lambda: method.segment(batch.image),
    }
    with torch.no_grad():
        for name in sorted(spec.capabilities & calls.keys()):
            try:
                output = calls[name]()
            except NotImplementedError as error:
                pytest.skip(f"{name} reads values: {error}")
            assert output.device == DEVICE, name
