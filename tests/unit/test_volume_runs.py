"""Runs on volumes: every task, masks from other datasets, pairs, sample files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from benchbed.config.run_config import RunConfig
from benchbed.data.io.volumes import read_label_volume, read_volume
from benchbed.data.loader import to_codes
from benchbed.errors import BenchbedError
from benchbed.metrics.fid import has_inception_weights
from benchbed.results.store import ResultStore
from benchbed.runs.build import load_trained_method
from benchbed.runs.execute import execute_run
from benchbed.runs.plan import RunPlan
from benchbed.runs.planner import plan_run
from benchbed.training.sampling import draw_samples
from benchbed.training.visualization.volumes import save_volumes
from benchbed_pix2pix3d.synthesis import Pix2Pix3D

pytestmark = pytest.mark.usefixtures("mean_colours")

SMALL = {"features": 4, "discriminator_features": 4}
CASES = 12


def _folder(root: Path, sequences: int, structures: int) -> str:
    """Write noisy volumes with a bright block for each structure at a random position."""
    rng = np.random.default_rng(structures)
    for number in range(CASES):
        labels = np.zeros((20, 20, 16), np.uint8)
        x, y, z = rng.integers(3, 9, 3)
        for structure in range(1, structures + 1):
            labels[x : x + 8, y : y + 8, z + structure : z + structure + 2] = structure
        image = rng.normal(1, 0.1, (20, 20, 16, sequences)) + labels[..., None]
        for name, values in (("images", image.astype(np.float32)), ("masks", labels)):
            path = root / name / f"case{number:02d}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)  # type: ignore[no-untyped-call]
    labels = {str(n): f"part {n}" if n else "background" for n in range(structures + 1)}
    (root / "dataset.json").write_text(json.dumps({"labels": labels}))
    return f"nifti:{root}"


def _plan(method: str, dataset: str, task: str, **changes: Any) -> RunPlan:
    given = {"settings": SMALL, "size": 32, "kimg": 0.006, **changes}
    return plan_run(RunConfig(method=method, dataset=dataset, task=task, **given))


@pytest.fixture
def tumours(tmp_path: Path) -> str:
    return _folder(tmp_path / "tumours", sequences=2, structures=1)


def test_volumes_are_segmented_and_evaluated_at_their_original_size(
    tumours: str, tmp_path: Path
) -> None:
    store = ResultStore(tmp_path / "results")
    planned = _plan("pix2pix-3d-seg", tumours, "segmentation")
    record = execute_run(planned, store).record
    assert record.state == "finished"
    assert record.protocol["size"] == 32
    names = [value.metric for value in record.metrics]
    assert names[:2] == ["dice-per-case", "dice-per-case-sd"]
    assert {value.n_real for value in record.metrics} == {record.case_counts["test"]}
    for picture in ("real", "final", "segmentation"):
        assert (store.get_run_folder(planned.id) / f"samples/{picture}.png").exists()


def test_structures_of_another_dataset_precede_the_cases_own(tumours: str, tmp_path: Path) -> None:
    """An annotator trained on one sequence segments two tissues in cases of two sequences."""
    tissues = _folder(tmp_path / "tissues", sequences=1, structures=2)
    store = ResultStore(tmp_path / "results")
    planned = _plan(
        "pix2pix-3d", tumours, "translation",
        masks_from=tissues, annotator="pix2pix-3d-seg", annotator_kimg=0.004,
        metrics=("ssim-foreground", "fid-slices"), settings={**SMALL, "tumour_classes": 1},
    )  # fmt: skip
    record = execute_run(planned, store).record
    assert record.pseudo_labels is not None
    assert record.pseudo_labels.annotator == "pix2pix-3d-seg"
    values = {value.metric: value for value in record.metrics}
    assert values["ssim-foreground"].value is not None
    between_slices = values["fid-slices" if has_inception_weights() else "fid-random-slices"]
    assert between_slices.value is not None
    assert between_slices.value > 0
    assert (store.get_run_folder(planned.id) / "samples/nearest.png").exists()
    _, method = load_trained_method(store, planned.id)
    assert (method.data.channels, method.data.mask_channels) == (2, 3)
    assert isinstance(method, Pix2Pix3D)
    hosts = method.labels.host_count
    assert hosts > 0
    assert len(method.labels) == hosts + 6  # the budget shows six cases
    # Those of the other dataset, which the annotator learned from, and not predicted ones.
    assert {tuple(np.unique(method.labels[place].codes)) for place in range(hosts)} == {(0, 1, 2)}


def test_training_on_generated_pairs_and_a_fraction_of_real_cases(
    tumours: str, tmp_path: Path
) -> None:
    """The generator is trained first; its figure and its sample files are written."""
    store = ResultStore(tmp_path / "results")
    planned = _plan(
        "anisotropic-wnet", tumours, "augmentation", settings={}, regime="finetuned",
        generator="pix2pix-3d", generator_kimg=0.006, pairs=4, real_share=0.3,
    )  # fmt: skip
    record = execute_run(planned, store).record
    assert record.state == "finished"
    assert record.pairs is not None
    assert (record.pairs.count, record.pairs.real_share) == (4, 0.3)
    assert record.pairs.generator_run is not None
    folder = store.get_run_folder(record.pairs.generator_run)
    assert (folder / "samples/figure.png").exists()
    name, method = load_trained_method(store, record.pairs.generator_run)
    assert name == record.pairs.generator_run
    samples = draw_samples(method, 2, 5)
    save_volumes(samples, tmp_path / "out")
    written = read_volume(tmp_path / "out/0001.nii.gz")
    assert np.allclose(written, samples.image[1].numpy())
    assert samples.mask is not None
    codes = read_label_volume(tmp_path / "out/0001-mask.nii.gz", {})
    assert np.array_equal(codes, to_codes(samples.mask)[1])
    assert (tmp_path / "out/montage.png").exists()


def test_methods_metrics_and_tasks_of_other_dimensions_are_refused(tumours: str) -> None:
    with pytest.raises(BenchbedError, match=r"unet .*volumes.* pix2pix-3d-seg"):
        _plan("unet", tumours, "segmentation", settings={})
    with pytest.raises(BenchbedError, match=r"pix2pix-3d .*drive.* mi-gan"):
        _plan("pix2pix-3d", "drive", "translation", source="phantom")
    with pytest.raises(BenchbedError, match=r"fid .*images.*pairs and volumes"):
        _plan("pix2pix-3d", tumours, "translation", metrics=("fid",))
    with pytest.raises(BenchbedError, match=r"synthesis .*volumes.* segmentation"):
        _plan("pix2pix-3d", tumours, "synthesis")
    assert _plan("pix2pix-3d", tumours, "translation", metrics=("kid-slices-sequence-2",))
    with pytest.raises(BenchbedError, match=r"kid-slices-sequence-3 needs 3 sequences.* 2"):
        _plan("pix2pix-3d", tumours, "translation", metrics=("kid-slices-sequence-3",))
