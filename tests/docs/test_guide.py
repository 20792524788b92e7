"""The guide for plugin authors: its worked example runs, and it tells each contract whole."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import benchbed
from benchbed.api.metric import ImageSet, MetricInputs
from benchbed.registry.lookup import get_registry, load_object
from benchbed.tasks.scoring import score_sets

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
WORKED = "From an empty folder to a leaderboard row"

BLOCK = re.compile(
    r"^(?:`(?P<file>[\w./-]+)`:\n\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def _section(title: str) -> str:
    (text,) = (part for part in GUIDE.split("\n## ") if part.startswith(f"{title}\n"))
    return text


def _files(title: str) -> Iterator[tuple[str, str]]:
    """The file blocks of a section: those with the file's name in the line before them."""
    for block in BLOCK.finditer(_section(title)):
        if block["file"]:
            yield block["file"], block["text"]


@pytest.fixture(scope="module")
def worked(
    sandbox: Callable[[Path], dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """The folder after every block of the worked example, and what the commands printed."""
    folder = tmp_path_factory.mktemp("guide")
    environment = sandbox(tmp_path_factory.mktemp("environment"))
    printed = ""
    for block in BLOCK.finditer(_section(WORKED)):
        if block["file"]:
            assert (folder / block["file"]).exists(), "a block replaces a generated file"
            (folder / block["file"]).write_text(block["text"])
            continue
        assert block["language"] == "sh", "a block is a file or commands"
        answer = subprocess.run(
            ["sh", "-e", "-c", block["text"]],
            capture_output=True, text=True, check=False, cwd=folder, env=environment,
        )  # fmt: skip
        assert answer.returncode == 0, f"{block['text']}\n{answer.stdout}\n{answer.stderr}"
        printed += answer.stdout
    return folder, printed


def test_the_worked_example_passes_its_checks_and_stands_in_a_leaderboard(
    worked: tuple[Path, str],
) -> None:
    folder, printed = worked
    assert re.search(r"^lsgan: \d+ passed, 0 failed, \d+ skipped\.$", printed, re.MULTILINE)
    page = (folder / "results/leaderboards/synthesis.md").read_text()
    assert "fundus (phantom), 32 px" in page
    assert "| lsgan | 1/1 |" in page


def test_the_kept_example_is_what_the_guide_makes(worked: tuple[Path, str]) -> None:
    made, kept = (_tree(folder) for folder in (worked[0] / "lsgan", ROOT / "examples/lsgan"))
    assert made.keys() == kept.keys()
    assert [name for name in made if made[name] != kept[name]] == []


def _tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any("cache" in part for part in path.parts[len(folder.parts) :])
    }


@pytest.fixture
def spectrum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The metric of the guide, installed as pip would."""
    for name, text in _files("A metric"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    info = tmp_path / "benchbed_spectrum-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: benchbed-spectrum\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[benchbed]\nspectrum = benchbed_spectrum.spec\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    get_registry.cache_clear()
    return "spectrum"


def test_the_metric_of_the_guide_is_found_and_measures(spectrum: str) -> None:
    spec = get_registry().get_spec(benchbed.MetricSpec, spectrum)
    noise = np.random.default_rng(0).integers(0, 256, (40, 3, 32, 32), dtype=np.uint8)
    smooth = np.round(sum(np.roll(noise.astype(float), k, -1) for k in range(4)) / 4)
    real, other = ImageSet(noise[:20]), ImageSet(noise[20:])
    (alike,), (blurred,) = (
        score_sets([spec], real, fake, lambda *_: np.zeros((20, 1), np.float32))
        for fake in (other, ImageSet(smooth[20:].astype(np.uint8)))
    )
    assert alike.value is not None
    assert blurred.value is not None
    assert alike.baseline is not None
    assert 0 < alike.value < 0.2 < blurred.value
    assert blurred.baseline == alike.baseline


def test_the_spectrum_of_a_wave_stands_at_its_frequency(spectrum: str) -> None:
    wave = 127.5 + 100 * np.cos(2 * np.pi * 5 * np.arange(32) / 32)
    images = np.broadcast_to(np.round(wave), (2, 1, 32, 32)).astype(np.uint8)
    measured = load_object("benchbed_spectrum.spectrum:spectrum")(ImageSet(images))
    assert measured.shape == (17,)
    assert int(np.argmax(measured[1:])) + 1 == 5
    same = MetricInputs(ImageSet(images), ImageSet(images), lambda *_: np.zeros((2, 1), np.float32))
    assert load_object("benchbed_spectrum.spectrum:spectral_distance")(same) == 0


CONTRACTS = {
    "A method": (benchbed.MethodSpec, benchbed.Paper, benchbed.Batch, benchbed.DataShape),
    "A data set": (
        benchbed.DatasetSpec,
        benchbed.Layout,
        benchbed.LayoutPart,
        benchbed.DownloadSource,
        benchbed.Phantom,
        benchbed.VolumeSpec,
    ),
    "A metric": (benchbed.MetricSpec, benchbed.MetricInputs),
    "A task": (benchbed.TaskSpec, benchbed.EvaluationContext),
    "Where a paper leaves something open": (benchbed.Deviation,),
}


@pytest.mark.parametrize("title", CONTRACTS)
def test_every_field_of_a_contract_is_told(title: str) -> None:
    names = {f.name for contract in CONTRACTS[title] for f in dataclasses.fields(contract)}
    assert names - set(re.findall(r"\w+", _section(title))) == set()


def test_every_part_of_a_method_is_told() -> None:
    parts = {name for name in vars(benchbed.Method) if not name.startswith("_")}
    harness = {"attach", "state", "restore"}
    assert harness < parts
    assert parts - harness - set(re.findall(r"\w+", _section("A method"))) == set()
