"""Quality benchmark: a plain reference, curves and tables over the training time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.quality.plain import train_and_sample
from benchmarks.quality.report import Point, draw_curves, render_markdown
from benchmarks.quality.runner import PLAIN, make_parser, run_benchmark


def make_point(method: str, minutes: float, seed: int, swd: float | None) -> Point:
    return Point(method, "d", minutes, seed, 4.0, {"swd": swd}, {"swd": 0.02})


def test_cells_are_means_over_seeds_and_a_missing_value_is_a_dash() -> None:
    points = [make_point("a", 1, 0, 0.1), make_point("a", 1, 1, 0.3), make_point("b", 1, 0, None)]
    a, b = render_markdown(points).splitlines()[-2:]
    assert a.split(" | ")[:4] == ["| a", "1", "4.0", "0.2"]
    assert b.split(" | ")[3] == "–"


def test_curves_are_drawn_for_every_dataset(tmp_path: Path) -> None:
    points = [make_point("a", m, 0, 0.1 / m) for m in (1, 2)]
    draw_curves(points, tmp_path / "one.png")
    others = [Point(p.method, "e", p.minutes, 0, 4.0, p.values, {}) for p in points]
    draw_curves([*points, *others], tmp_path / "two.png")
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "two.png") as two:
        assert two.height > one.height


@pytest.mark.parametrize("channels", [1, 3])
def test_the_plain_script_trains_for_its_time_and_keeps_the_channels(channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (8, channels, 16, 16), dtype=np.uint8)
    samples, shown = train_and_sample(images, 0.5, 5, seed=0)
    assert samples.shape == (5, channels, 16, 16)
    assert samples.dtype == np.uint8
    assert shown > 0
    assert shown % 8 == 0


@pytest.mark.slow
def test_a_second_call_trains_nothing_again(tmp_path: Path) -> None:
    options = make_parser().parse_args(
        ["--method", "dcgan", "--dataset", "fundus", "--minutes", "0.05", "--out", str(tmp_path)]
    )
    assert run_benchmark(options) == 0
    table = (tmp_path / "quality.md").read_text()
    assert f"| {PLAIN} | 0.05 |" in table
    assert "| dcgan | 0.05 |" in table
    assert run_benchmark(options) == 0
    assert (tmp_path / "quality.md").read_text() == table, "times differ if it trained again"
