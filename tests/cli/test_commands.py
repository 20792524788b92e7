"""The commands as a user calls them, from the first run to the leaderboard."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

Run = Callable[..., "subprocess.CompletedProcess[str]"]

RUN = (
    "run", "--method", "tiny-lsgan", "--dataset", "discs", "--size", "16", "--kimg", "0.2",
    "--samples", "8", "--metric", "swd", "--metric", "kl",
)  # fmt: skip


def _ok(answer: subprocess.CompletedProcess[str]) -> str:
    assert answer.returncode == 0, answer.stderr
    assert "Traceback" not in answer.stderr
    return answer.stdout


@pytest.fixture
def finished(cli: Run, with_plugin: Path) -> str:
    return str(json.loads(_ok(cli(*RUN, "--json")))["id"])


def test_a_third_partys_method_and_data_run_like_our_own(
    cli: Run, with_plugin: Path, tmp_path: Path
) -> None:
    answer = cli(*RUN)
    shown = _ok(answer)
    assert "SWD" in shown
    assert "real vs real" in shown
    assert "the phantom of Discs" in answer.stderr
    record = json.loads(next((tmp_path / "results/records").glob("*.json")).read_text())
    assert record["provenance"]["plugins"]["example"] == "benchbed-example 3.1"
    assert str(tmp_path) not in json.dumps(record), "a record names no place on this machine"
    instructions = torch.backends.cpu.get_cpu_capability()
    assert record["provenance"]["instructions"] == instructions
    machine = json.loads(_ok(cli("show", record["id"], "--json")))["machine"]
    assert f" with {instructions}, " in machine
    showcase = sorted(p.name for p in (tmp_path / "results/showcase" / record["id"]).iterdir())
    assert showcase == ["curves.csv", "grid.jpg", "nearest.jpg"]
    assert "was done before" in cli(*RUN).stderr
    _ok(cli("report"))
    page = (tmp_path / "results/leaderboards/synthesis.md").read_text()
    assert "| tiny-lsgan | 1/1 |" in page
    with (tmp_path / "results/leaderboards/synthesis.csv").open() as file:
        assert {line["metric"] for line in csv.DictReader(file)} == {"swd", "kl"}


def test_the_recorded_command_makes_the_same_run(cli: Run, finished: str, tmp_path: Path) -> None:
    record = json.loads((tmp_path / "results/records" / f"{finished}.json").read_text())
    words = record["provenance"]["command"].split()
    assert words[0] == "benchbed"
    answer = cli(*words[1:], "--metric", "swd", "--metric", "kl", "--results", "again", "--json")
    again = json.loads(_ok(answer))
    assert again["id"] == finished
    assert again["metrics"] == record["metrics"]


def test_report_is_quick_and_imports_no_torch(
    finished: str, tmp_path: Path, extra_seconds: Callable[[str, float], float]
) -> None:
    code = (
        "import pathlib, sys\nsys.argv = ['benchbed', 'report']\n"
        "from benchbed.cli.main import main\n"
        "try:\n    main()\nfinally:\n"
        "    pathlib.Path('modules').write_text(' '.join(sys.modules))"
    )
    assert extra_seconds(code, 2.0) < 2.0
    assert "torch" not in (tmp_path / "modules").read_text().split()
    assert (tmp_path / "results/leaderboards/synthesis.md").exists()


def test_samples_are_pictures_and_the_same_for_a_seed(
    cli: Run, finished: str, tmp_path: Path
) -> None:
    for out in ("a", "b"):
        _ok(cli("sample", finished[:20], "-n", "3", "--out", out, "--seed", "4"))
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["0000.png", "0001.png", "0002.png"]
    with Image.open(tmp_path / "a/0000.png") as picture:
        assert picture.size == (16, 16)
    same = [(tmp_path / "a" / n).read_bytes() == (tmp_path / "b" / n).read_bytes() for n in names]
    assert all(same)


def test_evaluate_scores_any_two_folders(cli: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, low in (("real", 0), ("fake", 100)):
        (tmp_path / name).mkdir()
        for number in range(10):
            pixels = rng.integers(low, 256, (40, 70, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    words = ("evaluate", "--metric", "swd", "--metric", "kl", "--json")
    far = json.loads(_ok(cli(*words, "--real", "real", "--fake", "fake")))
    near = json.loads(_ok(cli(*words, "--real", "real", "--fake", "real")))
    assert [value["metric"] for value in far] == ["swd", "kl"]
    assert all(value["n_real"] == value["n_fake"] == 10 for value in far)
    assert far[1]["value"] > 0.1 > near[1]["value"] == 0
    assert "32 px" in cli(*words[:-1], "--real", "real", "--fake", "real").stderr


def test_lists_for_people_and_for_scripts(cli: Run, finished: str) -> None:
    for kind in ("methods", "datasets", "metrics", "tasks", "runs", "plugins"):
        rows = json.loads(_ok(cli("list", kind, "--json")))
        first = next(iter(rows[0].values()))
        assert first in _ok(cli("list", kind))
    assert {"run": finished, "state": "finished"} in json.loads(_ok(cli("list", "runs", "--json")))


@pytest.mark.parametrize("name", ["tiny-lsgan", "discs", "swd", "synthesis"])
def test_show_tells_what_there_is_to_know(cli: Run, with_plugin: Path, name: str) -> None:
    facts = json.loads(_ok(cli("show", name, "--json")))
    assert name in facts.values()
    assert name in _ok(cli("show", name))
    if name == "tiny-lsgan":
        width = next(s for s in facts["settings"] if s["name"] == "width")
        assert (width["default"], width["range"]) == ("8", "at least 2, at most 64")
        assert width["source"] == "chosen for speed"


def test_data_status_and_verify(cli: Run, with_plugin: Path, tmp_path: Path) -> None:
    status = json.loads(_ok(cli("data", "status", "--json", "--data-root", ".")))
    assert next(r for r in status if r["dataset"] == "discs")["state"].startswith("not here")
    for part in ("images", "masks"):
        (tmp_path / "discs" / part).mkdir(parents=True)
        for number in range(6):
            value = 10 if number < 2 else number * 30
            Image.new("L", (20, 20), value).save(tmp_path / "discs" / part / f"{number}.png")
    status = json.loads(_ok(cli("data", "status", "--json", "--data-root", ".")))
    assert next(r for r in status if r["dataset"] == "discs")["state"] == "real"
    findings = json.loads(_ok(cli("data", "verify", "discs", "--json", "--data-root", ".")))
    assert findings["equal images"] == ["0 = 1"]
    (tmp_path / "discs/images/3.png").write_bytes(b"broken")
    answer = cli("data", "verify", "discs", "--data-root", ".")
    assert answer.returncode == 1
    assert "3.png" in answer.stdout


def test_doctor_reports_the_machine_and_a_broken_plugin(
    cli: Run, tmp_path: Path, third_party: Path
) -> None:
    facts = json.loads(_ok(cli("doctor", "--json")))
    assert facts["broken"] == []
    assert "device" in facts
    site = tmp_path / "site"
    (site / "bad-2.0.dist-info").mkdir(parents=True)
    (site / "bad.py").write_text("raise OSError('no luck')")
    (site / "bad-2.0.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: bad\nVersion: 2.0"
    )
    (site / "bad-2.0.dist-info/entry_points.txt").write_text("[benchbed]\nbad = bad\n")
    answer = cli("doctor", PYTHONPATH=str(site))
    assert answer.returncode == 1
    assert "bad 2.0" in answer.stdout
    assert "OSError: no luck" in answer.stdout
    assert "no luck" in _ok(cli("list", "plugins", PYTHONPATH=str(site)))
    _ok(cli("list", "methods", PYTHONPATH=str(site)))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion(cli: Run, shell: str) -> None:
    # Typer asks the process above for its shell, which under make is none of these.
    named = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    script = _ok(cli("--show-completion", shell, **named))
    assert "_BENCHBED_COMPLETE" in script


def test_completion_offers_methods(cli: Run) -> None:
    answer = cli(
        _BENCHBED_COMPLETE="complete_bash", COMP_WORDS="benchbed run --method dc", COMP_CWORD="3"
    )
    assert "dcgan" in answer.stdout


def test_python_dash_m_and_version(cli: Run) -> None:
    assert _ok(cli("--version")).startswith("benchbed 0.")


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    answer = subprocess.run(
        f"{sys.executable} -m benchbed list metrics --json | head -1",
        shell=True, capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert answer.stdout == "[\n"
    assert answer.stderr == ""


def test_a_diverged_run_exits_with_3_and_leaves_its_record(
    cli: Run, with_plugin: Path, tmp_path: Path
) -> None:
    answer = cli(*RUN, "--set", "nan_at=3")
    assert answer.returncode == 3
    assert "diverged" in answer.stderr
    (path,) = (tmp_path / "results/records").glob("*.json")
    assert json.loads(path.read_text())["state"] == "diverged"


def test_a_broken_method_exits_with_1_and_says_where_the_traceback_is(
    cli: Run, with_plugin: Path, tmp_path: Path
) -> None:
    answer = cli(*RUN, "--set", "fail_at=3")
    assert answer.returncode == 1
    assert "the plugin has a bug" in answer.stderr
    assert "log.txt" in answer.stderr.replace("\n", "")
    assert "Traceback" not in answer.stderr


def test_show_tells_what_a_task_a_metric_and_a_data_set_ask_for(cli: Run) -> None:
    task = json.loads(_ok(cli("show", "augmentation", "--json")))
    assert [line.partition(":")[0] for line in task["regimes"]] == [
        "real", "synthetic", "mixed", "finetuned",
    ]  # fmt: skip
    assert task["compares with"] == "the split test"
    metric = json.loads(_ok(cli("show", "memorisation", "--json")))
    assert metric["scores"] == "images (tasks: synthesis, translation)"
    assert "held out" in metric["needs"]
    assert json.loads(_ok(cli("show", "auc-roc", "--json")))["needs"] == "at least 1 case"
    lung = json.loads(_ok(cli("show", "lung-ct", "--json")))
    assert lung["intensities"].startswith("-1000 becomes black and 400 white")
    stare = json.loads(_ok(cli("show", "stare", "--json")))
    assert any("labels-ah.tar" in line for line in stare["downloads"])


def test_show_counts_parameters_at_a_size(cli: Run) -> None:
    """The counts are those of DCGAN's usual implementation at 64 px, for RGB."""
    rows = json.loads(_ok(cli("show", "dcgan", "--size", "64", "--json")))["parameters"]
    assert {row["network"]: row["parameters"] for row in rows} == {
        "generator": 3_576_704,
        "discriminator": 2_765_568,
        "total": 6_342_272,
    }
    refused = cli("show", "dcgan", "--size", "100")
    assert refused.returncode == 2
    assert "the nearest is --size 128" in refused.stderr


def test_the_precision_is_no_news(capfd: pytest.CaptureFixture[str]) -> None:
    """Lightning's remark on mixed precision would stand in the middle of a list of ticks."""
    from benchbed.training.device import create_fabric

    create_fabric("cpu", "bf16")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("columns", ["80", "300"])
def test_show_breaks_no_word(columns: str, cli: Run) -> None:
    """A table of six columns would cut most words of its sentences in an ordinary terminal."""
    shown = _ok(cli("show", "skrgan", COLUMNS=columns)).split()
    settings = json.loads(_ok(cli("show", "skrgan", "--json")))["settings"]
    words = {
        word for entry in settings for key in ("meaning", "source") for word in entry[key].split()
    }
    assert len(words) > 100
    assert words - set(shown) == set()
