"""Reports are reproducible to the byte, and tables do not mix protocols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbed.config import paths
from benchbed.registry.lookup import get_registry
from benchbed.report.model.leaderboard import Leaderboard
from benchbed.report.render import csv, latex, markdown, rank_chart
from benchbed.report.write import build_leaderboards, write_leaderboards
from benchbed.results.record import Record
from benchbed.results.store import ResultStore

Make = Callable[..., Record]

ROOT = Path(__file__).parents[3]
FEW = settings(max_examples=4, deadline=None)


def _many(make: Make) -> list[Record]:
    """Return several methods, seeds and settings; one diverged, one phantom, one reordered."""
    records = [
        make(m, s, values={"swd": 0.1 + 0.07 * s, "kl": 0.3, "fid-random": 0.1 + len(m) / 3},
             dataset=d, source=source)
        for m, s, d, source in product(
            ("dcgan", "skrgan", "wgan"), (0, 1), ("chest-xray", "lung-ct"), ("real",)
        )
    ]  # fmt: skip
    records.append(make("dcgan", 4, state="diverged"))
    records.append(make("dcgan", 0, source="phantom"))
    other = {"latent_dim": 3, "batch_size": 16}
    records.append(make("wgan", 0, settings=other))
    reordered = make("wgan", 1, settings=dict(reversed(other.items())))
    return [*records, reordered]


def _written(records: Sequence[Record]) -> list[str]:
    found = build_leaderboards(list(records), paths.find_benchmarks_folder() / "papers")
    assert len(found) > 5
    found = [leaderboard for leaderboard in found if leaderboard.tables]
    writers = (markdown.render_markdown, csv.render_csv, csv.render_comparisons, latex.render_latex)
    return [writer(leaderboard) for leaderboard in found for writer in writers]


@FEW
@given(data=st.data())
def test_order_of_records_does_not_change_the_report(
    make: Make, first: list[str], data: st.DataObject
) -> None:
    again = data.draw(st.permutations(_many(make)))
    assert _written(again) == first


@pytest.fixture(scope="module")
def first(make: Make) -> list[str]:
    """The report of the records in their original order."""
    return _written(_many(make))


CHANGES: dict[str, list[Any]] = {
    "source": ["real", "phantom"], "size": [64, 128], "kimg": [16.0, 24.0], "samples": [50, 100],
    "fingerprint": ["f1", "f2"], "augment": ["none", "flip"], "framing": ["center", "pad"],
    "dataset": ["chest-xray", "lung-ct"],
}  # fmt: skip


@FEW
@given(data=st.data())
def test_no_table_has_two_protocols_and_no_comparison_two_sources(
    make: Make, data: st.DataObject
) -> None:
    drawn = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from(["dcgan", "wgan", "skrgan"]),
                st.fixed_dictionaries({k: st.sampled_from(v) for k, v in CHANGES.items()}),
                st.sampled_from(["fp32", "bf16"]),
            ),
            min_size=4, max_size=12,
        )
    )  # fmt: skip
    records = [make(m, precision=p, **change) for m, change, p in drawn]
    for place, record in enumerate(records):
        records[place] = record.model_copy(update={"id": f"r{place}"})
    by_id = {record.id: record for record in records}
    for leaderboard in build_leaderboards(records, paths.find_benchmarks_folder() / "papers"):
        for table in leaderboard.tables:
            runs = [by_id[run] for row in table.rows for run in row.runs]
            kinds = {(r.protocol_hash, r.precision, r.source, r.fingerprint) for r in runs}
            assert len(kinds) == 1
            assert f"({runs[0].source})" in table.title
        for comparison in leaderboard.comparisons:
            mine = [r for r in records if r.source == comparison.shared["source"]]
            assert set(comparison.datasets) <= {r.dataset for r in mine}
            assert comparison.title.startswith(str(comparison.shared["source"]))


def _cell_texts(leaderboard: Leaderboard) -> list[str]:
    from benchbed.report.render import tables

    return [
        tables.format_value(cell)
        for table in leaderboard.tables
        for row in table.rows
        for cell in row.cells.values()
        if cell.mean is not None
    ]


def test_every_format_has_every_number(make: Make) -> None:
    leaderboard = build_leaderboards(_many(make), paths.find_benchmarks_folder() / "papers")[0]
    shown = _cell_texts(leaderboard)
    assert len(shown) > 20
    page, tex = markdown.render_markdown(leaderboard), latex.render_latex(leaderboard)
    for number in shown:
        assert number in page
        assert latex.escape_latex(number) in tex


def test_a_picture_is_reproducible_and_has_no_date(make: Make) -> None:
    leaderboard = build_leaderboards(_many(make), paths.find_benchmarks_folder() / "papers")[0]
    comparison = next(c for c in leaderboard.comparisons if c.picture_file)
    drawn = rank_chart.draw_critical_differences(comparison)
    assert drawn == rank_chart.draw_critical_differences(comparison)
    assert "dc:date" not in drawn
    for part in comparison.metrics:
        assert f">{part.metric.title}" in drawn
        for rank in part.ranks:
            assert f"{rank.label} ({rank.mean:.2f})" in drawn


def test_an_unchanged_picture_is_not_drawn_again(make: Make, tmp_path: Path) -> None:
    """A picture of other content is."""
    found = build_leaderboards(_many(make), paths.find_benchmarks_folder() / "papers")[:1]
    first = next(c for c in found[0].comparisons if c.picture_file)
    path = tmp_path / first.picture_file
    path.write_text(f"older drawing of {rank_chart.hash_comparison(first)}")
    files = write_leaderboards(found, tmp_path)
    assert path in files
    assert path.read_text().startswith("older drawing")
    path.write_text("of something else")
    write_leaderboards(found, tmp_path)
    assert path.read_text() == rank_chart.draw_critical_differences(first)


@pytest.mark.parametrize("formats", [["md"], ["csv"], ["tex"], ["md", "tex"]])
def test_only_requested_formats_are_written(make: Make, tmp_path: Path, formats: list[str]) -> None:
    records = [make(m, dataset=d) for m in ("dcgan", "wgan") for d in ("chest-xray", "lung-ct")]
    files = write_leaderboards(
        build_leaderboards(records, paths.find_benchmarks_folder() / "papers"), tmp_path, formats
    )
    assert sorted(files) == sorted(tmp_path.iterdir())
    assert {path.suffix[1:] for path in files} == set(formats)


@pytest.mark.skipif(
    not (ROOT / "results/leaderboards").is_dir(), reason="needs the committed records"
)
def test_committed_leaderboards_are_up_to_date(tmp_path: Path) -> None:
    """`benchbed report` was run and committed after the last change of records or reports.

    A picture is compared by its key, as its bytes depend on the version of matplotlib.
    """
    committed = ROOT / "results/leaderboards"
    for file in committed.glob("*.svg"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    get_registry.cache_clear()
    found = build_leaderboards(
        ResultStore(ROOT / "results").load_records(), ROOT / "benchmarks/papers"
    )
    files = write_leaderboards(found, tmp_path)
    # HTML pages have separate tests.
    kinds = {path.suffix for path in files}
    expected = {path.name for path in committed.iterdir() if path.suffix in kinds}
    assert {path.name for path in files} == expected
    changed = [p.name for p in files if p.read_bytes() != (committed / p.name).read_bytes()]
    assert not changed, f"run `benchbed report` and commit {', '.join(changed)}"
