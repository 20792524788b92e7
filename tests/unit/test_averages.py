"""The running average: torch's own to the last bit, without asking the device at every update."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchbed.api.averages import RunningAverage

DECAY = 0.9


def network() -> nn.Module:
    """Weights in two memory orders and two types; batch normalisation brings whole numbers."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Linear(4, 4).double())
    made[0].to(memory_format=torch.channels_last)
    return made


def torchs_own(model: nn.Module) -> AveragedModel:
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(DECAY), use_buffers=True)


def moved(model: nn.Module) -> None:
    """The next weights and statistics of a training."""
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                tensor.add_(torch.randn_like(tensor) / 7)
            else:
                tensor.add_(3)


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return list(one) == list(other) and all(
        torch.equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one
    )


def test_the_average_is_torchs_own_to_the_last_bit() -> None:
    model = network()
    ours, theirs = RunningAverage(model, DECAY), torchs_own(model)
    for _ in range(20):
        moved(model)
        ours.update_parameters(model)
        theirs.update_parameters(model)
        assert equal(ours.state_dict(), theirs.state_dict())
    assert int(ours.n_averaged) == 20
    assert not any(parameter.requires_grad for parameter in ours.parameters())


def test_a_saved_average_goes_on_where_it_stood_whoever_saved_it() -> None:
    """Checkpoints of torch's own class are loaded, and ours are by it; also before any update."""
    for updates in (0, 1, 4):
        model = network()
        theirs = torchs_own(model)
        for _ in range(updates):
            moved(model)
            theirs.update_parameters(model)
        ours = RunningAverage(network(), DECAY)
        for _ in range(2):  # what it did before counts no more
            ours.update_parameters(model)
        ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
        back = torchs_own(model)
        back.load_state_dict(copy.deepcopy(ours.state_dict()))
        for _ in range(3):
            moved(model)
            for average in (ours, theirs, back):
                average.update_parameters(model)
        assert equal(ours.state_dict(), theirs.state_dict())
        assert equal(back.state_dict(), theirs.state_dict())


def test_the_device_is_asked_once_after_a_state_was_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def watched(name: str) -> None:
        read = getattr(Tensor, name)
        monkeypatch.setattr(Tensor, name, lambda tensor: asked.append(name) or read(tensor))

    for name in ("__bool__", "__int__", "__float__", "item", "cpu", "tolist"):
        watched(name)
    model = network()
    ours = RunningAverage(model, DECAY)
    for _ in range(3):
        ours.update_parameters(model)
    assert asked == []
    torchs_own(model).update_parameters(model)
    assert asked == ["__bool__"] * 2, "the watch itself sees what torch's own asks"
    asked.clear()
    ours.load_state_dict(ours.state_dict())
    for _ in range(3):
        ours.update_parameters(model)
    assert asked == ["__int__"]
