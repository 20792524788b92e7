"""Settings, suites, records and names with random content.

Each is accepted or rejected by a `BenchbedError`; nothing else is raised. What is accepted can be
used: a record in tables, a suite for its grid.
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
from benchbed.data.sources.own_data import PREFIXES
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

CountAttempt = Callable[..., None]

ROOT = Path(__file__).parents[2]
RECORDS = sorted((ROOT / "results/records").glob("*.json"))

HYPOTHESIS_SETTINGS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
KEYS = st.text(max_size=12) | st.sampled_from(
    ("batch_size", "learning_rate", "methods", "settings", "size", "kimg", "seeds", "presets")
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
)


def _read_or_none(read: Callable[..., Any], *given: Any) -> Any:
    """Return what is read, or None after a `BenchbedError`."""
    try:
        return read(*given)
    except BenchbedError as error:
        text = str(error)
    assert text
    return None


def _write(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(errors="replace"))
    return path


def _all_paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in nested lists and mappings."""
    found = [prefix] if prefix else []
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        found += [place for key, part in inner for place in _all_paths(part, (*prefix, key))]
    return found


def _replace(value: Any, place: tuple[Any, ...], part: Any) -> Any:
    """Return a copy with another value at one path."""
    changed = copy.deepcopy(value)
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = part
    return changed


@pytest.mark.attack(
    guarantee="Settings with any content are read, or rejected with an error message.",
    attack="settings files with random bytes or values, and random text after --set",
)
def test_settings_with_random_content(tmp_path: Path, count_attempt: CountAttempt) -> None:
    spec = get_registry().get_spec(MethodSpec, "dcgan")

    def check(values: Any) -> None:
        if (
            values is not None
            and _read_or_none(resolve_method_settings, spec, "quick", values) is not None
        ):
            assert resolve_method_settings(spec, "quick", values).model_dump_json()

    @settings(HYPOTHESIS_SETTINGS, max_examples=60)
    @given(st.binary(max_size=60) | st.text(max_size=60) | VALUES.map(yaml.safe_dump))
    def files(content: bytes | str) -> None:
        check(_read_or_none(read_settings_file, _write(tmp_path, "mine.yaml", content)))
        count_attempt("files")

    @settings(HYPOTHESIS_SETTINGS, max_examples=60)
    @given(st.sampled_from(["batch_size", "learning_rate", "", "no_such"]), st.text(max_size=20))
    def words(name: str, text: str) -> None:
        check(_read_or_none(parse_assignments, [f"{name}={text}"]))
        count_attempt("options")

    files()
    words()


@pytest.mark.attack(
    guarantee="Suites with any content are read, or rejected with an error message.",
    attack="random bytes, and valid suite files with one value replaced at random",
)
def test_suites_with_random_content(tmp_path: Path, count_attempt: CountAttempt) -> None:
    valid_contents = [
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted(paths.find_benchmarks_folder().glob("*.yaml"))
    ]

    def check(content: bytes | str) -> None:
        path = _write(tmp_path, "mine.yaml", content)
        suite = _read_or_none(find_suite, str(path))
        for request in () if suite is None else list(iter_run_configs(suite, "quick"))[:5]:
            _read_or_none(_resolve_request, request)
        count_attempt()

    @settings(HYPOTHESIS_SETTINGS, max_examples=25)
    @given(st.binary(max_size=60) | VALUES.map(yaml.safe_dump))
    def anything(content: bytes | str) -> None:
        check(content)

    @settings(HYPOTHESIS_SETTINGS, max_examples=60)
    @given(st.data(), st.sampled_from(valid_contents), VALUES)
    def changed(data: st.DataObject, content: Any, value: Any) -> None:
        place = data.draw(st.sampled_from(_all_paths(content)))
        check(yaml.safe_dump(_replace(content, place, value)))

    anything()
    changed()


def _resolve_request(request: Any) -> None:
    resolve_preset(request.preset, 2, size=request.size, kimg=request.kimg, samples=request.samples)
    resolve_method_settings(
        get_registry().get_spec(MethodSpec, request.method), request.preset, request.settings
    )


def _random_record(data: st.DataObject) -> Any:
    content = json.loads(data.draw(st.sampled_from(RECORDS)).read_text(encoding="utf-8"))
    place = data.draw(st.sampled_from(_all_paths(content)))
    return _replace(content, place, data.draw(VALUES))


@pytest.mark.attack(
    guarantee="Records with any content are read, or rejected with a message that names them.",
    attack="random bytes, and valid records with one value replaced at random",
)
def test_records_with_random_content(tmp_path: Path, count_attempt: CountAttempt) -> None:
    @settings(HYPOTHESIS_SETTINGS, max_examples=60)
    @given(st.binary(max_size=60) | VALUES.map(json.dumps))
    def anything(content: bytes | str) -> None:
        assert _read_or_none(read_record, _write(tmp_path, "r.json", content)) is None
        count_attempt("files")

    @settings(HYPOTHESIS_SETTINGS, max_examples=150)
    @given(st.data())
    def changed(data: st.DataObject) -> None:
        found = _read_or_none(parse_record, _random_record(data), "r.json")
        assert found is None or found.model_dump_json()
        count_attempt("changed values")

    anything()
    changed()


@pytest.mark.attack(
    guarantee="Every accepted record or run is usable.",
    attack="run.json with one value replaced at random",
)
def test_runs_with_random_content(tmp_path: Path, count_attempt: CountAttempt) -> None:
    """An accepted run has everything that is needed to resume it."""
    (path,) = (ROOT / "tests/historic").glob("schema-1/runs/*/run.json")
    valid_contents = json.loads(path.read_text(encoding="utf-8"))
    store = ResultStore(tmp_path)
    store.get_run_folder("a").mkdir(parents=True)

    @settings(HYPOTHESIS_SETTINGS, max_examples=80)
    @given(st.data(), VALUES)
    def changed(data: st.DataObject, value: Any) -> None:
        content = _replace(
            valid_contents, data.draw(st.sampled_from(_all_paths(valid_contents))), value
        )
        (store.get_run_folder("a") / "run.json").write_text(json.dumps(content))
        found = _read_or_none(find_config, store, "a")
        assert found is None or found[1].method == content["plan"]["method"]
        count_attempt()

    changed()


def _check_reports(tmp_path: Path, count_attempt: CountAttempt, examples: int) -> None:
    valid_contents = [read_record(path) for path in RECORDS[:3]]

    @settings(HYPOTHESIS_SETTINGS, max_examples=examples)
    @given(st.data())
    def changed(data: st.DataObject) -> None:
        found = _read_or_none(parse_record, _random_record(data), "r.json")
        if found is not None:
            boards = build_leaderboards([*valid_contents, found], tmp_path)
            write_leaderboards(boards, tmp_path / "out", ("csv", "tex"))
            assert "<html" in render_page(boards, [*valid_contents, found], tmp_path)
        count_attempt()

    changed()


@pytest.mark.attack(
    guarantee="Every accepted record can be reported.",
    attack="tables and pages of a few valid records with one value replaced at random",
)
def test_reports_of_a_few_random_records(tmp_path: Path, count_attempt: CountAttempt) -> None:
    _check_reports(tmp_path, count_attempt, 15)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.attack(
    guarantee="Every accepted record can be reported.",
    attack="tables and pages of 1,000 valid records with one value replaced at random",
)
def test_reports_of_many_random_records(tmp_path: Path, count_attempt: CountAttempt) -> None:
    _check_reports(tmp_path, count_attempt, 1000)


@pytest.mark.attack(
    guarantee="An unknown name is rejected with an error message.",
    attack="any text as a method, dataset, folder, metric, task, suite or run",
)
def test_random_names(tmp_path: Path, count_attempt: CountAttempt) -> None:
    store = ResultStore(tmp_path)

    @settings(HYPOTHESIS_SETTINGS, max_examples=80)
    @given(st.text(max_size=40) | st.sampled_from(("../..", "/", "\0", "x" * 5000, "é" * 300)))
    def names(text: str) -> None:
        for kind in (MethodSpec, DatasetSpec, MetricSpec, TaskSpec):
            _read_or_none(get_registry().get_spec, kind, text)
        for prefix in PREFIXES:
            _read_or_none(resolve_dataset_spec, f"{prefix}nowhere/{text}/none")
        _read_or_none(find_suite, f"{text}.yaml")
        for find in (find_run, find_record):
            assert _read_or_none(find, store, text) is None
        assert _read_or_none(match_run_name, text, ["a-b", "a-c"]) in (None, text, "a-b", "a-c")
        count_attempt()

    names()
