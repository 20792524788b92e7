"""Tasks that ``data verify`` and ``data inspect`` accept are those that a run accepts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from PIL import Image

from benchbed.api.specs import MethodSpec, TaskSpec
from benchbed.config.run_config import RunConfig
from benchbed.data.sources.identify import examine_collection
from benchbed.data.sources.resolve import resolve_collection
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry
from benchbed.results.store import ResultStore
from benchbed.runs.execute import execute_run
from benchbed.runs.planner import plan_run
from benchbed.runs.task_checks import find_task_problems
from benchbed.utils.progress import NullReporter


def _write(root: Path, counts: dict[str, int], *, masks: bool) -> str:
    rng = np.random.default_rng(0)
    for split, count in counts.items():
        for number in range(count):
            for kind in ("images", "masks") if masks else ("images",):
                path = root / split / kind / f"{split}{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = rng.integers(0, 255, (16, 16), np.uint8)
                Image.fromarray((pixels > 99) if kind == "masks" else pixels).save(path)
    return f"folder:{root}"


def _is_accepted(dataset: str, task: str) -> bool:
    for method in get_registry().get_specs(MethodSpec):
        try:
            plan_run(RunConfig(method=method, dataset=dataset, task=task, size=64))
        except BenchbedError:
            continue
        return True
    return False


@pytest.mark.parametrize(
    ("counts", "masks"),
    [
        ({"train": 24, "test": 9}, True),
        ({"train": 24, "test": 9}, False),
        ({"train": 24, "test": 2}, False),
        ({"train": 3, "test": 2}, True),
        ({"train": 24}, True),
    ],
)
def test_tasks_are_judged_as_by_a_run(counts: dict[str, int], masks: bool, tmp_path: Path) -> None:
    dataset = _write(tmp_path / "own", counts, masks=masks)
    problems = find_task_problems(examine_collection(resolve_collection(dataset)).collection)
    assert set(problems) == set(get_registry().get_specs(TaskSpec))
    for task in problems.keys() - {"augmentation"}:  # a run of it needs further options
        assert (problems[task] == "") == _is_accepted(dataset, task), (task, problems[task])


@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_data_for_no_task_have_an_exit_code(
    command: str, cli: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    dataset = _write(tmp_path / "own", {"train": 3}, masks=False)
    result = cli("data", command, dataset, "--json")
    assert result.returncode == 1
    facts = json.loads(result.stdout)
    assert facts["tasks"] == []
    assert any("swd" in reason for reason in facts["tasks refused"])


class _Messages(NullReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def report_message(self, text: str) -> None:
        self.lines.append(text)


def test_a_method_for_labels_says_that_there_are_none(tmp_path: Path) -> None:
    dataset = _write(tmp_path / "own", {"train": 24, "test": 9}, masks=False)
    for method, expected in (("acgan", 1), ("dcgan", 0)):
        messages = _Messages()
        plan_run(RunConfig(method=method, dataset=dataset), messages)
        assert sum("a label" in line for line in messages.lines) == expected


@pytest.mark.parametrize("dataset", ["own", "drive"])
def test_a_window_without_effect_is_refused(dataset: str, tmp_path: Path) -> None:
    own = _write(tmp_path / "own", {"train": 24, "test": 9}, masks=False)
    config = {"dataset": own} if dataset == "own" else {"dataset": "drive", "source": "phantom"}
    with pytest.raises(BenchbedError, match="--window 0,9 "):
        plan_run(RunConfig(method="dcgan", window="0,9", **config))  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["own/results", "own"])
def test_results_inside_the_data_are_refused_before_anything_is_written(
    place: str, tmp_path: Path
) -> None:
    dataset = _write(tmp_path / "own", {"train": 24, "test": 9}, masks=False)
    plan = plan_run(RunConfig(method="dcgan", dataset=dataset))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BenchbedError, match="--results"):
        execute_run(plan, ResultStore(tmp_path / place))
    assert sorted(tmp_path.rglob("*")) == before
