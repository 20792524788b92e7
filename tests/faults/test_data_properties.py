"""Settings, suites, records and names of any content.

Whatever is in them, they load or are refused by a `BenchbedError`; nothing else is raised. What
loads can be used: a record in tables, a suite for its grid.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchbed.api.specs import DatasetSpec, MethodSpec, MetricSpec, TaskSpec
from benchbed.config import paths
from benchbed.config.protocol import resolve_preset
from benchbed.config.settings import parse_assignments, read_settings_file
from benchbed.data.sources.resolve import resolve_dataset_spec
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry
from benchbed.report.render.html.page import render_page
from benchbed.report.write import build_leaderboards, write_leaderboards
from benchbed.results.lookup import find_config, find_record, find_run, match_run_name
from benchbed.results.record import parse_record, read_record
from benchbed.results.store import ResultStore
from benchbed.runs.plan import resolve_method_settings
from benchbed.suites.plan import iter_run_configs
from benchbed.suites.spec import find_suite

Tried = Callable[..., None]

ROOT = Path(__file__).parents[2]
RECORDS = sorted((ROOT / "results/records").glob("*.json"))

QUIET = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
KEYS = st.text(max_size=12) | st.sampled_from(
    ("batch_size", "learning_rate", "methods", "settings", "size", "kimg", "seeds", "presets")
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
)


def _either(read: Callable[..., Any], *given: Any) -> Any:
    """What is read, or None where it is refused; anything else fails the test."""
    try:
        return read(*given)
    except BenchbedError as error:
        text = str(error)
    assert text
    return None


def _written(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(errors="replace"))
    return path


def _places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a nest of lists and mappings."""
    found = [here] if here else []
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        found += [place for key, part in inner for place in _places(part, (*here, key))]
    return found


def _replaced(value: Any, place: tuple[Any, ...], part: Any) -> Any:
    """The same with another part at one place."""
    changed = copy.deepcopy(value)
    inside = changed
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = part
    return changed


@pytest.mark.attack(
    promise="Settings of any content load, or are refused by a sentence.",
    attack="settings files of any bytes and of any values, and any text after --set",
)
def test_settings_of_any_content(tmp_path: Path, tried: Tried) -> None:
    spec = get_registry().get_spec(MethodSpec, "dcgan")

    def use(values: Any) -> None:
        if (
            values is not None
            and _either(resolve_method_settings, spec, "quick", values) is not None
        ):
            assert resolve_method_settings(spec, "quick", values).model_dump_json()

    @settings(QUIET, max_examples=60)
    @given(st.binary(max_size=60) | st.text(max_size=60) | VALUES.map(yaml.safe_dump))
    def files(content: bytes | str) -> None:
        use(_either(read_settings_file, _written(tmp_path, "mine.yaml", content)))
        tried("files")

    @settings(QUIET, max_examples=60)
    @given(st.sampled_from(["batch_size", "learning_rate", "", "no_such"]), st.text(max_size=20))
    def words(name: str, text: str) -> None:
        use(_either(parse_assignments, [f"{name}={text}"]))
        tried("words")

    files()
    words()


@pytest.mark.attack(
    promise="Suites of any content load, or are refused by a sentence.",
    attack="suite files of any bytes, and sound ones in which any one value is any other",
)
def test_suites_of_any_content(tmp_path: Path, tried: Tried) -> None:
    sound = [
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted(paths.find_benchmarks_folder().glob("*.yaml"))
    ]

    def use(content: bytes | str) -> None:
        path = _written(tmp_path, "mine.yaml", content)
        suite = _either(find_suite, str(path))
        for request in () if suite is None else list(iter_run_configs(suite, "quick"))[:5]:
            _either(_scaled, request)
        tried()

    @settings(QUIET, max_examples=25)
    @given(st.binary(max_size=60) | VALUES.map(yaml.safe_dump))
    def anything(content: bytes | str) -> None:
        use(content)

    @settings(QUIET, max_examples=60)
    @given(st.data(), st.sampled_from(sound), VALUES)
    def changed(data: st.DataObject, content: Any, value: Any) -> None:
        place = data.draw(st.sampled_from(_places(content)))
        use(yaml.safe_dump(_replaced(content, place, value)))

    anything()
    changed()


def _scaled(request: Any) -> None:
    resolve_preset(request.preset, 2, size=request.size, kimg=request.kimg, samples=request.samples)
    resolve_method_settings(
        get_registry().get_spec(MethodSpec, request.method), request.preset, request.settings
    )


def _changed_record(data: st.DataObject) -> Any:
    content = json.loads(data.draw(st.sampled_from(RECORDS)).read_text(encoding="utf-8"))
    place = data.draw(st.sampled_from(_places(content)))
    return _replaced(content, place, data.draw(VALUES))


@pytest.mark.attack(
    promise="Records of any content are read, or refused by a sentence that names them.",
    attack="files of any bytes, and sound records in which any one value is any other",
)
def test_records_of_any_content(tmp_path: Path, tried: Tried) -> None:
    @settings(QUIET, max_examples=60)
    @given(st.binary(max_size=60) | VALUES.map(json.dumps))
    def anything(content: bytes | str) -> None:
        assert _either(read_record, _written(tmp_path, "r.json", content)) is None
        tried("files")

    @settings(QUIET, max_examples=150)
    @given(st.data())
    def changed(data: st.DataObject) -> None:
        found = _either(parse_record, _changed_record(data), "r.json")
        assert found is None or found.model_dump_json()
        tried("changed values")

    anything()
    changed()


@pytest.mark.attack(
    promise="What is read as a record or a run can be used.",
    attack="run.json of which any one value is any other, or is missing",
)
def test_runs_of_any_content(tmp_path: Path, tried: Tried) -> None:
    """It is refused, or has all that going on with the run asks for."""
    (path,) = (ROOT / "tests/historic").glob("schema-1/runs/*/run.json")
    sound = json.loads(path.read_text(encoding="utf-8"))
    store = ResultStore(tmp_path)
    store.get_run_folder("a").mkdir(parents=True)

    @settings(QUIET, max_examples=80)
    @given(st.data(), VALUES)
    def changed(data: st.DataObject, value: Any) -> None:
        content = _replaced(sound, data.draw(st.sampled_from(_places(sound))), value)
        (store.get_run_folder("a") / "run.json").write_text(json.dumps(content))
        found = _either(find_config, store, "a")
        assert found is None or found[1].method == content["plan"]["method"]
        tried()

    changed()


def _reported(tmp_path: Path, tried: Tried, examples: int) -> None:
    sound = [read_record(path) for path in RECORDS[:3]]

    @settings(QUIET, max_examples=examples)
    @given(st.data())
    def changed(data: st.DataObject) -> None:
        found = _either(parse_record, _changed_record(data), "r.json")
        if found is not None:
            boards = build_leaderboards([*sound, found], tmp_path)
            write_leaderboards(boards, tmp_path / "out", ("csv", "tex"))
            assert "<html" in render_page(boards, [*sound, found], tmp_path)
        tried()

    changed()


@pytest.mark.attack(
    promise="What is read as a record can be reported.",
    attack="tables and pages of sound records in which any one value is any other, a few",
)
def test_reports_of_odd_records(tmp_path: Path, tried: Tried) -> None:
    _reported(tmp_path, tried, 15)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.attack(
    promise="What is read as a record can be reported.",
    attack="tables and pages of sound records in which any one value is any other, 1,000",
)
def test_reports_of_many_odd_records(tmp_path: Path, tried: Tried) -> None:
    _reported(tmp_path, tried, 1000)


@pytest.mark.attack(
    promise="A name that does not exist is refused by a sentence.",
    attack="any text as a method, data set, folder, metric, task, suite or run",
)
def test_names_of_any_text(tmp_path: Path, tried: Tried) -> None:
    store = ResultStore(tmp_path)

    @settings(QUIET, max_examples=80)
    @given(st.text(max_size=40) | st.sampled_from(("../..", "/", "\0", "x" * 5000, "é" * 300)))
    def names(text: str) -> None:
        for kind in (MethodSpec, DatasetSpec, MetricSpec, TaskSpec):
            _either(get_registry().get_spec, kind, text)
        for prefix in ("folder:", "nifti:"):
            _either(resolve_dataset_spec, f"{prefix}nowhere/{text}/none")
        _either(find_suite, f"{text}.yaml")
        for find in (find_run, find_record):
            assert _either(find, store, text) is None
        assert _either(match_run_name, text, ["a-b", "a-c"]) in (None, text, "a-b", "a-c")
        tried()

    names()
