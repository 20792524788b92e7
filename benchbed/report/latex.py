r"""A leaderboard as LaTeX tables (booktabs), to be read by ``\input``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from benchbed.report import grids, text
from benchbed.report.comparison import Comparison
from benchbed.report.grids import Column, Grid, Shown
from benchbed.report.leaderboard import Footnote, Leaderboard, Table

LETTERS = 96
"""Letters in a line of a table; a wider one is split by columns."""

_HEAD = """\
% Made by `benchbed report` from the records; do not edit.
% Preamble: \\usepackage{booktabs} \\usepackage{graphicx}
"""

_LIGATURES = ("--", "''", "``", "?`", "!`", ",,")
_BREAK, _SIGN = "\ue000", "\ue001"
"""Letters of private use: what keeps two letters from joining, and a minus sign."""

_MINUS = re.compile(r"(?<![\w.)-])-(?=\d)")

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "{''}",
    # A bracket or a star at the start of a row would be read as an option of the last one.
    "[": r"{[}", "]": r"{]}", "*": r"{*}",
    "±": r"\ensuremath{\pm}", "≈": r"\ensuremath{\approx}", "×": r"\ensuremath{\times}",
    "↑": r"\ensuremath{\uparrow}", "↓": r"\ensuremath{\downarrow}", "≤": r"\ensuremath{\leq}",
    "≥": r"\ensuremath{\geq}", "µ": r"\ensuremath{\mu}", "–": "--", "—": "---", "…": r"\ldots{}",
    _BREAK: "{}", _SIGN: r"\ensuremath{-}",
    "“": "``", "”": "''", "‘": "`", "’": "'", "\u00a0": "~",
}  # fmt: skip


@lru_cache(maxsize=2**14)
def escape(plain: str) -> str:
    """A plain text as LaTeX that shows it, with pdflatex and any font encoding.

    What is neither ASCII nor a Latin letter is shown as its number in Unicode. Line breaks and
    other control characters become spaces.
    """
    shown = unicodedata.normalize("NFC", plain)
    for pair in _LIGATURES:
        # Twice, for three and more of a kind.
        shown = shown.replace(pair, f"{pair[0]}{_BREAK}{pair[1]}").replace(
            pair, f"{pair[0]}{_BREAK}{pair[1]}"
        )
    return "".join(map(_escaped, _MINUS.sub(_SIGN, shown)))


def _escaped(letter: str) -> str:
    if letter in _SPECIAL:
        return _SPECIAL[letter]
    if unicodedata.category(letter).startswith(("C", "Z")):
        return " "
    if letter.isascii():
        return letter
    parts = unicodedata.normalize("NFD", letter)
    if len(parts) == 2 and parts[0].isascii() and parts[1] in _ACCENTS:
        # i and j lose their dot below an accent.
        base = {"i": r"\i", "j": r"\j"}.get(parts[0], parts[0])
        return f"\\{_ACCENTS[parts[1]]}{{{base}}}"
    return f"{{[}}U+{ord(letter):04X}{{]}}"


_ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"',
            "\u030a": "r", "\u030c": "v", "\u0327": "c", "\u0304": "=", "\u0306": "u"}  # fmt: skip


def render(board: Leaderboard) -> str:
    """The whole file; the same records give the same bytes.

    Each table is a float with its footnotes; what its columns mean stands behind it as text. A
    table that is too wide becomes several, split by columns, and none is wider than the line.
    """
    parts = [_HEAD + f"% {_comment(board.title)}"]
    for number, table in enumerate(board.tables, 1):
        parts += _table(table, f"{board.name}-{number}")
    for number, comparison in enumerate(board.comparisons, 1):
        parts += _comparison(comparison, f"{board.name}-comparison-{number}")
    if board.tables and not board.comparisons:
        parts.append(_texts("Comparison", [grids.NO_COMPARISON]))
    if board.absent:
        parts.append(_texts("Not run yet", board.absent))
    if board.notes:
        parts.append(_texts("Notes", board.notes))
    return "\n\n".join(parts) + "\n"


def _comment(plain: str) -> str:
    return " ".join(plain.split())


def _table(table: Table, name: str) -> Iterator[str]:
    runs = " ".join(run for row in table.rows for run in row.runs)
    yield f"% Records: {_comment(runs)}"
    notes = grids.footnotes(table)
    yield from _floats(grids.table(table), text.title(table), name, table.warnings, notes)
    yield _texts(text.title(table), grids.under_table(table))


def _comparison(comparison: Comparison, name: str) -> Iterator[str]:
    title = f"Comparison: {comparison.title}"
    told = grids.warnings(comparison)
    yield from _floats(grids.ranks(comparison), f"{title}: mean ranks", f"{name}-ranks", told)
    if comparison.paired:
        yield from _floats(grids.pairs(comparison), f"{title}: pairs", f"{name}-pairs", ())
    yield _texts(title, grids.under_comparison(comparison))


def _texts(title: str, lines: Sequence[str]) -> str:
    told = "\n".join(rf"\par {escape(line)}" for line in lines)
    return rf"{{\footnotesize\parindent0pt\textbf{{{escape(title)}.}}" + f"\n{told}\n\\par}}"


def _floats(
    grid: Grid,
    title: str,
    name: str,
    warnings: Sequence[str],
    notes: Sequence[Footnote] = (),
) -> Iterator[str]:
    parts = list(_split(grid))
    for number, blocks in enumerate(parts, 1):
        of = f" ({number} of {len(parts)})" if len(parts) > 1 else ""
        under = [
            f"{_mark(n.mark)} {escape(n.text)}"
            for n in notes
            if n.mark in _marks([grid.lead, *blocks])
        ]
        if number == len(parts):
            under += map(escape, warnings)
        lines = [
            r"\begin{table}[htbp]",
            r"\centering\footnotesize",
            rf"\caption{{{escape(title + of)}}}\label{{tab:{name}-{number}}}",
            r"\par\smallskip",
            # Never wider than the line, and never blown up.
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            *_tabular(grid, blocks),
            "}",
        ]
        if under:
            told = [rf"\par\smallskip {note}" for note in under]
            lines += [r"\begin{minipage}{\linewidth}\scriptsize", *told, r"\end{minipage}"]
        yield "\n".join([*lines, r"\end{table}"])


def _marks(blocks: Sequence[Sequence[Column]]) -> set[str]:
    """The footnotes that these columns point to."""
    return {m for block in blocks for column in block for cell in column.cells for m in cell.marks}


def _split(grid: Grid) -> Iterator[list[tuple[Column, ...]]]:
    """Blocks of columns that fit a line each, behind the lead."""
    room = LETTERS - sum(map(_width, grid.lead))
    line: list[tuple[Column, ...]] = []
    used = 0
    for block in grid.blocks:
        width = sum(map(_width, block))
        if line and used + width > room:
            yield line
            line, used = [], 0
        line.append(block)
        used += width
    yield line


def _width(column: Column) -> int:
    """In letters, with what is between columns."""
    return 2 + max(len(column.heading), *(len(cell.text) + 1 for cell in column.cells))


def _tabular(grid: Grid, blocks: Sequence[Sequence[Column]]) -> Iterator[str]:
    columns = [*grid.lead, *(column for block in blocks for column in block)]
    yield rf"\begin{{tabular}}{{@{{}}{''.join('r' if c.right else 'l' for c in columns)}@{{}}}}"
    yield r"\toprule"
    yield _line([escape(column.heading) for column in columns])
    yield r"\midrule"
    rows = [_line(list(map(_cell, row))) for row in zip(*(c.cells for c in columns), strict=True)]
    yield from rows[: len(rows) - grid.tail]
    if grid.tail:
        yield r"\midrule"
        yield from rows[len(rows) - grid.tail :]
    yield r"\bottomrule"
    yield r"\end{tabular}%"


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(shown: Shown) -> str:
    plain = escape(shown.text)
    if shown.bold:
        # Math does not become bold with the text around it.
        plain = rf"\textbf{{\boldmath {plain}}}"
    elif shown.slanted:
        plain = rf"\emph{{{plain}}}"
    return plain + (_mark(",".join(shown.marks)) if shown.marks else "")


def _mark(marks: str) -> str:
    return rf"\textsuperscript{{{marks}}}"
