"""TensorBoard as an option: what is in its event files, and that nothing else changes by it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from benchbed.errors import BenchbedError
from benchbed.runs.plan import plan
from benchbed.runs.request import Request
from benchbed.runs.runner import Outcome, carry_out
from benchbed.runs.store import Store
from benchbed.training import board
from benchbed.training.loop import Interrupted, Loop, Options

pytestmark = pytest.mark.usefixtures("with_plugin")


def run(root: Path, *, logger: Any = "tensorboard", force: bool = False) -> Outcome:
    request = Request(
        method="tiny-lsgan", dataset="discs", settings={},
        kimg=0.2, size=16, samples=8, metrics=("kl",),
    )  # fmt: skip
    options = Options(pictures=2, logger=logger)
    return carry_out(plan(request), Store(root), force=force, options=options)


def events(folder: Path) -> Any:
    """What TensorBoard itself would show of a run's folder."""
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = reading.EventAccumulator(str(folder / board.FOLDER))
    found.Reload()
    return found


def history(folder: Path) -> list[tuple[int, float]]:
    with (folder / "history.csv").open() as file:
        return [(int(row["step"]), float(row["generator"])) for row in csv.DictReader(file)]


def shown(folder: Path) -> list[tuple[int, float]]:
    return [(e.step, e.value) for e in events(folder).Scalars("loss/generator")]


def test_the_event_file_has_the_losses_of_the_history_and_the_pictures(tmp_path: Path) -> None:
    folder = run(tmp_path).folder
    assert len(history(folder)) == 25
    for (step, loss), (other_step, other_loss) in zip(history(folder), shown(folder), strict=True):
        assert step == other_step
        assert loss == pytest.approx(other_loss, rel=1e-5)
    found = events(folder)
    assert set(found.Tags()["scalars"]) == {"loss/generator", "loss/discriminator"}
    (picture,) = found.Images("samples")
    assert (picture.width, picture.height) == (8 * 130, 4 * 130)


def test_the_logger_changes_no_result(tmp_path: Path) -> None:
    with_it, without = run(tmp_path / "a"), run(tmp_path / "b", logger=None)
    assert with_it.record.metrics == without.record.metrics
    assert history(with_it.folder) == history(without.folder)
    assert not (without.folder / board.FOLDER).exists()


def test_a_run_that_goes_on_shows_every_step_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after 12 steps, killed after 18, and then to the end."""
    step = Loop._step

    def until(last: int, how: type[BaseException]) -> None:
        def stopping(self: Loop, share: float) -> None:
            step(self, share)
            if self.method.steps == last:
                if how is Interrupted:
                    self._save()
                raise how

        monkeypatch.setattr(Loop, "_step", stopping)
        with pytest.raises(Interrupted):
            run(tmp_path)

    until(12, Interrupted)
    until(18, KeyboardInterrupt)
    monkeypatch.setattr(Loop, "_step", step)
    folder = run(tmp_path).folder
    assert len(list((folder / board.FOLDER).iterdir())) == 3
    assert [step for step, _ in shown(folder)] == list(range(1, 26))


def test_a_forced_run_forgets_the_events_of_the_one_before(tmp_path: Path) -> None:
    run(tmp_path)
    folder = run(tmp_path, force=True).folder
    assert len(list((folder / board.FOLDER).iterdir())) == 1


def test_without_the_package_one_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    board.check_logger(None)
    monkeypatch.setattr(board, "find_spec", lambda name: None)
    with pytest.raises(BenchbedError, match=r"pip install 'benchbed\[tensorboard\]'"):
        board.check_logger("tensorboard")


def test_the_run_command_passes_the_option_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from benchbed.cli import run_command
    from benchbed.runs import runner

    seen: list[Options] = []

    def stop(*given: Any, options: Options, **more: Any) -> None:
        seen.append(options)
        raise Interrupted

    monkeypatch.setattr(runner, "carry_out", stop)
    words = ["--method", "tiny-lsgan", "--dataset", "discs", "--results", str(tmp_path)]
    words += ["--size", "16", "--logger", "tensorboard", "--checkpoint-every", "7s"]
    assert CliRunner().invoke(run_command.app, words).exit_code == 130
    assert seen == [Options(checkpoint_seconds=7.0, logger="tensorboard")]
