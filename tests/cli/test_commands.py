"""The commands, from the first run to the leaderboard."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchbed.cli.output import ConsoleReporter, create_console
from benchbed.runs.status import LogReporter
from benchbed.utils.progress import NullReporter

Run = Callable[..., "subprocess.CompletedProcess[str]"]

RUN_ARGUMENTS = (
    "run", "--method", "tiny-lsgan", "--dataset", "discs", "--size", "16", "--kimg", "0.2",
    "--samples", "8", "--metric", "swd", "--metric", "kl",
)  # fmt: skip


def _ok(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout


@pytest.fixture
def finished_run(cli: Run, with_plugin: Path) -> str:
    return str(json.loads(_ok(cli(*RUN_ARGUMENTS, "--json")))["id"])


def test_a_third_party_method_and_dataset_run_like_builtin_ones(
    cli: Run, with_plugin: Path, tmp_path: Path
) -> None:
    result = cli(*RUN_ARGUMENTS)
    output = _ok(result)
    assert "SWD" in output
    assert "real vs real" in output
    assert "Discs" in result.stderr
    assert "phantom" in result.stderr
    (record_path,) = (tmp_path / "results/records").glob("*.json")
    written = record_path.read_bytes()
    record = json.loads(written)
    assert record["provenance"]["plugins"]["example"] == "benchbed-example 3.1"
    assert str(tmp_path) not in json.dumps(record), "a record contains a path of this machine"
    instructions = torch.backends.cpu.get_cpu_capability()
    assert record["provenance"]["instructions"] == instructions
    machine = json.loads(_ok(cli("show", record["id"], "--json")))["machine"]
    assert instructions in machine
    showcase_files = sorted(
        p.name for p in (tmp_path / "results/showcase" / record["id"]).iterdir()
    )
    assert showcase_files == ["curves.csv", "grid.jpg", "nearest.jpg"]
    assert record["id"] in cli(*RUN_ARGUMENTS).stderr
    assert record_path.read_bytes() == written, "the run was repeated"
    _ok(cli("report"))
    page = (tmp_path / "results/leaderboards/synthesis.md").read_text()
    assert "| tiny-lsgan | 1/1 |" in page
    with (tmp_path / "results/leaderboards/synthesis.csv").open() as file:
        assert {line["metric"] for line in csv.DictReader(file)} == {"swd", "kl"}


def test_the_recorded_command_reproduces_the_run(
    cli: Run, finished_run: str, tmp_path: Path
) -> None:
    record = json.loads((tmp_path / "results/records" / f"{finished_run}.json").read_text())
    arguments = record["provenance"]["command"].split()
    assert arguments[0] == "benchbed"
    result = cli(
        *arguments[1:], "--metric", "swd", "--metric", "kl", "--results", "again", "--json"
    )
    again = json.loads(_ok(result))
    assert again["id"] == finished_run
    assert again["metrics"] == record["metrics"]
    _check_next_commands(cli, result.stderr, tmp_path)


def _check_next_commands(cli: Run, printed: str, folder: Path) -> None:
    """Each command that a run suggests works as printed; so does each picture that it names."""
    commands = [line.split()[1:] for line in printed.splitlines() if line.startswith("  benchbed")]
    assert [command[0] for command in commands] == ["show", "sample", "report"]
    for command in commands:
        _ok(cli(*command))
    pictures = re.findall(r"\S+\.png", printed)
    assert {Path(name).stem for name in pictures} >= {"final", "overview"}
    assert all((folder / name).exists() for name in pictures)


def test_report_is_fast_and_does_not_import_torch(
    finished_run: str, tmp_path: Path, extra_seconds: Callable[[str, float], float]
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


def test_samples_are_images_and_depend_only_on_the_seed(
    cli: Run, finished_run: str, tmp_path: Path
) -> None:
    for folder in ("a", "b"):
        _ok(cli("sample", finished_run[:20], "-n", "3", "--out", folder, "--seed", "4"))
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["0000.png", "0001.png", "0002.png"]
    with Image.open(tmp_path / "a/0000.png") as image:
        assert image.size == (16, 16)
    same = [(tmp_path / "a" / n).read_bytes() == (tmp_path / "b" / n).read_bytes() for n in names]
    assert all(same)


def test_evaluate_compares_any_two_folders(cli: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, low in (("real", 0), ("fake", 100)):
        (tmp_path / name).mkdir()
        for number in range(10):
            pixels = rng.integers(low, 256, (40, 70, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    shutil.copytree(tmp_path / "real", tmp_path / "copy")
    arguments = ("evaluate", "--metric", "swd", "--metric", "kl", "--json")
    different = json.loads(_ok(cli(*arguments, "--real", "real", "--fake", "fake")))
    identical = json.loads(_ok(cli(*arguments, "--real", "real", "--fake", "copy")))
    assert [value["metric"] for value in different] == ["swd", "kl"]
    assert all(value["n_real"] == value["n_fake"] == 10 for value in different)
    assert different[1]["value"] > 0.1 > identical[1]["value"] == 0
    assert "32 px" in cli(*arguments[:-1], "--real", "real", "--fake", "copy").stderr


def test_lists_are_printed_as_text_and_as_json(cli: Run, finished_run: str) -> None:
    for kind in ("methods", "datasets", "metrics", "tasks", "runs", "plugins"):
        rows = json.loads(_ok(cli("list", kind, "--json")))
        first = next(iter(rows[0].values()))
        assert first in _ok(cli("list", kind))
    assert {"run": finished_run, "state": "finished"} in json.loads(
        _ok(cli("list", "runs", "--json"))
    )


@pytest.mark.parametrize("name", ["tiny-lsgan", "discs", "swd", "synthesis"])
def test_show_prints_the_same_facts_as_text_and_as_json(
    cli: Run, with_plugin: Path, name: str
) -> None:
    facts = json.loads(_ok(cli("show", name, "--json")))
    assert name in facts.values()
    assert name in _ok(cli("show", name))
    if name == "tiny-lsgan":
        width = next(s for s in facts["settings"] if s["name"] == "width")
        assert (width["default"], width["range"]) == ("8", "at least 2, at most 64")
        assert width["source"] == "chosen for speed"


def test_data_status_and_verify(cli: Run, with_plugin: Path, tmp_path: Path) -> None:
    status = json.loads(_ok(cli("data", "status", "--json", "--data-root", ".")))
    assert next(r for r in status if r["dataset"] == "discs")["state"] != "real"
    for part in ("images", "masks"):
        (tmp_path / "discs" / part).mkdir(parents=True)
        for number in range(6):
            value = 10 if number < 2 else number * 30
            picture = Image.new("L", (20, 20), value)
            if part == "masks":
                picture = picture.point(lambda _: 0)
                picture.paste(255, (4, 4, 9, 9))
            picture.save(tmp_path / "discs" / part / f"{number}.png")
    status = json.loads(_ok(cli("data", "status", "--json", "--data-root", ".")))
    assert next(r for r in status if r["dataset"] == "discs")["state"] == "real"
    findings = json.loads(_ok(cli("data", "verify", "discs", "--json", "--data-root", ".")))
    assert findings["equal images"] == ["0 = 1"]
    (tmp_path / "discs/images/3.png").write_bytes(b"broken")
    result = cli("data", "verify", "discs", "--data-root", ".")
    assert result.returncode == 1
    assert "3.png" in result.stdout


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
    result = cli("doctor", PYTHONPATH=str(site))
    assert result.returncode == 1
    assert "bad 2.0" in result.stdout
    assert "OSError: no luck" in result.stdout
    assert "no luck" in _ok(cli("list", "plugins", PYTHONPATH=str(site)))
    _ok(cli("list", "methods", PYTHONPATH=str(site)))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion(cli: Run, shell: str) -> None:
    # Typer detects the shell from the parent process, which is not a shell under make.
    environment = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    script = _ok(cli("--show-completion", shell, **environment))
    assert "_BENCHBED_COMPLETE" in script


def test_completion_suggests_methods(cli: Run) -> None:
    result = cli(
        _BENCHBED_COMPLETE="complete_bash", COMP_WORDS="benchbed run --method dc", COMP_CWORD="3"
    )
    assert "dcgan" in result.stdout


def test_python_dash_m_and_version(cli: Run) -> None:
    assert _ok(cli("--version")).startswith("benchbed 0.")


def test_a_closed_pipe_is_not_an_error(tmp_path: Path) -> None:
    result = subprocess.run(
        f"{sys.executable} -m benchbed list metrics --json | head -1",
        shell=True, capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert result.stdout == "[\n"
    assert result.stderr == ""


def test_a_diverged_run_exits_with_3_and_writes_its_record(
    cli: Run, with_plugin: Path, tmp_path: Path
) -> None:
    result = cli(*RUN_ARGUMENTS, "--set", "nan_at=3")
    assert result.returncode == 3
    assert "diverged" in result.stderr
    (path,) = (tmp_path / "results/records").glob("*.json")
    assert json.loads(path.read_text())["state"] == "diverged"


def test_a_failing_method_exits_with_1_and_names_the_log_file(
    cli: Run, with_plugin: Path, tmp_path: Path
) -> None:
    result = cli(*RUN_ARGUMENTS, "--set", "fail_at=3")
    assert result.returncode == 1
    assert "the plugin has a bug" in result.stderr
    assert "log.txt" in result.stderr.replace("\n", "")
    assert "Traceback" not in result.stderr


def test_show_prints_the_requirements_of_tasks_metrics_and_datasets(cli: Run) -> None:
    task = json.loads(_ok(cli("show", "augmentation", "--json")))
    assert [line.partition(":")[0] for line in task["regimes"]] == [
        "real", "synthetic", "mixed", "finetuned",
    ]  # fmt: skip
    assert "test" in task["compares with"].split()
    metric = json.loads(_ok(cli("show", "memorisation", "--json")))
    assert {"images", "synthesis", "translation"} <= set(re.findall(r"\w+", metric["judges"]))
    assert "5 images" in metric["needs"]
    assert "training" in metric["needs"]
    assert "1 case" in json.loads(_ok(cli("show", "auc-roc", "--json")))["needs"]
    lung = json.loads(_ok(cli("show", "lung-ct", "--json")))
    assert re.findall(r"-?\d+", lung["intensities"])[:2] == ["-1000", "400"]
    stare = json.loads(_ok(cli("show", "stare", "--json")))
    assert any("labels-ah.tar" in line for line in stare["downloads"])


def test_show_counts_parameters_at_a_size(cli: Run) -> None:
    """The counts are those of the standard DCGAN implementation at 64 px, for RGB."""
    rows = json.loads(_ok(cli("show", "dcgan", "--size", "64", "--json")))["parameters"]
    assert {row["network"]: row["parameters"] for row in rows} == {
        "generator": 3_576_704,
        "discriminator": 2_765_568,
        "total": 6_342_272,
    }
    result = cli("show", "dcgan", "--size", "100")
    assert result.returncode == 2
    assert "--size 128" in result.stderr


def test_selecting_a_precision_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """Lightning's note on mixed precision would interrupt the output of `benchbed check`."""
    from benchbed.training.device import create_fabric

    create_fabric("cpu", "bf16")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("columns", ["80", "300"])
def test_show_does_not_break_words(columns: str, cli: Run) -> None:
    """A table of six columns would break most words in a terminal of 80 columns."""
    output = _ok(cli("show", "skrgan", COLUMNS=columns)).split()
    settings = json.loads(_ok(cli("show", "skrgan", "--json")))["settings"]
    words = {
        word for entry in settings for key in ("meaning", "source") for word in entry[key].split()
    }
    assert len(words) > 100
    assert words - set(output) == set()


@pytest.mark.parametrize(
    "environment",
    [{"COLUMNS": "30"}, {"FORCE_COLOR": "1", "COLUMNS": "30"}, {"TTY_COMPATIBLE": "1"}],
)
def test_paths_and_ids_are_whole_without_a_terminal(
    environment: dict[str, str], cli: Run, finished_run: str, tmp_path: Path
) -> None:
    """Only a terminal wraps and cuts, regardless of width and colour in the environment."""
    assert finished_run in _ok(cli("list", "runs", **environment))
    assert finished_run in _ok(cli("show", finished_run, **environment))
    root = tmp_path / "a folder with a long name of several words"
    root.mkdir()
    status = cli("data", "status", "--data-root", str(root), **environment)
    assert str(root) in status.stderr
    report = cli("report", "--results", str(tmp_path / "results"), **environment)
    assert str(tmp_path / "results/leaderboards") in report.stderr
    assert max(map(len, _ok(report).splitlines())) < 1000
    log = next((tmp_path / "results/runs").glob("*/log.txt"))
    assert str(log.parent / "samples/final.png") in log.read_text()


@pytest.mark.parametrize("stderr", [False, True])
def test_messages_to_a_file_have_no_line_breaks(
    stderr: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "20")
    path = f"/{'a folder/' * 30}record.json"
    create_console(stderr=stderr).print(path)
    with ConsoleReporter() as reporter:
        reporter.report_message(path)
        reporter.report_progress("reading", 1, 2)
    written = capsys.readouterr()
    assert path in (written.err if stderr else written.out).splitlines()
    assert path in written.err.splitlines()
    assert "\x1b" not in written.err


def test_an_encoding_without_the_characters_is_no_error(cli: Run, finished_run: str) -> None:
    command = [sys.executable, "-m", "benchbed", "show", finished_run]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(command, check=False, capture_output=True, env=environment)
    assert result.returncode == 0, result.stderr
    assert b"SWD v" in result.stdout, "an arrow down"
    assert result.stdout.isascii()


def test_the_log_escapes_names_that_are_not_unicode(tmp_path: Path) -> None:
    LogReporter(tmp_path / "log.txt", NullReporter()).report_message("read caf\udce9.png")
    assert "read caf\\udce9.png" in (tmp_path / "log.txt").read_text()
