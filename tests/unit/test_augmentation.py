"""Task ``augmentation``: a segmentation network on real, synthetic, mixed and staged pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchbed.data.feed import Feed
from benchbed.data.prepare import Split
from benchbed.errors import BenchbedError
from benchbed.protocol import Protocol
from benchbed.report.frame import frame
from benchbed.runs.pairs import Mixture, joined, share_of
from benchbed.runs.plan import Plan, plan
from benchbed.runs.request import Request
from benchbed.runs.runner import carry_out, checkpoint_of
from benchbed.runs.store import Store

pytestmark = pytest.mark.usefixtures("mean_colours")


def _plan(**changes: Any) -> Plan:
    given = {
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
    return plan(Request(**given))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"regime": None}, r"needs --regime: real, synthetic, mixed, finetuned"),
        ({"regime": "sythetic"}, r"did you mean 'synthetic'"),
        ({"generator": None}, r"needs --generator, a method that makes .* mask: .*dual-gan"),
        ({"generator": "dcgan"}, r"its mask, which dcgan does not; these do: .*dual-gan"),
        ({"pairs": 0}, r"--pairs was given as 0"),
        ({"task": "segmentation"}, r"--generator and --real-share belong to: augmentation"),
        ({"real_share": 0.5}, r"The regime synthetic has no real cases"),
        ({"regime": "mixed", "real_share": 1.5}, r"--real-share was given as 1.5"),
        ({"method": "dcgan"}, r"needs a method that can segment"),
        ({"regime": "finetuned", "kimg": None, "seconds": 5.0}, r"give --kimg"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BenchbedError, match=words):
        _plan(**changes)


def test_what_a_network_learns_from_is_part_of_its_identity() -> None:
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
    # All of them share a table, save what the seed changes.
    assert len({planned.protocol.hash for planned in plans}) == 1
    assert _plan(regime="real").id == _plan(regime="real", generator=None).id


def _split(value: int, count: int) -> Split:
    shape = (count, 8, 8)
    arrays = {
        "image": np.full((count, 1, 8, 8), value, np.uint8),
        "mask": np.ones(shape, np.uint8),
        "fov": np.ones(shape, np.uint8),
    }
    return Split(tuple(f"{value}-{n}" for n in range(count)), arrays)


def _shown(regime: str, total: int) -> list[int]:
    """The brightness of every case that is shown: 255 for a real one, 0 for a synthetic one."""
    mixture = Mixture(regime, _split(255, 4), _split(0, 8))
    protocol = Protocol(
        preset="quick", task="augmentation", dataset="d", source="phantom", fingerprint="f",
        size=8, channels=1, framing="center", kimg=total / 1000, samples=0,
    )  # fmt: skip
    feed = mixture.feed(0, torch.device("cpu"), protocol)
    batches = [feed.batch(shown, 4) for shown in range(0, total, 4)]
    return [round(float(image.mean()) * 127.5 + 127.5) for b in batches for image in b.image]


def test_each_regime_shows_what_it_says() -> None:
    assert set(_shown("real", 24)) == {255}
    assert set(_shown("synthetic", 24)) == {0}
    assert _shown("mixed", 24).count(255) == 8
    assert _shown("finetuned", 24) == [0] * 12 + [255] * 12


def test_a_share_of_the_real_cases_is_drawn_by_seed_and_nested() -> None:
    real = _split(255, 40)
    few, more = (set(share_of(real, share, 3).ids) for share in (0.1, 0.25))
    assert (len(few), len(more)) == (4, 10)
    assert few < more
    assert set(share_of(real, 0.1, 4).ids) != few
    assert len(share_of(real, 0.001, 0)) == 1
    assert share_of(real, 1.0, 0) is real


def test_joined_splits_keep_what_both_have() -> None:
    both = joined(_split(255, 2), Split(("a",), {"image": np.zeros((1, 1, 8, 8), np.uint8)}))
    assert set(both.arrays) == {"image"}
    assert len(both) == 3
    batch = Feed(both, 0, torch.device("cpu")).batch(0, 3)
    assert batch.mask is None


def test_the_generator_comes_first_and_is_trained_once(tmp_path: Path) -> None:
    """Two regimes and a record without weights: the generator's run is made, used, made again."""
    store = Store(tmp_path)
    planned = _plan()
    assert planned.pairs is not None
    generator = planned.pairs.generator
    assert generator is not None
    record = carry_out(planned, store).record
    assert record.state == "finished"
    assert record.pairs is not None
    assert (record.pairs.generator, record.pairs.run) == ("dual-gan", generator.id)
    assert record.pairs.label == "synthetic, 6 of dual-gan"
    assert store.record(generator.id) is not None
    assert (store.run_folder(planned.id) / "samples" / "pairs.png").exists()
    weights = checkpoint_of(generator, store)
    made = weights.stat().st_mtime_ns
    carry_out(_plan(regime="finetuned"), store)
    assert weights.stat().st_mtime_ns == made
    weights.unlink()
    again = carry_out(_plan(), store, force=True).record
    assert weights.exists()
    assert again.metrics == record.metrics


def test_rows_of_different_regimes_share_a_table_under_different_names(tmp_path: Path) -> None:
    from benchbed.api.specs import MetricSpec
    from benchbed.registry import registry
    from benchbed.report.boards import overview

    store = Store(tmp_path)
    for regime in ("real", "mixed"):
        carry_out(_plan(regime=regime), store)
    board = overview(frame(store.records()), "augmentation", registry().specs(MetricSpec))
    assert len(board.tables) == 1
    assert [row.label for row in board.tables[0].rows] == [
        "unet (mixed, 6 of dual-gan)",
        "unet (real)",
    ]
