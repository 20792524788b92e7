"""WGAN-GP: loss, critic without batch normalisation, schedule, parameter counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from benchbed import Batch, DataShape
from benchbed.runs.build import count_parameters
from benchbed_classics.settings import WGANGPSettings
from benchbed_classics.wgan_gp import WGANGP, build_layer_norm

NARROW = {"batch_size": 4, "features": 4, "max_features": 16, "latent_dim": 8}


def _method(precision: str = "32-true", **settings: Any) -> WGANGP:
    torch.manual_seed(0)
    method = WGANGP(WGANGPSettings(**{**NARROW, **settings}))
    method.data = DataShape(3, (32, 32))
    method.build(method.data)
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)  # type: ignore[arg-type]
    fabric.launch()
    method.attach(fabric)
    return method


def _batch() -> Batch:
    return Batch(image=torch.rand(4, 3, 32, 32) * 2 - 1)


@pytest.mark.parametrize(
    ("norm", "critic"),
    [("layer", 2_765_568), ("none", 2_765_568 - 2 * (128 + 256 + 512))],
)
def test_parameters_at_64_px(norm: str, critic: int) -> None:
    """DCGAN's networks, with a latent of 128; layer norm has the gains and biases of batch norm."""
    with torch.device("meta"):
        method = WGANGP(WGANGPSettings(critic_norm=norm))
        method.data = DataShape(3, (64, 64))
        method.build(method.data)
    generator = 3_576_704 + 28 * 512 * 4 * 4
    assert count_parameters(method) == {"generator": generator, "critic": critic}


def test_the_defaults_are_the_papers() -> None:
    """Algorithm 1: lambda of 10, 5 critic steps, Adam with 1e-4 and (0, 0.9)."""
    s = WGANGPSettings()
    assert (s.penalty_weight, s.critic_steps, s.batch_size) == (10.0, 5, 64)
    for optimizer in _method().optimizers.values():
        assert optimizer.param_groups[0]["lr"] == 1e-4
        assert optimizer.param_groups[0]["betas"] == (0.0, 0.9)


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_critic_scores_each_image_independently(norm: str) -> None:
    """Section 4: the penalty is on single gradients, so no norm may mix the batch."""
    method = _method(critic_norm=norm)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in method.critic.modules())
    images = _batch().image
    single = torch.cat([method.critic(image[None]) for image in images])
    assert torch.allclose(method.critic(images), single, atol=1e-5)


def test_layer_norm_is_over_channels_and_positions() -> None:
    x = 3 * torch.randn(2, 6, 4, 4) + 5
    y = build_layer_norm(6)(x)
    assert torch.allclose(y.mean((1, 2, 3)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(y.var((1, 2, 3), correction=0), torch.ones(2), atol=1e-3)


def test_the_generator_follows_every_fifth_critic_update() -> None:
    method = _method()
    for step in range(1, 12):
        method.training_step(_batch(), 0.0)
        assert method.updates["critic"] == step
        assert method.updates["generator"] == step // 5


def test_critic_loss_is_equation_3() -> None:
    """For a linear critic <w, x> the penalty is lambda (|w| - 1)^2 for any images."""

    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.full((3, 32, 32), 3.0 / (3 * 32 * 32) ** 0.5))

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return (image * self.weight).flatten(1).sum(1)

    method = _method()
    critic = Linear()
    method.critic = critic
    method.optimizers["critic"] = torch.optim.SGD(critic.parameters(), lr=1e-3)
    batch = _batch()
    real = float(critic(batch.image).mean().detach())
    losses = {name: float(v.detach()) for name, v in method.training_step(batch, 0.0).items()}
    assert losses["penalty"] == pytest.approx((3 - 1) ** 2, rel=1e-5)
    assert losses["critic"] == pytest.approx(-losses["generator"] - real + 10 * 4, rel=1e-5)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_penalty_trains_the_critic(precision: str) -> None:
    """With a large penalty weight the critic's gradient norm approaches 1."""
    method = _method(precision, penalty_weight=1000.0, learning_rate=3e-3)
    batch = _batch()
    penalties = [float(method.training_step(batch, 0.0)["penalty"].detach()) for _ in range(30)]
    assert penalties[-1] < 0.2 * max(penalties[0], 0.5)
