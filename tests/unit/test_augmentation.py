"""Task ``augmentation``: a segmenter on real, synthetic, mixed and staged pairs."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchbed.api.specs import MetricSpec
from benchbed.config.protocol import Protocol
from benchbed.config.run_config import RunConfig
from benchbed.data.loader import CaseLoader
from benchbed.data.preprocessing.prepare import DataSplit
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry
from benchbed.report.model.build import build_frame, build_overview
from benchbed.results.record import Record
from benchbed.results.store import ResultStore
from benchbed.runs.execute import execute_run
from benchbed.runs.plan import RunPlan
from benchbed.runs.planner import plan_run
from benchbed.runs.resume import find_checkpoint
from benchbed.runs.training_data import (
    TrainingMixture,
    TrainingSetBuilder,
    join_splits,
    select_share,
)
from benchbed.training.checkpoint import load_checkpoint
from benchbed.training.loop import TrainingInterrupted
from benchbed.utils.progress import NullReporter

pytestmark = pytest.mark.usefixtures("mean_colours")


def _plan(**changes: Any) -> RunPlan:
    options = {
        "method": "unet",
        "dataset": "drive",
        "task": "augmentation",
        "settings": {"features": 4, "batch_size": 4},
        "source": "phantom",
        "size": 32,
        "kimg": 0.08,
        "regime": "synthetic",
        "generator": "dual-gan",
        "generator_kimg": 0.05,
        "pairs": 6,
        "samples": 16,
        **changes,
    }
    return plan_run(RunConfig(**options))


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"regime": None}, r"augmentation\b.*--regime: real, synthetic, mixed, finetuned"),
        ({"regime": "sythetic"}, r"'sythetic'.*'synthetic'"),
        ({"generator": None}, r"synthetic\b.*--generator\b.*\bdual-gan\b"),
        ({"generator": "dcgan"}, r"--generator\b.*\bdcgan\b.*\bdual-gan\b"),
        ({"pairs": 0}, r"--pairs\b.*\b0\b.*greater"),
        (
            {"task": "segmentation"},
            r"segmentation\b.*--regime\b.*--generator\b.*: augmentation",
        ),
        ({"real_share": 0.5}, r"\bsynthetic\b.*--real-share"),
        ({"regime": "mixed", "real_share": 1.5}, r"--real-share\b.*\b1\.5\b.*\b1\b"),
        ({"method": "dcgan"}, r"augmentation\b.*\bsegment\b.*\bdcgan\b.*\bunet\b"),
        ({"regime": "finetuned", "kimg": None, "seconds": 5.0}, r"\bfinetuned\b.*--kimg"),
        ({"generator_dataset": "bu-bil"}, r"\bdrive\b.*\b3\b.*\bbu-bil\b.*\bdual-gan\b.*\b1\b"),
    ],
)
def test_inconsistent_options_raise(changes: dict[str, Any], facts: str) -> None:
    with pytest.raises(BenchbedError, match=facts):
        _plan(**changes)


def test_real_cases_and_pairs_from_phantoms_do_not_mix(tmp_path: Path) -> None:
    """With a folder of real images and a dataset of which only the phantom is available."""
    for part, value in (("images", 90), ("masks", 255)):
        (tmp_path / part).mkdir()
        for number in range(24):
            mode, size = ("RGB", (40, 40)) if part == "images" else ("L", (40, 40))
            colour = (value, number, number) if mode == "RGB" else value
            image = Image.new(mode, size, colour)
            if part == "masks":
                image.paste(0, (0, 0, 20, 20))
            image.save(tmp_path / part / f"{number}.png")
    real, phantom = f"folder:{tmp_path}", "drive"
    for dataset, other in ((real, phantom), (phantom, real)):
        with pytest.raises(
            BenchbedError, match=r"\breal\b.*\bphantom\b|\bphantom\b.*\breal\b"
        ) as caught:
            _plan(dataset=dataset, generator_dataset=other, source="auto", data_root=tmp_path)
        assert "benchbed data fetch drive" in str(caught.value)


def test_training_pairs_are_part_of_the_run_id() -> None:
    plans = [
        _plan(),
        _plan(pairs=7),
        _plan(regime="mixed"),
        _plan(generator_kimg=0.1),
        _plan(regime="real"),
        _plan(regime="real", real_share=0.5),
        _plan(seed=1),
    ]
    assert len({planned.id for planned in plans}) == len(plans)
    # The pairs are not part of the protocol: all of these runs share a table.
    assert len({planned.protocol.hash for planned in plans}) == 1
    assert _plan(regime="real").id == _plan(regime="real", generator=None).id


def _generator(planned: RunPlan) -> RunPlan:
    assert planned.pair_plan is not None
    assert planned.pair_plan.generator is not None
    return planned.pair_plan.generator


class _InterruptEarly(NullReporter):
    """Sends SIGINT at the first sample grid of training, as Ctrl-C does."""

    def report_picture(self, path: Path) -> None:
        if path.name.endswith("-kimg.png"):
            signal.raise_signal(signal.SIGINT)


def _split(value: int, count: int) -> DataSplit:
    shape = (count, 8, 8)
    arrays = {
        "image": np.full((count, 1, 8, 8), value, np.uint8),
        "mask": np.ones(shape, np.uint8),
        "fov": np.ones(shape, np.uint8),
    }
    return DataSplit(tuple(f"{value}-{n}" for n in range(count)), arrays)


def _shown(regime: str, total: int) -> list[int]:
    """Return the brightness of all training cases: 255 for real, 0 for synthetic ones."""
    mixture = TrainingMixture(regime, _split(255, 4), _split(0, 8))
    protocol = Protocol(
        preset="quick", task="augmentation", dataset="d", source="phantom", fingerprint="f",
        size=8, channels=1, framing="center", kimg=total / 1000, samples=0,
    )  # fmt: skip
    feed = mixture.build_loader(0, torch.device("cpu"), protocol)
    batches = [feed.get_batch(shown, 4) for shown in range(0, total, 4)]
    return [round(float(image.mean()) * 127.5 + 127.5) for b in batches for image in b.image]


def test_regimes_use_real_and_synthetic_cases_as_named() -> None:
    assert set(_shown("real", 24)) == {255}
    assert set(_shown("synthetic", 24)) == {0}
    assert _shown("mixed", 24).count(255) == 8
    assert _shown("finetuned", 24) == [0] * 12 + [255] * 12


def test_shares_of_the_real_cases_are_nested_and_depend_on_the_seed() -> None:
    real = _split(255, 40)
    few, more = (set(select_share(real, share, 3).ids) for share in (0.1, 0.25))
    assert (len(few), len(more)) == (4, 10)
    assert few < more
    assert set(select_share(real, 0.1, 4).ids) != few
    assert len(select_share(real, 0.001, 0)) == 1
    assert select_share(real, 1.0, 0) is real


def test_joined_splits_keep_common_arrays() -> None:
    both = join_splits(
        _split(255, 2), DataSplit(("a",), {"image": np.zeros((1, 1, 8, 8), np.uint8)})
    )
    assert set(both.arrays) == {"image"}
    assert len(both) == 3
    batch = CaseLoader(both, 0, torch.device("cpu")).get_batch(0, 3)
    assert batch.mask is None


def test_test_cases_are_never_trained_on() -> None:
    """Neither by the segmenter nor by the generator: no name and no image."""
    real = _plan(regime="real")
    for planned in (real, _generator(_plan())):
        cases = TrainingSetBuilder(
            planned,
            torch.device("cpu"),
            NullReporter(),
            lambda *_: None,
            lambda *_: pytest.fail("no upstream run is needed"),
        )
        prepared = cases.prepare_data()
        feed = cases.build_loader(prepared)
        assert isinstance(feed, CaseLoader)
        test_split = prepared.get_split("test")
        assert len(test_split)
        assert not set(feed.split.ids) & set(test_split.ids)
        training_images = {image.tobytes() for image in feed.split.arrays["image"]}
        assert not training_images & {image.tobytes() for image in test_split.arrays["image"]}


def test_the_generator_is_trained_first_and_once(tmp_path: Path) -> None:
    """It is reused by a second regime, and retrained where its weights are missing."""
    store = ResultStore(tmp_path)
    planned = _plan()
    generator = _generator(planned)
    record = execute_run(planned, store).record
    assert record.state == "finished"
    assert record.pairs is not None
    assert (record.pairs.generator, record.pairs.generator_run) == ("dual-gan", generator.id)
    for fact in ("synthetic", " 6 ", "dual-gan", "drive", "0.05 kimg"):
        assert fact in record.pairs.label
    assert store.load_record(generator.id) is not None
    assert (store.get_run_folder(planned.id) / "samples" / "pairs.png").exists()
    weights = find_checkpoint(generator, store)
    written = weights.stat().st_mtime_ns
    execute_run(_plan(regime="finetuned"), store)
    assert weights.stat().st_mtime_ns == written
    weights.unlink()
    again = execute_run(_plan(), store, force=True).record
    assert weights.exists()
    assert again.metrics == record.metrics


def test_an_interrupted_generator_is_trained_to_its_end(tmp_path: Path) -> None:
    """Its record exists without weights, as if committed: partial weights are not used."""
    store = ResultStore(tmp_path)
    generator = replace(_generator(_plan()), metrics=())
    execute_run(generator, store)
    path = find_checkpoint(generator, store)
    complete = load_checkpoint(path, "dual-gan")
    for force in (False, True):
        if not force:
            path.unlink()
        with pytest.raises(TrainingInterrupted):
            execute_run(generator, store, _InterruptEarly(), weights=True, force=force)
        assert load_checkpoint(path, "dual-gan")["shown"] < complete["shown"]
        assert store.load_record(generator.id) is not None
        execute_run(generator, store, weights=not force)
        again = load_checkpoint(path, "dual-gan")
        assert again["shown"] == complete["shown"]
        for name, tensor in complete["state"]["modules"]["photo_generator"].items():
            assert torch.equal(again["state"]["modules"]["photo_generator"][name], tensor)


def test_regimes_are_rows_of_one_table_with_different_labels(
    make_record: Callable[..., Record],
) -> None:
    """Also where only the data or the budget of the generator differ."""
    base = {"regime": "synthetic", "generator": "dual-gan", "run": "r", "dataset": "drive",
            "kimg": 8.0, "count": 6}  # fmt: skip
    pairs = [{"regime": "real"}, base, {**base, "kimg": 16.0}, {**base, "dataset": "fundus"},
             {**base, "regime": "mixed", "real_share": 0.5}]  # fmt: skip
    records = [
        make_record("unet", task="augmentation", pairs=facts, id=f"unet-{number}")
        for number, facts in enumerate(pairs)
    ]
    board = build_overview(
        build_frame(records), "augmentation", get_registry().get_specs(MetricSpec)
    )
    assert len(board.tables) == 1
    expected = [
        ("mixed", " 6 ", "dual-gan", "drive", "8 kimg", "50%"),
        ("real",),
        ("synthetic", " 6 ", "dual-gan", "drive", "16 kimg"),
        ("synthetic", " 6 ", "dual-gan", "drive", " 8 kimg"),
        ("synthetic", " 6 ", "dual-gan", "fundus", " 8 kimg"),
    ]
    labels = [row.label for row in board.tables[0].rows]
    assert len(set(labels)) == len(expected)
    for label, facts in zip(labels, expected, strict=True):
        assert all(fact in label for fact in ("unet", *facts)), label
    assert all(len(row.runs) == 1 for row in board.tables[0].rows)
