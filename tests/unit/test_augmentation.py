"""Task ``augmentation``: a segmentation network on real, synthetic, mixed and staged pairs."""

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
from benchbed.data.feed import Feed
from benchbed.data.prepare import Split
from benchbed.errors import BenchbedError
from benchbed.protocol import Protocol
from benchbed.registry import registry
from benchbed.report.boards import overview
from benchbed.report.frame import frame
from benchbed.runs.done import checkpoint_of
from benchbed.runs.pairs import Mixture, joined, share_of
from benchbed.runs.plan import Plan, plan
from benchbed.runs.record import Record
from benchbed.runs.request import Request
from benchbed.runs.runner import carry_out
from benchbed.runs.store import Store
from benchbed.runs.training_set import TrainingSet
from benchbed.training.events import Silent
from benchbed.training.loop import Interrupted
from benchbed.training.state import load_checkpoint

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
        ({"generator_dataset": "bu-bil"}, r"drive has 3 channels, but bu-bil, .* has 1"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BenchbedError, match=words):
        _plan(**changes)


def test_real_cases_and_a_phantoms_pairs_do_not_mix(tmp_path: Path) -> None:
    """A folder of real photographs, beside a data set that is not here: neither may pass."""
    for part, value in (("images", 90), ("masks", 255)):
        (tmp_path / part).mkdir()
        for number in range(24):
            mode, size = ("RGB", (40, 40)) if part == "images" else ("L", (40, 40))
            colour = (value, number, number) if mode == "RGB" else value
            Image.new(mode, size, colour).save(tmp_path / part / f"{number}.png")
    real, phantom = f"folder:{tmp_path}", "drive"
    for dataset, other in ((real, phantom), (phantom, real)):
        with pytest.raises(BenchbedError, match=r"is real here|is a phantom here") as refused:
            _plan(dataset=dataset, generator_dataset=other, source="auto", data_root=tmp_path)
        assert "benchbed data fetch drive" in str(refused.value)


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


def _generator(planned: Plan) -> Plan:
    assert planned.pairs is not None
    assert planned.pairs.generator is not None
    return planned.pairs.generator


class _StopsEarly(Silent):
    """Asks to stop at the first picture of training, as Ctrl-C does."""

    def picture(self, path: Path) -> None:
        if path.name.endswith("-kimg.png"):
            signal.raise_signal(signal.SIGINT)


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


def test_what_is_judged_is_never_trained_on() -> None:
    """Neither by the network nor by the generator of its pairs: no name, and no picture."""
    real = _plan(regime="real")
    for planned in (real, _generator(_plan())):
        cases = TrainingSet(
            planned,
            torch.device("cpu"),
            Silent(),
            lambda *_: None,
            lambda *_: pytest.fail("it builds on none"),
        )
        prepared = cases.prepared()
        feed = cases.feed(prepared)
        assert isinstance(feed, Feed)
        judged = prepared.split("test")
        assert len(judged)
        assert not set(feed.split.ids) & set(judged.ids)
        seen = {image.tobytes() for image in feed.split.arrays["image"]}
        assert not seen & {image.tobytes() for image in judged.arrays["image"]}


def test_the_generator_comes_first_and_is_trained_once(tmp_path: Path) -> None:
    """Two regimes and a record without weights: the generator's run is made, used, made again."""
    store = Store(tmp_path)
    planned = _plan()
    generator = _generator(planned)
    record = carry_out(planned, store).record
    assert record.state == "finished"
    assert record.pairs is not None
    assert (record.pairs.generator, record.pairs.run) == ("dual-gan", generator.id)
    assert record.pairs.label == "synthetic, 6 of dual-gan from drive with 0.05 kimg"
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


def test_a_generator_that_was_stopped_is_trained_to_its_end(tmp_path: Path) -> None:
    """Its record is there without weights, as a committed one: a half-trained file is not taken."""
    store = Store(tmp_path)
    generator = replace(_generator(_plan()), metrics=())
    carry_out(generator, store)
    path = checkpoint_of(generator, store)
    whole = load_checkpoint(path, "dual-gan")
    for force in (False, True):
        if not force:
            path.unlink()
        with pytest.raises(Interrupted):
            carry_out(generator, store, _StopsEarly(), weights=True, force=force)
        assert load_checkpoint(path, "dual-gan")["shown"] < whole["shown"]
        assert store.record(generator.id) is not None
        carry_out(generator, store, weights=not force)
        again = load_checkpoint(path, "dual-gan")
        assert again["shown"] == whole["shown"]
        for name, tensor in whole["state"]["modules"]["photo_generator"].items():
            assert torch.equal(again["state"]["modules"]["photo_generator"][name], tensor)


def test_rows_of_different_regimes_share_a_table_under_different_names(
    make_record: Callable[..., Record],
) -> None:
    """Also where only the data or the budget of the generator differ."""
    made = {"regime": "synthetic", "generator": "dual-gan", "run": "r", "dataset": "drive",
            "kimg": 8.0, "count": 6}  # fmt: skip
    pairs = [{"regime": "real"}, made, {**made, "kimg": 16.0}, {**made, "dataset": "fundus"},
             {**made, "regime": "mixed", "real_share": 0.5}]  # fmt: skip
    records = [
        make_record("unet", task="augmentation", pairs=given, id=f"unet-{number}")
        for number, given in enumerate(pairs)
    ]
    board = overview(frame(records), "augmentation", registry().specs(MetricSpec))
    assert len(board.tables) == 1
    assert [row.label for row in board.tables[0].rows] == [
        "unet (mixed, 6 of dual-gan from drive with 8 kimg, 50% of the real)",
        "unet (real)",
        "unet (synthetic, 6 of dual-gan from drive with 16 kimg)",
        "unet (synthetic, 6 of dual-gan from drive with 8 kimg)",
        "unet (synthetic, 6 of dual-gan from fundus with 8 kimg)",
    ]
    assert all(len(row.runs) == 1 for row in board.tables[0].rows)
