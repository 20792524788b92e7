"""Estimated duration of a suite: from similar records, with shared runs counted once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchbed.cli.suite_command import format_estimate
from benchbed.results.record import Record
from benchbed.results.store import ResultStore
from benchbed.suites.estimate import Estimate, ResourceShare, estimate_duration
from benchbed.utils.files import write_text

Make = Callable[..., Record]

SPEED = 10.0
"""Images per second of every record here: 1 kimg takes 100 seconds."""


def member(
    run: str, kimg: float = 1.0, *, generator: Any = None, annotator: Any = None, **changes: Any
) -> Any:
    """Return a suite member with what an estimate reads; it may depend on other plans."""
    plan = SimpleNamespace(
        id=run,
        method=SimpleNamespace(name=changes.get("method", "dcgan"), is_trainable=True),
        protocol=SimpleNamespace(kimg=kimg, seconds=changes.get("seconds"), size=64),
        config=SimpleNamespace(precision="fp32"),
        pair_plan=None if generator is None else SimpleNamespace(generator=generator.plan),
        mask_plan=None if annotator is None else SimpleNamespace(annotator=annotator.plan),
    )
    return SimpleNamespace(plan=plan)


@pytest.fixture
def store(tmp_path: Path, make_record: Make) -> ResultStore:
    """Return a store with one record, of a process with two cores."""
    store = ResultStore(tmp_path)
    store.write_record(make_record(training=_training_at(SPEED)))
    return store


def _training_at(speed: float) -> dict[str, float]:
    return {"kimg": 24, "steps": 9, "seconds": 90, "images_per_second": speed}


def _complete(store: ResultStore, run: str, make_record: Make) -> None:
    """Write the record and the weights of a run."""
    store.write_record(make_record("of-another-method", id=run))
    store.write_state(run, "finished", {})
    write_text(store.get_run_folder(run) / "checkpoints" / "last.pt", "weights")


def test_parallel_runs_take_as_long_as_the_last_one(store: ResultStore) -> None:
    """Runs start in the order of the suite, each on the first free process."""
    estimated = estimate_duration(
        [member(f"r{kimg}", kimg) for kimg in (1, 4, 2, 3)], store, ResourceShare(2)
    )
    assert estimated.total_seconds == pytest.approx(1000)
    assert estimated.estimate_wall_seconds(1) == pytest.approx(1000)
    assert estimated.estimate_wall_seconds(2) == pytest.approx(600)
    assert estimated.estimate_wall_seconds(3) == pytest.approx(400)
    assert estimated.estimate_wall_seconds(9) == pytest.approx(400)
    assert estimated.has_same_resources


def test_a_shared_upstream_run_is_counted_once_and_waited_for(
    store: ResultStore, make_record: Make
) -> None:
    """Two parallel runs need the same generator: one trains it, the other waits."""
    annotator = member("annotator", 3)
    generator = member("generator", 2, annotator=annotator)
    todo = [member(run, 1, generator=generator) for run in ("a", "b")]
    estimated = estimate_duration(todo, store, ResourceShare(2))
    assert (estimated.upstream_count, estimated.total_seconds) == (2, pytest.approx(700))
    assert estimated.estimate_wall_seconds(2) == pytest.approx(600)
    assert estimated.estimate_wall_seconds(1) == pytest.approx(700)

    as_member = estimate_duration([*todo, generator], store, ResourceShare(2))
    assert (as_member.upstream_count, as_member.total_seconds) == (1, pytest.approx(700))

    _complete(store, "annotator", make_record)
    assert estimate_duration(todo, store, ResourceShare(2)).total_seconds == pytest.approx(400)
    _complete(store, "generator", make_record)
    store.write_state("generator", "interrupted", {})
    assert estimate_duration(todo, store, ResourceShare(2)).upstream_count == 1, (
        "incomplete weights do not count"
    )
    store.write_state("generator", "finished", {})
    (store.get_run_folder("annotator") / "checkpoints" / "last.pt").unlink()
    estimated = estimate_duration(todo, store, ResourceShare(2))
    assert (estimated.upstream_count, estimated.total_seconds) == (0, pytest.approx(200)), (
        "the annotator is not needed"
    )
    (store.get_run_folder("generator") / "checkpoints" / "last.pt").unlink()
    assert estimate_duration(todo, store, ResourceShare(2)).upstream_count == 2, (
        "a record without weights does not count"
    )


def test_only_the_rest_of_a_started_run_is_counted(store: ResultStore) -> None:
    folder = store.get_run_folder("started")
    write_text(folder / "history.csv", "step,kimg,seconds,generator\n1,0.1,9,2\n2,0.75,90,1\n")
    started = [member("started")]
    assert estimate_duration(started, store, ResourceShare(2)).total_seconds == pytest.approx(
        100
    ), "it has no checkpoint"
    write_text(folder / "checkpoints" / "last.pt", "weights")
    assert estimate_duration(started, store, ResourceShare(2)).total_seconds == pytest.approx(25)
    write_text(folder / "history.csv", "step,kimg\n1,much\n")
    assert estimate_duration(started, store, ResourceShare(2)).total_seconds == pytest.approx(100)


def test_records_with_an_equal_share_of_the_machine_are_preferred(
    store: ResultStore, make_record: Make
) -> None:
    """One core is slower than two; the median of such records is used."""
    fallback = estimate_duration([member("r")], store, ResourceShare(1))
    assert (fallback.total_seconds, fallback.has_same_resources) == (pytest.approx(100), False)
    one = make_record(seed=1).provenance.model_copy(update={"threads": 1})
    for seed, speed in ((1, 4.0), (2, 5.0), (3, 6.0)):
        store.write_record(make_record(seed=seed, training=_training_at(speed), provenance=one))
    slower = estimate_duration([member("r")], store, ResourceShare(1))
    assert (slower.total_seconds, slower.has_same_resources) == (pytest.approx(200), True)
    assert not estimate_duration(
        [member("r")], store, ResourceShare(1, devices=2)
    ).has_same_resources
    on_gpu = one.model_copy(update={"device": "an accelerator"})
    assert ResourceShare(16).is_same_as(make_record(provenance=on_gpu)), (
        "the number of cores is ignored on an accelerator"
    )


def test_a_time_budget_needs_no_record(tmp_path: Path) -> None:
    timed = estimate_duration(
        [member("r", kimg=None, seconds=30.0)], ResultStore(tmp_path), ResourceShare()
    )
    assert (timed.total_seconds, timed.unknown_speeds) == (30.0, ())


def test_unknown_speeds_are_named(store: ResultStore) -> None:
    estimated = estimate_duration(
        [member("a"), member("b", method="wgan")], store, ResourceShare(2)
    )
    assert estimated.unknown_speeds == ("wgan at 64 px",)
    assert "wgan at 64 px" in format_estimate(estimated, 2)


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
    text = format_estimate(expected, room)
    assert all(fact in text for fact in facts)
    assert not any(fact in text for fact in absent)
