"""Generate the command reference from the help texts: ``python -m benchbed.cli.reference``."""

from __future__ import annotations

import re

from typer.testing import CliRunner

from benchbed.cli.main import COMMANDS, app

COLUMN_COUNT = 80
"""Width of the help texts, independent of the terminal."""

PAGE_HEADER = """# Commands

Made by `make docs` from the help of the commands; do not edit.
"""


def render() -> str:
    """Return the help of every command as Markdown."""
    parts = [PAGE_HEADER, _render_page()]
    for name in COMMANDS:
        page = _render_page(name)
        commands = re.search(r"^Commands:\n((?:  .*\n?)+)", _render_help(name), re.MULTILINE)
        names = re.findall(r"^  (\w+)  ", commands.group(1), re.MULTILINE) if commands else []
        parts += [page, *(_render_page(name, word) for word in names)]
    return "\n".join(parts)


def _render_help(*words: str) -> str:
    answer = CliRunner().invoke(
        app, [*words, "--help"], prog_name="benchbed", env={"COLUMNS": str(COLUMN_COUNT)}
    )
    assert answer.exit_code == 0, answer.output
    return "\n".join(line.rstrip() for line in answer.output.strip().splitlines()) + "\n"


def _render_page(*words: str) -> str:
    return f"## {' '.join(['benchbed', *words])}\n\n```text\n{_render_help(*words)}```\n"


if __name__ == "__main__":
    print(render(), end="")
