"""Every block of the tutorials runs, in its order, as a reader would run it."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from forked import Forker

import benchbed
from benchbed.api.metric import ImageSet, MetricInputs
from benchbed.registry.lookup import get_registry, load_object
from benchbed.tasks.scoring import score_sets

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs/tutorials"
NAMES = sorted(path.stem for path in TUTORIALS.glob("*.md"))

BLOCK = re.compile(
    r'^```(?:\{ \.)?(?P<language>\w*)(?: title="(?P<file>[\w./-]+)" \})?\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
SNIPPET = re.compile(r'^--8<-- "([^"]+)"\n', re.MULTILINE)


class Block(NamedTuple):
    """A code block.

    Attributes:
        language: ``bash`` or ``python``; ``text`` and ``yaml`` blocks are not run.
        file: The file that the block is the content of, or an empty string.
        text: Its content, with included files.
    """

    language: str
    file: str
    text: str


class Outcome(NamedTuple):
    """The folder in which a tutorial ran, and what its commands printed."""

    folder: Path
    printed: str


def read_blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in their order."""
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        text = SNIPPET.sub(lambda m: (ROOT / m[1]).read_text(encoding="utf-8"), block["text"])
        yield Block(block["language"], block["file"] or "", text)


@pytest.fixture(scope="module")
def run_tutorial(
    sandbox: Callable[[Path], dict[str, str]],
    forker: Forker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Outcome]:
    """Return a function that runs a tutorial once, in a separate folder and environment."""
    outcomes: dict[str, Outcome] = {}

    def run(name: str) -> Outcome:
        if name not in outcomes:
            folder = tmp_path_factory.mktemp(name)
            environment = sandbox(tmp_path_factory.mktemp("environment"))
            outcomes[name] = run_blocks(TUTORIALS / f"{name}.md", folder, environment, forker)
        return outcomes[name]

    return run


def run_blocks(page: Path, folder: Path, environment: dict[str, str], forker: Forker) -> Outcome:
    """Write the files of a page and run its commands; consecutive Python blocks share names.

    Where nothing is installed, commands of benchbed are forks of one process, which is faster.
    """
    if page.stem == "notebook":
        (folder / "results").symlink_to(ROOT / "results")
    places = {"BENCHBED_RESULTS": str(folder / "results")}
    environment = {**environment, **places, "MPLBACKEND": "agg"}
    printed = ""
    installs = "pip install" in page.read_text(encoding="utf-8")
    for (language, file), group in groupby(read_blocks(page), lambda block: block[:2]):
        text = "".join(block.text for block in group)
        if file:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text, encoding="utf-8")
        elif language == "bash" and not installs:
            for line in text.replace("\\\n", "").splitlines():
                program, *arguments = shlex.split(line)
                assert program == "benchbed"
                forked = forker.start(*arguments, folder=folder, **environment).wait_for_output()
                assert forked.returncode == 0, f"{line}\n{forked.stdout}\n{forked.stderr}"
                printed += forked.stdout
        elif language in ("bash", "python"):
            program = ["sh", "-e", "-c"] if language == "bash" else ["python", "-c"]
            process = subprocess.run(
                [*program, text],
                capture_output=True, text=True, check=False, cwd=folder, env=environment,
            )  # fmt: skip
            assert process.returncode == 0, f"{text}\n{process.stdout}\n{process.stderr}"
            printed += process.stdout
    return Outcome(folder, printed)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name == "own-data" else ()) for name in NAMES],
)
def test_tutorial_runs(name: str, run_tutorial: Callable[[str], Outcome]) -> None:
    languages = {block.language for block in read_blocks(TUTORIALS / f"{name}.md")}
    assert languages & {"bash", "python"}
    assert languages <= {"bash", "python", "text", "toml"}
    assert run_tutorial(name).printed


@pytest.mark.slow
def test_own_data_has_a_record_for_each_task(run_tutorial: Callable[[str], Outcome]) -> None:
    folder = run_tutorial("own-data").folder
    names = sorted(path.name for path in (folder / "results/records").iterdir())
    runs = [
        *("acgan-folder-grades", "dcgan-folder-cells", "dcgan-folder-scans", "dcgan-pathmnist"),
        *("pix2pix-3d-seg-folder-task99-ball", "unet-folder-cells", "unet-manifest-cases-csv"),
    ]
    assert [name[: len(run)] for name, run in zip(names, runs, strict=True)] == runs
    assert len(list((folder / "samples").rglob("*.png"))) >= 4


def test_method_passes_its_checks_and_is_in_a_leaderboard(
    run_tutorial: Callable[[str], Outcome],
) -> None:
    folder, printed = run_tutorial("method")
    assert re.search(r"^lsgan: \d+ passed, 0 failed, \d+ skipped\.$", printed, re.MULTILINE)
    page = (folder / "results/leaderboards/synthesis.md").read_text(encoding="utf-8")
    assert "fundus (phantom), 32 px" in page
    # A footnote may say that so short a training shows signs of collapse.
    assert re.search(r"^\| lsgan[^|]*\| 1/1 \|", page, re.MULTILINE)


def test_committed_example_is_what_the_tutorial_makes(
    run_tutorial: Callable[[str], Outcome],
) -> None:
    made = read_tree(run_tutorial("method").folder / "lsgan")
    committed = read_tree(ROOT / "examples/lsgan")
    assert made.keys() == committed.keys()
    assert [name for name in made if made[name] != committed[name]] == []


def read_tree(folder: Path) -> dict[str, str]:
    """Return the text of each file below a folder, without caches."""
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any("cache" in part for part in path.parts[len(folder.parts) :])
    }


def test_dataset_passes_its_checks_with_real_files(run_tutorial: Callable[[str], Outcome]) -> None:
    printed = run_tutorial("dataset").printed
    found = re.findall(r"^nuclei: (\d+) passed, 0 failed, \d+ skipped\.$", printed, re.MULTILINE)
    assert len(found) == 1


@pytest.fixture
def spectrum(
    run_tutorial: Callable[[str], Outcome], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> str:
    """Install the metric of the tutorial into this process, and return its name."""
    folder, printed = run_tutorial("metric")
    assert "Spectrum" in printed
    info = tmp_path / "benchbed_spectrum-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: benchbed-spectrum\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[benchbed]\nspectrum = benchbed_spectrum.spec\n")
    for path in (tmp_path, folder / "spectrum"):
        monkeypatch.syspath_prepend(str(path))
    get_registry.cache_clear()
    return "spectrum"


def test_metric_finds_blur(spectrum: str) -> None:
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


def test_spectrum_of_a_wave_peaks_at_its_frequency(spectrum: str) -> None:
    wave = 127.5 + 100 * np.cos(2 * np.pi * 5 * np.arange(32) / 32)
    images = np.broadcast_to(np.round(wave), (2, 1, 32, 32)).astype(np.uint8)
    measured = load_object("benchbed_spectrum.spectrum:spectrum")(ImageSet(images))
    assert measured.shape == (17,)
    assert int(np.argmax(measured[1:])) + 1 == 5
    same = MetricInputs(ImageSet(images), ImageSet(images), lambda *_: np.zeros((2, 1), np.float32))
    assert load_object("benchbed_spectrum.spectrum:spectral_distance")(same) == 0
