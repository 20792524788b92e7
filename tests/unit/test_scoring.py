"""Scoring: baselines, intervals, and notes on metrics that are not computed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchbed.api.metric import ImageSet, MemorisationSets, MetricInputs, MetricValue
from benchbed.api.specs import MetricSpec
from benchbed.metrics import baseline
from benchbed.metrics.features import cache as cache_module
from benchbed.metrics.features.cache import FeatureCache
from benchbed.registry.lookup import get_registry, load_object
from benchbed.tasks import scoring
from benchbed.tasks.scoring import score_sets


def images(count: int, seed: int) -> ImageSet:
    rng = np.random.default_rng(seed)
    return ImageSet(rng.integers(0, 256, (count, 1, 32, 32), dtype=np.uint8))


def measure(
    name: str, real: ImageSet, fake: ImageSet, unseen: MemorisationSets | None = None
) -> MetricValue:
    spec = get_registry().get_spec(MetricSpec, name)
    return score_sets([spec], real, fake, lambda *_: np.zeros((1, 1), np.float32), unseen=unseen)[0]


def test_a_mean_over_images_has_an_interval_around_it() -> None:
    found = measure("ms-ssim-realfake", images(40, 0), images(20, 1))
    assert found.value is not None
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert found.ci_low < found.value < found.ci_high


def test_a_distance_between_sets_has_no_interval() -> None:
    found = measure("swd", images(40, 0), images(20, 1))
    assert found.value is not None
    assert (found.ci_low, found.ci_high) == (None, None)


def test_too_few_images_give_a_note() -> None:
    found = measure("swd", images(40, 0), images(4, 1))
    assert found.value is None
    assert all(fact in found.note for fact in ("8 images", "4"))


@pytest.mark.parametrize(("count", "warned"), [(64, True), (65, False)])
def test_fewer_images_than_feature_dimensions_give_a_warning(count: int, warned: bool) -> None:
    real, fake = images(70, 0), images(count, 1)
    spec = get_registry().get_spec(MetricSpec, "fid-random")
    zeros = np.zeros((1, 1), np.float32)
    (found,) = score_sets([replace(spec, implementation="benchbed.metrics.histogram_kl:kl",
                                   parameters={})], real, fake, lambda *_: zeros)  # fmt: skip
    assert found.value is not None
    assert ("64 dimensions" in found.note) == warned


def test_memorisation_needs_held_out_images() -> None:
    real, fake = images(40, 0), images(20, 1)
    none = measure("memorisation", real, fake)
    assert none.value is None
    assert all(fact in none.note for fact in ("real images", "training"))
    few = measure("memorisation", real, fake, MemorisationSets(real, images(3, 2)))
    assert few.value is None
    assert all(fact in few.note for fact in ("5 images", "3"))
    copies = measure(
        "memorisation", real, ImageSet(real.images[:20]), MemorisationSets(real, images(9, 2))
    )
    assert copies.value == 1.0


METRICS = ("swd", "kl", "ms-ssim-diversity", "fid-random", "precision-random")
"""Metrics with and without random draws, with and without features."""


@pytest.fixture
def computed_baselines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mean_colours: None
) -> list[str]:
    """The names of the metrics whose baselines were computed, with a separate cache."""
    monkeypatch.setenv("BENCHBED_CACHE", str(tmp_path / "cache"))
    computed: list[str] = []

    def counted(implementation: str) -> Any:
        function = load_object(implementation)

        def measured(inputs: MetricInputs, **parameters: Any) -> Any:
            if inputs.real.parent is not None:
                computed.append(implementation.partition(":")[2])
            return function(inputs, **parameters)

        return measured

    monkeypatch.setattr(scoring, "load_object", counted)
    return computed


def baselines_of(metrics: tuple[str, ...], real: ImageSet, **changes: Any) -> list[float | None]:
    specs = [get_registry().get_spec(MetricSpec, name) for name in metrics]
    given = {"features": FeatureCache(torch.device("cpu")), "seed": 3, **changes}
    fake = given.pop("fake", images(12, 1))
    return [value.baseline for value in score_sets(specs, real, fake, **given)]


def test_baselines_are_computed_once_for_the_same_real_images(
    computed_baselines: list[str],
) -> None:
    """A later run with other samples reads them from the cache, equal to the bit."""
    cache = FeatureCache(torch.device("cpu"))
    every_time = baselines_of(METRICS, images(40, 0), features=cache.__call__)
    assert len(computed_baselines) == len(METRICS)
    first = baselines_of(METRICS, images(40, 0))
    assert len(computed_baselines) == 2 * len(METRICS)
    again = baselines_of(METRICS, images(40, 0), fake=images(12, 9))
    assert len(computed_baselines) == 2 * len(METRICS)
    assert None not in first
    assert first == again == every_time


def test_a_baseline_is_computed_again_when_its_inputs_change(
    computed_baselines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seed, images, field of view, number of samples, recipe, code, weights, threads."""
    both = ("kl", "fid-random")
    real = images(40, 0)
    fov = np.ones((40, 32, 32), np.uint8)
    fov[:, :3] = 0

    def check(*names: str, **changes: Any) -> None:
        computed_baselines.clear()
        baselines_of(both, changes.pop("real", real), **changes)
        assert computed_baselines == list(names), changes

    check("kl", "fid")
    check(real=images(40, 0))
    check("kl", "fid", seed=4)
    check("kl", "fid", real=images(40, 5))
    fake = replace(images(12, 1), fov=fov[:12])
    check("kl", "fid", real=replace(real, fov=fov), fake=fake)
    check("kl", "fid", fake=images(13, 1))
    with monkeypatch.context() as patch:
        patch.setattr(baseline, "_hash_source", lambda module: "another one")
        check("kl", "fid")
    with monkeypatch.context() as patch:
        patch.setattr(torch, "get_num_threads", lambda: 99)
        check("kl", "fid")
    other = replace(cache_module.create_extractor("random"), weights_hash="1" * 12)
    with monkeypatch.context() as patch:
        patch.setattr(cache_module, "create_extractor", lambda *_: other)
        check("fid")
    check()
    specs = [
        replace(get_registry().get_spec(MetricSpec, name), recipe="another one") for name in both
    ]
    score_sets(specs, real, images(12, 1), FeatureCache(torch.device("cpu")), seed=3)
    assert computed_baselines == ["kl", "fid"]


def test_a_baseline_depends_on_the_parameters(computed_baselines: list[str]) -> None:
    spec = get_registry().get_spec(MetricSpec, "density-random")
    other = replace(spec, parameters={**spec.parameters, "measure": "recall"})
    sets = images(40, 0), images(12, 1), FeatureCache(torch.device("cpu"))
    first, second = (score_sets([each], *sets)[0].baseline for each in (spec, other))
    assert first != second
    assert computed_baselines == ["prdc", "prdc"]


def test_damaged_baselines_are_replaced(computed_baselines: list[str], tmp_path: Path) -> None:
    (whole,) = baselines_of(("kl",), images(40, 0))
    (path,) = (tmp_path / "cache/floors").iterdir()
    content = path.read_bytes()
    np.save(path, np.zeros(2))
    longer = path.read_bytes()
    np.save(path, np.zeros(1, np.float32))
    shorter = path.read_bytes()
    for damaged in (b"", content[:-1], b"x" * len(content), longer, shorter):
        path.write_bytes(damaged)
        computed_baselines.clear()
        assert baselines_of(("kl",), images(40, 0)) == [whole]
        assert computed_baselines == ["kl"]
        assert path.read_bytes() == content


def test_a_baseline_that_cannot_be_cached_is_still_returned(
    computed_baselines: list[str], tmp_path: Path
) -> None:
    (whole,) = baselines_of(("kl",), images(40, 0))
    (path,) = (tmp_path / "cache/floors").iterdir()
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("a file")
    assert baselines_of(("kl",), images(40, 0)) == [whole]
    assert computed_baselines == ["kl", "kl"]
