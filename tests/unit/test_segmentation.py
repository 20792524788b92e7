"""The task ``segmentation``: evaluated at the original size, inside the field of view."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchbed.api.metric import MaskInputs
from benchbed.api.specs import MetricSpec
from benchbed.api.types import CropWindow
from benchbed.config.run_config import RunConfig
from benchbed.data.preprocessing.framing import crop_window, restore_image
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry
from benchbed.results.record import Record
from benchbed.results.store import ResultStore
from benchbed.runs.execute import execute_run
from benchbed.runs.planner import plan_run
from benchbed.tasks.segmentation import score_masks


def test_pasting_inverts_cropping() -> None:
    """Also for windows beyond the edges; pixels outside the window are 0."""
    plane = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    for part in (CropWindow(-3, 4, 24, 24), CropWindow(2, -5, 10, 10), CropWindow(0, 0, 20, 30)):
        square = crop_window(plane, part)
        back = restore_image(square, part, (20, 30))
        inside = crop_window(
            np.ones((part.height, part.width), np.float32),
            CropWindow(-part.top, -part.left, 20, 30),
        )
        np.testing.assert_array_equal(back, plane * inside)


def test_an_upsampled_crop_is_pasted_at_its_position() -> None:
    """A block of an image at half size."""
    small = np.zeros((16, 16), np.float32)
    small[4:8, 8:12] = 1
    back = restore_image(small, CropWindow(5, 3, 32, 32), (50, 40))
    assert back[5 + 10, 3 + 20] == 1
    assert back[:12].max() == 0
    assert back[25:].max() == 0
    assert back.shape == (50, 40)


def _drive(folder: Path, test_masks: bool = True) -> Path:
    """Write DRIVE's layout with images of 72 x 80: dark stripes as vessels, a round field."""
    rng = np.random.default_rng(0)
    down, across = np.mgrid[:80, :72]
    fov = np.hypot(down - 40, across - 36) < 34
    for split, suffix, numbers in (("training", "training", (21, 22)), ("test", "test", (1, 2))):
        for name in ("images", "1st_manual", "2nd_manual", "mask"):
            (folder / "DRIVE" / split / name).mkdir(parents=True, exist_ok=True)
        for number in numbers:
            vessels = (across + rng.integers(0, 9)) % 12 < 3
            image = np.where(vessels, 60, 180) * fov
            base = folder / "DRIVE" / split
            Image.fromarray(np.stack([image] * 3, -1).astype(np.uint8)).save(
                base / "images" / f"{number:02d}_{suffix}.tif"
            )
            Image.fromarray((fov * 255).astype(np.uint8)).save(
                base / "mask" / f"{number:02d}_{suffix}_mask.gif"
            )
            if split == "test" and not test_masks:
                continue
            truth = vessels & fov
            Image.fromarray((truth * 255).astype(np.uint8)).save(
                base / "1st_manual" / f"{number:02d}_manual1.gif"
            )
            second = truth & (down % 2 == 0)
            Image.fromarray((second * 255).astype(np.uint8)).save(
                base / "2nd_manual" / f"{number:02d}_manual2.gif"
            )
    return folder


def _human(root: Path | None, store: ResultStore) -> Record:
    request = RunConfig(
        method="human-expert",
        dataset="drive",
        task="segmentation",
        settings={},
        size=32,
        source="real" if root else "phantom",
        data_root=root,
    )
    return execute_run(plan_run(request), store).record


def test_the_second_annotator_is_evaluated_at_the_original_size(tmp_path: Path) -> None:
    """Every other row of each vessel is missing: sensitivity 0.5, no false positives."""
    store = ResultStore(tmp_path / "results")
    record = _human(_drive(tmp_path), store)
    found = {value.metric: value for value in record.metrics}
    sensitivity = found["sensitivity"]
    assert sensitivity.value == pytest.approx(0.5, abs=0.01)
    assert found["specificity"].value == 1.0
    assert found["dice-otsu"].value == pytest.approx(2 / 3, abs=0.01)
    assert sensitivity.interval is None, "two cases are too few for one"
    assert record.training.kimg == 0
    assert (store.get_run_folder(record.id) / "samples" / "segmentation.png").exists()
    assert record.protocol["reference_split"] == "test"


def test_annotators_of_the_phantom_mostly_agree(tmp_path: Path) -> None:
    record = _human(None, ResultStore(tmp_path))
    dice = next(value.value for value in record.metrics if value.metric == "dice-otsu")
    assert dice is not None
    assert 0.7 < dice < 0.95


@pytest.mark.parametrize(
    ("dataset", "source", "fact"), [("fundus", "phantom", "fundus"), ("drive", "real", "01")]
)
def test_human_expert_needs_a_second_annotator(
    dataset: str, source: Any, fact: str, tmp_path: Path
) -> None:
    root = _drive(tmp_path)
    shutil.rmtree(root / "DRIVE/test/2nd_manual")
    request = RunConfig(
        method="human-expert", dataset=dataset, task="segmentation", settings={}, size=32,
        source=source, data_root=root,
    )  # fmt: skip
    with pytest.raises(BenchbedError) as caught:
        plan_run(request)
    for part in ("human-expert", "annotator", "test", dataset, fact):
        assert part in str(caught.value)


def test_a_split_without_masks_is_refused_before_training(tmp_path: Path) -> None:
    root = _drive(tmp_path, test_masks=False)
    request = RunConfig(
        method="human-expert", dataset="drive", task="segmentation", settings={}, size=32,
        source="real", data_root=root,
    )  # fmt: skip
    with pytest.raises(BenchbedError, match=r"segmentation.*masks.*test.*drive"):
        plan_run(request)


@pytest.mark.parametrize(
    ("method", "task", "facts"),
    [
        ("unet", "segmentation", r"segmentation.*test.*chest-xray"),
        ("dual-gan", "synthesis", r"dual-gan.*chest-xray.*--masks-from"),
    ],
)
def test_a_phantom_without_masks_is_refused(method: str, task: str, facts: str) -> None:
    request = RunConfig(
        method=method, dataset="chest-xray", task=task, settings={}, source="phantom"
    )
    with pytest.raises(BenchbedError, match=facts):
        plan_run(request)


def test_metrics_of_images_are_refused_for_masks() -> None:
    request = RunConfig(
        method="human-expert", dataset="drive", task="segmentation", settings={}, size=32,
        source="phantom", metrics=("fid",),
    )  # fmt: skip
    with pytest.raises(BenchbedError, match=r"fid.*segmentation.*dice-otsu"):
        plan_run(request)


def test_human_expert_of_drive_matches_published_values(real_data: Path, tmp_path: Path) -> None:
    """MI-GAN's Table 2 prints a Dice of 0.791."""
    request = RunConfig(
        method="human-expert", dataset="drive", task="segmentation", settings={}, size=64,
        source="real", data_root=real_data,
    )  # fmt: skip
    record = execute_run(plan_run(request), ResultStore(tmp_path)).record
    found = {value.metric: value.value for value in record.metrics}
    assert found["dice-otsu"] == pytest.approx(0.7891, abs=5e-5)
    assert found["sensitivity"] == pytest.approx(0.7746, abs=5e-5)
    assert found["specificity"] == pytest.approx(0.9725, abs=5e-5)
    assert found["accuracy"] == pytest.approx(0.9473, abs=5e-5)


def test_intervals_resample_cases() -> None:
    """Nineteen cases found and one missed: the interval contains the value."""
    rng = np.random.default_rng(0)
    truth = [rng.random((16, 16)) < 0.3 for _ in range(20)]
    scores = [0.1 + 0.8 * mask.astype(np.float32) for mask in truth[:19]]
    scores.append(np.full((16, 16), 0.2, np.float32))
    scores[0][0, 0] = 0.3
    given = MaskInputs(scores, truth, [np.ones((16, 16), bool)] * 20)
    specs = [get_registry().get_spec(MetricSpec, name) for name in ("sensitivity", "auc-roc")]
    for found in score_masks(specs, given):
        assert found.value is not None
        assert found.ci_low is not None
        assert found.ci_high is not None
        assert found.ci_low < found.value <= found.ci_high
    alone = score_masks(specs, MaskInputs(scores[:1], truth[:1], [np.ones((16, 16), bool)]))
    assert alone[0].ci_low is None


def test_hard_masks_have_no_curves_and_empty_predictions_are_counted() -> None:
    """The trapezoid rule gave an all-zero map .564 where a random one has .122."""
    rng = np.random.default_rng(0)
    truth = [rng.random((16, 16)) < 0.3 for _ in range(3)]
    hard = [truth[0].astype(np.float32), *[np.zeros((16, 16), np.float32)] * 2]
    given = MaskInputs(hard, truth, [np.ones((16, 16), bool)] * 3)
    names = ("auc-roc", "average-precision", "auc-pr", "dice")
    specs = [get_registry().get_spec(MetricSpec, name) for name in names]
    *curves, dice = score_masks(specs, given)
    assert [found.value for found in curves] == [None] * 3
    assert all("hard" in found.note for found in curves)
    assert dice.value is not None
    assert "2 of 3 predictions" in dice.note
    soft = hard[0] * 0.7 + 0.1 * rng.random((16, 16)).astype(np.float32)
    graded = MaskInputs([soft] * 3, given.targets, given.fov)
    assert all(found.value is not None for found in score_masks(specs, graded))
