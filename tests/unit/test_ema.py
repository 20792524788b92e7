"""Running average of weights: PyTorch's with a warm-up, without a device sync per update."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchbed.api.ema import ExponentialMovingAverage, compute_ema_decay

DECAY = 0.9


def network() -> nn.Module:
    """Return weights in two memory formats and two dtypes, and integer buffers."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Linear(4, 4).double())
    model[0].to(memory_format=torch.channels_last)
    return model


def torch_average(model: nn.Module) -> AveragedModel:
    """Return PyTorch's average with the decays of the warm-up."""

    def average(averages: list[Tensor], current: list[Tensor], updates: Tensor) -> None:
        decay = min(DECAY, (1 + int(updates)) / (10 + int(updates)))
        get_ema_multi_avg_fn(decay)(averages, current, updates)

    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)  # type: ignore[arg-type]


def change_weights(model: nn.Module) -> None:
    """Change all weights and buffers, as a training step does."""
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                tensor.add_(torch.randn_like(tensor) / 7)
            else:
                tensor.add_(3)


def have_equal_states(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return list(one) == list(other) and all(
        torch.equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one
    )


def test_the_average_is_bit_identical_to_pytorchs() -> None:
    model = network()
    ours, theirs = ExponentialMovingAverage(model, DECAY), torch_average(model)
    for _ in range(100):  # the warm-up to 0.9 takes 80 updates
        change_weights(model)
        ours.update_parameters(model)
        theirs.update_parameters(model)
        assert have_equal_states(ours.state_dict(), theirs.state_dict())
    assert int(ours.n_averaged) == 100
    assert not any(parameter.requires_grad for parameter in ours.parameters())


def test_states_are_interchangeable_with_pytorchs() -> None:
    """Each class continues from the state of the other, also before any update."""
    for updates in (0, 1, 4):
        model = network()
        theirs = torch_average(model)
        for _ in range(updates):
            change_weights(model)
            theirs.update_parameters(model)
        ours = ExponentialMovingAverage(network(), DECAY)
        for _ in range(2):  # overwritten by the loaded state
            ours.update_parameters(model)
        ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
        reloaded = torch_average(model)
        reloaded.load_state_dict(copy.deepcopy(ours.state_dict()))
        for _ in range(3):
            change_weights(model)
            for average in (ours, theirs, reloaded):
                average.update_parameters(model)
        assert have_equal_states(ours.state_dict(), theirs.state_dict())
        assert have_equal_states(reloaded.state_dict(), theirs.state_dict())


def test_the_device_is_read_once_after_loading_a_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads: list[str] = []

    def record_reads(name: str) -> None:
        read = getattr(Tensor, name)
        monkeypatch.setattr(Tensor, name, lambda tensor: reads.append(name) or read(tensor))

    for name in ("__bool__", "__int__", "__float__", "item", "cpu", "tolist"):
        record_reads(name)
    model = network()
    ours = ExponentialMovingAverage(model, DECAY)
    for _ in range(3):
        ours.update_parameters(model)
    assert reads == []
    torch_average(model).update_parameters(model)
    assert reads.count("__bool__") == 2, "the recorder sees the reads of PyTorch's class"
    reads.clear()
    ours.load_state_dict(ours.state_dict())
    for _ in range(3):
        ours.update_parameters(model)
    assert reads == ["__int__"]


def measure_initial_share(decay: float, updates: int) -> float:
    """Return the weight of the first update's network in the average after some updates."""
    model = nn.Linear(1, 1, bias=False)
    average = ExponentialMovingAverage(model, decay)
    nn.init.ones_(model.weight)
    average.update_parameters(model)
    nn.init.zeros_(model.weight)
    for _ in range(updates - 1):
        average.update_parameters(model)
    return float(average.module.weight)


@pytest.mark.parametrize("decay", [0.9, 0.995, 0.9999])
def test_few_updates_leave_almost_nothing_of_the_first_network(decay: float) -> None:
    """A constant decay of 0.995 leaves 0.995^374 = 15 % after 375 updates."""
    assert measure_initial_share(decay, 10) < 1e-3
    assert measure_initial_share(decay, 375) < 1e-8


def test_the_decay_is_tensorflows() -> None:
    """tf.train.ExponentialMovingAverage with num_updates; 0.995 is reached at t = 1790."""
    assert compute_ema_decay(0.995, 1) == 2 / 11
    assert compute_ema_decay(0.995, 1789) < 0.995
    assert compute_ema_decay(0.995, 1790) == 0.995
    assert compute_ema_decay(0.0, 5) == 0.0


def test_a_restart_copies_the_network_and_warms_up_again() -> None:
    model = network()
    average = ExponentialMovingAverage(model, DECAY)
    for _ in range(5):
        change_weights(model)
        average.update_parameters(model)
    average.restart()
    fresh = ExponentialMovingAverage(network(), DECAY)
    for _ in range(3):
        change_weights(model)
        for each in (average, fresh):
            each.update_parameters(model)
    assert have_equal_states(average.state_dict(), fresh.state_dict())
