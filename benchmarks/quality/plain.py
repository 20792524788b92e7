"""A DCGAN as a user would write it first: fp32, the defaults of the library, nothing tuned."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchmarks.speed.plain.common import iterate_batches, make_adam, update
from benchmarks.speed.plain.dcgan import make_discriminator, make_generator

BATCH_SIZE = 128
FEATURES = 64
LATENT = 100
"""Settings of the DCGAN tutorial of PyTorch."""

Pixels = npt.NDArray[np.uint8]


def train_and_sample(images: Pixels, seconds: float, count: int, seed: int) -> tuple[Pixels, int]:
    """Train for some seconds on the CPU.

    Args:
        images: Real images ``(N, C, S, S)`` uint8, grey or in colour.
        seconds: Training time.
        count: Number of samples.
        seed: Seed of weights, order and noise.

    Returns:
        Samples ``(count, C, S, S)`` uint8, and the number of real images shown.
    """
    torch.manual_seed(seed)
    real = torch.from_numpy(images).float() / 127.5 - 1
    # The networks of the tutorial are for colour images.
    real = real.expand(-1, 3, -1, -1) if real.shape[1] == 1 else real
    generator = make_generator(real.shape[-1], FEATURES, LATENT)
    scores = make_discriminator(real.shape[-1], FEATURES, nn.BatchNorm2d)
    shown = _train(generator, nn.Sequential(scores, nn.Sigmoid()), real, seconds)
    with torch.no_grad():
        fake: Tensor = generator(torch.randn(count, LATENT, 1, 1))
    if images.shape[1] == 1:
        fake = fake.mean(1, keepdim=True)
    return ((fake + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy(), shown


def _train(generator: nn.Module, discriminator: nn.Module, real: Tensor, seconds: float) -> int:
    """Train in place, and return the number of real images shown."""
    batch_size = min(BATCH_SIZE, len(real))
    g_adam, d_adam, criterion = make_adam(generator), make_adam(discriminator), nn.BCELoss()
    start, shown = time.monotonic(), 0
    for (batch,) in iterate_batches([real], batch_size, torch.device("cpu")):
        if time.monotonic() - start >= seconds:
            break
        ones, zeros = torch.ones(batch_size), torch.zeros(batch_size)
        fake = generator(torch.randn(batch_size, LATENT, 1, 1))
        d_loss = criterion(discriminator(batch).view(-1), ones)
        d_loss = d_loss + criterion(discriminator(fake.detach()).view(-1), zeros)
        update(d_adam, d_loss)
        update(g_adam, criterion(discriminator(fake).view(-1), ones))
        shown += batch_size
    return shown
