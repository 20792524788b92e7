"""Checks of a method's training: gradients, updates, state, precision, memory."""

from __future__ import annotations

import math
from typing import Any

import psutil
import torch

from benchbed.api.method import Method
from benchbed.testing.check import CheckFailed, CheckSkipped
from benchbed.testing.subject import MethodUnderTest, is_equal_state, save_and_load
from benchbed.training.sampling import draw_samples

MAX_UPDATE_STEPS = 128
"""Steps within which every optimiser must be used: some critics take 100 per generator step."""

SWEEP_STEPS = 16
"""Steps of one pass through the whole schedule."""

FINITE_STEPS = 50
BF16_STEPS = 5


def check_gradients(subject: MethodUnderTest) -> str:
    """Over the whole schedule, each parameter of an optimiser in use gets a gradient."""
    method = subject.build_trainable()
    with_gradient: set[int] = set()
    for step in range(2 * MAX_UPDATE_STEPS):
        _step_schedule(subject, method, step)
        parameters = _list_parameters(method)
        with_gradient |= {id(p) for _, p in parameters if p.grad is not None}
        missing = [name for name, p in parameters if id(p) not in with_gradient]
        if not missing and method.optimizers.keys() == method.updates.keys():
            break
    if missing:
        listed = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise CheckFailed(
            f"{len(missing)} of {len(parameters)} parameters never receive a gradient: {listed}"
        )
    return f"{len(parameters)} tensors, after {step + 1} steps"


def check_updates(subject: MethodUnderTest) -> str:
    """Each optimiser is used, and a step changes only the parameters of updated optimisers."""
    method = subject.build_trainable()
    if not method.optimizers:
        raise CheckFailed("no optimizer registered: call register_optimizers() in build()")
    used: set[str] = set()
    for step in range(MAX_UPDATE_STEPS):
        before, counts = _get_optimizer_values(method), dict(method.updates)
        _step_schedule(subject, method, step)
        after = _get_optimizer_values(method)
        for name in method.optimizers:
            updated = method.updates[name] > counts.get(name, 0)
            changed = not torch.equal(before[name], after[name])
            if updated and not changed:
                raise CheckFailed(f"update({name!r}) was called and changed nothing")
            if changed and not updated:
                raise CheckFailed(f"the parameters of {name!r} changed without update({name!r})")
            used |= {name} if updated else set()
        if used == method.optimizers.keys():
            break
    never = sorted(method.optimizers.keys() - used)
    if never:
        raise CheckFailed(
            f"update() is never called for {', '.join(never)} within {MAX_UPDATE_STEPS} steps"
        )
    return ", ".join(f"{name} {count}" for name, count in sorted(method.updates.items()))


def _step_schedule(subject: MethodUnderTest, method: Method[Any], step: int) -> None:
    """Run one step of a short schedule that repeats, for what is rarely updated."""
    position = step % SWEEP_STEPS
    subject.train_steps(method, range(position, position + 1), SWEEP_STEPS)


def check_state_round_trip(subject: MethodUnderTest) -> None:
    """A state that is saved and loaded into new networks is bitwise equal."""
    method = subject.build_trainable()
    subject.train_steps(method, range(2), 4)
    saved = save_and_load(method.get_state())
    other = subject.build_trainable(seed=1)
    other.restore_state(saved)
    if not is_equal_state(saved, save_and_load(other.get_state())):
        raise CheckFailed("the state changes when saved and loaded")
    if "sample" in subject.spec.capabilities:
        first, second = (draw_samples(each, 2, 0).image for each in (method, other))
        if not is_equal_state(first, second):
            raise CheckFailed(
                "the restored method gives different samples: some state is outside its networks"
            )


def check_resume(subject: MethodUnderTest) -> None:
    """Three steps, a restart and three more give the same state as six steps."""
    uninterrupted = subject.build_trainable()
    subject.train_steps(uninterrupted, range(3), 6)
    random = torch.get_rng_state()
    saved = save_and_load(uninterrupted.get_state())
    subject.train_steps(uninterrupted, range(3, 6), 6)
    resumed = subject.build_trainable(seed=1)
    resumed.restore_state(saved)
    torch.set_rng_state(random)
    subject.train_steps(resumed, range(3, 6), 6)
    if not is_equal_state(uninterrupted.get_state(), resumed.get_state()):
        raise CheckFailed(
            "a resumed run gives a different result: some training state is not a network, "
            "buffer, EMA or optimizer"
        )


def check_discriminator_losses(subject: MethodUnderTest) -> str:
    """Over the whole schedule, each of `discriminator_losses` is reported."""
    method = subject.build_trainable()
    if not method.discriminator_losses:
        raise CheckSkipped("the method names no discriminator_losses")
    history = subject.train_steps(method, range(SWEEP_STEPS), SWEEP_STEPS)
    reported = {name for losses in history for name in losses}
    if missing := [name for name in method.discriminator_losses if name not in reported]:
        raise CheckFailed(
            f"discriminator_losses names {', '.join(missing)}, but training_step returns only "
            f"{', '.join(sorted(reported))}"
        )
    return ", ".join(method.discriminator_losses)


def check_finite_losses(subject: MethodUnderTest) -> str:
    """Losses are finite for 50 steps on a phantom, in fp32."""
    return _train_finite(subject, subject.build_trainable(), FINITE_STEPS)


def check_bf16_training(subject: MethodUnderTest) -> str:
    """Losses are finite in bf16 mixed precision."""
    try:
        _train_finite(subject, subject.build_trainable(), BF16_STEPS)
    except CheckFailed as reason:
        raise CheckSkipped("its losses are not finite in fp32 either") from reason
    return _train_finite(subject, subject.build_trainable(precision="bf16"), BF16_STEPS)


def check_cuda_training(subject: MethodUnderTest) -> str:
    """Losses are finite on an accelerator, and it can sample."""
    if not torch.cuda.is_available():
        raise CheckSkipped("no CUDA device available")
    method = subject.build_trainable(accelerator="cuda")
    remark = _train_finite(subject, method, 5)
    if "sample" in subject.spec.capabilities:
        draw_samples(method, 2, 0)
    return remark


def check_memory(subject: MethodUnderTest) -> str:
    """The memory use of a training step is reported."""
    method = subject.build_trainable()
    process = psutil.Process()
    before = process.memory_info().rss
    subject.train_steps(method, range(3), 4)
    grown = max(0, process.memory_info().rss - before)
    weights = sum(p.numel() * p.element_size() for p in method.parameters())
    return (
        f"{weights / 2**20:.1f} MiB of weights; {grown / 2**20:.0f} MiB more after 3 steps at "
        f"{subject.smallest_size} px, batch {subject.batch_size}"
    )


def _train_finite(subject: MethodUnderTest, method: Method[Any], steps: int) -> str:
    history = subject.train_steps(method, range(steps), steps)
    for step, losses in enumerate(history):
        if not losses:
            raise CheckFailed("training_step returns no losses")
        for name, value in losses.items():
            if not math.isfinite(value):
                raise CheckFailed(f"loss {name!r} is {value} at step {step}")
    return ", ".join(f"{name} {value:.3g}" for name, value in history[-1].items())


def _list_parameters(method: Method[Any]) -> list[tuple[str, torch.nn.Parameter]]:
    """Return the parameters of the optimisers in use, with their names."""
    owned = {
        id(parameter)
        for name, optimizer in method.optimizers.items()
        if method.updates[name] > 0
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    named = [(name, p) for name, p in method.named_parameters() if id(p) in owned]
    return [(name, p) for name, p in named if p.requires_grad]


def _get_optimizer_values(method: Method[Any]) -> dict[str, torch.Tensor]:
    return {
        name: torch.cat(
            [p.detach().flatten().clone() for group in o.param_groups for p in group["params"]]
        )
        for name, o in method.optimizers.items()
    }


CHECKS = (
    check_gradients,
    check_updates,
    check_state_round_trip,
    check_resume,
    check_discriminator_losses,
    check_finite_losses,
    check_bf16_training,
    check_cuda_training,
    check_memory,
)
