"""`benchbed evaluate`: values mean the same on both sides, and nothing is cut in silence."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def _save(file: Path, pixels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


def _make_folders(root: Path, count: int = 12) -> None:
    """Write 16-bit and 8-bit images, and copies that are five times darker."""
    rng = np.random.default_rng(0)
    rows = np.linspace(0, 1, 40)
    for number in range(count):
        texture = rng.uniform(0.2, 1, (40, 40)) * rows[:, None]
        deep = (texture * 40_000).astype(np.uint16)
        for name, values in (("bright", deep), ("dark", deep // 5)):
            _save(root / f"{name}16/{number}.png", values)
            _save(root / f"{name}8/{number}.png", (values >> 8).astype(np.uint8))
    shutil.copytree(root / "bright16", root / "copy16")


@pytest.fixture
def score(cli: Run, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Write the folders; return a function that scores two and returns the values."""
    _make_folders(tmp_path)

    def run(real: str, fake: str, *options: str) -> dict[str, Any]:
        metrics = ("--metric", "kl", "--metric", "fid-random", "--json")
        result = cli("evaluate", "--real", real, "--fake", fake, *metrics, *options)
        assert result.returncode == 0, result.stderr
        values = {value["metric"]: value["value"] for value in json.loads(result.stdout)}
        return {**values, "log": result.stderr}

    return run


def test_darker_images_of_16_bits_score_far_from_real_ones(
    score: Callable[..., dict[str, Any]],
) -> None:
    dark = score("bright16", "dark16")
    assert dark["kl"] > 1
    assert dark["fid-random"] > 1
    equal = score("bright16", "copy16")
    assert equal["kl"] == 0
    assert equal["fid-random"] < 1e-6
    # The window of the real images, not of the fakes, and the range of each.
    window = next(line for line in dark["log"].splitlines() if "window" in line)
    assert window in equal["log"]
    assert "values 0 to 7" in dark["log"]


def test_files_are_stretched_one_by_one_only_on_request(
    score: Callable[..., dict[str, Any]],
) -> None:
    stretched = score("bright16", "dark16", "--window", "per-file")
    assert stretched["kl"] < 0.1
    assert "per file" in stretched["log"]


def test_a_declared_window_converts_deep_images_only(
    score: Callable[..., dict[str, Any]],
) -> None:
    """16-bit values over 257 are the 8-bit values, so only rounding differs."""
    same = score("bright16", "bright8", "--window", "0,65535")
    dark = score("bright16", "dark8", "--window", "0,65535")
    assert same["fid-random"] < dark["fid-random"] / 10
    assert "8 bits" in same["log"]


@pytest.mark.parametrize("options", [(), ("--window", "per-file")])
def test_different_bit_depths_are_refused(
    options: tuple[str, ...], cli: Run, tmp_path: Path
) -> None:
    _make_folders(tmp_path, 3)
    _save(tmp_path / "bright16/float.tif", np.ones((40, 40), np.float32))
    result = cli("evaluate", "--real", "bright16", "--fake", "dark8", "--metric", "kl", *options)
    assert result.returncode == 2
    for fact in ("--real 3 images with 16", "float.tif", "--fake 3 images with 8", "--window"):
        assert fact in result.stderr


@pytest.mark.parametrize("window", ["5,4", "7", "0,nan", "a,b", "0,1,2", "perfile", "0,9"])
def test_windows_that_mean_nothing_are_refused(window: str, cli: Run, tmp_path: Path) -> None:
    """The last is valid, but all images have 8 bits."""
    _make_folders(tmp_path, 2)
    folders = ("--real", "bright8", "--fake", "dark8", "--metric", "kl")
    result = cli("evaluate", *folders, "--window", window)
    assert (result.returncode, result.stdout) == (2, "")
    assert "--window" in result.stderr


def _draw_edges(width: int, height: int, edge: int) -> np.ndarray:
    """Draw a grey image whose parts outside the central square have the value `edge`."""
    pixels = np.full((height, width), 90, np.uint8)
    margin = (width - height) // 2
    pixels[:, :margin] = pixels[:, width - margin :] = edge
    return pixels


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
def test_images_that_are_not_square_are_cut_only_with_crop(
    resize: str, cli: Run, tmp_path: Path
) -> None:
    for number in range(3):
        _save(tmp_path / f"real/{number}.png", _draw_edges(64, 32, 0))
        _save(tmp_path / f"fake/{number}.png", _draw_edges(64, 32, 250))
    _save(tmp_path / "fake/square.png", np.full((32, 32), 90, np.uint8))
    folders = ("--real", "real", "--fake", "fake", "--metric", "kl", "--size", "32", "--json")
    result = cli("evaluate", *folders, "--resize", resize)
    assert result.returncode == 0, result.stderr
    value = json.loads(result.stdout)[0]["value"]
    assert value < 0.01 if resize == "crop" else value > 0.1
    action = {"crop": "cropped", "pad": "padded", "stretch": "stretched"}[resize]
    real, fake = (
        next(line for line in result.stderr.splitlines() if line.startswith(f"{option}: "))
        for option in ("--real", "--fake")
    )
    assert "3 images, 64 x 32" in real
    assert action in real
    assert f"3 {action}" in fake
    assert "32 x 32 to 64 x 32" in fake


def test_an_image_keeps_its_aspect_with_pad(cli: Run, tmp_path: Path) -> None:
    """The common size follows from the longer side, which is not cut."""
    for name in ("real", "fake"):
        for number in range(2):
            _save(tmp_path / f"{name}/{number}.png", _draw_edges(64, 32, number))
    folders = ("--real", "real", "--fake", "fake", "--metric", "kl")
    assert "32 px" in cli("evaluate", *folders).stderr
    assert "64 px" in cli("evaluate", *folders, "--resize", "pad").stderr


def test_values_of_few_images_have_a_warning(cli: Run, tmp_path: Path) -> None:
    _make_folders(tmp_path, 6)
    folders = ("--real", "bright8", "--fake", "dark8", "--json")
    result = cli("evaluate", *folders, "--metric", "fid-random", "--metric", "kl")
    unstable, stable = json.loads(result.stdout)
    assert unstable["value"] > 0
    assert all(fact in unstable["note"] for fact in ("64 dimensions", "65 images", "6"))
    assert f"FID-random is {unstable['note']}." in result.stderr
    assert stable["note"] == ""


def test_metrics_that_cannot_be_computed_are_refused_by_name(cli: Run, tmp_path: Path) -> None:
    _make_folders(tmp_path, 6)
    folders = ("evaluate", "--real", "bright8", "--fake", "dark8")
    for name, fact in (("swd", "8 images"), ("memorisation", "training")):
        result = cli(*folders, "--metric", "kl", "--metric", name)
        assert (result.returncode, result.stdout) == (2, "")
        assert f"{name} needs" in result.stderr
        assert fact in result.stderr


def test_splits_classes_masks_and_other_files_are_named(cli: Run, tmp_path: Path) -> None:
    square = np.full((16, 16), 90, np.uint8)
    for number in range(3):
        _save(tmp_path / f"split/train/a{number}.png", square + number)
        _save(tmp_path / f"split/test/b{number}.png", square - number)
        _save(tmp_path / f"classes/normal/a{number}.png", square + number)
        _save(tmp_path / f"classes/ill/b{number}.png", square - number)
        _save(tmp_path / f"masked/images/{number}.png", square + number)
        _save(tmp_path / f"masked/masks/{number}.png", np.eye(16, dtype=np.uint8) * 255)
    (tmp_path / "masked/scanners.csv").write_text("a,b\n")
    folders = ("--real", "split", "--fake", "classes", "--held-out", "masked")
    result = cli("evaluate", *folders, "--metric", "kl", "--json")
    assert result.returncode == 0, result.stderr
    (value,) = json.loads(result.stdout)
    assert (value["n_real"], value["n_fake"]) == (6, 6)
    for fact in (
        *("--real: images of all splits are used (test 3, train 3)", "scanners.csv"),
        *("--fake: images of all classes are used (ill 3, normal 3)", "--held-out: 3 images"),
        "--held-out: masks are not used (3)",
    ):
        assert fact in result.stderr


def test_volumes_are_refused(cli: Run, tmp_path: Path) -> None:
    import nibabel

    _make_folders(tmp_path, 2)
    (tmp_path / "volumes").mkdir()
    volume = nibabel.nifti1.Nifti1Image(np.ones((4, 8, 8), np.float32), np.eye(4))
    nibabel.save(volume, tmp_path / "volumes/a.nii.gz")
    result = cli("evaluate", "--real", "bright8", "--fake", "volumes", "--metric", "kl")
    assert result.returncode == 2
    assert "volumes" in result.stderr
