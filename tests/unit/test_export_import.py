"""Export and import of runs, which preserve every bit."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchbed.api.specs import MethodSpec
from benchbed.config.run_config import RunConfig
from benchbed.errors import BenchbedError
from benchbed.registry import lookup as registry_module
from benchbed.registry.lookup import get_registry, load_object
from benchbed.results.lookup import find_run
from benchbed.results.prune import PruneOptions, measure_folders, prune_run
from benchbed.results.showcase import read_showcase
from benchbed.results.store import ResultStore
from benchbed.runs.build import load_trained_method
from benchbed.runs.execute import execute_run
from benchbed.runs.plan import resolve_method_settings
from benchbed.runs.planner import plan_run
from benchbed.sharing import install as installing
from benchbed.sharing import tensors as tensors_module
from benchbed.sharing.archive import Manifest, read_archive, write_archive
from benchbed.sharing.export import ExportResult, export_run, find_exportable_run
from benchbed.sharing.install import check_archive, import_run
from benchbed.sharing.model_card import render_model_card
from benchbed.training.checkpoint import load_checkpoint
from benchbed.training.sampling import draw_samples

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def finished(
    third_party: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return results with one finished run: two networks, an EMA, buffers, 32 px, 12 steps."""
    root = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(third_party))
        patch.setenv("BENCHBED_CACHE", str(shared_cache))
        patch.delenv("BENCHBED_DATA", raising=False)
        registry_module.get_registry.cache_clear()
        request = RunConfig(
            method="tiny-lsgan", dataset="discs", settings={}, size=32, kimg=0.1, samples=8,
            metrics=("swd", "kl", "memorisation"),
        )  # fmt: skip
        execute_run(plan_run(request), ResultStore(root), device="cpu")
    registry_module.get_registry.cache_clear()
    return root


@pytest.fixture
def store(finished: Path, with_plugin: Path, tmp_path: Path) -> ResultStore:
    """Return a copy of the results for each test."""
    shutil.copytree(finished, tmp_path / "own")
    return ResultStore(tmp_path / "own")


@pytest.fixture
def other(tmp_path: Path) -> ResultStore:
    """Return an empty results folder, as of another user."""
    return ResultStore(tmp_path / "other")


@pytest.fixture
def exported(store: ResultStore, tmp_path: Path) -> ExportResult:
    return export_run(find_exportable_run(store, "tiny"), tmp_path / "run.zip")


def _import(path: Path, store: ResultStore) -> bool:
    return import_run(check_archive(path), store)


def _samples(store: ResultStore) -> Any:
    _, method = load_trained_method(store, "tiny", "cpu")
    return draw_samples(method, 5, seed=4).image.numpy()


def _tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_samples_of_an_imported_run_equal_the_original(
    store: ResultStore, exported: ExportResult, other: ResultStore
) -> None:
    assert _import(exported.path, other) is True
    assert np.array_equal(_samples(other), _samples(store))
    saved = [
        load_checkpoint(
            s.root / "runs" / s.load_records()[0].id / "checkpoints/last.pt", "tiny-lsgan"
        )
        for s in (store, other)
    ]
    first, second = (tensors_module.flatten_state(content["state"]) for content in saved)
    assert first.keys() == second.keys()
    assert any(name.startswith("generator_average.module.") for name in first)
    assert "generator.2.num_batches_tracked" in first
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert saved[0]["state"]["steps"] == saved[1]["state"]["steps"]
    assert saved[0]["state"]["updates"] == saved[1]["state"]["updates"]


def test_repeated_and_reexported_archives_are_byte_identical(
    store: ResultStore, exported: ExportResult, other: ResultStore, tmp_path: Path
) -> None:
    again = export_run(find_exportable_run(store, "tiny"), tmp_path / "again.zip")
    assert again.path.read_bytes() == exported.path.read_bytes()
    assert again.sha256 == exported.sha256
    _import(exported.path, other)
    reexported = export_run(find_exportable_run(other, "tiny"), tmp_path / "reexported.zip")
    assert reexported.sha256 == exported.sha256
    assert export_run(find_exportable_run(store, "tiny"), exported.path).sha256 == exported.sha256


def test_the_imported_record_contains_its_origin(
    store: ResultStore, exported: ExportResult, other: ResultStore
) -> None:
    _import(exported.path, other)
    (original,), (imported,) = store.load_records(), other.load_records()
    assert imported.imported is not None
    assert imported.imported.archive_name == "run.zip"
    assert imported.imported.sha256 == hashlib.sha256(exported.path.read_bytes()).hexdigest()
    assert imported.model_copy(update={"imported": None}) == original
    _, state = find_run(other, original.id)
    assert state["imported"]["sha256"] == exported.sha256
    assert state["plan"]["root"] is None


def test_archives_contain_no_pickle_and_import_reads_none(
    exported: ExportResult, other: ResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = zipfile.ZipFile(exported.path).namelist()
    assert not [name for name in names if name.endswith((".pt", ".pkl"))]

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("something was unpickled")

    for module, name in (
        (torch, "load"),
        (pickle, "load"),
        (pickle, "loads"),
        (pickle, "Unpickler"),
    ):
        monkeypatch.setattr(module, name, forbidden)
    assert _import(exported.path, other) is True


def _lead(card: str) -> str:
    """Return the paragraph below the title."""
    return card.split("\n\n")[1]


def test_the_model_card_names_data_limits_results_and_usage(exported: ExportResult) -> None:
    card = read_archive(exported.path).read_member("README.md").decode()
    for fact in (
        "clinical use", "Mao, Li, Xie", "public domain", "24 train", "| swd |", "baseline",
        "0.1 thousand images", "benchbed sample tiny-lsgan-discs-32px", "benchbed-example 3.1",
        "memorisation", "`history.csv`",
    ):  # fmt: skip
        assert fact in card, fact
    assert "phantom" in _lead(card)
    assert str(Path.home()) not in card


def test_the_python_usage_of_the_model_card_runs(
    store: ResultStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (record,) = store.load_records()
    spec = get_registry().get_spec(MethodSpec, record.method)
    segmenter = replace(spec, capabilities=frozenset({"sample", "segment"}))
    card = render_model_card(record, segmenter, None, {}, plugin="p", stored=(), pictures=())
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    (tmp_path / "results").symlink_to(store.root)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["method"].networks


def test_an_imported_run_has_the_showcase_of_the_original(
    store: ResultStore, exported: ExportResult, other: ResultStore
) -> None:
    """Curves, sample grid, nearest training images, and the complete losses."""
    _import(exported.path, other)
    run = store.load_records()[0].id
    showcase = read_showcase(store.root, run)
    assert set(showcase.pictures) == {"grid", "nearest"}
    assert showcase.curves is not None
    assert read_showcase(other.root, run) == showcase
    histories = [s.get_run_folder(run) / "history.csv" for s in (store, other)]
    assert histories[0].read_bytes() == histories[1].read_bytes()


def _without_history(exported: ExportResult, **manifest: Any) -> Path:
    archive = read_archive(exported.path)
    members = {n: archive.read_member(n) for n in archive.manifest.members if n != "history.csv"}
    path = exported.path.with_name("old.zip")
    write_archive(path, archive.manifest.model_copy(update=manifest), members)
    return path


def test_an_archive_of_format_1_without_history_is_imported(
    exported: ExportResult, other: ResultStore
) -> None:
    assert _import(_without_history(exported, version=1), other) is True
    showcase = read_showcase(other.root, other.load_records()[0].id)
    assert set(showcase.pictures) == {"grid", "nearest"}
    assert showcase.curves is None


def test_an_existing_showcase_is_unchanged(
    store: ResultStore, other: ResultStore, tmp_path: Path
) -> None:
    """For example that of a committed record, where the archive has no images."""
    bare = export_run(find_exportable_run(store, "tiny"), tmp_path / "bare.zip", pictures=False)
    for name in ("records", "showcase"):
        shutil.copytree(store.root / name, other.root / name)
    before = _tree(other.root / "showcase")
    assert before
    assert _import(bare.path, other) is True
    assert _tree(other.root / "showcase") == before


def test_an_invalid_image_is_reported_and_omitted(
    exported: ExportResult, other: ResultStore
) -> None:
    """The image has a valid header and no content."""
    archive = read_archive(exported.path)
    members = {name: archive.read_member(name) for name in archive.manifest.members}
    members["samples/final.png"] = members["samples/final.png"][:60]
    path = exported.path.with_name("cut.zip")
    write_archive(path, archive.manifest, members)
    messages: list[str] = []
    assert import_run(check_archive(path), other, messages.append) is True
    (message,) = messages
    assert "truncated" in message


def test_images_can_be_omitted(store: ResultStore, tmp_path: Path, other: ResultStore) -> None:
    bare = export_run(find_exportable_run(store, "tiny"), tmp_path / "bare.zip", pictures=False)
    assert not [name for name in bare.members if name.endswith(".png")]
    full = export_run(find_exportable_run(store, "tiny"), tmp_path / "full.zip")
    without, with_images = (
        set(read_archive(path).read_member("README.md").decode().split("\n\n"))
        for path in (bare.path, full.path)
    )
    (note,) = with_images - without
    assert "training" in note
    assert without < with_images
    assert _import(bare.path, other) is True
    showcase = read_showcase(other.root, other.load_records()[0].id)
    assert not showcase.pictures
    assert showcase.curves is not None


# -- existing runs --------------------------------------------------------------------------------


def test_an_existing_run_is_not_changed(exported: ExportResult, other: ResultStore) -> None:
    _import(exported.path, other)
    before = _tree(other.root)
    assert _import(exported.path, other) is False
    assert _tree(other.root) == before


def test_importing_an_own_run_changes_nothing(exported: ExportResult, store: ResultStore) -> None:
    before = _tree(store.root)
    assert _import(exported.path, store) is False
    assert _tree(store.root) == before


def _changed_record(store: ResultStore) -> None:
    path = next(store.records_folder.glob("*.json"))
    content = json.loads(path.read_text())
    content["metrics"][0]["value"] = 0.5
    path.write_text(json.dumps(content))


def _changed_weights(store: ResultStore) -> None:
    path = next(store.root.glob("runs/*/checkpoints/last.pt"))
    content = torch.load(path, weights_only=True)
    content["state"]["modules"]["generator"]["0.bias"][0] += 1
    torch.save(content, path)


def _unfinished(store: ResultStore) -> None:
    path = next(store.root.glob("runs/*/run.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), "state": "interrupted"}))


def _unrecorded(store: ResultStore) -> None:
    next(store.records_folder.glob("*.json")).unlink()


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        (_changed_record, r"record\b.*\bmetrics\b.*--results"),
        (_changed_weights, r"record\b.*\bweights\b.*--results"),
        (_unfinished, r"\binterrupted\b.*`benchbed run --resume tiny-lsgan-discs-32px-s0-"),
        (
            _unrecorded,
            r"\bfinished\b.*\brecord\b.*`benchbed run --resume tiny-lsgan-discs-32px-s0-",
        ),
    ],
)
def test_a_different_run_of_the_same_id_is_not_replaced(
    exported: ExportResult, other: ResultStore, change: Callable[[ResultStore], None], facts: str
) -> None:
    _import(exported.path, other)
    change(other)
    before = _tree(other.root)
    with pytest.raises(BenchbedError, match=facts):
        _import(exported.path, other)
    assert _tree(other.root) == before


def test_a_committed_record_is_unchanged_and_gets_its_weights(
    store: ResultStore, exported: ExportResult, other: ResultStore
) -> None:
    shutil.copytree(store.records_folder, other.records_folder)
    before = _tree(other.records_folder)
    assert _import(exported.path, other) is True
    assert _tree(other.records_folder) == before
    assert np.array_equal(_samples(other), _samples(store))


def test_pruned_weights_are_restored(store: ResultStore, exported: ExportResult) -> None:
    before = _samples(store)
    (holding,) = measure_folders(store)
    assert prune_run(store, holding, PruneOptions(includes_weights=True)) > 0
    with pytest.raises(
        BenchbedError, match=r"tiny-lsgan-discs-32px-s0-.*/checkpoints/last\.pt\b.*`benchbed run`"
    ):
        load_trained_method(store, "tiny", "cpu")
    with pytest.raises(
        BenchbedError, match=r"/checkpoints/last\.pt\b.*benchbed run --method tiny-lsgan"
    ):
        find_exportable_run(store, "tiny")
    assert _import(exported.path, store) is True
    assert np.array_equal(_samples(store), before)


def test_a_run_used_by_another_process_raises(
    store: ResultStore, exported: ExportResult, other: ResultStore
) -> None:
    run = store.load_records()[0].id
    code = (
        "import sys\nfrom pathlib import Path\nfrom benchbed.results.store import ResultStore\n"
        "with ResultStore(Path(sys.argv[1])).lock_run(sys.argv[2]):\n"
        "    print(1, flush=True)\n    input()"
    )
    command = [sys.executable, "-c", code, str(other.root), run]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(BenchbedError, match=rf"process\b.*{run}"):
            _import(exported.path, other)
        holder.kill()
    assert _tree(other.root) == {}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_import_writes_nothing(
    exported: ExportResult,
    other: ResultStore,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(ResultStore, "write_state", fail)
    with pytest.raises((BenchbedError, KeyboardInterrupt)) as caught:
        _import(exported.path, other)
    assert "No space left" in str(caught.value) or caught.type is KeyboardInterrupt
    assert _tree(other.root) == {}
    monkeypatch.undo()


# -- invalid weights -----------------------------------------------------------------------------


def _with_weights(exported: ExportResult, content: bytes) -> Path:
    """Return the archive with other weights and correct checksums."""
    archive = read_archive(exported.path)
    members = {name: archive.read_member(name) for name in archive.manifest.members}
    path = exported.path.with_name("bad.zip")
    write_archive(path, archive.manifest, {**members, "weights.safetensors": content})
    return path


def _tensors(exported: ExportResult) -> dict[str, torch.Tensor]:
    return tensors_module.from_bytes(read_archive(exported.path).read_member("weights.safetensors"))


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('this was executed')",)


BIAS = "generator.0.bias"


@pytest.mark.parametrize(
    ("spoil", "facts"),
    [
        (
            lambda t: {**t, BIAS: t[BIAS].double()},
            r"{BIAS}\b.*\btorch\.float64\b.*\btorch\.float32\b",
        ),
        (lambda t: {**t, BIAS: t[BIAS][:-1]}, r"{BIAS}\b.*\b511\b.*\b512\b"),
        (lambda t: {**t, BIAS: t[BIAS][None]}, r"{BIAS}\b.*\b1 x 512\b.*\b512\b"),
        (lambda t: {n: v for n, v in t.items() if n != BIAS}, r"'{BIAS}'.*\b1 of 27\b"),
        (lambda t: {**t, "generator.9.weight": t[BIAS].clone()}, r"'generator\.9\.weight'"),
        (lambda t: {**t, "evil": t[BIAS].clone()}, r"'evil'"),
        (lambda t: {**t, "huge": torch.zeros(2_000_000)}, r"weights\.safetensors\b.*\b8\d{{6}}\b"),
    ],
)
def test_tensors_that_do_not_fit_the_method_are_rejected(
    exported: ExportResult, other: ResultStore, spoil: Callable[[Any], Any], facts: str
) -> None:
    path = _with_weights(exported, tensors_module.to_bytes(spoil(_tensors(exported))))
    with pytest.raises(BenchbedError, match=facts.format(BIAS=re.escape(BIAS))):
        _import(path, other)
    assert not other.root.exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: pickle.dumps(_Evil()),
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content + b"?",
        lambda content: b"\xff" * 8 + content[8:],
        lambda content: content[:8] + b"[" + content[9:],
    ],
)
def test_invalid_safetensors_are_rejected(
    exported: ExportResult, other: ResultStore, spoil: Callable[[bytes], bytes]
) -> None:
    content = read_archive(exported.path).read_member("weights.safetensors")
    with pytest.raises(BenchbedError, match=r"bad\.zip\b.*safetensors"):
        _import(_with_weights(exported, spoil(content)), other)
    assert not other.root.exists()


def test_a_shape_that_does_not_fit_the_weights_is_rejected(
    exported: ExportResult, other: ResultStore
) -> None:
    archive = read_archive(exported.path)
    members = {name: archive.read_member(name) for name in archive.manifest.members}
    data = archive.manifest.data.model_copy(update={"channels": 3})
    path = exported.path.with_name("bad.zip")
    write_archive(path, archive.manifest.model_copy(update={"data": data}), members)
    with pytest.raises(BenchbedError, match=r"\b8 x 1 x 4 x 4\b.*\b8 x 3 x 4 x 4\b"):
        _import(path, other)


# -- the installed method ------------------------------------------------------------------------


def test_a_missing_method_and_its_package_are_named(
    exported: ExportResult, other: ResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHBED_PLUGINS", "classics")
    registry_module.get_registry.cache_clear()
    with pytest.raises(BenchbedError, match=r"'tiny-lsgan'.*\bbenchbed-example 3\.1\b"):
        _import(exported.path, other)
    assert not other.root.exists()


def test_a_different_plugin_version_is_noted(exported: ExportResult, other: ResultStore) -> None:
    archive = read_archive(exported.path)
    members = {name: archive.read_member(name) for name in archive.manifest.members}
    older: Manifest = archive.manifest.model_copy(update={"plugin": "benchbed-example 2.0"})
    path = exported.path.with_name("older.zip")
    write_archive(path, older, members)
    offer = check_archive(path)
    (note,) = offer.notes
    for fact in ("benchbed-example 2.0", "tiny-lsgan", "benchbed-example 3.1"):
        assert fact in note
    assert import_run(offer, other) is True
    assert check_archive(exported.path).notes == ()


def test_settings_with_a_different_meaning_are_rejected(
    exported: ExportResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ChangedSettings(load_object(get_registry().get_spec(MethodSpec, "tiny-lsgan").settings)):  # type: ignore[misc]
        width: int = 4

        def model_dump(self, **_: Any) -> dict[str, Any]:
            return {**super().model_dump(), "width": 4}

    monkeypatch.setattr(installing, "load_object", lambda target: ChangedSettings)
    with pytest.raises(
        BenchbedError, match=r"settings\b.*\bbenchbed-example 3\.1\b.*\btiny-lsgan\b"
    ):
        check_archive(exported.path)


@pytest.mark.parametrize(
    "name",
    [name for name, spec in get_registry().get_specs(MethodSpec).items() if spec.is_trainable],
)
def test_the_state_of_every_method_is_exportable(name: str) -> None:
    """The expected tensors, found without memory, match; safetensors keeps their bits."""
    from benchbed.api.types import DataShape

    spec = get_registry().get_spec(MethodSpec, name)
    settings = resolve_method_settings(spec, "quick", {})
    spatial = (min(spec.sizes),) * min(spec.dimensions)
    shape = DataShape(3, spatial, mask_channels=int("mask" in spec.required_inputs), classes=2)
    method = load_object(spec.implementation)(settings)
    method.data = shape
    method.build(shape)
    tensors = tensors_module.flatten_state(method.get_state())
    expected = tensors_module.build_expected_tensors(spec, settings, shape)
    content = tensors_module.to_bytes(tensors)
    assert len(content) <= tensors_module.compute_max_bytes(expected)
    loaded = tensors_module.from_bytes(content)
    assert tensors_module.find_mismatch(expected, loaded) is None
    assert all(torch.equal(loaded[key], tensors[key]) for key in tensors)
    assert tensors_module.to_bytes(loaded) == content


# -- export errors -------------------------------------------------------------------------------


def test_the_reason_is_named_where_export_fails(store: ResultStore, tmp_path: Path) -> None:
    (record,) = store.load_records()
    store.write_record(record.model_copy(update={"state": "diverged", "message": "loss NaN"}))
    with pytest.raises(BenchbedError, match=r"diverged\b.*\bloss NaN\b"):
        find_exportable_run(store, "tiny")
    store.write_record(record)
    _unfinished(store)
    with pytest.raises(BenchbedError, match=rf"{record.id}\b.*\binterrupted\b"):
        find_exportable_run(store, "tiny")


def test_weights_of_a_different_step_than_the_record_are_not_exported(
    store: ResultStore, tmp_path: Path
) -> None:
    (record,) = store.load_records()
    training = record.training.model_copy(update={"steps": 7})
    store.write_record(record.model_copy(update={"training": training}))
    with pytest.raises(BenchbedError, match=r"last\.pt\b.*\bstep 13\b.*\bstep 7\b"):
        export_run(find_exportable_run(store, "tiny"), tmp_path / "run.zip")
    assert not (tmp_path / "run.zip").exists()


def test_an_existing_file_is_not_replaced(store: ResultStore, tmp_path: Path) -> None:
    (tmp_path / "run.zip").write_text("other")
    with pytest.raises(BenchbedError, match=r"/run\.zip\b.*--out"):
        export_run(find_exportable_run(store, "tiny"), tmp_path / "run.zip")
    assert (tmp_path / "run.zip").read_text() == "other"
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_state_other_than_a_tensor_is_named(store: ResultStore) -> None:
    run = find_exportable_run(store, "tiny")
    state = load_checkpoint(run.checkpoint, "tiny-lsgan")["state"]
    state["modules"]["generator"]["_extra_state"] = [1, 2]
    with pytest.raises(BenchbedError, match=r"'generator\._extra_state'.*\blist\b"):
        tensors_module.flatten_state(state)


def test_tensors_that_share_memory_are_exported(store: ResultStore) -> None:
    shared = torch.arange(6.0).view(2, 3)
    state = {"own": {}, "modules": {"a": {"x": shared, "y": shared.T, "z": shared[0]}}}
    loaded = tensors_module.from_bytes(tensors_module.to_bytes(tensors_module.flatten_state(state)))
    assert torch.equal(loaded["a.y"], shared.T)
    assert torch.equal(loaded["a.z"], shared[0])


def test_buffers_with_training_cases_are_found() -> None:
    tensors = {
        "masks.masks": torch.zeros(10, 1, 32, 32, dtype=torch.bool),
        "generator.0.weight": torch.zeros(4096),
        "generator.2.num_batches_tracked": torch.tensor(3),
    }
    assert tensors_module.find_stored_tensors(tensors) == ["masks.masks"]


def test_the_card_of_a_run_on_real_images_warns_of_training_data(store: ResultStore) -> None:
    """The card depends on the record, and names what images and weights may reveal."""
    from benchbed.sharing.model_card import render_model_card

    run = find_exportable_run(store, "tiny")
    real = run.record.model_copy(update={"source": "real"})
    card = render_model_card(
        real, replace(run.method, title="A | B"), None, {},
        plugin="x 1", stored=["masks.masks"], pictures=["samples/nearest.png"],
    )  # fmt: skip
    assert "real" in _lead(card)
    assert "phantom" not in _lead(card)
    section = card.split("## Data\n\n")[1].split("\n\n## ")[0]
    _, stored, images, licence = section.split("\n\n")
    assert re.search(r"`masks\.masks`.*\btraining\b", stored)
    assert "training" in images
    assert "licence" in licence.lower()
