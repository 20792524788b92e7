"""Training and use of every method on a device that is not the host's, without having one.

On PyTorch's meta device tensors have shapes and no values. It stands for an accelerator: what
lies on the host cannot meet what lies there, and no value can be asked for. On CUDA the first
would be an error, and the second a wait for the device in every step.
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
from benchbed.registry import load, registry
from benchbed.runs.plan import method_settings


class Stage(CPUAccelerator):
    """Fabric's accelerator of the device, with nothing to prepare."""

    def setup_device(self, device: torch.device) -> None:
        """Do nothing."""


DEVICE = torch.device("meta")
STEPS = 6
"""Enough for every optimiser to take one; some generators wait for five steps of their critic."""

TRAINED = [spec for spec in registry().specs(MethodSpec).values() if spec.trains]


@pytest.fixture(params=TRAINED, ids=lambda spec: spec.name)
def spec(request: pytest.FixtureRequest) -> MethodSpec:
    """Each method that trains."""
    found: MethodSpec = request.param
    return found


@pytest.fixture
def method(spec: MethodSpec, monkeypatch: pytest.MonkeyPatch) -> Method[Any]:
    """It, attached to the device."""
    # There is no lower precision to leave on this device, and so no autocast.
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    volume = 3 in spec.dimensions
    settings = method_settings(spec, "quick", {})
    if volume and hasattr(settings, "augment"):
        # MONAI turns its matrices on the host.
        settings = method_settings(spec, "quick", {"augment": False})
    made: Method[Any] = load(spec.implementation)(settings)
    made.data = DataShape(4 if volume else 3, (16, 32, 32) if volume else (64, 64), 1, 2)
    made.build(made.data)
    strategy = SingleDeviceStrategy(device=DEVICE, accelerator=Stage())
    fabric = Fabric(strategy=strategy)
    fabric.launch()
    made.attach(fabric)
    for module in made.modules():
        seen = getattr(module, "seen", None)
        if isinstance(seen, Tensor):
            # Cases of the first batches are copied to the host, to sample from, until it is full.
            seen.fill_(len(next(module.buffers())))
    return made.train()


def _batch(method: Method[Any]) -> Batch:
    shape = method.data.spatial
    derived = method.derived(method.settings)
    return Batch(
        image=torch.empty(4, method.data.channels, *shape, device=DEVICE),
        mask=torch.empty(4, 1, *shape, device=DEVICE),
        label=torch.zeros(4, dtype=torch.int64, device=DEVICE),
        extra={name: torch.empty(4, 1, *shape, device=DEVICE) for name in derived},
    )


def test_a_step_stays_on_the_device(method: Method[Any]) -> None:
    """All through the budget: no tensor of the host takes part, and nothing is read back."""
    batch = _batch(method)
    for step in range(STEPS):
        for name, loss in method.training_step(batch, step / STEPS).items():
            assert loss.device == DEVICE, name
        method.steps += 1
    assert method.updates.keys() == method.optimizers.keys()


def test_what_it_makes_stays_on_the_device(spec: MethodSpec, method: Method[Any]) -> None:
    """Samples, renderings and segmentations too, whose noise is drawn on the host."""
    rng, given = torch.Generator().manual_seed(0), _batch(method.eval())
    assert given.mask is not None
    used = {
        "sample": lambda: method.sample(2, rng).image,
        "synthesize": lambda: method.synthesize(given.mask, rng),
        "segment": lambda: method.segment(given.image),
    }
    with torch.no_grad():
        for ability in sorted(spec.abilities & used.keys()):
            try:
                made = used[ability]()
            except NotImplementedError as error:
                pytest.skip(f"{ability} asks for values: {error}")
            assert made.device == DEVICE, ability
