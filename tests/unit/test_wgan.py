"""WGAN: weight clipping, schedule, losses, the paper's numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from benchbed import Batch, DataShape
from benchbed.runs.build import count_parameters
from benchbed_classics.settings import WGANSettings
from benchbed_classics.wgan import WGAN, count_due_updates

NARROW = {"batch_size": 4, "features": 4, "max_features": 16, "latent_dim": 8}


def _method(**settings: Any) -> WGAN:
    torch.manual_seed(0)
    method = WGAN(WGANSettings(**{**NARROW, **settings}))
    method.data = DataShape(3, (32, 32))
    method.build(method.data)
    fabric = Fabric(accelerator="cpu", devices=1)
    fabric.launch()
    method.attach(fabric)
    return method


def _batch() -> Batch:
    return Batch(image=torch.rand(4, 3, 32, 32) * 2 - 1)


@pytest.mark.parametrize(
    ("size", "counts"),
    [
        (64, (3_576_704, 2_765_568)),
        (128, (7_772_032, 6_960_896)),
        (256, (11_967_360, 11_156_224)),
        (512, (16_162_688, 15_351_552)),
    ],
)
def test_parameters_at_every_size(size: int, counts: tuple[int, int]) -> None:
    """Section 4.1: DCGAN's networks."""
    with torch.device("meta"):
        method = WGAN(WGANSettings())
        method.data = DataShape(3, (size, size))
        method.build(method.data)
    assert tuple(count_parameters(method).values()) == counts


def test_the_defaults_are_the_papers() -> None:
    """Algorithm 1: alpha of 5e-5, c of 0.01, m of 64, 5 critic steps, RMSProp without momentum."""
    s = WGANSettings()
    assert (s.learning_rate, s.clip, s.batch_size, s.critic_steps) == (5e-5, 0.01, 64, 5)
    for optimizer in _method().optimizers.values():
        assert optimizer.param_groups[0]["momentum"] == 0
        assert optimizer.param_groups[0]["lr"] == 5e-5


def test_critic_parameters_are_clipped_before_every_forward_pass() -> None:
    """Also the scales of batch norm, which start near 1; with large steps."""
    method = _method(learning_rate=0.1, clip=0.02, critic_steps=2, warmup_updates=0, long_every=0)
    largest: list[float] = []

    def note(critic: nn.Module, *_: Any) -> None:
        largest.append(max(float(p.detach().abs().max()) for p in critic.parameters()))

    method.critic.module.register_forward_pre_hook(note)
    for _ in range(4):
        method.training_step(_batch(), 0.0)
    assert len(largest) == 4 * 2 + 2  # both kinds of images, and two generator updates
    assert max(largest) == pytest.approx(0.02)


def test_the_generator_is_not_clipped() -> None:
    method = _method()
    method.training_step(_batch(), 0.0)
    assert max(float(p.detach().abs().max()) for p in method.generator.parameters()) > 0.5


@pytest.mark.parametrize(
    ("done", "due"), [(0, 100), (24, 2500), (25, 2505), (499, 4875), (500, 4975), (501, 4980)]
)
def test_the_authors_schedule(done: int, due: int) -> None:
    """100 before each of the first 25 and each 500th generator update, else 5."""
    assert count_due_updates(done, WGANSettings()) == due


@pytest.mark.parametrize("warmup", [0, 1, 3, 7])
@pytest.mark.parametrize("every", [0, 1, 2, 5])
def test_schedule_matches_the_loop_of_the_authors_code(warmup: int, every: int) -> None:
    settings = WGANSettings(
        warmup_updates=warmup, long_every=every, critic_steps=3, long_critic_steps=11
    )
    due = 0
    for done in range(20):
        long = done < warmup or (every > 0 and done % every == 0)
        due += 11 if long else 3
        assert count_due_updates(done, settings) == due


def test_a_step_is_one_batch_and_one_critic_update() -> None:
    """Two warm-up updates of 4, then of 2: generator updates after 4, 8, 10, 12 steps."""
    method = _method(critic_steps=2, warmup_updates=2, long_critic_steps=4, long_every=0)
    after = []
    for step in range(1, 13):
        done = method.updates["generator"]
        method.training_step(_batch(), 0.0)
        assert method.updates["critic"] == step
        after += [step] if method.updates["generator"] > done else []
    assert after == [4, 8, 10, 12]


def test_losses_match_algorithm_1() -> None:
    """A critic that returns the mean pixel: the loss is the difference of the two means."""

    class MeanPixel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.ones(()))

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.gain * image.mean((1, 2, 3))

    method = _method(clip=1.0)
    critic = MeanPixel()
    method.critic = critic
    method.optimizers["critic"] = torch.optim.SGD(critic.parameters(), lr=0.25)
    batch = _batch()
    losses = method.training_step(batch, 0.0)
    fake = -float(losses["generator"].detach())
    slope = fake - float(batch.image.mean())
    assert float(losses["critic"].detach()) == pytest.approx(slope, abs=1e-6)
    # Without sigmoid the gain changes by exactly the slope, and it is clipped to at most 1.
    assert float(critic.gain.detach()) == pytest.approx(min(1.0, 1.0 - 0.25 * slope), abs=1e-6)


def test_scores_are_unbounded_and_noise_is_normal() -> None:
    method = _method()
    assert not any(isinstance(layer, nn.Sigmoid) for layer in method.modules())
    noise = method.sample_latent(2000, torch.Generator().manual_seed(0))
    assert noise.shape == (2000, 8)
    assert noise.std() == pytest.approx(1, rel=0.02)
