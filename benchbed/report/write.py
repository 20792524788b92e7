"""From a store of records to files of leaderboards."""

from __future__ import annotations

from pathlib import Path

from benchbed.api.specs import MetricSpec, TaskSpec
from benchbed.files import write_text
from benchbed.registry import registry
from benchbed.report import csvfile, markdown
from benchbed.report.boards import overview, paper_board
from benchbed.report.frame import frame
from benchbed.report.leaderboard import Leaderboard
from benchbed.report.references import read_papers
from benchbed.runs.record import Record


def leaderboards(records: list[Record], papers: Path) -> list[Leaderboard]:
    """One leaderboard for each task that has a record, and one for each printed table.

    Args:
        records: What was measured.
        papers: Folder of the papers' values.
    """
    table = frame(records)
    metrics = registry().specs(MetricSpec)
    by_task = [
        overview(table, task, _ordered(metrics, task)) for task in sorted(set(table["task"]))
    ]
    by_paper = [
        paper_board(table, paper, reference, _ordered(metrics, reference.task))
        for paper in read_papers(papers)
        for reference in paper.tables
    ]
    return by_task + by_paper


def _ordered(metrics: dict[str, MetricSpec], task: str) -> dict[str, MetricSpec]:
    """The metrics, those of the task first and in its order."""
    tasks = registry().specs(TaskSpec)
    first = [name for name in (tasks[task].metrics if task in tasks else ()) if name in metrics]
    return {name: metrics[name] for name in [*first, *(n for n in metrics if n not in first)]}


def write(boards: list[Leaderboard], folder: Path) -> list[Path]:
    """Write every leaderboard as Markdown and CSV.

    Args:
        boards: What to write.
        folder: Where to.

    Returns:
        The files written.
    """
    files: list[Path] = []
    for board in boards:
        for suffix, text in (("md", markdown.render(board)), ("csv", csvfile.render(board))):
            files.append(folder / f"{board.name}.{suffix}")
            write_text(files[-1], text)
    return files
