"""Who computes the runs of a suite: one process a run, whatever becomes of the others."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchbed.errors import BenchbedError
from benchbed.runs.request import Request
from benchbed.runs.store import Store
from benchbed.suites import execute
from benchbed.suites.executors import accelerators as accelerators_module
from benchbed.suites.executors import local
from benchbed.suites.executors.executor import Ended
from benchbed.suites.executors.local import Local
from benchbed.suites.grid import Member, members, requests
from benchbed.suites.suite import Suite
from benchbed.training.events import Silent

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
def planned() -> list[Member]:
    """Six runs that need no data: only their names are used."""
    return [
        Member(request, SimpleNamespace(id=f"{request.method}-{request.seed}"))  # type: ignore[arg-type]
        for request in requests(SUITE, "quick")
    ]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Puts other command lines in the place of those of the runs, whose records are there."""

    def put(commands: Sequence[list[str]]) -> None:
        left = iter(commands)

        def command(request: Request, results: Path, *_: Any) -> list[str]:
            leave_record(results, f"{request.method}-{request.seed}")
            return next(left)

        monkeypatch.setattr(local, "command", command)

    return put


def leave_record(results: Path, run: str) -> None:
    path = Store(results).record_path(run)
    path.parent.mkdir(exist_ok=True)
    path.touch()


def python(text: str) -> list[str]:
    return [sys.executable, "-c", f"import os, signal, sys, time\n{text}"]


def exits(code: int, seconds: float = 0.0) -> list[str]:
    """A process that says something and ends."""
    return python(f"print('I was here'); time.sleep({seconds}); sys.exit({code})")


WAITS = python("""
heard = []
signal.signal(signal.SIGINT, lambda *_: heard.append(1))
open(sys.argv[1], 'w').close()
while not heard:
    time.sleep(0.02)
sys.exit(130)
""")
"""A process that goes on until it hears Ctrl-C."""


def outcomes(planned: Sequence[Member], executor: Local) -> list[str]:
    return [ended.outcome for ended in execute.carry_out(planned, executor)]


@pytest.mark.parametrize("devices", [1, 2])
def test_the_command_of_a_run_makes_that_very_run(
    devices: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the child process is told must plan to the identity that the suite waits for."""
    from typer.testing import CliRunner

    from benchbed.cli import run_command
    from benchbed.runs.plan import plan

    seen: list[tuple[str, int]] = []

    def carry_out(request: Request, store: Store, options: Any, how: Any, **_: Any) -> None:
        seen.append((plan(request).id, how["devices"]))

    monkeypatch.setattr(run_command, "_carry_out", carry_out)
    real = members(list(requests(SUITE, "quick", source="phantom", seeds=[3])), Silent())
    for member in real:
        words = local.command(member.request, tmp_path, "cpu", devices)[4:]
        answer = CliRunner().invoke(run_command.app, words)
        assert answer.exit_code == 0, answer.output
    assert seen == [(member.plan.id, devices) for member in real]


def test_a_broken_or_diverged_run_does_not_stop_the_others_and_a_stop_does(
    planned: list[Member], tmp_path: Path, script: Script
) -> None:
    script([exits(code) for code in (0, 1, 3, 130, 0)])
    ended = list(execute.carry_out(planned, Local(Store(tmp_path))))
    assert [e.outcome for e in ended] == ["finished", "broken", "diverged", "stopped"]
    assert [e.words for e in ended] == ["", "I was here", "", ""]
    assert [e.member for e in ended] == planned[:4]


def test_a_killed_run_is_broken_and_the_others_go_on(
    planned: list[Member], tmp_path: Path, script: Script
) -> None:
    script([python("os.kill(os.getpid(), signal.SIGKILL)"), exits(0)])
    assert outcomes(planned[:2], Local(Store(tmp_path), jobs=2)) == ["broken", "finished"]


def test_a_process_that_ends_well_without_a_record_is_a_broken_run(
    planned: list[Member], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a plugin's code ends the process by ``os._exit(0)``."""
    monkeypatch.setattr(local, "command", lambda *_: exits(0))
    (ended,) = execute.carry_out(planned[:1], Local(Store(tmp_path)))
    assert ended.outcome == "broken"
    assert ended.words == "I was here\nIts process ended with code 0 and left no record."


def test_runs_go_on_beside_each_other_and_never_more_than_asked_for(
    planned: list[Member], tmp_path: Path, script: Script
) -> None:
    """Watched from outside: two at a time while there are two, all of them over in the end."""
    script([exits(0, 0.5)] * 5)
    widths: list[tuple[int, int]] = []
    over = [
        ended.member
        for ended in execute.carry_out(
            planned[:5],
            Local(Store(tmp_path), jobs=2),
            watch=lambda going, waiting: widths.append((len(going), len(waiting))),
        )
    ]
    assert max(going for going, _ in widths) == 2
    assert widths[0] == (2, 3)
    assert sorted(m.plan.id for m in over) == sorted(m.plan.id for m in planned[:5])


def test_a_stop_waits_for_the_run_beside_it_and_starts_no_other(
    planned: list[Member], tmp_path: Path, script: Script
) -> None:
    script([exits(130), exits(0, 1.0), exits(0)])
    assert outcomes(planned, Local(Store(tmp_path), jobs=2)) == ["stopped", "finished"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_passed_on_to_every_run(
    number: signal.Signals, planned: list[Member], tmp_path: Path, script: Script
) -> None:
    """Each run hears one interrupt, whatever the suite heard; what waits is never begun."""
    marks = [tmp_path / "first", tmp_path / "second"]
    script([[*WAITS, str(mark)] for mark in marks])
    heard: list[str] = []

    def send() -> None:
        while not all(mark.exists() for mark in marks):
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    executor = Local(Store(tmp_path), jobs=2)
    ended = [e.outcome for e in execute.carry_out(planned, executor, say=heard.append)]
    thread.join()
    assert ended == ["stopped", "stopped"]
    assert heard == [execute.STOPPING]


DEAF = python("""
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
open(sys.argv[1], 'w').close()
time.sleep(600)
""")
"""A process that hears no signal, as one does whose step hangs in code outside Python."""


@pytest.fixture
def deaf(
    planned: list[Member], tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> Local:
    """An executor that is at work on such a run, and has half a second of patience."""
    monkeypatch.setattr(local, "GRACE_SECONDS", 0.5)
    mark = tmp_path / "there"
    script([[*DEAF, str(mark)]])
    executor = Local(Store(tmp_path))
    executor.start(planned[0])
    while not mark.exists():
        time.sleep(0.02)
    return executor


def test_a_run_that_hears_nothing_is_killed_where_it_is_to_stop_at_once(deaf: Local) -> None:
    """Asked once it is waited for; asked twice it has a moment, and then its suite ends."""
    deaf.stop(at_once=False)
    time.sleep(0.6)
    assert deaf.ended() == []
    deaf.stop(at_once=True)
    assert deaf.ended() == []
    time.sleep(0.5)
    (ended,) = deaf.ended()
    assert (ended.outcome, ended.words) == ("stopped", "")


def test_a_run_that_hears_nothing_does_not_outlive_its_suite(deaf: Local) -> None:
    begun = time.monotonic()
    deaf.close()
    assert time.monotonic() - begun < 5
    assert deaf.has_room()


def test_the_last_words_of_a_run_are_read_whatever_became_of_its_folder(
    planned: list[Member], tmp_path: Path, script: Script
) -> None:
    """Much was said, and only the end of it is read; or somebody removed the file meanwhile."""
    much = "print('x' * 200_000); print('the end')"
    gone = f"import shutil; shutil.rmtree({str(tmp_path / 'runs')!r})"
    script([python(f"{much}\nsys.exit(1)"), python(f"{gone}\nsys.exit(1)")])
    first, second = execute.carry_out(planned[:2], Local(Store(tmp_path)))
    assert first.words.endswith("the end")
    assert len(first.words) < 2 * local.LAST_BYTES
    assert second.words.startswith("What it said cannot be read")


def test_what_still_goes_on_ends_with_the_suite(
    planned: list[Member], tmp_path: Path, script: Script
) -> None:
    """An error where the outcomes are read leaves no process behind."""
    script([exits(0), python(f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
                             "time.sleep(60)")])  # fmt: skip
    for _ in execute.carry_out(planned[:2], Local(Store(tmp_path), jobs=2)):
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.02)
        break
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_runs_share_the_cores_and_each_sees_one_accelerator(
    planned: list[Member], tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three runs on two accelerators, then the one that became free."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    store = Store(tmp_path)
    says = "print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['OMP_NUM_THREADS'])"
    script([python(f"{says}\ntime.sleep({seconds})") for seconds in (1.5, 0.0, 1.5, 0.0)])
    executor = Local(store, jobs=3, accelerators=("4", "7"))
    assert outcomes(planned[:4], executor) == ["finished"] * 4
    said = [store.run_folder(m.plan.id) / local.OUTPUT for m in planned[:4]]
    assert [path.read_text().split() for path in said] == [
        ["4", "4"], ["7", "4"], ["4", "4"], ["7", "4"],
    ]  # fmt: skip


def test_every_run_has_as_many_devices_as_the_suite_asks_for(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs on two accelerators each; what is not trained has one. Six processes at a time."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    runs = [_run(name, trains=name != "expert") for name in ("a", "b", "expert")]
    says = "print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['OMP_NUM_THREADS'])"
    asked: list[int] = []

    def command(request: Request, results: Path, device: str, devices: int) -> list[str]:
        leave_record(results, runs[len(asked)].plan.id)
        asked.append(devices)
        return python(f"{says}\ntime.sleep(1.5)")

    monkeypatch.setattr(local, "command", command)
    store = Store(tmp_path)
    executor = Local(store, jobs=3, devices=2, accelerators=("0", "1", "2", "3"))
    assert outcomes(runs, executor) == ["finished"] * 3
    said = [(store.run_folder(m.plan.id) / local.OUTPUT).read_text().split() for m in runs]
    assert said == [["0,1", "2"], ["2,3", "2"], ["0", "2"]]
    assert asked == [2, 2, 1]


def _run(name: str, *, trains: bool) -> Member:
    plan = SimpleNamespace(id=name, method=SimpleNamespace(trains=trains))
    return Member(Request(method=name, dataset="fundus", settings={}), plan)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("device", "jobs", "devices", "shared"),
    [
        ("auto", 1, 1, []),
        ("auto", 2, 1, ["0", "1"]),
        ("auto", 1, 2, []),
        ("cuda", 2, 2, ["0", "1"]),
        ("cpu", 2, 4, []),
        ("cuda:1", 2, 1, []),
    ],
)
def test_accelerators_are_shared_out_where_runs_go_on_beside_each_other(
    device: str, jobs: int, devices: int, shared: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accelerators_module, "accelerators", lambda: ["0", "1"])
    assert accelerators_module.shared_out(device, jobs, devices) == shared


@pytest.mark.parametrize(
    ("device", "there", "words"),
    [
        ("auto", 1, "--devices 2 are not there: torch sees 1 CUDA"),
        ("cuda", 0, "--devices 2 are not there: torch sees 0 CUDA"),
        ("cuda:1", 2, "--device cuda:1 names one"),
    ],
)
def test_more_devices_than_there_are_begin_no_run(
    device: str, there: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accelerators_module, "accelerators", lambda: list("01")[:there])
    with pytest.raises(BenchbedError, match=words):
        accelerators_module.shared_out(device, 1, 2)


def test_without_several_accelerators_the_environment_is_the_users(
    planned: list[Member], tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    says = python("print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['OMP_NUM_THREADS'])")
    script([says, says])
    assert outcomes(planned[:1], Local(Store(tmp_path))) == ["finished"]
    assert outcomes(planned[:1], Local(Store(tmp_path), threads=2)) == ["finished"]
    said = Store(tmp_path).run_folder(planned[0].plan.id) / local.OUTPUT
    assert said.read_text().split() == ["3", "5", "3", "2"]


@pytest.mark.parametrize(
    ("visible", "count", "names"),
    [(None, 2, ["0", "1"]), ("5,2", 2, ["5", "2"]), ("GPU-a", 1, ["GPU-a"]), ("", 0, [])],
)
def test_accelerators_keep_the_names_that_the_user_gave_them(
    visible: str | None, count: int, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert accelerators_module.accelerators() == names


class Scripted:
    """An executor that computes nothing: what is ended is said beforehand."""

    room = 1

    def __init__(self, *ends: Any) -> None:
        self.log: list[str] = []
        self._ends = list(ends)
        self._going: list[Member] = []

    def has_room(self) -> bool:
        return True

    def start(self, member: Member) -> None:
        self._going.append(member)
        self.log.append(f"start {member.plan.id}")

    def ended(self) -> list[Ended]:
        end = self._ends.pop(0)
        if isinstance(end, signal.Signals):
            os.kill(os.getpid(), end)
            return []
        return [Ended(self._going.pop(0), end)]

    def stop(self, *, at_once: bool) -> None:
        self.log.append(f"stop {at_once}")

    def close(self) -> None:
        self.log.append("close")


def test_once_saves_and_twice_stops_at_once(planned: list[Member]) -> None:
    executor = Scripted("finished", signal.SIGINT, signal.SIGTERM, "stopped", "stopped")
    list(execute.carry_out(planned[:3], executor))
    assert executor.log == [
        "start dcgan-0", "start skrgan-0", "start dcgan-1", "stop False", "stop True", "close",
    ]  # fmt: skip


def test_signals_are_the_users_again_after_a_suite(planned: list[Member]) -> None:
    before = signal.getsignal(signal.SIGINT)
    list(execute.carry_out(planned[:1], Scripted("finished")))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_request_can_go_to_another_folder_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative places and ``$BENCHBED_DATA`` mean nothing on another machine."""
    from benchbed.suites.executors.cluster import from_anywhere

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCHBED_DATA", str(tmp_path))
    request = Request(method="dcgan", dataset="folder:own", settings={}, generator_dataset="drive")
    moved = from_anywhere(request)
    assert moved.dataset == f"folder:{tmp_path / 'own'}"
    assert moved.generator_dataset == "drive"
    assert moved.masks_from is None
    assert moved.data_root == tmp_path
    named = from_anywhere(Request(method="a", dataset="b", settings={}, data_root=Path("here")))
    assert named.data_root == tmp_path / "here"
