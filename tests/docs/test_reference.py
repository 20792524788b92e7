"""The documents agree with the program: generated pages, names, commands, links."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

import benchbed
import generate_reference as reference
from benchbed.api.specs import DatasetSpec, MethodSpec
from benchbed.cli.main import COMMANDS
from benchbed.registry.lookup import get_registry
from benchbed.suites.plan import iter_run_configs
from benchbed.suites.spec import find_suite

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
CODE = re.compile(r"^```(?:bash|console|sh)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MAX_README_WORDS = 900
MAX_CONTRIBUTING_LINES = 150


@pytest.mark.parametrize("name", reference.PAGES)
def test_generated_page_is_current(name: str) -> None:
    written = (ROOT / "docs/reference" / name).read_text(encoding="utf-8")
    assert written == reference.PAGES[name](), "stale: run `make docs`"


def test_reference_names_every_command() -> None:
    written = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")
    assert [command for command in COMMANDS if f"## benchbed {command}\n" not in written] == []


@pytest.mark.parametrize("kind", [MethodSpec, DatasetSpec])
def test_readme_names_every_method_and_dataset(kind: type[MethodSpec | DatasetSpec]) -> None:
    """Variants, such as other sizes, are in the reference."""
    names = [
        spec.name
        for spec in get_registry().get_specs(kind).values()
        if not (isinstance(spec, DatasetSpec) and spec.variant_of)
    ]
    assert [name for name in names if f"`{name}`" not in README] == []


def test_readme_and_contributing_are_short() -> None:
    assert len(README.split()) <= MAX_README_WORDS
    lines = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MAX_CONTRIBUTING_LINES


def _commands(page: Path) -> Iterator[str]:
    """Yield the `benchbed` commands in the code blocks of a page."""
    for block in CODE.findall(page.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            command = line.removeprefix("$ ").strip()
            if command.startswith("benchbed "):
                yield command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_have_the_options_they_use(page: Path) -> None:
    for text in _commands(page):
        _, name, *words = shlex.split(text, comments=True)
        assert name in COMMANDS, text
        command = get_command(import_module(f"benchbed.cli.{name}_command").app)
        if hasattr(command, "commands"):
            assert words[0] in command.commands, text
            command, words = command.commands[words[0]], words[1:]
        command.make_context(name, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_inline_commands_exist(page: Path) -> None:
    names = re.findall(r"`benchbed ([a-z]+)", page.read_text(encoding="utf-8"))
    assert set(names) <= COMMANDS.keys()


@pytest.mark.parametrize("page", PAGES[:3], ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_citation_has_the_version_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == benchbed.__version__


def test_suite_of_the_how_to_is_valid(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/suites.md").read_text(encoding="utf-8")
    block = page.split('```yaml title="retinas.yaml"\n')[1].split("```")[0]
    (tmp_path / "retinas.yaml").write_text(block)
    suite = find_suite(str(tmp_path / "retinas.yaml"))
    runs = list(iter_run_configs(suite, "quick"))
    assert len(runs) == len(suite.methods) * len(suite.datasets) * len(suite.seeds)
    assert {run.kimg for run in runs} == {8}


CONTRACTS = [
    name
    for name in benchbed.__all__
    if isinstance(value := getattr(benchbed, name), type) and dataclasses.is_dataclass(value)
]


@pytest.mark.parametrize("name", CONTRACTS)
def test_docstring_describes_every_field(name: str) -> None:
    """The page of the plugin interface shows nothing else about them."""
    contract = getattr(benchbed, name)
    fields = {field.name for field in dataclasses.fields(contract)}
    assert fields - set(re.findall(r"\w+", contract.__doc__ or "")) == set()


def test_every_method_of_a_method_has_a_docstring() -> None:
    parts = {name: part for name, part in vars(benchbed.Method).items() if name[0] != "_"}
    assert [name for name, part in parts.items() if callable(part) and not part.__doc__] == []
