"""Known errors of papers are footnotes of the affected values; verdicts are one of four words."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from benchbed.config import paths
from benchbed.report.model.leaderboard import Leaderboard
from benchbed.report.model.paper_values import VerdictWord, compare_with_paper
from benchbed.report.render import csv as csv_module
from benchbed.report.render import latex, markdown, terminal
from benchbed.report.write import build_leaderboards
from benchbed.results.record import Record

Make = Callable[..., Record]

COPIED = "at least one pair is a copying error"


@pytest.fixture(scope="module")
def leaderboard(make: Make) -> Leaderboard:
    """SkrGAN's Table 1 with three methods on lung CT and on chest X-ray, at the paper's size."""
    values = {"swd": 0.1, "ms-ssim-realfake": 0.3, "fid": 90.0}
    records = [
        make(m, values=values, dataset=d, size=512, preset="paper")
        for m in ("acgan", "dcgan", "skrgan")
        for d in ("lung-ct", "chest-xray")
    ]
    found = build_leaderboards(records, paths.find_benchmarks_folder() / "papers")
    return next(b for b in found if b.name == "zhang2019-skrgan-table1")


def test_a_footnote_marks_only_the_affected_values(leaderboard: Leaderboard) -> None:
    """The paper prints DCGAN 285.0 and ACGAN 222.5 for both lung CT and brain MRI."""
    marked = set()
    for table in leaderboard.tables:
        marks = {note.mark for note in table.footnotes if COPIED in note.text}
        for row in table.rows:
            for name, cell in row.cells.items():
                if marks & set(cell.marks):
                    marked.add((table.protocol["dataset"], row.method, name, cell.paper_value))
    assert marked == {
        ("lung-ct", "dcgan", "fid", "285.0"), ("lung-ct", "acgan", "fid", "222.5"),
    }  # fmt: skip


def test_marks_and_footnotes_match_one_to_one(leaderboard: Leaderboard) -> None:
    for table in leaderboard.tables:
        used = [m for row in table.rows for cell in row.cells.values() for m in cell.marks]
        assert list(dict.fromkeys(used)) == [note.mark for note in table.footnotes]
        assert all(
            cell.paper_value for row in table.rows for cell in row.cells.values() if cell.marks
        )


def test_footnotes_are_in_every_format(leaderboard: Leaderboard) -> None:
    page, tex = markdown.render_markdown(leaderboard), latex.render_latex(leaderboard)
    lung = next(t for t in leaderboard.tables if t.protocol["dataset"] == "lung-ct")
    row = next(r for r in lung.rows if r.method == "dcgan")
    marks = ",".join(row.cells["fid"].marks)
    assert f"| 285.0<sup>{marks}</sup> | better |" in page
    assert rf"285.0\textsuperscript{{{marks}}} & better" in tex
    for note in lung.footnotes:
        assert f"- <sup>{note.mark}</sup> {note.text}" in page
        assert rf"\textsuperscript{{{note.mark}}} {latex.escape_latex(note.text)}" in tex
    lines = csv.DictReader(io.StringIO(csv_module.render_csv(leaderboard)))
    marked = {(line["dataset"], line["method"]) for line in lines if COPIED in line["footnotes"]}
    assert marked == {("lung-ct", "dcgan"), ("lung-ct", "acgan")}


@pytest.fixture(scope="module")
def imported(make: Make) -> Leaderboard:
    """SkrGAN's Table 1 with one imported record of one method."""
    origin = {"archive": "from_them.zip", "sha256": "0123456789abcdef" * 4, "at": "2026-02-01"}
    values = {"swd": 0.1, "ms-ssim-realfake": 0.3, "fid": 90.0}
    records = [
        make(m, seed, values=values, dataset="lung-ct", size=512, preset="paper",
             imported=origin if (m, seed) == ("dcgan", 1) else None)
        for m in ("acgan", "dcgan")
        for seed in (0, 1)
    ]  # fmt: skip
    found = build_leaderboards(records, paths.find_benchmarks_folder() / "papers")
    return next(b for b in found if b.name == "zhang2019-skrgan-table1")


def test_every_format_marks_a_row_with_an_imported_record(imported: Leaderboard) -> None:
    (table,) = imported.tables
    acgan, dcgan = (row for row in table.rows if not row.is_published_only)
    assert acgan.marks == ()
    (mark,) = dcgan.marks
    (note,) = (note.text for note in table.footnotes if note.mark == mark)
    assert note == dcgan.import_note
    assert all(fact in note for fact in ("seed 1", "from_them.zip", "SHA-256 0123456789ab"))
    assert "seed 0" not in note
    page, tex = markdown.render_markdown(imported), latex.render_latex(imported)
    assert f"| dcgan<sup>{mark}</sup> | 2/2 |" in page
    assert f"- <sup>{mark}</sup> {note}" in page
    # Every part of the table that contains the row also contains its footnote.
    assert tex.count(rf"dcgan\textsuperscript{{{mark}}} & 2/2") > 1
    assert tex.count(rf"\textsuperscript{{{mark}}} {latex.escape_latex(note)}") == tex.count(
        rf"dcgan\textsuperscript{{{mark}}} & 2/2"
    )
    lines = list(csv.DictReader(io.StringIO(csv_module.render_csv(imported))))
    assert {line["method"] for line in lines if line["imported"] == note} == {"dcgan"}
    assert {line["imported"] for line in lines if line["method"] != "dcgan"} == {""}
    console = Console(width=300, record=True, file=io.StringIO())
    console.print(*terminal.render_terminal(table, console), sep="\n")
    assert f"dcgan: {note}" in console.export_text()


def test_marks_of_rows_and_cells_are_distinct(imported: Leaderboard) -> None:
    (table,) = imported.tables
    cells = {m for row in table.rows for cell in row.cells.values() for m in cell.marks}
    rows = {m for row in table.rows for m in row.marks}
    assert cells
    assert not cells & rows
    assert cells | rows == {note.mark for note in table.footnotes}


@given(
    ours=st.floats(-1e3, 1e3),
    printed=st.decimals(-1000, 1000, places=3),
    direction=st.sampled_from(["up", "down", "none"]),
    reasons=st.lists(st.just("phantom"), max_size=1),
)
def test_a_verdict_is_one_of_four_words_with_reasons_only_if_not_comparable(
    ours: float, printed: Decimal, direction: str, reasons: list[str]
) -> None:
    found = compare_with_paper(ours, str(printed), direction, reasons)
    assert found.word in get_args(VerdictWord)
    assert set(get_args(VerdictWord)) == {"matches", "better", "worse", "not comparable"}
    assert bool(found.reasons) == (found.word == "not comparable")
    assert (found.word == "not comparable") == (bool(reasons) or direction == "none")
    if found.word in {"better", "worse"}:
        larger = Decimal(repr(ours)) > printed
        assert (found.word == "better") == (larger == (direction == "up"))
