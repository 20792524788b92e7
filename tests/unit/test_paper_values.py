"""Published values: their files, and the matching of runs to rows."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from benchbed.api.specs import DatasetSpec, MethodSpec, MetricSpec
from benchbed.config import paths
from benchbed.config.settings import parse_settings
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry, load_object
from benchbed.report.model.leaderboard import Leaderboard
from benchbed.report.model.paper_values import ReferencePaper, ReferenceTable, read_papers
from benchbed.report.render import csv as csv_module
from benchbed.report.render import markdown, terminal
from benchbed.report.write import build_leaderboards
from benchbed.results.record import Record, TrainingPairs

PAPERS = {paper.paper: paper for paper in read_papers(paths.find_benchmarks_folder() / "papers")}
TABLES = {(paper.paper, t.name): t for paper in PAPERS.values() for t in paper.tables}
"""Every published table. Building it reads every file."""

TABLE1, TABLE2 = "iqbal2018-mi-gan-table1", "iqbal2018-mi-gan-table2"


def test_all_published_tables_exist() -> None:
    assert set(TABLES) == {
        ("guibas2017-dual-gan", "f1"),
        ("guibas2017-dual-gan", "kl"),
        ("iqbal2018-mi-gan", "table1"),
        ("iqbal2018-mi-gan", "table2"),
        ("shin2018-pix2pix-3d", "table1"),
        ("zhang2019-skrgan", "table1"),
        ("zhang2019-skrgan", "table2"),
    }


@pytest.mark.parametrize("paper", PAPERS.values(), ids=PAPERS)
def test_every_note_is_used_and_every_file_is_named_after_its_paper(paper: ReferencePaper) -> None:
    keys = [key for table in paper.tables for key in table.notes]
    keys += [key for table in paper.tables for row in table.rows for key in row.notes]
    keys += [note.note for table in paper.tables for note in table.cells]
    keys += [note.note for table in paper.tables for row in table.rows for note in row.cells]
    assert set(keys) == paper.notes.keys()
    assert (paths.find_benchmarks_folder() / "papers" / f"{paper.paper}.yaml").is_file()


@pytest.mark.parametrize("table", TABLES.values(), ids=map("-".join, TABLES))
def test_names_in_a_table_exist(table: ReferenceTable) -> None:
    """Methods with their settings, metrics with their direction, and datasets."""
    metrics = get_registry().get_specs(MetricSpec)
    for metric in table.metrics.values():
        assert metrics[metric.metric].direction == metric.direction
    for row in table.rows:
        assert set(row.datasets) <= get_registry().get_specs(DatasetSpec).keys()
        assert row.values
    for line in table.methods.values():
        if line.method is not None:
            spec = get_registry().get_spec(MethodSpec, line.method)
            chosen = parse_settings(
                load_object(spec.settings), line.settings, owner=spec.name
            ).model_dump()
            assert line.settings.items() <= chosen.items()


def _printed(paper: str, table: str) -> dict[tuple[str, str, str], str]:
    found = TABLES[paper, table]
    return {
        (row.label, found.methods[key].label, found.metrics[name].title): value
        for row in found.rows
        for key, values in row.values.items()
        for name, value in values.items()
    }


@pytest.mark.parametrize(
    ("paper", "table", "count", "place", "value"),
    [
        ("guibas2017-dual-gan", "f1", 2, ("DRIVE", "U-Net trained on DRIVE", "F1"), "0.8988"),
        (
            "guibas2017-dual-gan", "kl", 2,
            ("DRIVE", "Two random subsets of the real data", "KL divergence"), "4.212e-4",
        ),
        ("iqbal2018-mi-gan", "table1", 20, ("STARE", "Patch GAN-2 (80x80)", "AUC PR"), "0.908"),
        ("iqbal2018-mi-gan", "table2", 32, ("STARE", "Human expert", "Dice"), "0.76"),
        ("zhang2019-skrgan", "table1", 60, ("Brain MRI", "PGGAN", "FID"), "33.76"),
        ("zhang2019-skrgan", "table2", 6, ("DRIVE", "U-Net, not pretrained", "SEN"), "0.7781"),
    ],
)  # fmt: skip
def test_printed_values_are_complete_and_positive(
    paper: str, table: str, count: int, place: tuple[str, str, str], value: str
) -> None:
    printed = _printed(paper, table)
    assert len(printed) == count
    assert printed[place] == value
    assert all(Decimal(text) > 0 for text in printed.values())


@pytest.mark.parametrize(
    ("place", "wrong", "facts"),
    [
        (("rows", 0, "values", "none", "auc_pr"), "0.8.8", ["auc_pr", "'0.8.8'"]),
        (("rows", 0, "values", "none", "auc_pr"), "nan", ["auc_pr", "'nan'"]),
        (("rows", 0, "values", "none", "auc"), "0.8", ["metric 'auc'", "auc_pr", "auc_roc"]),
        (("rows", 0, "values", "gan"), {}, ["method 'gan'", "patch-10", "pixel"]),
        (("rows", 0, "same_data"), ["hrf"], ["'hrf'", "drive"]),
        (("rows", 0, "notes"), ["typo"], ["note 'typo'", "no_mi_gan_row"]),
        (("cells",), [{"note": "typo"}], ["note 'typo'", "no_mi_gan_row"]),
        (("cells",), [{"note": "no_mi_gan_row", "methods": ["gan"]}], ["method 'gan'", "pixel"]),
        (("cells",), [{"note": "no_mi_gan_row", "metrics": ["auc"]}], ["metric 'auc'", "auc_pr"]),
        (("methods", "image", "pairs"), {"regime": "both"}, ["regime 'both'", "real, synthetic"]),
    ],
)
def test_an_inconsistent_file_is_refused(
    tmp_path: Path, place: tuple[Any, ...], wrong: object, facts: list[str]
) -> None:
    content = yaml.safe_load(
        (paths.find_benchmarks_folder() / "papers/iqbal2018-mi-gan.yaml").read_text()
    )
    *outer, last = place
    inside = content["tables"][0]
    for key in outer:
        inside = inside[key]
    inside[last] = wrong
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(BenchbedError) as caught:
        read_papers(tmp_path)
    facts = [str(tmp_path / "x.yaml"), *facts]
    assert all(fact in str(caught.value) for fact in facts), caught.value


def _record(
    method: str = "mi-gan-seg", discriminator: str = "image", seed: int = 0, **values: float
) -> Record:
    protocol = {
        "preset": "paper", "kimg": 16.0, "seconds": None, "size": 512, "samples": 0,
        "reference_split": "test",
    }  # fmt: skip
    metrics = [
        {"metric": name.replace("_", "-"), "value": value, "recipe": "r", "n_real": 20, "n_fake": 0}
        for name, value in (values or {"dice_best": 0.8, "auc_roc": 0.9712}).items()
    ]
    provenance = {
        "created": "2026-01-01T00:00:00+00:00", "command": "benchbed run", "commit": "abc",
        "dirty": False, "benchbed": "0.1.0", "plugins": {}, "libraries": {}, "python": "3.11",
        "system": "Linux", "processor": "x", "cores": 2, "threads": 2, "memory_bytes": 1,
        "device": "cpu",
    }  # fmt: skip
    settings = {"features": 16}
    if method == "mi-gan-seg":
        settings["discriminator"] = discriminator
    content = {
        "id": f"{method}-{discriminator}-s{seed}", "state": "finished", "method": method,
        "settings": settings, "dataset": "drive", "source": "real", "fingerprint": "f",
        "cases": {"train": 20, "test": 20}, "task": "segmentation", "protocol": protocol,
        "protocol_hash": "p", "seed": seed, "precision": "fp32",
        "training": {"kimg": 16, "steps": 9, "seconds": 9, "images_per_second": 9},
        "metrics": metrics, "provenance": provenance,
    }  # fmt: skip
    return Record.model_validate(content)


def _leaderboard(name: str, *records: Record) -> Leaderboard:
    found = build_leaderboards(list(records), paths.find_benchmarks_folder() / "papers")
    return next(leaderboard for leaderboard in found if leaderboard.name == name)


def test_a_run_is_shown_with_the_published_row_of_its_settings() -> None:
    """Rows of Table 1 differ in the discriminator; patch2 has a grid of 10 x 10."""
    kinds = ("none", "pixel", "patch1", "patch2", "image")
    (table,) = _leaderboard(TABLE1, *(_record(discriminator=kind) for kind in kinds)).tables
    cells = {row.label: row.cells["auc-roc"] for row in table.rows}
    assert {label: cell.paper_value for label, cell in cells.items()} == {
        "mi-gan-seg (discriminator=image)": "0.980",
        "mi-gan-seg (discriminator=none)": "0.970",
        "mi-gan-seg (discriminator=patch1)": "0.972",
        "mi-gan-seg (discriminator=patch2)": "0.970",
        "mi-gan-seg (discriminator=pixel)": "0.971",
    }
    assert str(cells["mi-gan-seg (discriminator=pixel)"].verdict) == "matches"
    assert str(cells["mi-gan-seg (discriminator=image)"].verdict) == "worse"


def test_a_run_with_other_settings_matches_no_published_row() -> None:
    """Table 2 has MI-GAN with one discriminator and no plain U-Net."""
    leaderboard = _leaderboard(TABLE2, _record(discriminator="none"), _record("unet"))
    assert not leaderboard.tables
    assert leaderboard.missing_rows[0].startswith("DRIVE: ")
    assert "drive" in leaderboard.missing_rows[0]
    (table,) = _leaderboard(TABLE2, _record(), _record(discriminator="none")).tables
    assert table.rows[0].label == "mi-gan-seg (discriminator=image)"
    assert table.rows[0].cells["dice-best"].paper_value == "0.832"
    assert all(row.is_published_only for row in table.rows[1:])


def test_published_methods_without_runs_are_shown_as_published() -> None:
    leaderboard = _leaderboard(TABLE2, _record(), _record("human-expert", dice_best=0.7912))
    (table,) = leaderboard.tables
    published = [row for row in table.rows if row.is_published_only]
    assert [row.label for row in published] == [
        f"{name} (as published)"
        for name in ("Kernel Boost", "N4-Fields", "DRIU", "Wavelets", "HED")
    ]
    assert [row.cells["dice-best"].paper_value for row in published] == [
        "0.800", "0.805", "0.822", "0.762", "0.796",
    ]  # fmt: skip
    assert not any(cell.values or cell.is_best for row in published for cell in row.cells.values())
    human = next(row for row in table.rows if row.method == "human-expert")
    assert str(human.cells["dice-best"].verdict) == "matches"
    page = markdown.render_markdown(leaderboard)
    assert (
        "| HED (as published) | – | – | 0.796<sup>a</sup> | – | – | 0.969 | – | – | 0.877 | – |"
        in page.splitlines()
    )
    lines = list(csv.DictReader(io.StringIO(csv_module.render_csv(leaderboard))))
    hed = {line["metric"]: line for line in lines if line["label"] == "HED (as published)"}
    assert {name: line["paper_value"] for name, line in hed.items()} == {
        "dice-best": "0.796", "auc-roc": "0.969", "auc-pr": "0.877",
    }  # fmt: skip
    own = ("mean", "runs", "verdict", "method", "size", "budget", "fingerprint")
    assert not any(line[name] for line in hed.values() for name in own)


def test_the_best_is_chosen_among_own_runs_only() -> None:
    """A single own row is not marked; of two the better one is."""
    (alone,) = _leaderboard(TABLE2, _record()).tables
    assert not any(row.cells["dice-best"].is_best for row in alone.rows)
    (both,) = _leaderboard(TABLE2, _record(), _record("human-expert", dice_best=0.7)).tables
    assert [row.label for row in both.rows if row.cells["dice-best"].is_best] == [
        "mi-gan-seg (discriminator=image)"
    ]


def test_published_rows_show_in_the_terminal() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(
        *terminal.render_terminal(_leaderboard(TABLE2, _record()).tables[0], console), sep="\n"
    )
    shown = console.export_text()
    assert "DRIU (as published)" in shown
    assert "paper 0.822" in shown


@pytest.mark.parametrize(
    ("pairs", "printed", "verdict"),
    [
        (TrainingPairs(regime="real"), "0.7781", "better"),
        (TrainingPairs(regime="finetuned", generator="skrgan", count=2000), "0.8464", "worse"),
        (
            TrainingPairs(regime="finetuned", generator="skrgan", count=100),
            "0.8464",
            "not comparable (100 pairs, paper 2000 pairs)",
        ),
    ],
)
def test_a_run_on_synthetic_pairs_is_shown_with_its_regime(
    pairs: TrainingPairs, printed: str, verdict: str
) -> None:
    record = _record("unet", sensitivity=0.8).model_copy(
        update={"task": "augmentation", "pairs": pairs}
    )
    leaderboard = _leaderboard("zhang2019-skrgan-table2", record)
    cell = leaderboard.tables[0].rows[0].cells["sensitivity"]
    assert (cell.paper_value, str(cell.verdict)) == (printed, verdict)


@pytest.mark.parametrize(
    "pairs",
    [
        TrainingPairs(regime="mixed", generator="skrgan", count=2000),
        TrainingPairs(regime="finetuned", generator="dual-gan", count=2000),
    ],
)
def test_another_regime_or_generator_matches_no_published_row(pairs: TrainingPairs) -> None:
    record = _record("unet", sensitivity=0.8).model_copy(
        update={"task": "augmentation", "pairs": pairs}
    )
    leaderboard = _leaderboard("zhang2019-skrgan-table2", record)
    assert not leaderboard.tables
