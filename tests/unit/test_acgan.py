"""ACGAN: losses, class condition, unlabelled data, and the layers of the paper."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from benchbed import Batch, BenchbedError, DataShape
from benchbed.runs.build import count_parameters
from benchbed_classics.acgan import ACGAN, Discriminator, Generator
from benchbed_classics.settings import ACGANSettings

NARROW = {"generator_width": 1 / 16, "discriminator_width": 1 / 16, "latent_dim": 8}
SIZES = (32, 64, 128, 256, 512)


def _method(classes: int = 3, precision: str = "32-true", **settings: Any) -> ACGAN:
    torch.manual_seed(0)
    method = ACGAN(ACGANSettings(**{**NARROW, **settings}))
    method.data = DataShape(3, (32, 32), classes=classes)
    method.build(method.data)
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)  # type: ignore[arg-type]
    fabric.launch()
    method.attach(fabric)
    return method


def _batch(*labels: int) -> Batch:
    image = torch.rand(len(labels) or 4, 3, 32, 32) * 2 - 1
    return Batch(image=image, label=torch.tensor(labels) if labels else None)


@pytest.mark.parametrize(
    ("classes", "generator", "discriminator"),
    [(10, 11_465_728, 2_525_563), (2, 11_465_728 - 8 * 768, 1_833_331)],
)
def test_parameters_at_the_papers_size(classes: int, generator: int, discriminator: int) -> None:
    """At 128 px with 10 classes, noise and class together have the paper's length of 110."""
    with torch.device("meta"):
        method = ACGAN(ACGANSettings())
        method.data = DataShape(3, (128, 128), classes=classes)
        method.build(method.data)
    assert count_parameters(method) == {"generator": generator, "discriminator": discriminator}


@pytest.mark.parametrize("size", SIZES)
def test_shapes_of_images_and_logits(size: int) -> None:
    noise, label = torch.randn(2, 8), torch.tensor([0, 2])
    image = Generator(8, 3, 1, size, 1 / 16)(noise, label)
    assert image.shape == (2, 1, size, size)
    assert image.abs().max() <= 1
    source, category = Discriminator(3, 1, size, 1 / 16, 0.5)(image)
    assert (source.shape, category.shape) == ((2,), (2, 3))


def test_layers_match_appendix_a() -> None:
    """Slopes of 0.2, dropout in every layer of D, no batch norm next to the images."""
    generator, discriminator = Generator(100, 10, 3, 128, 1.0), Discriminator(10, 3, 128, 1.0, 0.5)
    ups = [m for m in generator.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [m.out_channels for m in ups] == [384, 256, 192, 64, 3]
    assert [m.kernel_size[0] for m in ups] == [5, 5, 5, 5, 8]
    downs = [m for m in discriminator.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in downs] == [16, 32, 64, 128, 256, 512]
    assert [m.stride[0] for m in downs] == [2, 1, 2, 1, 2, 1]
    assert [m.p for m in discriminator.modules() if isinstance(m, nn.Dropout)] == [0.5] * 6
    norms = [m.num_features for m in discriminator.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms == [32, 64, 128, 256, 512]
    slopes = {m.negative_slope for m in discriminator.modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.2}


def test_learning_rates_and_initial_weights() -> None:
    method = _method(generator_width=0.5)
    for optimizer in method.optimizers.values():
        assert optimizer.param_groups[0]["lr"] == 2e-4
        assert optimizer.param_groups[0]["betas"] == (0.5, 0.999)
    first = next(m for m in method.generator.modules() if isinstance(m, nn.ConvTranspose2d))
    assert first.weight.detach().std() == pytest.approx(0.02, rel=0.05)
    assert ACGANSettings().batch_size == 100


def test_the_class_changes_the_image() -> None:
    method = _method().eval()
    noise = torch.randn(4, 8)
    images = [method.generator(noise, torch.full((4,), c)) for c in range(3)]
    assert not torch.equal(images[0], images[1])
    assert not torch.equal(images[1], images[2])


class FixedDiscriminator(nn.Module):
    """Discriminator with a source logit equal to the mean pixel and fixed class logits."""

    def __init__(self, category: Tensor) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))
        self.category = category

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return source and class logits."""
        return self.gain * image.mean((1, 2, 3)), self.gain * self.category


def test_losses_match_the_paper() -> None:
    """D maximises L_S + L_C over real and generated images; G minimises -L_C and -log P(real)."""
    method = _method(beta1=0.0)
    label = torch.tensor([0, 1, 2, 2])
    batch = _batch(0, 1, 2, 2)
    category = torch.randn(4, 3)
    method.discriminator = FixedDiscriminator(category)
    method.optimizers["discriminator"] = torch.optim.SGD(method.discriminator.parameters(), lr=0.0)
    fakes: list[Tensor] = []
    method.generator.module.register_forward_hook(lambda *parts: fakes.append(parts[2].detach()))
    losses = method.training_step(batch, 0.0)
    real, fake = batch.image.mean((1, 2, 3)), fakes[0].mean((1, 2, 3))
    l_s = F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()
    log_p = category.log_softmax(1)[torch.arange(4), label].mean()
    got = {name: float(value.detach()) for name, value in losses.items()}
    assert got["discriminator"] == pytest.approx(-float(l_s), abs=1e-5)
    assert got["classification"] == pytest.approx(-2 * float(log_p), abs=1e-5)
    expected = -float(F.logsigmoid(fake).mean()) - float(log_p)
    assert got["generator"] == pytest.approx(expected, abs=1e-5)


def test_an_untrained_classifier_has_chance_loss() -> None:
    """Cross-entropy is near ln(classes) for real and for generated images."""
    method = _method(classes=10)
    losses = method.training_step(_batch(*range(10)), 0.0)
    assert float(losses["classification"].detach()) == pytest.approx(2 * math.log(10), rel=0.05)


def test_unlabelled_data_has_one_class() -> None:
    method = _method(classes=0)
    losses = method.training_step(_batch(), 0.0)
    assert float(losses["classification"].detach()) == 0
    assert float(losses["generator"].detach()) == pytest.approx(math.log(2), rel=0.2)
    with torch.no_grad():
        samples = method.eval().sample(5, torch.Generator().manual_seed(0))
    assert samples.label is not None
    assert samples.label.tolist() == [0] * 5


def test_classes_without_labels_raise() -> None:
    with pytest.raises(BenchbedError, match="label"):
        _method(classes=3).training_step(_batch(), 0.0)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_sampled_classes_follow_the_training_frequencies(precision: str) -> None:
    method = _method(precision=precision)
    for _ in range(25):
        method.training_step(_batch(0, 0, 0, 2), 0.0)
    with torch.no_grad():
        samples = method.eval().sample(2000, torch.Generator().manual_seed(0))
    assert samples.label is not None
    shares = torch.bincount(samples.label, minlength=3) / 2000
    assert shares.tolist() == pytest.approx([0.75, 0.0, 0.25], abs=0.03)


def test_training_learns_to_distinguish_classes() -> None:
    """After 60 steps on dark and bright images, D classifies real and generated images."""
    method = _method(classes=2, discriminator_width=0.1, dropout=0.0)
    label = torch.tensor([0, 1] * 8)
    image = (label * 1.6 - 0.8).view(-1, 1, 1, 1) + 0.1 * torch.randn(16, 3, 32, 32)
    for _ in range(60):
        losses = method.training_step(Batch(image=image, label=label), 0.0)
    assert float(losses["classification"].detach()) < 0.4 * 2 * math.log(2)
