"""Checks of a method's training: gradients, updates, state, precision, memory."""

from __future__ import annotations

import math
from typing import Any

import psutil
import torch

from benchbed.api.method import Method
from benchbed.testing.checks import Failed, Skipped
from benchbed.testing.subject import Subject, equal, through_file
from benchbed.training.sampling import draw

UPDATE_STEPS = 128
"""Steps within which every optimiser must be used: some critics take 100 per generator step."""

SWEEP_STEPS = 16
"""Steps of one pass through the whole schedule."""

FINITE_STEPS = 50
BF16_STEPS = 5


def every_parameter_gets_a_gradient(subject: Subject) -> str:
    """Over the whole schedule, each parameter of an optimiser in use gets a gradient."""
    method = subject.ready()
    with_gradient: set[int] = set()
    for step in range(2 * UPDATE_STEPS):
        _swept(subject, method, step)
        parameters = _parameters(method)
        with_gradient |= {id(p) for _, p in parameters if p.grad is not None}
        missing = [name for name, p in parameters if id(p) not in with_gradient]
        if not missing and method.optimizers.keys() == method.updates.keys():
            break
    if missing:
        listed = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise Failed(
            f"{len(missing)} of {len(parameters)} parameters never receive a gradient: {listed}"
        )
    return f"{len(parameters)} tensors, after {step + 1} steps"


def updates_change_what_they_name(subject: Subject) -> str:
    """Each optimiser is used, and a step changes only the parameters of updated optimisers."""
    method = subject.ready()
    if not method.optimizers:
        raise Failed("no optimizer registered: call optimize() in build()")
    used: set[str] = set()
    for step in range(UPDATE_STEPS):
        before, counts = _by_optimizer(method), dict(method.updates)
        _swept(subject, method, step)
        after = _by_optimizer(method)
        for name in method.optimizers:
            updated = method.updates[name] > counts.get(name, 0)
            changed = not torch.equal(before[name], after[name])
            if updated and not changed:
                raise Failed(f"update({name!r}) was called and changed nothing")
            if changed and not updated:
                raise Failed(f"the parameters of {name!r} changed without update({name!r})")
            used |= {name} if updated else set()
        if used == method.optimizers.keys():
            break
    never = sorted(method.optimizers.keys() - used)
    if never:
        raise Failed(f"update() is never called for {', '.join(never)} within {UPDATE_STEPS} steps")
    return ", ".join(f"{name} {count}" for name, count in sorted(method.updates.items()))


def _swept(subject: Subject, method: Method[Any], step: int) -> None:
    """Run one step of a short schedule that repeats, for what is rarely updated."""
    position = step % SWEEP_STEPS
    subject.train(method, range(position, position + 1), SWEEP_STEPS)


def state_round_trips(subject: Subject) -> None:
    """A state that is saved and loaded into new networks is bitwise equal."""
    method = subject.ready()
    subject.train(method, range(2), 4)
    saved = through_file(method.state())
    other = subject.ready(seed=1)
    other.restore(saved)
    if not equal(saved, through_file(other.state())):
        raise Failed("the state changes when saved and loaded")
    if "sample" in subject.spec.abilities:
        first, second = (draw(each, 2, 0).image for each in (method, other))
        if not equal(first, second):
            raise Failed(
                "the restored method gives different samples: some state is outside its networks"
            )


def resume_equals_uninterrupted(subject: Subject) -> None:
    """Three steps, a restart and three more give the same state as six steps."""
    uninterrupted = subject.ready()
    subject.train(uninterrupted, range(3), 6)
    random = torch.get_rng_state()
    saved = through_file(uninterrupted.state())
    subject.train(uninterrupted, range(3, 6), 6)
    resumed = subject.ready(seed=1)
    resumed.restore(saved)
    torch.set_rng_state(random)
    subject.train(resumed, range(3, 6), 6)
    if not equal(uninterrupted.state(), resumed.state()):
        raise Failed(
            "a resumed run gives a different result: some training state is not a network, "
            "buffer, EMA or optimizer"
        )


def losses_stay_finite(subject: Subject) -> str:
    """Losses are finite for 50 steps on a phantom, in fp32."""
    return _finite(subject, subject.ready(), FINITE_STEPS)


def bf16_trains(subject: Subject) -> str:
    """Losses are finite in bf16 mixed precision."""
    try:
        _finite(subject, subject.ready(), BF16_STEPS)
    except Failed as reason:
        raise Skipped("its losses are not finite in fp32 either") from reason
    return _finite(subject, subject.ready(precision="bf16"), BF16_STEPS)


def cuda_trains(subject: Subject) -> str:
    """Losses are finite on an accelerator, and it can sample."""
    if not torch.cuda.is_available():
        raise Skipped("no CUDA device available")
    method = subject.ready(accelerator="cuda")
    remark = _finite(subject, method, 5)
    if "sample" in subject.spec.abilities:
        draw(method, 2, 0)
    return remark


def memory_is_reported(subject: Subject) -> str:
    """The memory use of a training step is reported."""
    method = subject.ready()
    process = psutil.Process()
    before = process.memory_info().rss
    subject.train(method, range(3), 4)
    grown = max(0, process.memory_info().rss - before)
    weights = sum(p.numel() * p.element_size() for p in method.parameters())
    return (
        f"{weights / 2**20:.1f} MiB of weights; {grown / 2**20:.0f} MiB more after 3 steps at "
        f"{subject.smallest} px, batch {subject.batch_size}"
    )


def _finite(subject: Subject, method: Method[Any], steps: int) -> str:
    history = subject.train(method, range(steps), steps)
    for step, losses in enumerate(history):
        if not losses:
            raise Failed("training_step returns no losses")
        for name, value in losses.items():
            if not math.isfinite(value):
                raise Failed(f"loss {name!r} is {value} at step {step}")
    return ", ".join(f"{name} {value:.3g}" for name, value in history[-1].items())


def _parameters(method: Method[Any]) -> list[tuple[str, torch.nn.Parameter]]:
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


def _by_optimizer(method: Method[Any]) -> dict[str, torch.Tensor]:
    return {
        name: torch.cat(
            [p.detach().flatten().clone() for group in o.param_groups for p in group["params"]]
        )
        for name, o in method.optimizers.items()
    }


CHECKS = (
    every_parameter_gets_a_gradient,
    updates_change_what_they_name,
    state_round_trips,
    resume_equals_uninterrupted,
    losses_stay_finite,
    bf16_trains,
    cuda_trains,
    memory_is_reported,
)
