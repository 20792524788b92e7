"""Speed benchmark: options, rows, tables and files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchbed.errors import BenchbedError
from benchmarks.speed import runner, start_up, timing
from benchmarks.speed.report import draw_ratios, render_markdown
from benchmarks.speed.results import (
    Comparison,
    Goal,
    Results,
    StartUp,
    find_results_path,
    read_results,
)
from benchmarks.speed.runner import Task, make_parser, run_benchmark, run_tasks

ABOUT = {"processor": "none", "threads": 1, "torch": "2", "cores": 1, "flags": []}


def make_row(ratio: float, name: str = "a", precision: str = "fp32") -> Comparison:
    return Comparison(
        name=name,
        group="training",
        what="what",
        reference="plain",
        precision=precision,
        goal=Goal(ratio=3.0, gate=2.4),
        laps=[{"ours": 1.0, "reference": ratio}],
        share_of_peak=0.1,
        harness_share=0.01,
    )


def make_results() -> Results:
    """Return one row of each kind, and two comparisons."""
    results = Results(machine=dict(ABOUT))
    command = {"name": "s", "command": "benchbed", "goal_seconds": 0.2, "imports_torch": False}
    results.comparisons += [make_row(4.0), make_row(1.0, "b")]
    results.start_up.append(StartUp(laps=[{"python": 0.02, "ours": 0.1}], **command))
    return results


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    row = make_row(1.0)
    row.laps = [{"ours": 1.0, "reference": ratio} for ratio in (2.0, 9.0, 3.0)]
    assert row.ratio == (3.0, 2.0, 9.0)
    assert row.compute_seconds("reference") == 3.0


@pytest.mark.parametrize(("ratio", "verdict"), [(3, "met"), (2.41, "gate"), (2.3, "short")])
def test_verdict_of_a_ratio(ratio: float, verdict: str) -> None:
    assert make_row(ratio).verdict == verdict


@pytest.mark.parametrize(
    ("seconds", "imports_torch", "verdict"),
    [(0.2, False, "met"), (0.24, False, "gate"), (0.3, False, "short"), (0.1, True, "short")],
)
def test_verdict_of_a_command(seconds: float, imports_torch: bool, verdict: str) -> None:
    laps = [{"python": 0.0, "ours": seconds - 1e-9}]
    row = StartUp(
        name="s", command="benchbed", goal_seconds=0.2, imports_torch=imports_torch, laps=laps
    )
    assert row.verdict == verdict


def test_results_round_trip_through_their_file(tmp_path: Path) -> None:
    results = make_results()
    results.save(tmp_path / "r.json")
    assert read_results(tmp_path / "r.json") == results
    draw_ratios(results, tmp_path / "r.png")
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")


def test_markdown_has_a_line_for_every_row() -> None:
    text = render_markdown(make_results())
    assert text.startswith("none (), 1 of 1 cores, torch 2.")
    for line in (
        "| what, fp32 | 1 s | 4 s | **4.00** (4.00 to 4.00) | 3, met | 10% | 1.0% |",
        "| what, fp32 | 1 s | 1 s | **1.00** (1.00 to 1.00) | 3, short | 10% | 1.0% |",
        "| `benchbed` | 0.08 s | 0.2 s, met | no |",
    ):
        assert line in text.splitlines()


def test_a_row_replaces_the_one_with_its_name_and_precision() -> None:
    results = make_results()
    results.add(make_row(9.0))
    results.add(make_row(8.0, precision="bf16"))
    assert [(row.name, row.precision, row.ratio[0]) for row in results.comparisons] == [
        ("a", "fp32", 9.0),
        ("b", "fp32", 1.0),
        ("a", "bf16", 8.0),
    ]


def test_another_machine_has_another_file(tmp_path: Path) -> None:
    first = find_results_path(tmp_path, "cpu", ABOUT)
    Results(machine=dict(ABOUT)).save(first)
    other = ABOUT | {"threads": 2}
    assert find_results_path(tmp_path, "cpu", ABOUT) == first == tmp_path / "cpu.json"
    assert find_results_path(tmp_path, "cpu", other) == tmp_path / "cpu-2.json"
    Results(machine=ABOUT | {"cores": 9}).save(tmp_path / "cpu-2.json")
    assert find_results_path(tmp_path, "cpu", other) == tmp_path / "cpu-3.json"


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Quick options on a machine that is described at once."""
    monkeypatch.setattr(runner, "describe_machine", lambda device: dict(ABOUT))
    monkeypatch.setattr(runner.psutil, "cpu_percent", lambda interval: 0.0)
    return make_parser().parse_args(["--quick", "--out", str(tmp_path)])


def test_a_failure_does_not_stop_the_others(
    options: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> Comparison:
        raise ValueError("no space left")

    tasks = [Task("bad", "metrics", fail), Task("good", "metrics", lambda: make_row(2.0))]
    assert run_tasks(tasks, options) == 1
    assert "bad could not be measured. ValueError: no space left" in capsys.readouterr().out
    (row,) = read_results(options.out / "cpu-quick.json").comparisons
    assert row.goal is None


def test_every_measurement_is_saved_at_once(options: Any) -> None:
    def stop() -> Comparison:
        raise KeyboardInterrupt

    tasks = [Task("one", "metrics", lambda: make_row(2.0)), Task("two", "metrics", stop)]
    assert run_tasks(tasks, options) == 130
    assert len(read_results(options.out / "cpu-quick.json").comparisons) == 1


def test_only_named_measurements_are_run(options: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[str] = []
    monkeypatch.setattr(runner, "run_tasks", lambda tasks, _: run.extend(t.name for t in tasks))
    options.only = ["start-show", "unet-256"]
    run_benchmark(options)
    assert set(run) == {"start-show", "unet-256"}
    options.group = ["metrics"]
    with pytest.raises(BenchbedError, match="start-show"):
        run_benchmark(options)


def test_the_benchmark_lists_the_rows_of_the_published_table(
    options: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    published = read_results(Path(__file__).parents[3] / "results/speed/cpu.json")
    options.list, options.quick = True, False
    assert run_benchmark(options) == 0
    names = capsys.readouterr().out.split()
    rows = [*published.comparisons, *published.start_up]
    assert set(names) == {row.name for row in rows}


def test_a_command_that_does_not_do_its_work_fails() -> None:
    """A completion that completes nothing has the exit code of one that does."""
    run = start_up.subprocess.run
    end = [sys.executable, "-S", "-c"]
    bad = run([*end, "import sys; sys.exit('why')"], capture_output=True, text=True, check=False)
    with pytest.raises(RuntimeError, match="bad ended with code 1: why"):
        start_up.Command("b", "bad", ()).check(bad)
    tab = start_up.Command("t", "tab", (), {"_BENCHBED_COMPLETE": "complete_bash"})
    tab.check(subprocess.CompletedProcess([], 1, stdout="run"))
    with pytest.raises(RuntimeError, match="tab completes nothing"):
        tab.check(subprocess.CompletedProcess([], 0, stdout=" "))


def test_the_machine_is_described_without_paths() -> None:
    import torch

    about = timing.describe_machine(torch.device("cpu"))
    assert about["torch"] == torch.__version__
    assert not any("/" in str(value) for value in about.values())
