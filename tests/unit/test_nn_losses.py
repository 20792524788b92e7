"""Losses and penalties against known values."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from benchbed.nn import (
    ProgressiveDiscriminator,
    bce_with_target,
    gradient_penalty,
    unwrap,
    wasserstein_critic,
)


class Linear(nn.Module):
    """f(x) = factor <w, x>, with a constant gradient."""

    def __init__(self, norm: float) -> None:
        super().__init__()
        weight = images(2, 3 * 5 * 5)
        self.weight = nn.Parameter(norm * weight / weight.norm())

    def forward(self, x: Tensor, factor: float = 1.0) -> Tensor:
        return factor * (x.flatten(1) @ self.weight)


def images(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


REAL, FAKE = images(0, 6, 3, 5, 5), images(1, 6, 3, 5, 5)


def test_bce_of_undecided_logits_is_ln_2() -> None:
    assert float(bce_with_target(torch.zeros(4, 1, 3, 3), 1.0)) == pytest.approx(math.log(2))
    assert float(bce_with_target(torch.tensor([3.0]), 0.0)) == pytest.approx(
        math.log(1 + math.exp(3))
    )
    smooth = bce_with_target(torch.tensor([math.log(9)]), 0.9)  # sigmoid is 0.9
    assert float(smooth) == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1))


def test_critic_loss_is_fake_minus_real() -> None:
    assert float(wasserstein_critic(torch.tensor([2.0, 4.0]), torch.tensor([1.0]))) == -2.0


@pytest.mark.parametrize(("norm", "target"), [(3.0, 1.0), (0.5, 1.0), (3.0, 0.0), (1.0, 1.0)])
def test_penalty_of_a_linear_critic(norm: float, target: float) -> None:
    penalty = gradient_penalty(Linear(norm), REAL, FAKE, target=target)
    assert float(penalty.detach()) == pytest.approx((norm - target) ** 2, abs=1e-5)


def test_further_arguments_reach_the_critic() -> None:
    assert float(gradient_penalty(Linear(1.0), REAL, FAKE, 4.0).detach()) == pytest.approx(
        9.0, abs=1e-5
    )


def test_penalty_gradient_points_to_the_target_norm() -> None:
    critic = Linear(3.0)
    gradient_penalty(critic, REAL, FAKE).backward()
    assert critic.weight.grad is not None
    expected = 2 * (3.0 - 1.0) * critic.weight.detach() / 3.0
    assert torch.allclose(critic.weight.grad, expected, atol=1e-5)


def test_penalty_is_per_image_at_points_between_real_and_fake() -> None:
    """f = sum x^3 / 3 has gradient x^2, so the penalty reveals the points."""

    class Cubic(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            assert bool(((x >= 1) & (x <= 2)).all())
            assert x[0, 0, 0, 0] != x[1, 0, 0, 0]  # every image has another position on the line
            assert (x[0] == x[0, 0, 0, 0]).all()
            points.append(x.detach())
            return (x**3 / 3).flatten(1).sum(1)

    points: list[Tensor] = []
    real, fake = torch.ones(5, 1, 2, 2), torch.full((5, 1, 2, 2), 2.0)
    penalty = gradient_penalty(Cubic(), real, fake)
    norms = points[0].square().flatten(1).square().sum(1).sqrt()
    assert float(penalty.detach()) == pytest.approx(float((norms - 1).square().mean()), rel=1e-5)


def test_no_gradient_reaches_the_generator() -> None:
    fake = FAKE.clone().requires_grad_(True)
    gradient_penalty(Linear(3.0), REAL, fake).backward()
    assert fake.grad is None


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(6, 3, 5, 5\).*\(3, 3, 5, 5\)"):
        gradient_penalty(Linear(1.0), REAL, FAKE[:3])


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true"])
def test_penalty_works_on_modules_wrapped_by_fabric(precision: str) -> None:
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)  # type: ignore[arg-type]
    torch.manual_seed(0)
    bare = ProgressiveDiscriminator(8, 1, base=32, max_channels=8)
    critic = fabric.setup_module(bare)
    assert unwrap(critic) is bare
    assert unwrap(bare) is bare
    real, fake = images(0, 4, 1, 8, 8), images(1, 4, 1, 8, 8)
    scores = critic(real, 1, 0.5)
    penalty = gradient_penalty(critic, real, fake, 1, 0.5)
    fabric.backward(wasserstein_critic(scores, critic(fake, 1, 0.5)) + 10 * penalty)
    weight = bare.blocks[0].conv0.weight
    assert weight.grad is not None
    assert weight.grad.isfinite().all()
    assert penalty.dtype == torch.float32


def test_penalty_is_exact_under_mixed_precision() -> None:
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    critic = fabric.setup_module(Linear(3.0))
    with fabric.autocast():
        penalty = gradient_penalty(critic, REAL, FAKE)
    assert float(penalty.detach()) == pytest.approx(4.0, abs=1e-5)


def test_importing_the_blocks_imports_no_torch() -> None:
    code = (
        "import sys, benchbed.nn as nn; assert 'torch' not in sys.modules; "
        "nn.ProgressiveSchedule; assert 'torch' not in sys.modules; "
        "missing = [n for n in dir(nn) if not hasattr(nn, n)]; assert not missing, missing"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_block_is_an_attribute_error() -> None:
    import benchbed.nn

    with pytest.raises(AttributeError, match="'Transformer'"):
        benchbed.nn.Transformer  # noqa: B018
