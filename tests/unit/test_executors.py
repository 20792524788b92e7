"""Execution of suites: one process per run, independent of the outcome of the others."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchbed.config.run_config import RunConfig
from benchbed.errors import BenchbedError
from benchbed.results.store import ResultStore
from benchbed.suites import scheduler
from benchbed.suites.executors import local
from benchbed.suites.executors import local as accelerators_module
from benchbed.suites.executors.base import FinishedRun
from benchbed.suites.executors.local import LocalExecutor
from benchbed.suites.plan import SuiteRun, iter_run_configs, plan_suite_runs
from benchbed.suites.spec import Suite
from benchbed.utils.progress import NullReporter

SUITE = Suite(
    name="two",
    title="Two methods",
    task="synthesis",
    methods={"dcgan": {"features": 8}, "skrgan": {}},  # type: ignore[arg-type]
    datasets=("fundus",),
    seeds=(0, 1, 2),
)

Script = Callable[[Sequence[list[str]]], None]


@pytest.fixture(scope="module")
def planned() -> list[SuiteRun]:
    """Return six runs of which only the names are used."""
    return [
        SuiteRun(SimpleNamespace(id=f"{config.method}-{config.seed}", config=config))  # type: ignore[arg-type]
        for config in iter_run_configs(SUITE, "quick")
    ]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Return a function that replaces the commands of runs, and writes their records."""

    def replace_commands(commands: Sequence[list[str]]) -> None:
        remaining = iter(commands)

        def command(request: RunConfig, results: Path, *_: Any) -> list[str]:
            write_record(results, f"{request.method}-{request.seed}")
            return next(remaining)

        monkeypatch.setattr(local, "build_command", command)

    return replace_commands


def write_record(results: Path, run: str) -> None:
    path = ResultStore(results).get_record_path(run)
    path.parent.mkdir(exist_ok=True)
    path.touch()


def python(text: str) -> list[str]:
    return [sys.executable, "-c", f"import os, signal, sys, time\n{text}"]


def exits(code: int, seconds: float = 0.0) -> list[str]:
    """Return the command of a process that prints a line and exits."""
    return python(f"print('I was here'); time.sleep({seconds}); sys.exit({code})")


WAITS = python("""
received = []
signal.signal(signal.SIGINT, lambda *_: received.append(1))
open(sys.argv[1], 'w').close()
while not received:
    time.sleep(0.02)
sys.exit(130)
""")
"""Command of a process that runs until SIGINT."""


def outcomes(planned: Sequence[SuiteRun], executor: LocalExecutor) -> list[str]:
    return [ended.outcome for ended in scheduler.execute_runs(planned, executor)]


@pytest.mark.parametrize("devices", [1, 2])
def test_the_command_of_a_run_plans_the_same_run(
    devices: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child process must plan the run id that the suite expects."""
    from typer.testing import CliRunner

    from benchbed.cli import run_command
    from benchbed.runs.planner import plan_run

    planned_runs: list[tuple[str, int]] = []

    def record_plan(
        request: RunConfig, store: ResultStore, options: Any, how: Any, **_: Any
    ) -> None:
        planned_runs.append((plan_run(request).id, how["devices"]))

    monkeypatch.setattr(run_command, "_execute_plan", record_plan)
    real = plan_suite_runs(
        list(iter_run_configs(SUITE, "quick", source="phantom", seeds=[3])), NullReporter()
    )
    for member in real:
        arguments = local.build_command(member.plan.config, tmp_path, "cpu", devices)[4:]
        result = CliRunner().invoke(run_command.app, arguments)
        assert result.exit_code == 0, result.output
    assert planned_runs == [(member.plan.id, devices) for member in real]


def test_failed_runs_do_not_stop_the_others_but_an_interrupt_does(
    planned: list[SuiteRun], tmp_path: Path, script: Script
) -> None:
    script([exits(code) for code in (0, 1, 3, 130, 0)])
    ended = list(scheduler.execute_runs(planned, LocalExecutor(ResultStore(tmp_path))))
    assert [e.outcome for e in ended] == ["finished", "broken", "diverged", "stopped"]
    assert [e.message for e in ended] == ["", "I was here", "", ""]
    assert [e.suite_run for e in ended] == planned[:4]


def test_a_killed_run_is_broken_and_the_others_continue(
    planned: list[SuiteRun], tmp_path: Path, script: Script
) -> None:
    script([python("os.kill(os.getpid(), signal.SIGKILL)"), exits(0)])
    assert outcomes(planned[:2], LocalExecutor(ResultStore(tmp_path), jobs=2)) == [
        "broken",
        "finished",
    ]


def test_a_process_that_exits_with_0_but_no_record_is_broken(
    planned: list[SuiteRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example where a plugin calls ``os._exit(0)``."""
    monkeypatch.setattr(local, "build_command", lambda *_: exits(0))
    (ended,) = scheduler.execute_runs(planned[:1], LocalExecutor(ResultStore(tmp_path)))
    assert ended.outcome == "broken"
    output, reason = ended.message.split("\n")
    assert output == "I was here"
    assert re.search(r"\bcode 0\b.*\brecord\b", reason)


def test_runs_are_parallel_up_to_the_number_of_jobs(
    planned: list[SuiteRun], tmp_path: Path, script: Script
) -> None:
    script([exits(0, 0.5)] * 5)
    widths: list[tuple[int, int]] = []
    completed = [
        ended.suite_run
        for ended in scheduler.execute_runs(
            planned[:5],
            LocalExecutor(ResultStore(tmp_path), jobs=2),
            watch=lambda running, waiting: widths.append((len(running), len(waiting))),
        )
    ]
    assert max(running for running, _ in widths) == 2
    assert widths[0] == (2, 3)
    assert sorted(m.plan.id for m in completed) == sorted(m.plan.id for m in planned[:5])


def test_a_stop_waits_for_parallel_runs_and_starts_no_other(
    planned: list[SuiteRun], tmp_path: Path, script: Script
) -> None:
    script([exits(130), exits(0, 1.0), exits(0)])
    assert outcomes(planned, LocalExecutor(ResultStore(tmp_path), jobs=2)) == [
        "stopped",
        "finished",
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_forwarded_to_every_run(
    number: signal.Signals, planned: list[SuiteRun], tmp_path: Path, script: Script
) -> None:
    """Each run gets one SIGINT for any signal to the suite; waiting runs never start."""
    markers = [tmp_path / "first", tmp_path / "second"]
    script([[*WAITS, str(marker)] for marker in markers])
    messages: list[str] = []

    def send() -> None:
        while not all(marker.exists() for marker in markers):
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    executor = LocalExecutor(ResultStore(tmp_path), jobs=2)
    ended = [e.outcome for e in scheduler.execute_runs(planned, executor, log=messages.append)]
    thread.join()
    assert ended == ["stopped", "stopped"]
    assert messages == [scheduler.STOPPING_MESSAGE]


UNRESPONSIVE = python("""
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
open(sys.argv[1], 'w').close()
time.sleep(600)
""")
"""Command of a process that blocks signals, as native code that hangs."""


@pytest.fixture
def unresponsive(
    planned: list[SuiteRun], tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> LocalExecutor:
    """Return an executor that runs such a process, with a grace period of half a second."""
    monkeypatch.setattr(local, "GRACE_SECONDS", 0.5)
    marker = tmp_path / "started"
    script([[*UNRESPONSIVE, str(marker)]])
    executor = LocalExecutor(ResultStore(tmp_path))
    executor.start_run(planned[0])
    while not marker.exists():
        time.sleep(0.02)
    return executor


def test_an_unresponsive_run_is_killed_by_a_forced_stop(unresponsive: LocalExecutor) -> None:
    """The first stop waits for the run; the second kills it after the grace period."""
    unresponsive.stop_runs(immediately=False)
    time.sleep(0.6)
    assert unresponsive.collect_finished() == []
    unresponsive.stop_runs(immediately=True)
    assert unresponsive.collect_finished() == []
    time.sleep(0.5)
    (ended,) = unresponsive.collect_finished()
    assert (ended.outcome, ended.message) == ("stopped", "")


def test_an_unresponsive_run_is_killed_with_its_suite(unresponsive: LocalExecutor) -> None:
    start = time.monotonic()
    unresponsive.close()
    assert time.monotonic() - start < 5
    assert unresponsive.can_start()


def test_the_end_of_the_output_is_read_also_from_a_deleted_folder(
    planned: list[SuiteRun], tmp_path: Path, script: Script
) -> None:
    """Only the end of a long output is read; a deleted file is reported."""
    long_output = "print('x' * 200_000); print('the end')"
    delete = f"import shutil; shutil.rmtree({str(tmp_path / 'runs')!r})"
    script([python(f"{long_output}\nsys.exit(1)"), python(f"{delete}\nsys.exit(1)")])
    first, second = scheduler.execute_runs(planned[:2], LocalExecutor(ResultStore(tmp_path)))
    assert first.message.endswith("the end")
    assert len(first.message) < 2 * local.LAST_BYTES
    assert str(tmp_path / "runs") in second.message
    assert local.OUTPUT_FILE in second.message


def test_running_processes_end_with_the_suite(
    planned: list[SuiteRun], tmp_path: Path, script: Script
) -> None:
    """Also where the caller stops reading outcomes."""
    script([exits(0), python(f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
                             "time.sleep(60)")])  # fmt: skip
    for _ in scheduler.execute_runs(planned[:2], LocalExecutor(ResultStore(tmp_path), jobs=2)):
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.02)
        break
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_runs_share_the_cores_and_each_sees_one_accelerator(
    planned: list[SuiteRun], tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three parallel runs on two accelerators, then a fourth run."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    store = ResultStore(tmp_path)
    print_devices = "print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['OMP_NUM_THREADS'])"
    script([python(f"{print_devices}\ntime.sleep({seconds})") for seconds in (1.5, 0.0, 1.5, 0.0)])
    executor = LocalExecutor(store, jobs=3, accelerators=("4", "7"))
    assert outcomes(planned[:4], executor) == ["finished"] * 4
    outputs = [store.get_run_folder(m.plan.id) / local.OUTPUT_FILE for m in planned[:4]]
    assert [path.read_text().split() for path in outputs] == [
        ["4", "4"], ["7", "4"], ["4", "4"], ["7", "4"],
    ]  # fmt: skip


def test_every_run_gets_the_devices_of_the_suite(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs on two accelerators each; a run without training gets one."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    runs = [_run(name, trains=name != "expert") for name in ("a", "b", "expert")]
    print_devices = "print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['OMP_NUM_THREADS'])"
    requested: list[int] = []

    def command(request: RunConfig, results: Path, device: str, devices: int) -> list[str]:
        write_record(results, runs[len(requested)].plan.id)
        requested.append(devices)
        return python(f"{print_devices}\ntime.sleep(1.5)")

    monkeypatch.setattr(local, "build_command", command)
    store = ResultStore(tmp_path)
    executor = LocalExecutor(store, jobs=3, devices=2, accelerators=("0", "1", "2", "3"))
    assert outcomes(runs, executor) == ["finished"] * 3
    outputs = [
        (store.get_run_folder(m.plan.id) / local.OUTPUT_FILE).read_text().split() for m in runs
    ]
    assert outputs == [["0,1", "2"], ["2,3", "2"], ["0", "2"]]
    assert requested == [2, 2, 1]


def _run(name: str, *, trains: bool) -> SuiteRun:
    config = RunConfig(method=name, dataset="fundus")
    plan = SimpleNamespace(id=name, config=config, method=SimpleNamespace(is_trainable=trains))
    return SuiteRun(plan)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("device", "jobs", "devices", "expected"),
    [
        ("auto", 1, 1, []),
        ("auto", 2, 1, ["0", "1"]),
        ("auto", 1, 2, []),
        ("cuda", 2, 2, ["0", "1"]),
        ("cpu", 2, 4, []),
        ("cuda:1", 2, 1, []),
    ],
)
def test_accelerators_are_assigned_to_parallel_runs(
    device: str, jobs: int, devices: int, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accelerators_module, "list_accelerators", lambda: ["0", "1"])
    assert accelerators_module.select_accelerators(device, jobs, devices) == expected


@pytest.mark.parametrize(
    ("device", "available", "facts"),
    [
        ("auto", 1, r"--devices\b.*\b2\b.*\b1\b"),
        ("cuda", 0, r"--devices\b.*\b2\b.*\b0\b"),
        ("cuda:1", 2, r"--devices\b.*\b2\b.*--device cuda:1\b"),
    ],
)
def test_more_devices_than_available_raise(
    device: str, available: int, facts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accelerators_module, "list_accelerators", lambda: list("01")[:available])
    with pytest.raises(BenchbedError, match=facts):
        accelerators_module.select_accelerators(device, 1, 2)


def test_with_one_accelerator_the_environment_is_unchanged(
    planned: list[SuiteRun], tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    prints_devices = python(
        "print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['OMP_NUM_THREADS'])"
    )
    script([prints_devices, prints_devices])
    assert outcomes(planned[:1], LocalExecutor(ResultStore(tmp_path))) == ["finished"]
    assert outcomes(planned[:1], LocalExecutor(ResultStore(tmp_path), threads=2)) == ["finished"]
    output = ResultStore(tmp_path).get_run_folder(planned[0].plan.id) / local.OUTPUT_FILE
    assert output.read_text().split() == ["3", "5", "3", "2"]


@pytest.mark.parametrize(
    ("visible", "count", "names"),
    [(None, 2, ["0", "1"]), ("5,2", 2, ["5", "2"]), ("GPU-a", 1, ["GPU-a"]), ("", 0, [])],
)
def test_accelerators_keep_the_names_of_the_environment(
    visible: str | None, count: int, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert accelerators_module.list_accelerators() == names


class FakeExecutor:
    """Executor without processes that returns prepared outcomes."""

    capacity = 1

    def __init__(self, *ends: Any) -> None:
        self.log: list[str] = []
        self._ends = list(ends)
        self._running: list[SuiteRun] = []

    def can_start(self) -> bool:
        return True

    def start_run(self, suite_run: SuiteRun) -> None:
        self._running.append(suite_run)
        self.log.append(f"start {suite_run.plan.id}")

    def collect_finished(self) -> list[FinishedRun]:
        end = self._ends.pop(0)
        if isinstance(end, signal.Signals):
            os.kill(os.getpid(), end)
            return []
        return [FinishedRun(self._running.pop(0), end)]

    def stop_runs(self, *, immediately: bool) -> None:
        self.log.append(f"stop {immediately}")

    def close(self) -> None:
        self.log.append("close")


def test_one_signal_saves_and_a_second_forces_a_stop(planned: list[SuiteRun]) -> None:
    executor = FakeExecutor("finished", signal.SIGINT, signal.SIGTERM, "stopped", "stopped")
    list(scheduler.execute_runs(planned[:3], executor))
    assert executor.log == [
        "start dcgan-0", "start skrgan-0", "start dcgan-1", "stop False", "stop True", "close",
    ]  # fmt: skip


def test_signal_handlers_are_restored_after_a_suite(planned: list[SuiteRun]) -> None:
    before = signal.getsignal(signal.SIGINT)
    list(scheduler.execute_runs(planned[:1], FakeExecutor("finished")))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_request_is_independent_of_folder_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths and ``$BENCHBED_DATA`` have no meaning on another machine."""
    from benchbed.suites.executors.ray import resolve_config_paths

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCHBED_DATA", str(tmp_path))
    request = RunConfig(
        method="dcgan", dataset="folder:own", settings={}, generator_dataset="drive"
    )
    moved = resolve_config_paths(request)
    assert moved.dataset == f"folder:{tmp_path / 'own'}"
    assert moved.generator_dataset == "drive"
    assert moved.masks_from is None
    assert moved.data_root == tmp_path
    relative = resolve_config_paths(
        RunConfig(method="a", dataset="b", settings={}, data_root=Path("here"))
    )
    assert relative.data_root == tmp_path / "here"
