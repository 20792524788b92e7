"""Collapse: a discriminator that has won, samples that are nearly equal, and their reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchbed import Batch, DataShape, Losses, Method, MethodSettings
from benchbed.config.run_config import RunConfig
from benchbed.data.loader import to_signed
from benchbed.data.preprocessing.prepare import DataSplit, PreparedDataset
from benchbed.report.model.leaderboard import Leaderboard
from benchbed.report.render import markdown
from benchbed.report.write import build_leaderboards
from benchbed.results.record import read_record
from benchbed.results.store import ResultStore
from benchbed.runs.execute import execute_run
from benchbed.runs.planner import plan_run
from benchbed.training import collapse
from benchbed.training.collapse import (
    compute_dissimilarity,
    find_equal_samples,
    find_won_discriminators,
)
from benchbed.utils.progress import Budget, NullReporter, TrainingProgress

BUDGET = Budget(kimg=1.0)


def _rows(losses: list[float | None], *, end: float = 1.0) -> list[dict[str, str]]:
    """Return history rows, evenly spaced up to a share of the budget."""
    positions = np.linspace(end / len(losses), end, len(losses))
    return [
        {"step": "1", "kimg": f"{kimg:.3f}", "seconds": "1.00"}
        | ({} if loss is None else {"d": f"{loss:.6g}"})
        for kimg, loss in zip(positions, losses, strict=True)
    ]


@pytest.mark.parametrize(
    ("losses", "value"),
    [
        ([1.4] * 75 + [0.05] * 25, 0.05),
        ([1.4] * 75 + [0.05] * 15 + [3.0] * 10, 0.05),  # spikes do not hide it
        ([1.4] * 90 + [0.05] * 10, None),  # not for long
        ([0.05] * 75 + [0.4] * 25, None),  # the generator recovered
        ([0.1] * 100, None),
    ],
)
def test_a_discriminator_has_won_if_its_median_loss_stays_low(
    losses: list[float | None], value: float | None
) -> None:
    signs = find_won_discriminators(_rows(losses), BUDGET, ["d"])
    assert [sign.value for sign in signs] == ([] if value is None else [value])
    assert all((sign.kind, sign.name, sign.limit) == ("discriminator", "d", 0.1) for sign in signs)
    assert find_won_discriminators(_rows(losses), BUDGET, []) == []


def test_a_loss_is_judged_at_the_end_of_its_stage_and_only_after_a_quarter() -> None:
    stage: list[float | None] = [0.01] * 60
    assert find_won_discriminators(_rows([*stage, *[None] * 40]), BUDGET, ["d"])
    assert not find_won_discriminators(_rows([0.01] * 20, end=0.2), BUDGET, ["d"])
    assert find_won_discriminators(_rows([0.01] * 30, end=0.3), BUDGET, ["d"])


class _Samples(Method[MethodSettings]):
    """Returns given samples."""

    def __init__(self, image: torch.Tensor, mask: torch.Tensor | None = None) -> None:
        super().__init__(MethodSettings())
        self.batch = Batch(image=image, mask=mask)
        self.data = DataShape(image.shape[1], tuple(image.shape[2:]))

    def build(self, data: DataShape) -> None:
        """Build nothing."""

    def training_step(self, batch: Batch, progress: float) -> Losses:
        """Learn nothing."""
        return {}

    def sample(self, count: int, rng: torch.Generator) -> Batch:
        """Return the first samples."""
        return self.batch.map_tensors(lambda _, tensor: tensor[:count])


def test_equal_samples_are_found_also_with_noise_and_different_ones_are_not(
    retinas: PreparedDataset,
) -> None:
    split = retinas.get_split("train")
    real = to_signed(torch.from_numpy(np.array(split.images)))
    assert find_equal_samples(_Samples(real), split) == []
    torch.manual_seed(0)
    one = real[:1].expand_as(real)
    (sign,) = find_equal_samples(_Samples(one + 0.005 * torch.randn_like(real)), split)
    assert (sign.kind, sign.name) == ("samples", "image")
    assert 0 < sign.value < sign.limit == 0.1
    two = torch.cat([real[:1], real[1:2]]).repeat_interleave(len(real) // 2, 0)
    assert find_equal_samples(_Samples(two), split) == [], "two images are not nearly equal"


def test_equal_masks_are_found_beside_different_images(retinas: PreparedDataset) -> None:
    split = retinas.get_split("train")
    real = to_signed(torch.from_numpy(np.array(split.images)))
    masks = torch.from_numpy(np.array(split.arrays["mask"])).float().unsqueeze(1) * 2 - 1
    assert find_equal_samples(_Samples(real, masks), split) == []
    (sign,) = find_equal_samples(_Samples(real, masks[:1].expand_as(masks)), split)
    assert (sign.kind, sign.name, sign.value) == ("samples", "mask", 0.0)


def test_volumes_are_compared_by_their_central_slices() -> None:
    rng = np.random.default_rng(0)
    volumes = rng.uniform(-1, 1, (8, 2, 6, 16, 16)).astype(np.float16)
    split = DataSplit(tuple("abcdefgh"), {"image": volumes})
    made = torch.from_numpy(volumes).float()
    assert find_equal_samples(_Samples(made), split) == []
    made[:, :, 3] = made[:1, :, 3]
    (sign,) = find_equal_samples(_Samples(made), split)
    assert sign.value == pytest.approx(0.0, abs=1e-6)


def test_neighbours_are_not_paired() -> None:
    """Neighbours in a dataset are often of one patient."""
    pixels = np.random.default_rng(0).integers(0, 256, (4, 1, 16, 16), dtype=np.uint8)
    assert compute_dissimilarity(pixels.repeat(2, axis=0)) > 0.5
    assert compute_dissimilarity(np.concatenate([pixels, pixels])) == pytest.approx(0, abs=1e-6)


@pytest.mark.usefixtures("with_plugin")
def test_signs_are_in_progress_log_and_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchbed.training.collapse.MIN_DISCRIMINATOR_LOSS", 1e9)
    monkeypatch.setattr(Method, "discriminator_losses", ("discriminator",))
    shown: list[TrainingProgress] = []
    messages: list[str] = []
    listener = NullReporter()
    listener.report_training = shown.append  # type: ignore[method-assign]
    listener.report_message = messages.append  # type: ignore[method-assign]
    plan = plan_run(
        RunConfig(method="tiny-lsgan", dataset="discs", settings={}, kimg=0.4, size=16, samples=8,
                  metrics=("kl",))
    )  # fmt: skip
    store = ResultStore(tmp_path)
    record = execute_run(plan, store, listener).record
    (sign,) = (sign for sign in record.collapse if sign.kind == "discriminator")
    assert sign.name == "discriminator"
    assert sign in shown[-1].collapse
    assert sum("'discriminator'" in text for text in messages) == 1, "reported once"
    assert read_record(store.get_record_path(record.id)) == record


@pytest.mark.usefixtures("with_plugin")
def test_checks_do_not_change_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(folder: Path) -> Any:
        plan = plan_run(
            RunConfig(method="tiny-lsgan", dataset="discs", settings={}, kimg=0.4, size=16,
                      samples=8, metrics=("kl",))
        )  # fmt: skip
        return execute_run(plan, ResultStore(folder)).record

    checked = run(tmp_path / "a")
    monkeypatch.setattr("benchbed.runs.execute.find_equal_samples", lambda *_: [])
    assert run(tmp_path / "b").metrics == checked.metrics


def test_records_without_signs_have_no_key_and_a_row_with_signs_has_a_footnote(
    make_record: Any, tmp_path: Path
) -> None:
    sign = {"kind": "discriminator", "name": "d", "value": 0.0123, "limit": 0.1}
    healthy = make_record("dcgan", 0)
    collapsed = make_record("dcgan", 1, collapse=[sign])
    store = ResultStore(tmp_path)
    for record in (healthy, collapsed):
        store.write_record(record)
    contents = [json.loads(store.get_record_path(r.id).read_text()) for r in (healthy, collapsed)]
    assert "collapse" not in contents[0]
    assert contents[1]["collapse"] == [sign]
    (board, *_) = build_leaderboards([healthy, collapsed], tmp_path)
    _check_footnote(board)


def _check_footnote(board: Leaderboard) -> None:
    (table,) = board.tables
    (row,) = table.rows
    (mark,) = row.marks
    (note,) = (note.text for note in table.footnotes if note.mark == mark)
    assert note == row.collapse_note
    assert "seed 1" in note
    assert "0.012" in note
    assert "seed 0" not in note
    assert f"- <sup>{mark}</sup> {note}" in markdown.render_markdown(board)


def test_the_limits_are_as_documented() -> None:
    assert (collapse.MIN_DISCRIMINATOR_LOSS, collapse.WINDOW_SHARE) == (0.1, 0.25)
    assert collapse.MIN_DISSIMILARITY == 0.1
