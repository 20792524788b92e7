"""Estimated duration of a suite: from similar records, with shared runs counted once."""

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
"""Images per second of every record here: 1 kimg takes 100 seconds."""


def member(
    run: str, kimg: float = 1.0, *, generator: Any = None, annotator: Any = None, **changes: Any
) -> Any:
    """Return a suite member with what an estimate reads; it may depend on other plans."""
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
    """Return a store with one record, of a process with two cores."""
    store = Store(tmp_path)
    store.write_record(make_record(training=_training_at(SPEED)))
    return store


def _training_at(speed: float) -> dict[str, float]:
    return {"kimg": 24, "steps": 9, "seconds": 90, "images_per_second": speed}


def _complete(store: Store, run: str, make_record: Make) -> None:
    """Write the record and the weights of a run."""
    store.write_record(make_record("of-another-method", id=run))
    store.write_state(run, "finished", {})
    write_text(store.run_folder(run) / "checkpoints" / "last.pt", "weights")


def test_parallel_runs_take_as_long_as_the_last_one(store: Store) -> None:
    """Runs start in the order of the suite, each on the first free process."""
    estimated = estimate([member(f"r{kimg}", kimg) for kimg in (1, 4, 2, 3)], store, Share(2))
    assert estimated.work == pytest.approx(1000)
    assert estimated.wall(1) == pytest.approx(1000)
    assert estimated.wall(2) == pytest.approx(600)
    assert estimated.wall(3) == pytest.approx(400)
    assert estimated.wall(9) == pytest.approx(400)
    assert estimated.alike


def test_a_shared_upstream_run_is_counted_once_and_waited_for(
    store: Store, make_record: Make
) -> None:
    """Two parallel runs need the same generator: one trains it, the other waits."""
    annotator = member("annotator", 3)
    generator = member("generator", 2, annotator=annotator)
    todo = [member(run, 1, generator=generator) for run in ("a", "b")]
    estimated = estimate(todo, store, Share(2))
    assert (estimated.first, estimated.work) == (2, pytest.approx(700))
    assert estimated.wall(2) == pytest.approx(600)
    assert estimated.wall(1) == pytest.approx(700)

    as_member = estimate([*todo, generator], store, Share(2))
    assert (as_member.first, as_member.work) == (1, pytest.approx(700))

    _complete(store, "annotator", make_record)
    assert estimate(todo, store, Share(2)).work == pytest.approx(400)
    _complete(store, "generator", make_record)
    store.write_state("generator", "interrupted", {})
    assert estimate(todo, store, Share(2)).first == 1, "incomplete weights do not count"
    store.write_state("generator", "finished", {})
    (store.run_folder("annotator") / "checkpoints" / "last.pt").unlink()
    estimated = estimate(todo, store, Share(2))
    assert (estimated.first, estimated.work) == (0, pytest.approx(200)), (
        "the annotator is not needed"
    )
    (store.run_folder("generator") / "checkpoints" / "last.pt").unlink()
    assert estimate(todo, store, Share(2)).first == 2, "a record without weights does not count"


def test_only_the_rest_of_a_started_run_is_counted(store: Store) -> None:
    folder = store.run_folder("started")
    write_text(folder / "history.csv", "step,kimg,seconds,generator\n1,0.1,9,2\n2,0.75,90,1\n")
    started = [member("started")]
    assert estimate(started, store, Share(2)).work == pytest.approx(100), "it has no checkpoint"
    write_text(folder / "checkpoints" / "last.pt", "weights")
    assert estimate(started, store, Share(2)).work == pytest.approx(25)
    write_text(folder / "history.csv", "step,kimg\n1,much\n")
    assert estimate(started, store, Share(2)).work == pytest.approx(100)


def test_records_with_an_equal_share_of_the_machine_are_preferred(
    store: Store, make_record: Make
) -> None:
    """One core is slower than two; the median of such records is used."""
    fallback = estimate([member("r")], store, Share(1))
    assert (fallback.work, fallback.alike) == (pytest.approx(100), False)
    one = make_record(seed=1).provenance.model_copy(update={"threads": 1})
    for seed, speed in ((1, 4.0), (2, 5.0), (3, 6.0)):
        store.write_record(make_record(seed=seed, training=_training_at(speed), provenance=one))
    slower = estimate([member("r")], store, Share(1))
    assert (slower.work, slower.alike) == (pytest.approx(200), True)
    assert not estimate([member("r")], store, Share(1, devices=2)).alike
    on_gpu = one.model_copy(update={"device": "an accelerator"})
    assert Share(16).same_as(make_record(provenance=on_gpu)), (
        "the number of cores is ignored on an accelerator"
    )


def test_a_time_budget_needs_no_record(tmp_path: Path) -> None:
    timed = estimate([member("r", kimg=None, seconds=30.0)], Store(tmp_path), Share())
    assert (timed.work, timed.unknown) == (30.0, ())


def test_unknown_speeds_are_named(store: Store) -> None:
    estimated = estimate([member("a"), member("b", method="wgan")], store, Share(2))
    assert estimated.unknown == ("wgan at 64 px",)
    assert "wgan at 64 px" in time_words(estimated, 2)


@pytest.mark.parametrize(
    ("room", "alike", "facts", "absent"),
    [
        (1, True, ("16 min 40 s",), ("cores", "cluster")),
        (2, True, ("10 min 00 s", " 2 ", "16 min 40 s"), ("cores", "cluster")),
        (9, True, ("6 min 40 s", " 4 ", "16 min 40 s"), ("cores", "cluster")),
        (None, True, ("16 min 40 s", "cluster"), ("cores",)),
        (1, False, ("16 min 40 s", "cores", "devices"), ("cluster",)),
    ],
)
def test_the_message_names_durations_and_parallel_runs(
    room: int | None, alike: bool, facts: tuple[str, ...], absent: tuple[str, ...]
) -> None:
    kimg = {"a": 1, "b": 4, "c": 2, "d": 3}
    todo = tuple(member(run).plan for run in kimg)
    expected = Estimate(0, {run: 100.0 * value for run, value in kimg.items()}, (), alike, todo)
    text = time_words(expected, room)
    assert all(fact in text for fact in facts)
    assert not any(fact in text for fact in absent)
