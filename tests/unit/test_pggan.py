"""PGGAN: continuous growth, its loss, its EMA generator, the paper's numbers."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch.nn import functional as F

from benchbed import Batch, BenchbedError, DataShape
from benchbed.nn import blend_reals
from benchbed.runs.build import count_parameters
from benchbed_classics.pggan import PGGAN
from benchbed_classics.settings import PGGANSettings
from benchbed_classics.specs.pggan import PGGAN as PGGAN_SPEC

NARROW = {"batch_size": 4, "base": 64, "max_channels": 8, "latent_dim": 8}


def _method(precision: str = "32-true", **settings: Any) -> PGGAN:
    torch.manual_seed(0)
    method = PGGAN(PGGANSettings(**{**NARROW, **settings}))
    method.data = DataShape(3, (32, 32))
    method.build(method.data)
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)  # type: ignore[arg-type]
    fabric.launch()
    method.attach(fabric)
    return method


def _batch() -> Batch:
    return Batch(image=torch.rand(4, 3, 32, 32) * 2 - 1)


@pytest.mark.parametrize(
    ("size", "generator", "discriminator"),
    [(64, 22_490_383, 22_498_049), (512, 23_072_120, 23_080_225), (1024, 23_079_115, 23_087_249)],
)
def test_parameters_of_the_paper(size: int, generator: int, discriminator: int) -> None:
    """Table 2, with the projections of every level; the EMA is not counted."""
    with torch.device("meta"):
        method = PGGAN(PGGANSettings())
        method.data = DataShape(3, (size, size))
        method.build(method.data)
    assert count_parameters(method) == {"generator": generator, "discriminator": discriminator}


def test_the_defaults_are_the_papers() -> None:
    """Appendix A.1."""
    s = PGGANSettings()
    assert (s.batch_size, s.penalty_weight, s.drift_weight, s.average_decay) == (
        16,
        10.0,
        0.001,
        0.999,
    )
    for optimizer in _method().optimizers.values():
        group = optimizer.param_groups[0]
        assert (group["lr"], group["betas"], group["eps"]) == (1e-3, (0.0, 0.99), 1e-8)


def test_at_12000_kimg_and_512_px_a_phase_takes_800_kimg() -> None:
    method = PGGAN(PGGANSettings(**{**NARROW, "base": 512}))
    method.data = DataShape(1, (512, 512))
    method.build(method.data)
    phases: dict[tuple[int, bool], int] = {}
    for kimg in range(0, 12_000, 10):
        method.growth.advance(kimg / 12_000)
        phase = (method.growth.level, method.growth.alpha < 1)
        phases[phase] = phases.get(phase, 0) + 10
    assert len(phases) == 15
    assert all(abs(length - 800) <= 10 for length in phases.values())


@pytest.mark.parametrize(
    ("settings", "facts"),
    [
        ({"level_weights": (1, 2)}, "32 px.*2 weights.*4 levels"),
        ({"level_weights": (1, 0, 1, 1)}, r"32 px.*\[1\.0, 0\.0, 1\.0, 1\.0\]"),
        ({"base": 16, "size": 64}, "64 px.*base.*16.*32"),
    ],
)
def test_settings_that_do_not_fit_the_size_are_refused(
    settings: dict[str, Any], facts: str
) -> None:
    size = settings.pop("size", 32)
    method = PGGAN(PGGANSettings(**{**NARROW, **settings}))
    method.data = DataShape(3, (size, size))
    with pytest.raises(BenchbedError, match=f"pggan.*{facts}.*benchbed show pggan"):
        method.build(method.data)


@pytest.mark.parametrize(("size", "start"), [(32, 4), (64, 8), (128, 16), (512, 64), (1024, 128)])
def test_preset_quick_grows_over_the_last_four_sizes(size: int, start: int) -> None:
    with torch.device("meta"):
        method = PGGAN(PGGANSettings(**PGGAN_SPEC.presets["quick"]))
        method.data = DataShape(1, (size, size))
        method.build(method.data)
    assert 4 * 2**method.growth.schedule.start_level == start


def test_growth_is_continuous() -> None:
    """A level that starts to fade in equals the upsampled previous level."""
    method = _method().eval()
    noise = torch.randn(4, 8)
    batch = _batch()
    with torch.no_grad():
        for level in (1, 2, 3):
            before = F.interpolate(method.generator(noise, level - 1, 1.0), scale_factor=2)
            assert torch.equal(method.generator(noise, level, 0.0), before)
            nearly = method.generator(noise, level, 1e-4)
            assert float((nearly - before).abs().max()) < 1e-2
            lower = method.discriminator(
                blend_reals(batch.image, level - 1, 1.0, 4), level - 1, 1.0
            )
            upper = method.discriminator(blend_reals(batch.image, level, 0.0, 4), level, 0.0)
            assert torch.allclose(lower, upper, atol=1e-5)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_one_update_each_at_every_resolution(precision: str) -> None:
    """n_critic is 1; the discriminator receives images of the level's size."""
    method = _method(precision)
    sizes: list[int] = []
    method.discriminator.module.register_forward_pre_hook(
        lambda _, inputs: sizes.append(inputs[0].shape[-1])
    )
    for step, progress in enumerate((0.0, 0.3, 0.6, 0.99), start=1):
        losses = method.training_step(_batch(), progress)
        assert all(torch.isfinite(value) for value in losses.values())
        assert method.updates == {"discriminator": step, "generator": step}
    assert [size for size, _ in itertools.groupby(sizes)] == [4, 8, 16, 32]


def test_optimizer_state_is_reset_at_each_phase() -> None:
    """As in the authors' code: at the start and at the end of a fade."""
    method = _method()
    weight = method.discriminator.module.last.score.weight
    steps = []
    for progress in (0.0, 0.01, 0.15, 0.16, 0.4, 0.41):  # 4 px; 8 px fading in; 8 px stable
        method.training_step(_batch(), progress)
        steps.append(int(method.optimizers["discriminator"].state[weight]["step"]))
    assert steps == [1, 2, 1, 2, 1, 2]


def test_the_loss_is_wgan_gp_with_drift() -> None:
    """Without the penalty: E[D(fake)] - E[D(real)] + 0.001 E[D(real)^2]."""
    method = _method(penalty_weight=0.0)
    real, fake = _batch().image, _batch().image
    with torch.no_grad():
        on_real, on_fake = (method.discriminator(image, 3, 1.0) for image in (real, fake))
    expected = on_fake.mean() - on_real.mean() + 0.001 * on_real.square().mean()
    loss = method.compute_discriminator_loss(real, fake, 3, 1.0)
    assert float(loss.detach()) == pytest.approx(float(expected), abs=1e-6)
    torch.manual_seed(1)
    penalised = _method(penalty_weight=10.0).compute_discriminator_loss(real, fake, 3, 1.0)
    assert float(penalised.detach()) > float(loss.detach())


def test_samples_come_from_the_ema_at_full_size_at_any_level() -> None:
    method = _method(average_decay=0.5).eval()
    for progress in (0.0, 0.4, 0.99):
        method.training_step(_batch(), progress)
        with torch.no_grad():
            image = method.sample(3, torch.Generator().manual_seed(0)).image
            noise = method.noise(3, 8, rng=torch.Generator().manual_seed(0))
            level, alpha = method.growth.level, method.growth.alpha
            average = method.get_ema("generator")(noise, level, alpha)
            present = method.generator(noise, level, alpha)
        assert image.shape == (3, 3, 32, 32)
        assert image.abs().max() <= 1
        expected = F.interpolate(average.clamp(-1, 1), size=32)
        assert torch.equal(image, expected)
        assert not torch.equal(average, present)


def test_ema_warms_up_to_its_decay() -> None:
    """The first update copies the weights; update t weights the past by (1 + t) / (10 + t)."""
    method = _method(average_decay=0.9)
    weight = method.generator.module.first.conv.weight
    average = method.get_ema("generator").module.first.conv.weight
    method.training_step(_batch(), 0.99)
    assert torch.equal(average, weight.detach())
    for decay in (2 / 11, 3 / 12):
        before = average.clone()
        method.training_step(_batch(), 0.99)
        assert torch.allclose(average, torch.lerp(weight.detach(), before, decay), atol=1e-6)


def test_ema_keeps_nothing_of_layers_from_before_they_trained() -> None:
    """A constant decay without a restart leaves 93 % after 48 steps, even with 0.99."""
    method = _method(average_decay=0.99)
    newest = ("blocks.2.", "to_image.3.")
    initial = _read_layers(method.generator.module, newest)
    for step in range(48):
        method.training_step(_batch(), step / 48)
    trained = _read_layers(method.generator.module, newest)
    averaged = _read_layers(method.get_ema("generator").module, newest)
    moved = initial - trained
    # The share of the initial values, by projection on the way that the weights have gone.
    share = float((averaged - trained) @ moved / (moved @ moved))
    assert abs(share) < 0.15


def _read_layers(network: torch.nn.Module, prefixes: tuple[str, ...]) -> torch.Tensor:
    """Return the weights of some layers as one vector."""
    named = network.named_parameters()
    return torch.cat([p.detach().flatten().clone() for n, p in named if n.startswith(prefixes)])
