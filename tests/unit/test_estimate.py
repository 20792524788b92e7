"""How long a suite takes: from records of its like, with what is shared counted once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchbed.cli.suite_command import time_words
from benchbed.files import write_text
from benchbed.runs.record import Record
from benchbed.runs.store import Store
from benchbed.suites.estimate import Estimate, Share, estimate

Make = Callable[..., Record]

SPEED = 10.0
"""Images a second of every record here, so that a kimg takes 100 seconds."""


def member(
    run: str, kimg: float = 1.0, *, generator: Any = None, annotator: Any = None, **changes: Any
) -> Any:
    """A member of a suite, as far as its time goes; it may build on the plans of others."""
    plan = SimpleNamespace(
        id=run,
        method=SimpleNamespace(name=changes.get("method", "dcgan"), trains=True),
        protocol=SimpleNamespace(kimg=kimg, seconds=changes.get("seconds"), size=64),
        precision="fp32",
        pairs=None if generator is None else SimpleNamespace(generator=generator.plan),
        masks=None if annotator is None else SimpleNamespace(annotator=annotator.plan),
    )
    return SimpleNamespace(plan=plan)


@pytest.fixture
def store(tmp_path: Path, make_record: Make) -> Store:
    """One record, of a process with two cores."""
    store = Store(tmp_path)
    store.write_record(make_record(training=_at(SPEED)))
    return store


def _at(speed: float) -> dict[str, float]:
    return {"kimg": 24, "steps": 9, "seconds": 90, "images_per_second": speed}


def _done(store: Store, run: str, make_record: Make) -> None:
    """A run with its record and its weights."""
    store.write_record(make_record("of-another-method", id=run))
    store.write_state(run, "finished", {})
    write_text(store.run_folder(run) / "checkpoints" / "last.pt", "weights")


def test_runs_beside_each_other_take_as_long_as_the_last_of_them(store: Store) -> None:
    """In the order of the suite: 4 begins with 1, and 2 and 3 follow on the first that is free."""
    found = estimate([member(f"r{kimg}", kimg) for kimg in (1, 4, 2, 3)], store, Share(2))
    assert found.work == pytest.approx(1000)
    assert found.wall(1) == pytest.approx(1000)
    assert found.wall(2) == pytest.approx(600)
    assert found.wall(3) == pytest.approx(400)
    assert found.wall(9) == pytest.approx(400)
    assert found.alike


def test_a_run_that_several_build_on_is_counted_once_and_waited_for(
    store: Store, make_record: Make
) -> None:
    """Two runs beside each other need the same generator: one trains it, the other waits."""
    annotator = member("annotator", 3)
    generator = member("generator", 2, annotator=annotator)
    todo = [member(run, 1, generator=generator) for run in ("a", "b")]
    found = estimate(todo, store, Share(2))
    assert (found.first, found.work) == (2, pytest.approx(700))
    assert found.wall(2) == pytest.approx(600)
    assert found.wall(1) == pytest.approx(700)

    as_member = estimate([*todo, generator], store, Share(2))
    assert (as_member.first, as_member.work) == (1, pytest.approx(700))

    _done(store, "annotator", make_record)
    assert estimate(todo, store, Share(2)).work == pytest.approx(400)
    _done(store, "generator", make_record)
    store.write_state("generator", "interrupted", {})
    assert estimate(todo, store, Share(2)).first == 1, "half-trained weights are not enough"
    store.write_state("generator", "finished", {})
    (store.run_folder("annotator") / "checkpoints" / "last.pt").unlink()
    found = estimate(todo, store, Share(2))
    assert (found.first, found.work) == (0, pytest.approx(200)), "what it builds on is not needed"
    (store.run_folder("generator") / "checkpoints" / "last.pt").unlink()
    assert estimate(todo, store, Share(2)).first == 2, "a record without weights is not enough"


def test_of_a_run_that_was_begun_the_rest_is_counted(store: Store) -> None:
    folder = store.run_folder("begun")
    write_text(folder / "history.csv", "step,kimg,seconds,generator\n1,0.1,9,2\n2,0.75,90,1\n")
    begun = [member("begun")]
    assert estimate(begun, store, Share(2)).work == pytest.approx(100), "it has no checkpoint"
    write_text(folder / "checkpoints" / "last.pt", "weights")
    assert estimate(begun, store, Share(2)).work == pytest.approx(25)
    write_text(folder / "history.csv", "step,kimg\n1,much\n")
    assert estimate(begun, store, Share(2)).work == pytest.approx(100)


def test_records_with_the_same_share_of_a_machine_go_before_others(
    store: Store, make_record: Make
) -> None:
    """One core each is slower than two; of equals the median counts."""
    others = estimate([member("r")], store, Share(1))
    assert (others.work, others.alike) == (pytest.approx(100), False)
    one = make_record(seed=1).provenance.model_copy(update={"threads": 1})
    for seed, speed in ((1, 4.0), (2, 5.0), (3, 6.0)):
        store.write_record(make_record(seed=seed, training=_at(speed), provenance=one))
    slower = estimate([member("r")], store, Share(1))
    assert (slower.work, slower.alike) == (pytest.approx(200), True)
    assert not estimate([member("r")], store, Share(1, devices=2)).alike
    on_gpu = one.model_copy(update={"device": "an accelerator"})
    assert Share(16).same_as(make_record(provenance=on_gpu)), "its cores hardly matter there"


def test_a_budget_by_the_clock_needs_no_record(tmp_path: Path) -> None:
    timed = estimate([member("r", kimg=None, seconds=30.0)], Store(tmp_path), Share())
    assert (timed.work, timed.unknown) == (30.0, ())


def test_what_no_record_tells_is_named(store: Store) -> None:
    found = estimate([member("a"), member("b", method="wgan")], store, Share(2))
    assert found.unknown == ("wgan at 64 px",)
    assert time_words(found, 2) == "Time not known: no record tells the speed of wgan at 64 px."


@pytest.mark.parametrize(
    ("room", "alike", "words"),
    [
        (1, True, "Expected: about 16 min 40 s of training, one run at a time."),
        (2, True, "Expected: about 10 min 00 s with 2 runs at a time, about 16 min 40 s of "
                  "training in all."),
        (9, True, "Expected: about 6 min 40 s with 4 runs at a time, about 16 min 40 s of "
                  "training in all."),
        (None, True, "Expected: about 16 min 40 s of training in all, shared by as many runs as "
                     "the cluster has room for."),
        (1, False, "Expected: about 16 min 40 s of training, one run at a time. Some of the "
                   "records behind it had other numbers of cores or devices to each run."),
    ],
)  # fmt: skip
def test_the_sentence_says_what_runs_at_once(room: int | None, alike: bool, words: str) -> None:
    kimg = {"a": 1, "b": 4, "c": 2, "d": 3}
    todo = tuple(member(run).plan for run in kimg)
    found = Estimate(0, {run: 100.0 * value for run, value in kimg.items()}, (), alike, todo)
    assert time_words(found, room) == words
