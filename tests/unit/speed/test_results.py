"""The speed program: what is asked for, kept, told and written."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from benchbed.errors import BenchbedError
from benchmarks.speed import choice as choice_module
from benchmarks.speed import (
    goals,
    known,
    machine,
    metrics,
    picture,
    program,
    results,
    scaling,
    start_up,
)
from benchmarks.speed import table as tables
from benchmarks.speed.__main__ import main
from benchmarks.speed.choice import GROUPS, Choice
from benchmarks.speed.clock import Conditions, Lap
from benchmarks.speed.known import KnownAnswer
from benchmarks.speed.measure import Measurement, Pair
from benchmarks.speed.page import page
from benchmarks.speed.record import Failure
from benchmarks.speed.results import Results
from benchmarks.speed.scaling import Case, Growth
from benchmarks.speed.start_up import StartUp

CPU = torch.device("cpu")
ABOUT = {"processor": "none", "threads": 1, "torch": "2", "cores": 1, "flags": []}
BUSY = Conditions("cpu", 0.7)


def chosen(*only: str, **changed: Any) -> Choice:
    """What is wanted, by these names."""
    given: dict[str, Any] = {
        "groups": GROUPS,
        "only": only,
        "rounds": 1,
        "quick": True,
        "device": CPU,
        "precisions": (),
        "tf32": False,
        "records": Path("none"),
        "clock": "wall",
    }
    return Choice(**(given | changed))


def measured(ratio: float, name: str = "a", precision: str = "fp32", note: str = "") -> Measurement:
    """A training with this ratio by the processors' clock, and half of it by the wall."""
    made = Measurement(name, "training", "what", "plain", goals.goal(3.0), note=note)
    made.laps = [(Lap(2.0, 1.0), Lap(ratio, ratio))]
    made.precision, made.flops, made.peak, made.under = precision, (10, 12), 100.0, BUSY
    made.memory, made.harness_share, made.difference = (5, None), 0.01, None
    return made


def filled() -> Results:
    """One of everything."""
    made = Results(dict(ABOUT))
    for item in (
        measured(4.0, note="another definition"),
        measured(1.0, "b"),
        KnownAnswer("k", "a case", 2.0, {"ours": 2.0, "peer": 2.1}),
        StartUp("s", "benchbed", 0.2, [(Lap(0.02, 0.02), Lap(0.1, 0.1))], [Lap(4, 4)], False),
        Growth("g", "what", 1.0, [1, 2, 4], [Lap(n, n) for n in (1.0, 2.0, 4.0)]),
        Growth("m", "what", 1.0, [1, 2, 4], amounts=[10, 20, 40]),
        Growth("f", "what", None, [1, 2], [Lap(1, 1), Lap(4, 4)], floor=[Lap(1, 1), Lap(2, 2)]),
        Failure("c", "training", "bf16", "OutOfMemoryError: too large"),
    ):
        made.add(item)
    return made


def text_of(*shown: Any) -> str:
    """What a console of 120 columns has."""
    console = Console(width=120, record=True, file=io.StringIO())
    for one in shown:
        console.print(one)
    return console.export_text()


def test_results_read_back_as_they_were_written(tmp_path: Path) -> None:
    """All of them, so that tables and pictures can be made of old ones."""
    written = filled()
    written.save(tmp_path / "r.json")
    assert results.read(tmp_path / "r.json") == written
    content = json.loads((tmp_path / "r.json").read_text())
    assert [one["verdict"] for one in content["comparisons"]] == ["met", "short"]
    assert content["start_up"][0]["goal_seconds"] == 0.2
    assert content["start_up"][0]["verdict"] == "met"
    assert written.draw(tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_has_a_line_for_everything_that_was_measured() -> None:
    told = page(filled())
    assert told.startswith("none (), 1 of 1 cores, torch 2. cpu: others used the machine")
    for line in (
        "| what, fp32 | 1 s | 4 s | **4.00** cpu (4.00 to 4.00) | 3, met | 10% | 1.0% |",
        "| what, fp32 | 1 s | 1 s | **1.00** cpu (1.00 to 1.00) | 3, short | 10% | 1.0% |",
        "| `benchbed` | 0.08 s | 0.2 s, met | no |",
        "| what | 1 to 4 | 1.00 | 1.00, met |",
        "| c bf16 | OutOfMemoryError: too large |",
    ):
        assert line in told.splitlines()


def test_tables_tell_verdicts_notes_failures_and_the_wall() -> None:
    """Where others use the machine, the ratio by the wall stands beside that of the processors."""
    made = filled()
    text = text_of(tables.comparisons("training", made.made, made.failed))
    for part in (
        "met",
        "short",
        "4.00 cpu",
        "wall 2.00",
        "a: another definition.",
        "OutOfMemoryError",
    ):
        assert part in text
    text = text_of(
        tables.start_ups(made.started, []),
        tables.growths(made.grown, []),
        tables.known_answers(made.known),
    )
    for part in ("0.080", "not imported", "1.00", "5e-02", "met"):
        assert part in text


def test_a_new_measurement_takes_the_place_of_its_own_name_and_precision() -> None:
    made = filled()
    made.add(measured(9.0))
    made.add(measured(8.0, precision="bf16"))
    assert [(one.name, one.precision, one.ratio()[0]) for one in made.made] == [
        ("a", "fp32", 9.0),
        ("b", "fp32", 1.0),
        ("a", "bf16", 8.0),
    ]


def test_another_machine_has_another_file(tmp_path: Path) -> None:
    """So that no results are lost, and none are mixed."""
    first = results.place(tmp_path, "cpu", ABOUT)
    Results(dict(ABOUT)).save(first)
    assert results.place(tmp_path, "cpu", ABOUT) == first == tmp_path / "cpu.json"
    assert results.place(tmp_path, "cpu", ABOUT | {"threads": 2}) == tmp_path / "cpu-2.json"
    (tmp_path / "cpu-2.json").write_text("{}")
    assert results.place(tmp_path, "cpu", ABOUT | {"threads": 2}) == tmp_path / "cpu-3.json"
    first.write_text(first.read_text().replace('"scaling"', '"damaged"'))
    assert results.place(tmp_path, "cpu", ABOUT) == tmp_path / "cpu-3.json"


def test_tf32_has_a_file_of_its_own() -> None:
    assert chosen(device=torch.device("cuda"), tf32=True, quick=False).stem == "cuda-tf32"
    assert chosen(device=torch.device("cuda"), quick=False).stem == "cuda"
    assert chosen().stem == "cpu-quick"


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is described and looked at in no time, and no pictures."""
    monkeypatch.setattr(machine, "describe", lambda device, tf32: dict(ABOUT))
    monkeypatch.setattr(machine, "busy", lambda: 0.0)
    monkeypatch.setattr(picture, "draw", lambda *_: None)


def pair(name: str, work: Any = lambda: 1) -> Pair:
    return Pair(name, "metrics", "what", "plain", lambda: (work, lambda: 1))


def failing() -> None:
    raise ValueError("no room in /home/somebody/cache/x.npy\nand more")


@pytest.mark.usefixtures("idle")
def test_what_fails_is_told_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier results stay, the failure is a remark without folders, and the exit code is 1."""
    monkeypatch.setattr(metrics, "pairs", lambda *_: [pair("bad", failing), pair("good")])
    monkeypatch.setattr(known, "cases", lambda *_: [])
    filled().save(tmp_path / "cpu-quick.json")
    console = Console(width=120, record=True, file=io.StringIO())
    run = program.Program(chosen(groups=("metrics",)), console, tmp_path)
    assert run.run() == 1
    kept = results.read(tmp_path / "cpu-quick.json")
    assert [one.name for one in kept.made] == ["a", "b", "good"]
    assert kept.failed[-1] == Failure("bad", "metrics", "", "ValueError: no room in x.npy")
    assert "not measured: ValueError: no room in x.npy" in console.export_text()
    # It has been mended.
    monkeypatch.setattr(metrics, "pairs", lambda *_: [pair("bad"), pair("good")])
    again = program.Program(chosen("bad"), console, tmp_path)
    assert again.run() == 0
    assert [one.name for one in results.read(tmp_path / "cpu-quick.json").failed] == ["c"]


@pytest.mark.usefixtures("idle")
def test_every_measurement_is_saved_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that is ended has written what it had."""

    def stopped() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(metrics, "pairs", lambda *_: [pair("one"), pair("two", stopped)])
    run = program.Program(chosen("one", "two"), Console(file=io.StringIO()), tmp_path)
    assert run.run() == 130
    assert [one.name for one in results.read(tmp_path / "cpu-quick.json").made] == ["one"]


@pytest.mark.usefixtures("idle")
def test_only_what_is_named_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Growths and commands too, and each is named before it is measured."""
    console = Console(width=120, record=True, file=io.StringIO())
    seen: list[str] = []

    def grow() -> list[Growth]:
        seen.append(console.export_text(clear=False))
        laps = [Lap(1, 1), Lap(2, 2)]
        return [Growth(name, "what", 1.0, [1, 2], laps) for name in ("time", "memory")]

    def unwanted() -> list[Growth]:
        raise AssertionError("nobody asked for it")

    found = [Case(("time", "memory"), grow), Case(("other",), unwanted)]
    monkeypatch.setattr(scaling, "cases", lambda *_: found)
    monkeypatch.setattr(start_up, "run", lambda *_: Lap(0.1, 0.1))
    monkeypatch.setattr(start_up, "_imports_torch", lambda _: False)
    run = program.Program(chosen("memory", "start-show"), console, tmp_path)
    assert run.run() == 0
    assert [one.name for one in run.all.grown] == ["memory"]
    assert [one.name for one in run.all.started] == ["start-show"]
    assert "time ..." in seen[0]


def test_a_name_that_does_not_exist_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one sentence with the nearest one, and exit code 2."""
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    monkeypatch.setenv("GOMP_SPINCOUNT", "2000")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(sys, "argv", ["speed", "--quick", "--only", "dcgan-46"])
    assert main() == 2
    told = capsys.readouterr().err
    assert "no measurement 'dcgan-46'; did you mean 'dcgan-64'?" in told
    assert told.count("\n") == 1


def test_names_are_looked_for_in_the_groups_that_are_wanted() -> None:
    names = program.names(chosen())
    choice_module.check(chosen("unet-256"), names)
    with pytest.raises(BenchbedError, match="unet-256"):
        choice_module.check(chosen("unet-256", groups=("metrics",)), names)
    with pytest.raises(BenchbedError, match="--device is cpu"):
        choice_module.check(chosen(tf32=True), names)


def test_a_command_that_does_not_do_its_work_is_no_result() -> None:
    """One that fails, and completion that completes nothing; its exit code says nothing."""
    end = [sys.executable, "-S", "-c"]
    assert start_up.run("ok", [*end, "pass"], {}).wall > 0
    with pytest.raises(RuntimeError, match="bad ended with code 3, saying: why"):
        start_up.run("bad", [*end, "import sys; print('why', file=sys.stderr); sys.exit(3)"], {})
    completing = {"_BENCHBED_COMPLETE": "complete_bash"}
    start_up.run("tab", [*end, "print('run'); raise SystemExit(1)"], completing)
    with pytest.raises(RuntimeError, match="tab completes nothing"):
        start_up.run("tab", [*end, "pass"], completing)


@pytest.mark.parametrize(
    ("beyond", "torch_too", "said"),
    [(0.2, False, "met"), (0.24, False, "gate"), (0.3, False, "short"), (0.1, True, "short")],
)
def test_the_verdict_on_a_command(beyond: float, torch_too: bool, said: str) -> None:
    laps = [(Lap(0.0, 0.0), Lap(beyond - 1e-9, 0.0))]
    assert StartUp("s", "benchbed", 0.2, laps, [Lap(1, 1)], torch_too).verdict == said


def test_goals_wait_for_the_other_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that an earlier call measured counts."""
    monkeypatch.setattr(machine, "describe", lambda device, tf32: dict(ABOUT))
    monkeypatch.setattr(machine, "has_amx", lambda: True)
    run = program.Program(chosen(quick=False), Console(file=io.StringIO()), tmp_path)
    for ratio, precision in ((2.5, "fp32"), (1.5, "bf16")):
        run.all.add(measured(ratio, "pix2pix-3d", precision))
        run._ask("pix2pix-3d")
    first, second = run.all.training("pix2pix-3d")
    assert first.goal == (2.0, 1.6)
    assert second.goal is None
