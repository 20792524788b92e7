"""SkrGAN: its sketches, two independent stages, the paper's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from benchbed import Augmentation, Batch, DataShape
from benchbed.runs.build import count_parameters
from benchbed_skrgan.settings import SkrGANSettings
from benchbed_skrgan.sketch import (
    apply_low_pass,
    apply_open_close,
    compute_sketch,
    detect_edges,
    normalize_range,
)
from benchbed_skrgan.skrgan import SkrGAN

NARROW = {"base": 128, "max_channels": 16, "latent_dim": 8, "renderer_features": 4}


def _bar() -> np.ndarray:
    picture = np.zeros((64, 64))
    picture[20:44, 30:34] = 1.0
    return picture


def test_sketch_of_a_bar_matches_worked_numbers() -> None:
    """64 x 64, rows 20-43, columns 30-33: Sobel, Gaussian of 2, area or disk, step by step."""
    edge = detect_edges(_bar())
    assert edge.max() == 1.0
    smooth = apply_low_pass(edge, 2.0)
    assert smooth.max() == pytest.approx(0.489896, abs=1e-6)
    assert smooth.sum() == pytest.approx(101.805849, abs=1e-5)
    area, disk = apply_open_close(smooth, 64, "area"), apply_open_close(smooth, 64, "disk")
    assert area.max() == pytest.approx(0.447143, abs=1e-6)
    assert area.sum() == pytest.approx(100.911872, abs=1e-5)
    assert disk.max() == pytest.approx(0.461193, abs=1e-6)
    assert disk.sum() == pytest.approx(100.713843, abs=1e-5)


def test_sketches_have_the_size_of_their_image() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (48, 40, 3), dtype=np.uint8)
    draft = compute_sketch(picture, sigma=1.0, area=8)
    assert draft.shape == (48, 40)
    assert (draft.dtype, draft.min(), draft.max()) == (np.uint8, 0, 255)
    assert compute_sketch(np.full((32, 32, 1), 90, np.uint8), sigma=1.0, area=8).max() == 0
    with pytest.raises(ValueError, match=r"'area'.*'disk'.*'star'"):
        compute_sketch(picture, sigma=1.0, area=8, morph="star")


def test_the_ceiling_strengthens_edges_weaker_than_a_rim() -> None:
    picture = np.zeros((64, 64, 1), np.uint8)
    picture[8:56, 8:56] = 120
    picture[20:44, 31:34] = 100
    plain, lifted = (
        compute_sketch(picture, sigma=1.0, area=4, ceiling=ceiling)[25:40, 30:35].mean()
        for ceiling in (100.0, 80.0)
    )
    assert lifted > 1.2 * plain
    assert normalize_range(np.zeros((4, 4))).max() == 0


def _method(size: int = 32, precision: str = "32-true", **settings: Any) -> SkrGAN:
    torch.manual_seed(0)
    method = SkrGAN(SkrGANSettings(batch_size=4, **{**NARROW, **settings}))
    method.data = DataShape(3, (size, size))
    method.build(method.data)
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)  # type: ignore[arg-type]
    fabric.launch()
    method.attach(fabric)
    return method


def _batch(size: int = 32) -> Batch:
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(4, 3, size, size, generator=generator) * 2 - 1
    return Batch(image=image, extra={"sketch": image.mean(1, keepdim=True)})


def test_growth_covers_every_resolution_of_the_paper() -> None:
    """Section 2.2: 2^(k+1) px for k = 1..8."""
    sizes = []
    method = SkrGAN(SkrGANSettings(**{**NARROW, "base": 512}))
    method.data = DataShape(3, (512, 512))
    method.build(method.data)
    for progress in np.linspace(0, 0.999, 200):
        method.growth.advance(float(progress))
        assert 0.0 <= method.growth.alpha <= 1.0
        sizes.append(4 * 2**method.growth.level)
    assert sorted(set(sizes)) == [4, 8, 16, 32, 64, 128, 256, 512]


def test_learning_rates_and_weights_match_the_paper() -> None:
    """Section 3: 1e-3 for G_S and D_S, 2e-4 for G_P and D_P, lambda of 100, batch of 16."""
    method = _method()
    rates = {name: o.param_groups[0]["lr"] for name, o in method.optimizers.items()}
    assert rates == {
        "sketch_generator": 1e-3,
        "sketch_discriminator": 1e-3,
        "renderer": 2e-4,
        "render_discriminator": 2e-4,
    }
    default = SkrGANSettings()
    assert (default.l1_weight, default.batch_size, default.sketch_size) == (100.0, 16, 512)


def test_parameter_counts_of_the_paper() -> None:
    """At 512 px, with the projections of every level."""
    with torch.device("meta"):
        method = SkrGAN(SkrGANSettings())
        method.data = DataShape(3, (512, 512))
        method.build(method.data)
    assert count_parameters(method) == {
        "sketch_generator": 23_067_048,
        "sketch_discriminator": 23_075_169,
        "renderer": 66_996_867,
        "render_discriminator": 2_766_657,
    }


@pytest.mark.parametrize("loss", ["wasserstein", "bce"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_step_updates_each_network_once_and_stays_finite(loss: str, precision: str) -> None:
    method = _method(precision=precision, sketch_loss=loss)
    for progress in (0.0, 0.3, 0.6, 0.99):
        losses = method.training_step(_batch(), progress)
        assert all(torch.isfinite(value) for value in losses.values())
    assert set(method.updates.values()) == {4}


def test_stages_do_not_share_gradients() -> None:
    """Eq. 3 is a sum: guidance changes only G_S and D_S, rendering only G_P and D_P."""
    method = _method()
    method.growth.advance(0.99)
    batch = _batch()
    stages = {
        "guide": (
            {"sketch_generator", "sketch_discriminator"},
            lambda: method.train_sketch(batch["sketch"]),
        ),
        "render": (
            {"renderer", "render_discriminator"},
            lambda: method.train_rendering(batch.image, batch["sketch"]),
        ),
    }
    for own, step in stages.values():
        before = {name: _weights(network) for name, network in method.networks.items()}
        step()
        after = {name: _weights(network) for name, network in method.networks.items()}
        assert {name for name in before if not torch.equal(before[name], after[name])} == own


class _Recorder(Augmentation):
    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def apply(self, image: torch.Tensor, colour_channels: int) -> torch.Tensor:
        self.calls.append((image.shape[1], colour_channels))
        return image


def test_augmentation_moves_image_and_sketch_together_and_recolours_images_only() -> None:
    method = _method()
    method.augmentation = recorder = _Recorder()
    method.training_step(_batch(), 0.99)
    # Sketches, then images of three channels with their sketch.
    assert recorder.calls == [(1, 0)] * 3 + [(4, 3)] * 3


def _weights(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten().clone() for p in network.parameters()])


def test_samples_are_rendered_from_sketches_at_full_size_at_any_level() -> None:
    method = _method().eval()
    for progress in (0.0, 0.4, 0.99):
        method.growth.advance(progress)
        with torch.no_grad():
            samples = method.sample(3, torch.Generator().manual_seed(0))
            assert samples.image.shape == (3, 3, 32, 32)
            assert samples["sketch"].shape == (3, 1, 32, 32)
            assert samples["sketch"].abs().max() <= 1
            assert torch.equal(method.renderer(samples["sketch"]), samples.image)
            assert not torch.equal(method.renderer(-samples["sketch"]), samples.image)


def test_a_learned_latent_code_starts_at_1_and_is_trained() -> None:
    method = _method(latent_code="learned")
    code = method.sketch_generator.module.code
    assert torch.equal(code, torch.ones(8))
    method.training_step(_batch(), 0.99)
    assert not torch.equal(code, torch.ones(8))


def test_ema_starts_afresh_when_layers_begin_to_train() -> None:
    method = _method(average_decay=0.999)
    average = method.get_ema("sketch_generator")
    counts = []
    for step in range(24):
        level = method.growth.level
        method.training_step(_batch(), step / 24)
        counts.append(int(average.n_averaged))
        if method.growth.level > level:
            copied = _weights(average.module)
            assert torch.equal(copied, _weights(method.sketch_generator.module))
    assert counts.count(1) == 4, "once for each of 4, 8, 16 and 32 px"
