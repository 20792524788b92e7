"""Plugins outside training: failures and output on import, in planning and in evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchbed.config.run_config import RunConfig
from benchbed.errors import BenchbedError
from benchbed.runs.planner import plan_run

pytestmark = pytest.mark.usefixtures("hostile")

CountAttempt = Callable[..., None]

RUN = ("run", "--size", "16", "--kimg", "0.08", "--samples", "8", "--device", "cpu")


def _run(method: str = "tiny-lsgan", dataset: str = "discs", metric: str = "kl") -> tuple[str, ...]:
    return (*RUN, "--method", method, "--dataset", dataset, "--metric", metric)


def _error_of(process: Any) -> str:
    """Return the error message of a failed command; nothing is on stdout."""
    assert process.wait() == 2, process.stderr_text()
    assert process.stdout.read_text(encoding="utf-8") == ""
    assert "Traceback" not in process.stderr_text()
    lines = process.output.read_text(encoding="utf-8").splitlines()
    (message,) = (line for line in lines if line.startswith("benchbed: "))
    return message


@pytest.mark.attack(
    guarantee="Output of plugins goes to stderr instead of stdout, with the plugin's name.",
    attack="plugins that print on import, by print, os.write and a shell",
)
def test_a_plugin_that_prints_on_import(forker: Any, count_attempt: CountAttempt) -> None:
    process = forker.start("list", "methods", "--json")
    assert process.wait() == 0, process.stderr_text()
    names = [row["method"] for row in json.loads(process.stdout.read_text(encoding="utf-8"))]
    assert "loud" in names
    for text in ("loud: importing", "loud: listing methods", "printed by os.write"):
        assert text in process.stderr_text()
    count_attempt("list")
    process = forker.start("show", "loud", "--json")
    assert process.wait() == 0, process.stderr_text()
    assert json.loads(process.stdout.read_text(encoding="utf-8"))["method"] == "loud"
    assert "loud: importing settings" in process.stderr_text()
    count_attempt("show")
    process = forker.start(*_run("loud"), "--json")
    assert process.wait() == 0, process.stderr_text()
    record = json.loads(process.stdout.read_text(encoding="utf-8"))
    assert (record["method"], record["state"]) == ("loud", "finished")
    assert "printed by a shell" in process.stderr_text()
    count_attempt("run")


SUITE = """
title: One method exits
task: synthesis
methods: [{method: tiny-lsgan}, {method: leaver}]
datasets: [discs]
seeds: [0]
presets: {quick: {size: 16, kimg: 0.08, samples: 8}}
"""


@pytest.mark.attack(
    guarantee="A failing plugin is named in the error message, and the command fails.",
    attack="sys.exit on import of the settings or networks, in run, suite and show",
)
def test_a_plugin_that_exits_on_import(
    forker: Any, tmp_path: Path, count_attempt: CountAttempt
) -> None:
    suite = tmp_path / "exits.yaml"
    suite.write_text(SUITE, encoding="utf-8")
    for arguments in (_run("leaver"), ("suite", str(suite)), ("show", "leaver")):
        message = _error_of(forker.start(*arguments))
        for fact in ("'benchbed_leaver.settings:LeaverSettings'", "'leaver'", "benchbed-leaver 0"):
            assert fact in message
        assert "sys.exit(0)" in message
        assert "`benchbed doctor`" in message
        count_attempt(arguments[0])
    message = _error_of(forker.start(*_run("late-leaver")))
    assert "'leaver'" in message
    assert "benchbed-leaver 0" in message
    assert "sys.exit('the method stops')" in message
    count_attempt("run")


EXPECTED_FACTS = {
    "raises": ["ValueError: the phantom has a bug"],
    "exits": ["sys.exit(0)"],
    "returns-nothing": ["TypeError", "NoneType"],
    "returns-no-image": ["TypeError", "dict"],
    "returns-lists": ["TypeError", "image", "3"],
}


@pytest.mark.attack(
    guarantee="A failing plugin is named in the error message, and the command fails.",
    attack="phantoms that raise, call sys.exit or return other types during planning",
)
def test_a_phantom_that_fails_during_planning(forker: Any, count_attempt: CountAttempt) -> None:
    for fault, facts in EXPECTED_FACTS.items():
        with pytest.raises(BenchbedError) as caught:
            plan_run(
                RunConfig(method="tiny-lsgan", dataset=f"crooked-{fault}", settings={}, size=16,
                        samples=8, metrics=("kl",))
            )  # fmt: skip
        function = f"'benchbed_crooked.phantoms:{fault.replace('-', '_')}'"
        plugin = ("'crooked'", "benchbed-crooked 0", "`benchbed doctor`")
        for fact in (function, *plugin, *facts):
            assert fact in str(caught.value)
        count_attempt(fault)
    for fault in ("raises", "exits"):
        message = _error_of(forker.start(*_run(dataset=f"crooked-{fault}")))
        assert all(fact in message for fact in ("benchbed-crooked 0", *EXPECTED_FACTS[fault]))
        count_attempt(f"{fault} on the command line")


def _stderr_of_failed_run(process: Any) -> str:
    """Return the stderr of a failed run; nothing is on stdout."""
    assert process.wait() == 1, process.stderr_text()
    assert process.stdout.read_text(encoding="utf-8") == ""
    assert "Traceback" not in process.stderr_text()
    message: str = process.stderr_text()
    return message


@pytest.mark.attack(
    guarantee="A failing plugin is named with the line of code, and the run fails.",
    attack="phantoms and metrics that raise or call sys.exit during a run",
)
def test_a_phantom_or_metric_that_fails_during_a_run(
    forker: Any, tmp_path: Path, count_attempt: CountAttempt
) -> None:
    bugs = {"raises": "ValueError: the {} has a bug", "exits": "sys.exit(0)"}
    for fault, bug in bugs.items():
        commands = {
            "phantom": _run(dataset=f"crooked-{fault}-late"),
            "metric": _run(metric=f"crooked-{fault}"),
        }
        for part, command in commands.items():
            message = _stderr_of_failed_run(forker.start(*command))
            assert bug.format(part) in message
            assert f"{fault} of benchbed_crooked ({part}s.py, line" in message
            count_attempt(f"{part} {fault}")
    message = _error_of(forker.start(*_run(metric="crooked-gone")))
    for fact in ("'benchbed_crooked.gone:measure'", "'crooked'", "sys.exit(0)"):
        assert fact in message
    count_attempt("metric exits on import")
    assert not list((tmp_path / "results").glob("records/*"))
    states = {
        json.loads(path.read_text(encoding="utf-8"))["state"]
        for path in (tmp_path / "results").glob("runs/*/run.json")
    }
    assert states == {"failed"}


@pytest.mark.attack(
    guarantee="Output of plugins goes to stderr instead of stdout, with the plugin's name.",
    attack="phantoms and metrics that print during planning and during a run",
)
def test_a_phantom_or_metric_that_prints(forker: Any, count_attempt: CountAttempt) -> None:
    commands = {
        "crooked: printed by the phantom": _run(dataset="crooked-prints"),
        "printed by the phantom": _run(dataset="crooked-prints-late"),
        "printed by the metric": _run(metric="crooked-prints"),
    }
    for text, command in commands.items():
        process = forker.start(*command, "--json")
        assert process.wait() == 0, process.stderr_text()
        record = json.loads(process.stdout.read_text(encoding="utf-8"))
        assert record["state"] == "finished"
        assert text in process.stderr_text()
        assert "printed by os.write" in process.stderr_text()
        count_attempt(text)


@pytest.mark.attack(
    guarantee="Divergence is a result: it is recorded, shown, and excluded from means.",
    attack="plugin metrics that return infinity and NaN: the run, its tables and its page",
)
def test_a_metric_that_is_not_finite(
    forker: Any, tmp_path: Path, count_attempt: CountAttempt
) -> None:
    for seed, metric in enumerate(("crooked-is-infinite", "crooked-is-nan")):
        process = forker.start(*_run(metric=metric), "--seed", str(seed))
        assert process.wait() == 0, process.stderr_text()
        count_attempt(metric)
    process = forker.start("report", "--no-show")
    assert process.wait() == 0, process.stderr_text()
    report_files = {
        path.suffix: path.read_text(encoding="utf-8")
        for path in (tmp_path / "results").rglob("*")
        if path.name in ("index.html", "synthesis.md")
    }
    assert report_files.keys() == {".html", ".md"}
    for text in report_files.values():
        assert "(seed 0: inf)" in text
        assert "(seed 1: nan)" in text
    count_attempt("report")
