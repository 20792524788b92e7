"""Discovery: a broken plugin is set aside and shown, and harms nobody else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchbed.api.specs import DatasetSpec, MethodSpec
from benchbed.errors import BenchbedError
from benchbed.plugins import discover
from benchbed.registry import at_work, registry

GOOD = """
from benchbed import MethodSpec, Paper, hookimpl
@hookimpl
def benchbed_methods():
    paper = Paper(key="k", authors="A", year=2000, title="T", venue="V")
    return [MethodSpec(name={name!r}, title="T", paper=paper, implementation="m:C",
                       settings="m:S", sizes=(32,))]
"""
BROKEN = {
    "crash": ("raise RuntimeError('no such luck')", "RuntimeError: no such luck"),
    "quits": ("import sys\nsys.exit(3)", "SystemExit: 3"),
    "lacks": ("import a_module_that_is_not_there", "ModuleNotFoundError"),
    "twice": (GOOD.format(name="dcgan"), "'dcgan' is offered by classics"),
    "empty": ("", "offers nothing"),
    "wrong": (
        "from benchbed import hookimpl\n@hookimpl\ndef benchbed_methods():\n    return ['x']",
        "gave a str, not a MethodSpec",
    ),
    "named": (GOOD.format(name="Not A Name"), "must be lower-case words"),
    "args": (
        "from benchbed import hookimpl\n@hookimpl\ndef benchbed_methods(extra):\n    return []",
        "PluginValidationError",
    ),
}


def _install(folder: Path, name: str, code: str) -> None:
    """What pip leaves behind: a module and its metadata."""
    (folder / f"plugin_{name}.py").write_text(code)
    info = folder / f"plugin_{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: plugin-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[benchbed]\n{name} = plugin_{name}\n")


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_plugin_is_quarantined_with_its_error_and_distribution(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, reason = BROKEN[name]
    _install(tmp_path, name, code)
    _install(tmp_path, "good", GOOD.format(name="good-one"))
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = {plugin.name: plugin for plugin in discover()}
    assert plugins[name].error is not None
    assert reason in plugins[name].error
    assert plugins[name].distribution == f"plugin-{name} 1.0"
    assert plugins[name].specs == ()
    assert [spec.name for spec in plugins["good"].specs] == ["good-one"]
    assert plugins["classics"].error is None


def test_asking_for_what_a_broken_plugin_offers_names_the_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, "crash", "raise RuntimeError('no such luck')")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.cache_clear()
    with pytest.raises(BenchbedError, match=r"plugin 'crash' \(plugin-crash 1.0\) is broken"):
        registry().spec(MethodSpec, "crash")
    assert registry().spec(MethodSpec, "dcgan").title == "DCGAN"


def test_stdout_is_itself_again_once_a_plugin_was_at_work(
    capfd: pytest.CaptureFixture[str],
) -> None:
    print("mine")
    with at_work("benchbed_nobody.code:f", "breaks"):
        print("theirs")
        os.write(1, b"below python\n")
    words = r"'benchbed_nobody.code:f' breaks \(ValueError: a b\)"
    with pytest.raises(BenchbedError, match=words), at_work("benchbed_nobody.code:f", "breaks"):
        raise ValueError("a\nb")
    print("mine again")
    told = capfd.readouterr()
    assert told.out == "mine\nmine again\n"
    assert sorted(told.err.splitlines()) == ["below python", "benchbed_nobody.code:f: theirs"]


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(BenchbedError, match="did you mean 'dcgan'"):
        registry().spec(MethodSpec, "dcgn")
    with pytest.raises(BenchbedError, match="benchbed list datasets"):
        registry().spec(DatasetSpec, "drvie")


def test_a_third_partys_plugin_is_found_like_our_own(with_plugin: Path) -> None:
    assert "tiny-lsgan" in registry().specs(MethodSpec)
    spec = registry().spec(DatasetSpec, "discs")
    assert registry().origin(spec).distribution == "benchbed-example 3.1"


def test_loading_can_be_restricted(with_plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHBED_PLUGINS", "classics")
    assert [plugin.name for plugin in discover()] == ["built-in", "classics"]
