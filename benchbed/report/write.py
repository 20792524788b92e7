"""Build leaderboards from records and write their files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from benchbed.api.specs import MetricSpec, TaskSpec
from benchbed.registry.lookup import get_registry
from benchbed.report import FORMATS
from benchbed.report.model.build import build_frame, build_overview, build_paper_leaderboard
from benchbed.report.model.leaderboard import Leaderboard
from benchbed.report.model.paper_values import read_papers
from benchbed.report.render import budget_chart, csv, latex, markdown, rank_chart
from benchbed.results.record import Record
from benchbed.utils.files import write_text


def build_leaderboards(records: list[Record], papers: Path) -> list[Leaderboard]:
    """Return one leaderboard per task with records, and one per printed table."""
    table = build_frame(records)
    metrics = get_registry().get_specs(MetricSpec)
    by_task = [
        build_overview(table, task, _sort_metrics(metrics, task))
        for task in sorted(set(table["task"]))
    ]
    by_paper = [
        build_paper_leaderboard(table, paper, reference, _sort_metrics(metrics, reference.task))
        for paper in read_papers(papers)
        for reference in paper.tables
    ]
    return by_task + by_paper


def _sort_metrics(metrics: dict[str, MetricSpec], task: str) -> dict[str, MetricSpec]:
    """Return the metrics, those of the task first, in its order."""
    tasks = get_registry().get_specs(TaskSpec)
    first = [name for name in (tasks[task].metrics if task in tasks else ()) if name in metrics]
    return {name: metrics[name] for name in [*first, *(n for n in metrics if n not in first)]}


def write_leaderboards(
    leaderboards: list[Leaderboard], folder: Path, formats: Collection[str] = FORMATS
) -> list[Path]:
    """Write every leaderboard and return its files.

    Figures are slow to draw: one that is up to date is not redrawn, and one that several
    leaderboards share is drawn once.
    """
    files: list[Path] = []
    svg_by_key: dict[tuple[str, str], str] = {}
    for leaderboard in leaderboards:
        for name, content in _render_files(leaderboard, formats):
            files.append(folder / name)
            write_text(files[-1], content)
        if "md" in formats:
            files += _write_figures(leaderboard, folder, svg_by_key)
    return files


def _render_files(leaderboard: Leaderboard, formats: Collection[str]) -> Iterator[tuple[str, str]]:
    if "md" in formats:
        yield f"{leaderboard.name}.md", markdown.render_markdown(leaderboard)
    if "csv" in formats:
        yield f"{leaderboard.name}.csv", csv.render_csv(leaderboard)
        if leaderboard.comparisons:
            yield f"{leaderboard.name}-comparison.csv", csv.render_comparisons(leaderboard)
    if "tex" in formats:
        yield f"{leaderboard.name}.tex", latex.render_latex(leaderboard)


def _write_figures(
    leaderboard: Leaderboard, folder: Path, svg_by_key: dict[tuple[str, str], str]
) -> Iterator[Path]:
    """Write the figures; a file contains a key that identifies what is drawn."""
    figures: list[tuple[Any, Callable[[Any], str], Callable[[Any], str]]] = [
        (comparison, rank_chart.hash_comparison, rank_chart.draw_critical_differences)
        for comparison in leaderboard.comparisons
        if comparison.picture_file
    ]
    figures += [
        (budgets, budget_chart.hash_budgets, budget_chart.draw_budgets)
        for budgets in leaderboard.budgets
    ]
    for figure, make_key, draw in figures:
        path, key = folder / figure.picture_file, make_key(figure)
        if not path.is_file() or key not in path.read_text(encoding="utf-8"):
            cache_key = (key, figure.title)
            if cache_key not in svg_by_key:
                svg_by_key[cache_key] = draw(figure)
            write_text(path, svg_by_key[cache_key])
        yield path
