r"""LaTeX tables compile under \input and are complete."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbed.config import paths
from benchbed.report.render import latex
from benchbed.report.render import tables as tables_module
from benchbed.report.write import build_leaderboards
from benchbed.results.record import Record

Make = Callable[..., Record]

ROOT = Path(__file__).parents[3]

DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs}
\usepackage{graphicx}
\begin{document}
%s
\end{document}
"""


def _has_latex() -> bool:
    if shutil.which("pdflatex") is None or shutil.which("kpsewhich") is None:
        return False
    found = subprocess.run(
        ["kpsewhich", "booktabs.sty", "graphicx.sty"], capture_output=True, check=False
    )
    return len(found.stdout.split()) == 2


needs_latex = pytest.mark.skipif(
    not _has_latex(), reason="pdflatex with booktabs and graphicx is not installed"
)


def _compile(folder: Path, body: str) -> str:
    """Compile a document and return its log."""
    (folder / "document.tex").write_text(DOCUMENT % body, encoding="utf-8")
    result = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"],
        cwd=folder, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    log = result.stdout.decode("utf-8", "replace")
    assert result.returncode == 0, log[-3000:]
    assert (folder / "document.pdf").stat().st_size > 1000
    return log


@needs_latex
def test_a_table_compiles_with_any_label(make: Make, tmp_path: Path) -> None:
    """All ASCII characters, accents, other scripts, and a label wider than the page."""
    odd = "".join(map(chr, range(32, 127))) + " éüçñåØßčŁ − ½ 中文 \N{GRINNING FACE} –—…“”±≈\n\tx"
    values = {"swd": 0.1, "ms-ssim-realfake": 0.3, "fid-random": -3.25, "kl": 0.5}
    records = [
        make(m, 0, values=values, dataset=d, settings={"note": note})
        for d in ("chest-xray", "lung-ct")
        for m in ("acgan", "dcgan", "wgan")
        for note in (odd, "wide " * 60)
    ]
    found = build_leaderboards(records, paths.find_benchmarks_folder() / "papers")
    names = ("synthesis", "zhang2019-skrgan-table1")
    for leaderboard in found:
        tables = tuple(replace(t, title=t.title + odd, warnings=(odd,)) for t in leaderboard.tables)
        if leaderboard.name in names:
            text = latex.render_latex(replace(leaderboard, tables=tables))
            (tmp_path / f"{leaderboard.name}.tex").write_text(text, encoding="utf-8")
    log = _compile(tmp_path, "\n".join(rf"\input{{{name}}}" for name in names))
    assert "Missing character" not in log
    # A line of text may be too long for lack of a line break; a table may not.
    assert "Overfull \\hbox" not in "\n".join(
        line for line in log.splitlines() if "in alignment" in line
    )


@needs_latex
@pytest.mark.skipif(
    not (ROOT / "results/leaderboards").is_dir(), reason="needs the committed records"
)
def test_the_committed_leaderboards_compile(tmp_path: Path) -> None:
    files = sorted((ROOT / "results/leaderboards").glob("*.tex"))
    assert files
    for file in files:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    log = _compile(tmp_path, "\n".join(rf"\input{{{file.stem}}}" for file in files))
    wide = re.findall(r"Overfull \\hbox \((\d+)\.\d+pt too wide\)", log)
    assert not [points for points in wide if int(points) > 10]


def test_a_wide_table_is_split_and_keeps_all_columns(make: Make) -> None:
    values = {"swd": 0.123456, "ms-ssim-realfake": 0.3, "fid-random": 3.5, "kl": 0.5,
              "kid-random": 2.0, "ms-ssim-diversity": 0.2, "precision-random": 0.1,
              "recall-random": 0.7}  # fmt: skip
    leaderboard = build_leaderboards(
        [make(values=values), make("wgan", values=values)], Path("none")
    )[0]
    tex = latex.render_latex(leaderboard)
    parts = re.findall(r"\\toprule\n(.*?) \\\\\n\\midrule", tex)
    assert len(parts) > 1
    headings = [heading for part in parts for heading in part.split(" & ")]
    assert all(part.startswith("Method & Seeds & ") for part in parts)
    expected = [
        latex.escape_latex(c.heading)
        for b in tables_module.build_table_grid(leaderboard.tables[0]).column_blocks
        for c in b
    ]
    assert [h for h in headings if h not in {"Method", "Seeds"}] == expected
    widths = [len(re.sub(r"\\\w+(\{\\\w+\})?|[{}]", "", part)) for part in parts]
    assert max(widths) <= latex.MAX_LINE_LETTERS
    assert f"({len(parts)} of {len(parts)})" in tex


COMMANDS = re.compile(
    r"\\textbackslash\{\}|\\text(?:asciicircum|asciitilde|less|greater|bar)\{\}|\\ldots\{\}"
    r"|\\[{}$&#%_]|\\[`'^~\"=](?=\{)|\\[rvcu](?=\{)|\\[ij](?=\})"
    r"|\\ensuremath\{(?:-|\\[a-z]+)\}"
)


@given(st.text(max_size=30))
def test_escaped_text_has_no_special_characters(plain: str) -> None:
    """Except in commands for a single letter; braces are balanced."""
    rest = COMMANDS.sub("", latex.escape_latex(plain))
    assert not set(rest) & set("\\$&#%_^\n\r\t\0")
    assert rest.replace("~", "").isascii()
    depth = 0
    for letter in rest:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0


@pytest.mark.parametrize(
    ("plain", "shown"),
    [
        ("a_b & 50% of $x", r"a\_b \& 50\% of \$x"),
        ("--metric", "-{}-metric"),
        ("---", "-{}-{}-"),
        ("mi-gan, -1.5, 2012-12-05", r"mi-gan, \ensuremath{-}1.5, 2012-12-05"),
        ("0.1 ± 0.2 [0, 1] ≈", r"0.1 \ensuremath{\pm} 0.2 {[}0, 1{]} \ensuremath{\approx}"),
        ("Fréchet", r"Fr\'{e}chet"),
        ("x\ny", "x y"),
        ("中", "{[}U+4E2D{]}"),
    ],
)
def test_escaping(plain: str, shown: str) -> None:
    assert latex.escape_latex(plain) == shown
