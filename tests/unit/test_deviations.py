"""Declared deviations: what differs from the papers is written where users look for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchbed.api.specs import MethodSpec
from benchbed.registry.lookup import get_registry
from benchbed_classics.specs.pggan import PGGAN
from benchbed_dual_gan.photorealism import STAGE_TWO_CONFIGS, PhotoGenerator
from benchbed_pix2pix3d.networks import Generator

WORDS = {0.25: "quarter", 0.5: "half", 0.0: "without"}
"""Words for the values of settings."""

CHANGED = [
    (spec.name, name, value)
    for spec in get_registry().get_specs(MethodSpec).values()
    for name, value in spec.presets.get("quick", {}).items()
]


def _is_written(value: Any, text: str) -> bool:
    """Return whether a text contains a value: as a number, in percent, as 2e-3 or in words."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return all(_is_written(part, text) for part in value if part)
    if isinstance(value, str):
        forms = [value]
    else:
        forms = [f"{value:g}", f"{100 * value:g} %", f"{value:.0e}".replace("e-0", "e-")]
        forms += [WORDS[value]] if value in WORDS else []
    return any(re.search(rf"(?<![\w.]){re.escape(form)}(?![\w]|\.\d)", text) for form in forms)


@pytest.mark.parametrize(("method", "setting", "value"), CHANGED)
def test_what_preset_quick_changes_is_declared(method: str, setting: str, value: Any) -> None:
    spec = get_registry().get_spec(MethodSpec, method)
    texts = [part.implementation for part in spec.deviations]
    declared = " ".join(text for text in texts if "preset quick" in text)
    assert _is_written(value, declared), f"{method}: {setting}={value!r} is not in: {declared}"


def _dropout_sides(network: nn.Module, source: Tensor) -> list[int]:
    sides: list[int] = []
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.register_forward_hook(lambda _, __, out: sides.append(out.shape[-1]))
    network(source)
    return sides


@pytest.mark.parametrize(("stage2", "channels", "last"), [("paper", 1, 8), ("authors", 3, 16)])
def test_dual_gan_has_dropout_up_to_the_declared_maps(
    stage2: str, channels: int, last: int
) -> None:
    tables = STAGE_TWO_CONFIGS[stage2]
    network = PhotoGenerator(tables, channels, 3, size=64, features=2, dropout=0.5)
    sides = _dropout_sides(network, torch.zeros(2, channels, 64, 64))
    assert sides == [last // 4, last // 2, last]


def test_pix2pix_3d_has_dropout_up_to_the_declared_maps() -> None:
    for spatial, layers in (((14, 32, 32), 4), ((27, 64, 64), 5), ((54, 128, 128), 6)):
        network = Generator([-1.0], 1, spatial, features=1)
        assert len(network.ups) == layers
        assert _dropout_sides(network, torch.zeros(1, 1, *spatial)) == [2, 4, 8]


def test_pggan_is_trained_at_the_size_of_its_paper() -> None:
    assert max(PGGAN.sizes) == 1024
