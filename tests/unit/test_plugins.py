"""Discovery: a broken plugin is reported and does not affect the others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchbed.api.specs import DatasetSpec, MethodSpec
from benchbed.errors import BenchbedError
from benchbed.registry.discovery import find_plugins
from benchbed.registry.lookup import get_registry, wrap_plugin_call

GOOD = """
from benchbed import MethodSpec, Paper, hookimpl
@hookimpl
def benchbed_methods():
    paper = Paper(key="k", authors="A", year=2000, title="T", venue="V")
    return [MethodSpec(name={name!r}, title="T", paper=paper, implementation="m:C",
                       settings="m:S", sizes=(32,))]
"""
BROKEN = {
    "crash": ("raise RuntimeError('no such luck')", ["RuntimeError: no such luck"]),
    "exits": ("import sys\nsys.exit(3)", ["SystemExit: 3"]),
    "imports": ("import a_missing_module", ["ModuleNotFoundError", "a_missing_module"]),
    "twice": (GOOD.format(name="dcgan"), ["ValueError", "'dcgan'", "classics"]),
    "empty": ("", ["TypeError", "benchbed_methods", "benchbed_tasks"]),
    "wrong": (
        "from benchbed import hookimpl\n@hookimpl\ndef benchbed_methods():\n    return ['x']",
        ["TypeError", "benchbed_methods", "str", "MethodSpec"],
    ),
    "named": (GOOD.format(name="Not A Name"), ["ValueError", "'Not A Name'"]),
    "args": (
        "from benchbed import hookimpl\n@hookimpl\ndef benchbed_methods(extra):\n    return []",
        ["PluginValidationError", "'args'", "benchbed_methods"],
    ),
}


def _install(folder: Path, name: str, code: str) -> None:
    """Write a module and its metadata, as pip does."""
    (folder / f"plugin_{name}.py").write_text(code)
    info = folder / f"plugin_{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: plugin-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[benchbed]\n{name} = plugin_{name}\n")


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_plugin_is_reported_with_its_error_and_distribution(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, facts = BROKEN[name]
    _install(tmp_path, name, code)
    _install(tmp_path, "good", GOOD.format(name="good-one"))
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = {plugin.name: plugin for plugin in find_plugins()}
    error = plugins[name].error
    assert error is not None
    assert all(fact in error for fact in facts), error
    assert plugins[name].distribution == f"plugin-{name} 1.0"
    assert plugins[name].specs == ()
    assert [spec.name for spec in plugins["good"].specs] == ["good-one"]
    assert plugins["classics"].error is None


def test_a_method_of_a_broken_plugin_is_refused_with_the_plugins_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, "crash", "raise RuntimeError('no such luck')")
    monkeypatch.syspath_prepend(str(tmp_path))
    get_registry.cache_clear()
    with pytest.raises(BenchbedError, match=r"'crash' \(plugin-crash 1\.0\).*no such luck"):
        get_registry().get_spec(MethodSpec, "crash")
    assert get_registry().get_spec(MethodSpec, "dcgan").title == "DCGAN"


def test_stdout_is_restored_after_plugin_code(
    capfd: pytest.CaptureFixture[str],
) -> None:
    print("mine")
    with wrap_plugin_call("benchbed_other.code:f", "fails"):
        print("theirs")
        os.write(1, b"below python\n")
    facts = r"'benchbed_other\.code:f' fails \(ValueError: a b\).*benchbed doctor"
    with (
        pytest.raises(BenchbedError, match=facts),
        wrap_plugin_call("benchbed_other.code:f", "fails"),
    ):
        raise ValueError("a\nb")
    print("mine again")
    captured = capfd.readouterr()
    assert captured.out == "mine\nmine again\n"
    assert sorted(captured.err.splitlines()) == ["below python", "benchbed_other.code:f: theirs"]


def test_an_unknown_name_gives_the_nearest_and_the_list_command() -> None:
    with pytest.raises(BenchbedError, match=r"'dcgn'.*'dcgan'.*benchbed list methods"):
        get_registry().get_spec(MethodSpec, "dcgn")
    with pytest.raises(BenchbedError, match=r"'drvie'.*'drive'.*benchbed list datasets"):
        get_registry().get_spec(DatasetSpec, "drvie")


def test_a_third_party_plugin_is_found(with_plugin: Path) -> None:
    assert "tiny-lsgan" in get_registry().get_specs(MethodSpec)
    spec = get_registry().get_spec(DatasetSpec, "discs")
    assert get_registry().find_plugin(spec).distribution == "benchbed-example 3.1"


def test_loading_can_be_restricted(with_plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHBED_PLUGINS", "classics")
    assert [plugin.name for plugin in find_plugins()] == ["built-in", "classics"]
