"""The speed program: tolerances, known answers, and how cost grows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchbed.metrics.fid import compute_frechet_distance
from benchmarks.speed import data_path, known, metrics, scaling
from benchmarks.speed.clock import Lap
from benchmarks.speed.known import KnownAnswer, samples
from benchmarks.speed.measure import Measurement

CPU = torch.device("cpu")


@pytest.mark.parametrize(("count", "dims"), [(12, 30), (60, 7)])
def test_samples_have_the_moments_that_are_wanted(count: int, dims: int) -> None:
    """Mean, and a diagonal covariance of as many axes as the samples can reach, to 1e-12."""
    rng = np.random.default_rng(3)
    mean, spread = rng.normal(size=dims), rng.uniform(0.5, 2, dims)
    made = samples(count, mean, spread, seed=1)
    reached = np.arange(dims) < count - 1
    np.testing.assert_allclose(made.mean(0), mean, atol=1e-12)
    np.testing.assert_allclose(
        np.cov(made, rowvar=False), np.diag(np.where(reached, spread**2, 0)), atol=1e-12
    )


@pytest.mark.parametrize(("count", "dims"), [(12, 30), (60, 7)])
def test_ours_finds_the_known_distance(
    count: int, dims: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fewer samples than dimensions, and with more; a worse one beside it is seen as such."""
    who = {
        "ours": compute_frechet_distance,
        "peer": lambda *s: compute_frechet_distance(*s) * (1 + 1e-6),
    }
    monkeypatch.setattr(known, "WHO", who)
    made = known.KnownCase("k", count, dims).measure()
    assert made.error("ours") < 1e-12
    assert made.error("peer") == pytest.approx(1e-6, rel=1e-3)
    assert made.verdict == "met"


def test_who_is_further_from_the_answer_falls_short() -> None:
    found = {"ours": 2.0 + 1e-9, "peer": 2.0}
    assert KnownAnswer("k", "what", 2.0, found).verdict == "short"
    assert KnownAnswer("k", "what", 2.0, {"ours": 2.1, "peer": 3.0}).verdict == "short"


def test_packages_err_where_the_covariance_is_singular() -> None:
    """The case that the program shows, in few dimensions."""
    pytest.importorskip("torch_fidelity")
    made = known.KnownCase("k", 20, 64).measure()
    assert set(made.found) == {"ours", "torch-fidelity", "pytorch-fid"}
    assert made.verdict == "met"
    assert all(made.error(who) < 1e-3 for who in made.found)


def test_every_metric_has_a_tolerance_and_a_device() -> None:
    """Only features are computed where networks are."""
    pairs = metrics.pairs(quick=False, device=torch.device("cuda"))
    assert all(pair.tolerance is not None and pair.agree is not None for pair in pairs)
    assert [pair.name for pair in pairs if pair.device.type == "cuda"] == ["inception"]
    assert {pair.name for pair in pairs} >= set(metrics.METRICS)


def test_agreement_is_judged_by_the_tolerance() -> None:
    made = Measurement("a", "metrics", "what", "plain")
    assert made.agrees is None
    made.difference, made.tolerance = 1e-6, 1e-5
    assert made.agrees
    made.difference = 1e-4
    assert not made.agrees


def test_swd_is_the_reference_where_both_draw_the_same() -> None:
    """Patches and directions alike: values agree to the rounding of float32."""
    assert metrics.swd_difference(32) < 1e-5


def test_names_of_the_data_path_are_those_of_its_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    monkeypatch.setattr(data_path, "write_pictures", lambda _, count: written.append(count))
    pairs = data_path.pairs(tmp_path, quick=True)
    assert tuple(pair.name for pair in pairs) == data_path.NAMES
    assert written == [64]


def test_both_branches_of_the_distance_grow() -> None:
    """Fewer samples than dimensions, against what cannot be done without; and more."""
    laps = [Lap(size**2.5, 0) for size in (1, 2, 4)]
    grown = scaling.Growth("g", "what", None, [1, 2, 4], laps)
    for exponent, said in ((2.5, "met"), (2.4, "met"), (2.0, "short")):
        grown.floor = [Lap(size**exponent, 0) for size in grown.sizes]
        assert grown.least == pytest.approx(exponent)
        assert grown.verdict == said
    made = scaling._fid_distance((4, 8, 16))
    assert len(made.laps) == len(made.floor) == 3
    names = [name for case in scaling.cases(False, CPU, Path("none")) for name in case.names]
    for name in ("fid-distance-n", "fid-distance-n-beyond", "kid-n", "memorisation-n"):
        assert name in names
    assert "training-time-resolution-unet" in names


def test_growths_are_measured_as_often_as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every size `REPEATS` times, and neighbours are looked for anew each time."""
    counted: list[int] = []
    monkeypatch.setattr(scaling, "memorisation", lambda inputs: counted.append(len(inputs.fake)))
    made = scaling._of_sizes("m", "what", (4, 8), 2.0, scaling._memorisation)
    assert counted == [4] * scaling.REPEATS + [8] * scaling.REPEATS
    assert made.sizes == [4, 8]
    assert len(made.laps) == 2


def test_memorisation_grows_with_sets_that_are_not_remembered() -> None:
    """Equal pixels in sets of their own: each call is the first."""
    work = scaling._memorisation(6)
    nearest = scaling.memorisation.__globals__["nearest"]
    before = nearest.cache_info().misses
    work()
    work()
    assert nearest.cache_info().misses == before + 4


def test_no_records_are_a_sentence(tmp_path: Path) -> None:
    """Not a fit of nothing at the program's end."""
    with pytest.raises(RuntimeError, match="no record to multiply"):
        scaling._report((1, 2), tmp_path)


@pytest.mark.parametrize("make", [scaling.noise_training, scaling.mask_training])
def test_both_trainings_take_steps_at_every_size(make: Any) -> None:
    for side in (32, 64):
        make(side, 2, CPU)()
