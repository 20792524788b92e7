"""TensorBoard option: content of the event files, and no effect on results."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from benchbed.config.run_config import RunConfig
from benchbed.errors import BenchbedError
from benchbed.results.store import ResultStore
from benchbed.runs.execute import RunOutcome, execute_run
from benchbed.runs.planner import plan_run
from benchbed.training import loggers
from benchbed.training.loop import TrainingInterrupted, TrainingLoop, TrainingOptions

pytestmark = pytest.mark.usefixtures("with_plugin")


def run(root: Path, *, logger: Any = "tensorboard", force: bool = False) -> RunOutcome:
    request = RunConfig(
        method="tiny-lsgan", dataset="discs", settings={},
        kimg=0.2, size=16, samples=8, metrics=("kl",),
    )  # fmt: skip
    options = TrainingOptions(picture_count=2, logger=logger)
    return execute_run(plan_run(request), ResultStore(root), force=force, options=options)


def events(folder: Path) -> Any:
    """Return what TensorBoard reads from the folder of a run."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    reader = accumulator.EventAccumulator(str(folder / loggers.LOG_FOLDER))
    reader.Reload()
    return reader


def history(folder: Path) -> list[tuple[int, float]]:
    with (folder / "history.csv").open() as file:
        return [(int(row["step"]), float(row["generator"])) for row in csv.DictReader(file)]


def logged(folder: Path) -> list[tuple[int, float]]:
    return [(e.step, e.value) for e in events(folder).Scalars("loss/generator")]


def test_the_event_file_has_the_losses_and_sample_grids(tmp_path: Path) -> None:
    folder = run(tmp_path).folder
    assert len(history(folder)) == 25
    for (step, loss), (other_step, other_loss) in zip(history(folder), logged(folder), strict=True):
        assert step == other_step
        assert loss == pytest.approx(other_loss, rel=1e-5)
    reader = events(folder)
    assert set(reader.Tags()["scalars"]) == {"loss/generator", "loss/discriminator"}
    (picture,) = reader.Images("samples")
    assert (picture.width, picture.height) == (8 * 130, 4 * 130)


def test_the_logger_changes_no_result(tmp_path: Path) -> None:
    logged_run, plain_run = run(tmp_path / "a"), run(tmp_path / "b", logger=None)
    assert logged_run.record.metrics == plain_run.record.metrics
    assert history(logged_run.folder) == history(plain_run.folder)
    assert not (plain_run.folder / loggers.LOG_FOLDER).exists()


def test_a_resumed_run_logs_every_step_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after 12 steps, killed after 18, then completed."""
    step = TrainingLoop._run_step

    def run_until(last: int, error: type[BaseException]) -> None:
        def stopping(self: TrainingLoop, share: float) -> None:
            step(self, share)
            if self.method.steps == last:
                if error is TrainingInterrupted:
                    self._save_checkpoint()
                raise error

        monkeypatch.setattr(TrainingLoop, "_run_step", stopping)
        with pytest.raises(TrainingInterrupted):
            run(tmp_path)

    run_until(12, TrainingInterrupted)
    run_until(18, KeyboardInterrupt)
    monkeypatch.setattr(TrainingLoop, "_run_step", step)
    folder = run(tmp_path).folder
    assert len(list((folder / loggers.LOG_FOLDER).iterdir())) == 3
    assert [step for step, _ in logged(folder)] == list(range(1, 26))


def test_a_forced_run_deletes_the_events_of_the_previous_run(tmp_path: Path) -> None:
    run(tmp_path)
    folder = run(tmp_path, force=True).folder
    assert len(list((folder / loggers.LOG_FOLDER).iterdir())) == 1


def test_a_missing_package_error_shows_the_install_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loggers.check_logger(None)
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    with pytest.raises(BenchbedError, match=r"pip install 'benchbed\[tensorboard\]'"):
        loggers.check_logger("tensorboard")


def test_the_run_command_passes_the_logger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from benchbed.cli import run_command
    from benchbed.runs import execute

    received: list[TrainingOptions] = []

    def stop(*_: Any, options: TrainingOptions, **__: Any) -> None:
        received.append(options)
        raise TrainingInterrupted

    monkeypatch.setattr(execute, "execute_run", stop)
    arguments = ["--method", "tiny-lsgan", "--dataset", "discs", "--results", str(tmp_path)]
    arguments += ["--size", "16", "--logger", "tensorboard", "--checkpoint-every", "7s"]
    assert CliRunner().invoke(run_command.app, arguments).exit_code == 130
    assert received == [TrainingOptions(checkpoint_seconds=7.0, logger="tensorboard")]
