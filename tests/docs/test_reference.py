"""What the documents say of commands and names is what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchbed.api.specs import DatasetSpec, MethodSpec, MetricSpec
from benchbed.cli import reference
from benchbed.cli.main import COMMANDS
from benchbed.registry.lookup import get_registry
from benchbed.suites.plan import iter_run_configs
from benchbed.suites.spec import find_suite

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_reference_of_commands_is_what_their_help_says() -> None:
    written = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    assert written == reference.render(), "stale: run `make docs`"
    assert all(f"## benchbed {command}\n" in written for command in COMMANDS)


@pytest.mark.parametrize("kind", [MethodSpec, DatasetSpec, MetricSpec])
def test_the_readme_names_all_that_comes_with_benchbed(
    kind: type[MethodSpec | DatasetSpec | MetricSpec],
) -> None:
    missing = [name for name in get_registry().get_specs(kind) if f"| `{name}` |" not in README]
    assert missing == []


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_names_every_command(command: str) -> None:
    assert f"benchbed {command}" in README


def test_the_suite_of_the_readme_is_one(tmp_path: Path) -> None:
    block = README.split("## Suites")[1].split("```yaml\n")[1].split("```")[0]
    (tmp_path / "retinas.yaml").write_text(block)
    suite = find_suite(str(tmp_path / "retinas.yaml"))
    asked = list(iter_run_configs(suite, "quick"))
    assert len(asked) == len(suite.methods) * len(suite.datasets) * len(suite.seeds)
    assert {request.kimg for request in asked} == {8}
