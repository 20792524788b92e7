"""Plugins around training: what they do while they are imported, planned with and measured by."""

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

Tried = Callable[..., None]

RUN = ("run", "--size", "16", "--kimg", "0.08", "--samples", "8", "--device", "cpu")


def _run(method: str = "tiny-lsgan", dataset: str = "discs", metric: str = "kl") -> tuple[str, ...]:
    return (*RUN, "--method", method, "--dataset", dataset, "--metric", metric)


def _sentence(process: Any) -> str:
    """What a command that is refused says: one sentence, and nothing on stdout."""
    assert process.wait() == 2, process.said()
    assert process.stdout.read_text(encoding="utf-8") == ""
    assert "Traceback" not in process.said()
    lines = process.output.read_text(encoding="utf-8").splitlines()
    (said,) = (line for line in lines if line.startswith("benchbed: "))
    return said


@pytest.mark.attack(
    promise="stdout is a script's: what a plugin prints is kept out of it, and named.",
    attack="plugins that print while they are imported, by Python, below it and through a shell",
)
def test_a_plugin_that_talks_while_it_is_imported(forker: Any, tried: Tried) -> None:
    process = forker.start("list", "methods", "--json")
    assert process.wait() == 0, process.said()
    names = [row["method"] for row in json.loads(process.stdout.read_text(encoding="utf-8"))]
    assert "loud" in names
    for words in ("loud: I am being imported", "loud: I am asked what I offer", "below python"):
        assert words in process.said()
    tried("list")
    process = forker.start("show", "loud", "--json")
    assert process.wait() == 0, process.said()
    assert json.loads(process.stdout.read_text(encoding="utf-8"))["method"] == "loud"
    assert "loud: so are my settings" in process.said()
    tried("show")
    process = forker.start(*_run("loud"), "--json")
    assert process.wait() == 0, process.said()
    record = json.loads(process.stdout.read_text(encoding="utf-8"))
    assert (record["method"], record["state"]) == ("loud", "finished")
    assert "and a shell of theirs" in process.said()
    tried("run")


SUITE = """
title: One that leaves
task: synthesis
methods: [{method: tiny-lsgan}, {method: leaver}]
datasets: [discs]
seeds: [0]
presets: {quick: {size: 16, kimg: 0.08, samples: 8}}
"""


@pytest.mark.attack(
    promise="A plugin that breaks is named, in one sentence, and no command ends as if all went.",
    attack="sys.exit in a module of settings or networks, in run, suite and show",
)
def test_a_plugin_that_leaves_while_it_is_imported(
    forker: Any, tmp_path: Path, tried: Tried
) -> None:
    suite = tmp_path / "leaves.yaml"
    suite.write_text(SUITE, encoding="utf-8")
    for words in (_run("leaver"), ("suite", str(suite)), ("show", "leaver")):
        assert _sentence(forker.start(*words)) == (
            "benchbed: 'benchbed_leaver.settings:LeaverSettings' of the plugin 'leaver' "
            "(benchbed-leaver 0) cannot be imported (sys.exit(0) was called). "
            "See `benchbed doctor`."
        )
        tried(words[0])
    said = _sentence(forker.start(*_run("late-leaver")))
    assert "of the plugin 'leaver' (benchbed-leaver 0) cannot be imported" in said
    assert "(sys.exit('this method has had enough') was called)" in said
    tried("run")


PLANNED = {
    "raises": "ValueError: the phantom has a bug",
    "leaves": "sys.exit(0) was called",
    "gives-nothing": "TypeError: it gave NoneType instead of arrays by name",
    "gives-no-image": "TypeError: it gave dict instead of arrays by name",
    "gives-no-arrays": "TypeError: its image is no array of 3 cases",
}


@pytest.mark.attack(
    promise="A plugin that breaks is named, in one sentence, and no command ends as if all went.",
    attack="phantoms that raise, leave, or give something else, while a run is planned",
)
def test_a_phantom_that_breaks_while_a_run_is_planned(forker: Any, tried: Tried) -> None:
    for deed, words in PLANNED.items():
        with pytest.raises(BenchbedError) as caught:
            plan_run(
                RunConfig(method="tiny-lsgan", dataset=f"crooked-{deed}", settings={}, size=16,
                        samples=8, metrics=("kl",))
            )  # fmt: skip
        assert str(caught.value) == (
            f"'benchbed_crooked.phantoms:{deed.replace('-', '_')}' of the plugin 'crooked' "
            f"(benchbed-crooked 0) renders no cases ({words}). See `benchbed doctor`."
        )
        tried(deed)
    for deed in ("raises", "leaves"):
        said = _sentence(forker.start(*_run(dataset=f"crooked-{deed}")))
        assert f"(benchbed-crooked 0) renders no cases ({PLANNED[deed]})" in said
        tried(f"{deed} on the command line")


def _fails(process: Any) -> str:
    """What a run that breaks says."""
    assert process.wait() == 1, process.said()
    assert process.stdout.read_text(encoding="utf-8") == ""
    assert "Traceback" not in process.said()
    said: str = process.said()
    return said


@pytest.mark.attack(
    promise="A plugin that breaks is named, with the place; the run is failed.",
    attack="phantoms and metrics that raise or leave while a run goes on",
)
def test_a_phantom_or_metric_that_breaks_in_a_run(
    forker: Any, tmp_path: Path, tried: Tried
) -> None:
    bugs = {"raises": "ValueError: the {} has a bug", "leaves": "sys.exit(0) was called"}
    for deed, bug in bugs.items():
        commands = {
            "phantom": _run(dataset=f"crooked-{deed}-late"),
            "metric": _run(metric=f"crooked-{deed}"),
        }
        for part, command in commands.items():
            said = _fails(forker.start(*command))
            where = f"in {deed} of benchbed_crooked ({part}s.py, line"
            assert f"The run broke: {bug.format(part)}, {where}" in said
            tried(f"{part} {deed}")
    said = _sentence(forker.start(*_run(metric="crooked-gone")))
    assert "'benchbed_crooked.gone:measure' of the plugin 'crooked'" in said
    assert "cannot be imported (sys.exit(0) was called)" in said
    tried("metric leaves while it is imported")
    assert not list((tmp_path / "results").glob("records/*"))
    states = {
        json.loads(path.read_text(encoding="utf-8"))["state"]
        for path in (tmp_path / "results").glob("runs/*/run.json")
    }
    assert states == {"failed"}


@pytest.mark.attack(
    promise="stdout is a script's: what a plugin prints is kept out of it, and named.",
    attack="phantoms and metrics that print, while a run is planned and while it goes on",
)
def test_a_phantom_or_metric_that_talks(forker: Any, tried: Tried) -> None:
    talks = {
        "crooked: I am the phantom": _run(dataset="crooked-talks"),
        "I am the phantom": _run(dataset="crooked-talks-late"),
        "I am the metric": _run(metric="crooked-talks"),
    }
    for words, command in talks.items():
        process = forker.start(*command, "--json")
        assert process.wait() == 0, process.said()
        record = json.loads(process.stdout.read_text(encoding="utf-8"))
        assert record["state"] == "finished"
        assert words in process.said()
        assert "below python" in process.said()
        tried(words)


@pytest.mark.attack(
    promise="Divergence is a result: recorded, shown as such, and never averaged away.",
    attack="metrics of a plugin that give infinity and NaN: the run, its tables and its page",
)
def test_a_metric_that_gives_no_number(forker: Any, tmp_path: Path, tried: Tried) -> None:
    for seed, metric in enumerate(("crooked-is-infinite", "crooked-is-no-number")):
        process = forker.start(*_run(metric=metric), "--seed", str(seed))
        assert process.wait() == 0, process.said()
        tried(metric)
    process = forker.start("report", "--no-show")
    assert process.wait() == 0, process.said()
    written = {
        path.suffix: path.read_text(encoding="utf-8")
        for path in (tmp_path / "results").rglob("*")
        if path.name in ("index.html", "synthesis.md")
    }
    assert written.keys() == {".html", ".md"}
    for text in written.values():
        assert "(seed 0: inf)" in text
        assert "(seed 1: nan)" in text
    tried("report")
