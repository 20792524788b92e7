"""Reports are pure functions of records, with published values and verdicts."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from benchbed.api.specs import MetricSpec
from benchbed.config import paths
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry
from benchbed.report.model.build import build_frame, build_overview, build_paper_leaderboard
from benchbed.report.model.paper_values import ReferencePaper, compare_with_paper, read_papers
from benchbed.report.model.rows import format_conditions
from benchbed.report.render import csv as csv_module
from benchbed.report.render import markdown, terminal
from benchbed.results.record import SCHEMA_VERSION, Record, read_record, write_record

Make = Callable[..., Record]


@pytest.fixture
def metrics() -> dict[str, MetricSpec]:
    return get_registry().get_specs(MetricSpec)


@pytest.fixture
def paper() -> ReferencePaper:
    papers = {
        paper.paper: paper for paper in read_papers(paths.find_benchmarks_folder() / "papers")
    }
    return papers["zhang2019-skrgan"]


def test_rows_of_different_protocols_never_share_a_table(
    make_record: Make, metrics: dict[str, MetricSpec]
) -> None:
    records = [
        make_record("dcgan"),
        make_record("skrgan"),
        make_record("skrgan", source="phantom"),
        make_record("skrgan", fingerprint="f2"),
        make_record("skrgan", size=128),
        make_record("skrgan", precision="bf16"),
    ]
    leaderboard = build_overview(build_frame(records), "synthesis", metrics)
    assert sorted(len(table.rows) for table in leaderboard.tables) == [1, 1, 1, 1, 2]


def test_means_and_deviations_over_seeds_and_missing_seeds(
    make_record: Make, metrics: dict[str, MetricSpec]
) -> None:
    records = [make_record(seed=s, values={"swd": v}) for s, v in enumerate([0.1, 0.2, 0.3])]
    records.append(make_record("skrgan", values={"swd": 0.05}))
    (table,) = build_overview(build_frame(records), "synthesis", metrics).tables
    dcgan, skrgan = table.rows
    assert dcgan.cells["swd"].mean == pytest.approx(0.2)
    assert dcgan.cells["swd"].sd == pytest.approx(0.1)
    page = markdown.render_markdown(build_overview(build_frame(records), "synthesis", metrics))
    assert "0.2 ± 0.1" in page
    assert "| skrgan | 1/3 |" in page
    assert dcgan.cells["swd"].is_best, "a row with fewer seeds is not the best"
    assert not skrgan.cells["swd"].is_best
    assert skrgan.cells["swd"].is_better_incomplete, "and the table says that it is better"
    assert not dcgan.cells["swd"].is_better_incomplete


def test_a_metric_missing_in_some_seeds_is_not_the_best(
    make_record: Make, metrics: dict[str, MetricSpec]
) -> None:
    records = [make_record(seed=seed, values={"swd": 0.3}) for seed in range(3)]
    records += [make_record("skrgan", seed=seed, values={"kl": 1.0}) for seed in (1, 2)]
    records.append(make_record("skrgan", values={"swd": 0.05, "kl": 1.0}))
    leaderboard = build_overview(build_frame(records), "synthesis", metrics)
    dcgan, skrgan = leaderboard.tables[0].rows
    assert dcgan.cells["swd"].is_best
    assert not skrgan.cells["swd"].is_best
    assert skrgan.cells["swd"].is_better_incomplete
    assert "| 0.05 (better, fewer seeds) (1/3 seeds) |" in markdown.render_markdown(leaderboard)
    assert "3 seeds" in leaderboard.tables[0].warnings[0]
    assert "with all seeds" in leaderboard.tables[0].warnings[0]


def test_a_table_warns_of_mixed_recipes_and_repeated_seeds(
    make_record: Make, metrics: dict[str, MetricSpec]
) -> None:
    """Two recipes of one metric; two runs of one seed that the table cannot distinguish."""
    same, other = make_record(seed=1), make_record(seed=1, id="dcgan-chest-xray-64px-s1-00000000")
    recipe = make_record("skrgan")
    changed = recipe.metrics[0].model_copy(update={"recipe": "another one"})
    recipe = recipe.model_copy(update={"metrics": [changed, *recipe.metrics[1:]]})
    (table,) = build_overview(build_frame([same, other, recipe]), "synthesis", metrics).tables
    assert all(fact in table.warnings[0] for fact in ("swd", "2 different recipes"))
    facts = ("Seed 1 of dcgan", "2 runs", same.id, other.id)
    assert all(fact in table.warnings[1] for fact in facts)


def test_a_diverged_seed_is_shown_and_not_averaged(
    make_record: Make, metrics: dict[str, MetricSpec]
) -> None:
    records = [make_record(seed=0), make_record(seed=1, state="diverged")]
    page = markdown.render_markdown(build_overview(build_frame(records), "synthesis", metrics))
    assert "| dcgan | 1/2, 1 diverged | 0.3 | 0.1 |" in page


def test_labels_contain_settings_that_differ(
    make_record: Make, metrics: dict[str, MetricSpec]
) -> None:
    other = make_record(settings={"batch_size": 8})
    (table,) = build_overview(build_frame([make_record(), other]), "synthesis", metrics).tables
    assert [row.label for row in table.rows] == ["dcgan (batch_size=16)", "dcgan (batch_size=8)"]


@pytest.mark.parametrize(
    ("ours", "printed", "direction", "word"),
    [
        (0.0259, "0.025", "down", "matches"),
        (0.0241, "0.025", "down", "matches"),
        (0.0261, "0.025", "down", "worse"),
        (0.0239, "0.025", "down", "better"),
        (0.7, "0.614", "up", "better"),
        (285.9, "285.0", "down", "worse"),
        (285.05, "285.0", "down", "matches"),
    ],
)
def test_verdicts_use_the_printed_precision(
    ours: float, printed: str, direction: str, word: str
) -> None:
    assert compare_with_paper(ours, printed, direction, ()).word == word


def test_a_verdict_gives_reasons_if_not_comparable(
    make_record: Make, metrics: dict[str, MetricSpec], paper: ReferencePaper
) -> None:
    reference = paper.tables[0]
    size = "64 px, paper 512 px"
    cases = [
        (make_record("dcgan", size=512, preset="paper"), "better", []),
        (make_record("dcgan", size=512), "not comparable", ["preset quick"]),
        (make_record("dcgan"), "not comparable", ["preset quick", size]),
        (
            make_record("dcgan", source="phantom", samples=50),
            "not comparable",
            ["phantom", "preset quick", size, "50 samples, paper 100 samples"],
        ),
        (make_record("dcgan", dataset="drive"), "not comparable", ["data", "preset quick", size]),
    ]
    for record, word, facts in cases:
        (table,) = build_paper_leaderboard(build_frame([record]), paper, reference, metrics).tables
        found = table.rows[0].cells["swd"].verdict
        assert found is not None
        assert found.word == word
        for reason, fact in zip(found.reasons, facts, strict=True):
            assert fact in reason


def test_a_random_feature_distance_is_never_compared_with_a_published_fid(
    make_record: Make, metrics: dict[str, MetricSpec], paper: ReferencePaper
) -> None:
    record = make_record("dcgan", values={"fid-random": 3.0, "swd": 0.1})
    leaderboard = build_paper_leaderboard(build_frame([record]), paper, paper.tables[0], metrics)
    cells = leaderboard.tables[0].rows[0].cells
    assert cells["swd"].paper_value == "0.118"
    assert cells["fid-random"].paper_value is None
    assert cells["fid"].mean is None
    assert cells["fid"].paper_value == "260.3"
    page = markdown.render_markdown(leaderboard)
    header = next(line for line in page.splitlines() if line.startswith("| Method"))
    assert "FID-random ↓ | paper" not in header
    assert "FID ↓ | paper" in header


def test_the_terminal_never_cuts_a_number(
    make_record: Make, metrics: dict[str, MetricSpec], paper: ReferencePaper
) -> None:
    values = {"swd": 0.0962241, "ms-ssim-realfake": 0.684765, "kl": 0.545512, "fid-random": 9.27812}
    leaderboard = build_paper_leaderboard(
        build_frame([make_record("dcgan", values=values)]), paper, paper.tables[0], metrics
    )
    for width in (40, 80, 200):
        console = Console(width=width, record=True, file=io.StringIO())
        console.print(*terminal.render_terminal(leaderboard.tables[0], console), sep="\n")
        shown = console.export_text()
        assert "…" not in shown
        for number in ("0.09622", "0.6848", "0.5455", "9.278", "paper 0.118*", "paper 260.3"):
            assert number in shown, f"{number} at {width} columns"


def test_published_table_is_complete(paper: ReferencePaper) -> None:
    """Table 1 has four modalities, five methods, three metrics."""
    table = paper.tables[0]
    values = [row.values[m][k] for row in table.rows for m in table.methods for k in table.metrics]
    assert len(values) == 60
    by_label = {row.label: row.values for row in table.rows}
    assert by_label["Color Fundus"]["skrgan"] == {
        "swd": "0.025",
        "ms_ssim": "0.614",
        "fid": "27.59",
    }
    assert by_label["Brain MRI"]["pggan"]["fid"] == "33.76"


def test_csv_has_a_line_for_every_number(make_record: Make, metrics: dict[str, MetricSpec]) -> None:
    mine = make_record("dcgan")
    leaderboard = build_overview(build_frame([mine, make_record("skrgan")]), "synthesis", metrics)
    lines = list(csv.DictReader(io.StringIO(csv_module.render_csv(leaderboard))))
    assert len(lines) == 4
    swd = next(line for line in lines if (line["method"], line["metric"]) == ("dcgan", "swd"))
    assert (swd["mean"], swd["floor"], swd["runs"]) == ("0.1", "0.01", mine.id)


def test_every_number_has_its_run_id_and_fingerprint(
    make_record: Make, metrics: dict[str, MetricSpec]
) -> None:
    mine = make_record()
    page = markdown.render_markdown(build_overview(build_frame([mine]), "synthesis", metrics))
    assert f"`{mine.id}`" in page
    assert "fingerprint f1" in page


def test_records_round_trip_and_invalid_ones_are_refused(make_record: Make, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_record(path, make_record())
    assert read_record(path) == make_record()
    content = json.loads(path.read_text())
    for change, facts in [
        ({"schema_version": SCHEMA_VERSION + 1}, ["schema 2", "1"]),
        ({"schema_version": None}, ["schema_version"]),
        ({"seed": "x"}, ["'seed'"]),
        ({"state": "odd"}, ["'state'"]),
        ({"task": "../../x"}, ["'task'"]),
        ({"id": "/x"}, ["'id'"]),
        ({"protocol": {**content["protocol"], "size": 8}}, ["'protocol_hash'"]),
    ]:
        path.write_text(json.dumps({**content, **change}))
        with pytest.raises(BenchbedError) as caught:
            read_record(path)
        assert all(fact in str(caught.value) for fact in (str(path), *facts)), caught.value
    path.write_text("{")
    with pytest.raises(BenchbedError, match=re.escape(str(path))):
        read_record(path)


def test_an_unknown_field_of_a_record_is_ignored(make_record: Make, tmp_path: Path) -> None:
    content = {**make_record().model_dump(mode="json"), "added_later": 1}
    (tmp_path / "r.json").write_text(json.dumps(content))
    assert read_record(tmp_path / "r.json").method == "dcgan"


def test_a_reference_file_with_an_unknown_field_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("paper: x\ncitation: y\ntables: []\nnoets: {}\n")
    with pytest.raises(BenchbedError, match=r"x\.yaml.*'noets'"):
        read_papers(tmp_path)


def test_one_seed_has_an_interval_over_cases_and_two_have_none(
    make_record: Make,
    metrics: dict[str, MetricSpec],
) -> None:
    """Older records without intervals, or with one over too few cases, show none."""
    values = [
        {"metric": "swd", "value": 0.1, "recipe": "r", "n_real": 20, "n_fake": 20},
        {"metric": "ms-ssim-realfake", "value": 0.3, "recipe": "r", "n_real": 20, "n_fake": 20,
         "low": 0.25, "high": 0.35},
        {"metric": "ms-ssim-diversity", "value": 0.4, "recipe": "r", "n_real": 9, "n_fake": 9,
         "low": 0.35, "high": 0.45},
    ]  # fmt: skip
    one = build_overview(build_frame([make_record(metrics=values)]), "synthesis", metrics)
    page = markdown.render_markdown(one)
    assert "| 0.3 [0.25, 0.35] over cases |" in page
    assert "| 0.1 |" in page
    assert "| 0.4 |" in page
    lines = {row["metric"]: row for row in csv.DictReader(io.StringIO(csv_module.render_csv(one)))}
    assert (lines["ms-ssim-realfake"]["low"], lines["ms-ssim-realfake"]["high"]) == ("0.25", "0.35")
    assert lines["swd"]["low"] == lines["ms-ssim-diversity"]["low"] == ""
    two = [make_record(metrics=values), make_record(metrics=values, seed=1)]
    assert "| 0.3 (0.3, 0.3) |" in markdown.render_markdown(
        build_overview(build_frame(two), "synthesis", metrics)
    )


@pytest.mark.parametrize(("samples", "facts"), [(100, ("100 samples", "train")), (0, ("train",))])
def test_a_title_contains_the_number_of_samples_if_any(
    samples: int, facts: tuple[str, ...]
) -> None:
    shared = {
        "size": 64, "budget": "3 kimg", "samples": samples, "reference_split": "train",
        "precision": "fp32", "version": "", "augment": "",
    }  # fmt: skip
    size, budget, evaluated, precision = format_conditions(shared).split(", ")
    assert (size, budget, precision) == ("64 px", "3 kimg", "fp32")
    assert all(fact in evaluated for fact in facts)
    assert ("samples" in evaluated) == (samples > 0)
