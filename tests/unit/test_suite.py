"""Suites: their files and the order of their runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchbed.api.specs import MethodSpec
from benchbed.config import paths
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry
from benchbed.runs.plan import resolve_method_settings
from benchbed.runs.planner import plan_run
from benchbed.suites.plan import iter_run_configs
from benchbed.suites.spec import Suite, find_suite, list_shipped_suites, read_suite

CONTENT = """
title: Two methods
task: synthesis
methods:
  dcgan: {features: 8}
  skrgan: {}
datasets: [fundus, drive]
seeds: [0, 1]
presets:
  quick: {size: 32, kimg: 0.1, samples: 16, settings: {batch_size: 8}}
  standard: {seeds: [5]}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    path = tmp_path / "two.yaml"
    path.write_text(CONTENT)
    return find_suite(str(path))


def test_runs_are_ordered_by_seed(suite: Suite) -> None:
    order = [(r.seed, r.dataset, r.method) for r in iter_run_configs(suite, "quick")]
    assert order == [
        (seed, dataset, method)
        for seed in (0, 1)
        for dataset in ("fundus", "drive")
        for method in ("dcgan", "skrgan")
    ]
    assert {r.seed for r in iter_run_configs(suite, "standard")} == {5}
    assert {r.seed for r in iter_run_configs(suite, "standard", seeds=[7, 8])} == {7, 8}


def test_a_suite_runs_in_one_precision(suite: Suite) -> None:
    assert {r.precision for r in iter_run_configs(suite, "quick")} == {"fp32"}
    assert {r.precision for r in iter_run_configs(suite, "quick", precision="bf16")} == {"bf16"}


def test_settings_of_method_and_preset_are_merged(suite: Suite) -> None:
    first, second = list(iter_run_configs(suite, "quick"))[:2]
    assert first.settings == {"batch_size": 8, "features": 8}
    assert second.settings == {"batch_size": 8}
    assert (first.size, first.kimg, first.samples) == (32, 0.1, 16)


def test_selected_methods_keep_the_settings_of_the_suite(suite: Suite) -> None:
    chosen = suite.select_entries(["dcgan", "wgan"], ["chasedb1"])
    rows = [(entry["method"], entry.get("settings", {})) for entry in chosen.methods]
    assert rows == [("dcgan", {"features": 8}), ("wgan", {})]
    assert chosen.datasets == ("chasedb1",)
    assert suite.select_entries() == suite


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        (("dcgan:", "dcgn:"), ["'dcgn'", "'dcgan'", "benchbed list methods"]),
        (("drive", "drves"), ["'drves'", "'drive'", "benchbed list datasets"]),
        (("seeds: [0, 1]", "seeds: []"), ["wrong.yaml", "seeds"]),
        (("seeds: [0, 1]", "sedes: [0, 1]"), ["wrong.yaml", "'sedes'", "'seeds'"]),
        (("kimg: 0.1", "kimgs: 0.1"), ["wrong.yaml", "'presets.quick.kimgs'", "'kimg'"]),
        (("seeds: [0, 1]", "method: dcgan"), ["wrong.yaml", "'method'", "'methods'"]),
        (("kimg: 0.1", "seed: [1]"), ["wrong.yaml", "'presets.quick.seed'", "'seeds'"]),
        (
            ("task: synthesis", "task: sintesis"),
            ["'sintesis'", "'synthesis'", "benchbed list tasks"],
        ),
        (("title: Two methods", "title: [1"), ["wrong.yaml", "YAML", "line 3"]),
        ((CONTENT, "just words"), ["wrong.yaml", "name: value"]),
    ],
)
def test_an_invalid_suite_file_is_refused(
    change: tuple[str, str], facts: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(CONTENT.replace(*change))
    with pytest.raises(BenchbedError) as error:
        find_suite(str(path))
    for fact in facts:
        assert fact in str(error.value)


@pytest.fixture
def only_suite(suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make `two` the only suite of benchbed."""
    monkeypatch.setattr(paths, "find_benchmarks_folder", lambda: tmp_path)
    return tmp_path


def test_a_shipped_suite_is_found_by_name(only_suite: Path) -> None:
    assert list(list_shipped_suites()) == ["two"]
    assert find_suite("two").title == "Two methods"
    with pytest.raises(BenchbedError, match=r"'tow'.*'two'.*benchbed list suites"):
        find_suite("tow")


def test_shipped_suites_are_valid_for_every_preset() -> None:
    for name in list_shipped_suites():
        suite = find_suite(name)
        assert suite.name == name
        assert all(
            list(iter_run_configs(suite, preset)) for preset in ("quick", "standard", "paper")
        )


def test_methods_of_skrgan_table1_have_the_batches_of_their_own_papers() -> None:
    """Zhang et al. 2019, section 3, state a batch of 16 for their own method only."""
    batches = {
        config.method: resolve_method_settings(
            get_registry().get_spec(MethodSpec, config.method), "paper", config.settings
        ).batch_size
        for config in iter_run_configs(find_suite("skrgan-table1"), "paper")
    }
    assert batches == {"skrgan": 16, "dcgan": 128, "acgan": 100, "wgan": 64, "pggan": 16}


def test_suites_share_the_runs_that_their_comments_name() -> None:
    """skrgan-lambda with skrgan-table1 at 100, guibas-kl with the generators of guibas-f1."""

    def plan_ids(suite: str, dataset: str, **row: object) -> set[str]:
        configs = iter_run_configs(find_suite(suite), "quick", source="phantom")
        chosen = [c for c in configs if c.dataset == dataset and c.seed == 0]
        chosen = [c for c in chosen if all(getattr(c, k) == v for k, v in row.items())]
        plans = [plan_run(config) for config in chosen]
        pairs = [plan.pair_plan for plan in plans]
        upstream = [p.generator.id for p in pairs if p is not None and p.generator is not None]
        return {plan.id for plan in plans}.union(upstream)

    shared = plan_ids("skrgan-lambda", "fundus", settings={"l1_weight": 100})
    assert len(shared) == 1
    assert shared <= plan_ids("skrgan-table1", "fundus", method="skrgan")
    generators = plan_ids("guibas-kl", "drive", method="dual-gan")
    assert len(generators) == 1
    assert generators <= plan_ids("guibas-f1", "drive")


def test_a_missing_suite_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchbedError, match=r"none\.yaml"):
        read_suite(tmp_path / "none.yaml")
