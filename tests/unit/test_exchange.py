"""A run that travels: exported, imported, and the same in every bit on the other side."""

from __future__ import annotations

import hashlib
import json
import pickle
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

from benchbed import registry as registry_module
from benchbed.api.specs import MethodSpec
from benchbed.errors import BenchbedError
from benchbed.registry import load, registry
from benchbed.runs import install as installing
from benchbed.runs import weights
from benchbed.runs.archive import Manifest, read_archive, write_archive
from benchbed.runs.export import Exported, export, exportable
from benchbed.runs.install import install, offered
from benchbed.runs.lookup import find_run
from benchbed.runs.plan import method_settings, plan
from benchbed.runs.prune import Wanted, free, survey
from benchbed.runs.request import Request
from benchbed.runs.runner import carry_out
from benchbed.runs.showcase import read_showcase
from benchbed.runs.store import Store
from benchbed.runs.trained import trained
from benchbed.training.sampling import draw
from benchbed.training.state import load_checkpoint

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def made(third_party: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with one finished run: two networks, an average, buffers, 32 px, 12 steps."""
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(third_party))
        patch.setenv("BENCHBED_CACHE", str(shared_cache))
        patch.delenv("BENCHBED_DATA", raising=False)
        registry_module.registry.cache_clear()
        asked = Request(
            method="tiny-lsgan", dataset="discs", settings={}, size=32, kimg=0.1, samples=8,
            metrics=("swd", "kl", "memorisation"),
        )  # fmt: skip
        carry_out(plan(asked), Store(root), device="cpu")
    registry_module.registry.cache_clear()
    return root


@pytest.fixture
def store(made: Path, with_plugin: Path, tmp_path: Path) -> Store:
    """The results, a copy for each test."""
    shutil.copytree(made, tmp_path / "mine")
    return Store(tmp_path / "mine")


@pytest.fixture
def other(tmp_path: Path) -> Store:
    """The results folder of somebody else."""
    return Store(tmp_path / "theirs")


@pytest.fixture
def exported(store: Store, tmp_path: Path) -> Exported:
    return export(exportable(store, "tiny"), tmp_path / "run.zip")


def _import(path: Path, store: Store) -> bool:
    return install(offered(path), store)


def _samples(store: Store) -> Any:
    _, method = trained(store, "tiny", "cpu")
    return draw(method, 5, seed=4).image.numpy()


def _tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_samples_of_the_imported_run_are_those_of_the_original(
    store: Store, exported: Exported, other: Store
) -> None:
    assert _import(exported.path, other) is True
    assert np.array_equal(_samples(other), _samples(store))
    saved = [
        load_checkpoint(s.root / "runs" / s.records()[0].id / "checkpoints/last.pt", "tiny-lsgan")
        for s in (store, other)
    ]
    one, two = (weights.flat(content["state"]) for content in saved)
    assert one.keys() == two.keys()
    assert any(name.startswith("generator_average.module.") for name in one)
    assert "generator.2.num_batches_tracked" in one
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert saved[0]["state"]["steps"] == saved[1]["state"]["steps"]
    assert saved[0]["state"]["updates"] == saved[1]["state"]["updates"]


def test_the_same_run_is_the_same_bytes_here_and_where_it_was_imported(
    store: Store, exported: Exported, other: Store, tmp_path: Path
) -> None:
    again = export(exportable(store, "tiny"), tmp_path / "again.zip")
    assert again.path.read_bytes() == exported.path.read_bytes()
    assert again.sha256 == exported.sha256
    _import(exported.path, other)
    passed_on = export(exportable(other, "tiny"), tmp_path / "passed-on.zip")
    assert passed_on.sha256 == exported.sha256
    assert export(exportable(store, "tiny"), exported.path).sha256 == exported.sha256


def test_the_imported_record_says_where_it_came_from(
    store: Store, exported: Exported, other: Store
) -> None:
    _import(exported.path, other)
    (mine,), (theirs,) = store.records(), other.records()
    assert theirs.imported is not None
    assert theirs.imported.archive == "run.zip"
    assert theirs.imported.sha256 == hashlib.sha256(exported.path.read_bytes()).hexdigest()
    assert theirs.model_copy(update={"imported": None}) == mine
    _, state = find_run(other, mine.id)
    assert state["imported"]["sha256"] == exported.sha256
    assert state["plan"]["root"] is None


def test_no_pickle_is_in_the_archive_and_none_is_read_on_import(
    exported: Exported, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = zipfile.ZipFile(exported.path).namelist()
    assert not [name for name in names if name.endswith((".pt", ".pkl"))]

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("something was unpickled")

    for place, name in (
        (torch, "load"),
        (pickle, "load"),
        (pickle, "loads"),
        (pickle, "Unpickler"),
    ):
        monkeypatch.setattr(place, name, forbidden)
    assert _import(exported.path, other) is True


def test_the_card_tells_what_a_reader_must_know(exported: Exported) -> None:
    card = read_archive(exported.path).read("README.md").decode()
    for words in (
        "Trained on drawings, not on patients", "Not for clinical use", "Mao, Li, Xie",
        "public domain", "24 train", "| swd |", "floor", "0.1 thousand images",
        "benchbed sample tiny-lsgan-discs-32px", "benchbed-example 3.1", "memorisation",
        "`history.csv`",
    ):  # fmt: skip
        assert words in card, words
    assert str(Path.home()) not in card


def test_the_imported_run_shows_what_the_original_shows(
    store: Store, exported: Exported, other: Store
) -> None:
    """Its curves, its grid and its nearest training images, and its losses in full."""
    _import(exported.path, other)
    run = store.records()[0].id
    shown = read_showcase(store.root, run)
    assert set(shown.pictures) == {"grid", "nearest"}
    assert shown.curves is not None
    assert read_showcase(other.root, run) == shown
    histories = [s.run_folder(run) / "history.csv" for s in (store, other)]
    assert histories[0].read_bytes() == histories[1].read_bytes()


def _without_history(exported: Exported, **manifest: Any) -> Path:
    archive = read_archive(exported.path)
    members = {n: archive.read(n) for n in archive.manifest.members if n != "history.csv"}
    path = exported.path.with_name("old.zip")
    write_archive(path, archive.manifest.model_copy(update=manifest), members)
    return path


def test_an_archive_from_before_histories_travelled_is_imported(
    exported: Exported, other: Store
) -> None:
    assert _import(_without_history(exported, version=1), other) is True
    shown = read_showcase(other.root, other.records()[0].id)
    assert set(shown.pictures) == {"grid", "nearest"}
    assert shown.curves is None


def test_a_showcase_that_is_here_stays_as_it_is(store: Store, other: Store, tmp_path: Path) -> None:
    """One that came with a committed record, where the archive has no pictures."""
    bare = export(exportable(store, "tiny"), tmp_path / "bare.zip", pictures=False)
    for name in ("records", "showcase"):
        shutil.copytree(store.root / name, other.root / name)
    before = _tree(other.root / "showcase")
    assert before
    assert _import(bare.path, other) is True
    assert _tree(other.root / "showcase") == before


def test_a_picture_that_cannot_be_shown_is_said_and_left_out(
    exported: Exported, other: Store
) -> None:
    """It has a head that is right, and nothing behind it."""
    archive = read_archive(exported.path)
    members = {name: archive.read(name) for name in archive.manifest.members}
    members["samples/final.png"] = members["samples/final.png"][:60]
    path = exported.path.with_name("cut.zip")
    write_archive(path, archive.manifest, members)
    said: list[str] = []
    assert install(offered(path), other, said.append) is True
    assert len(said) == 1
    assert said[0].startswith("The showcase of this run could not be written")


def test_pictures_can_stay_at_home(store: Store, tmp_path: Path, other: Store) -> None:
    bare = export(exportable(store, "tiny"), tmp_path / "bare.zip", pictures=False)
    assert not [name for name in bare.members if name.endswith(".png")]
    assert "nearest training images stand" not in read_archive(bare.path).read("README.md").decode()
    assert _import(bare.path, other) is True
    shown = read_showcase(other.root, other.records()[0].id)
    assert not shown.pictures
    assert shown.curves is not None


# -- what is here already ------------------------------------------------------------------------


def test_a_run_that_is_here_is_not_touched(exported: Exported, other: Store) -> None:
    _import(exported.path, other)
    before = _tree(other.root)
    assert _import(exported.path, other) is False
    assert _tree(other.root) == before


def test_the_exporters_own_run_is_the_same(exported: Exported, store: Store) -> None:
    before = _tree(store.root)
    assert _import(exported.path, store) is False
    assert _tree(store.root) == before


def _changed_record(store: Store) -> None:
    path = next(store.records_folder.glob("*.json"))
    content = json.loads(path.read_text())
    content["metrics"][0]["value"] = 0.5
    path.write_text(json.dumps(content))


def _changed_weights(store: Store) -> None:
    path = next(store.root.glob("runs/*/checkpoints/last.pt"))
    content = torch.load(path, weights_only=True)
    content["state"]["modules"]["generator"]["0.bias"][0] += 1
    torch.save(content, path)


def _unfinished(store: Store) -> None:
    path = next(store.root.glob("runs/*/run.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), "state": "interrupted"}))


def _unrecorded(store: Store) -> None:
    next(store.records_folder.glob("*.json")).unlink()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_changed_record, "its record differs from that of the archive in metrics"),
        (_changed_weights, "the same record but other weights"),
        (_unfinished, "it is interrupted"),
        (_unrecorded, "it is finished and has no record"),
    ],
)
def test_another_run_of_the_name_is_not_replaced(
    exported: Exported, other: Store, change: Callable[[Store], None], words: str
) -> None:
    _import(exported.path, other)
    change(other)
    before = _tree(other.root)
    with pytest.raises(BenchbedError, match=words):
        _import(exported.path, other)
    assert _tree(other.root) == before


def test_a_committed_record_gets_its_weights_and_stays_as_it_is(
    store: Store, exported: Exported, other: Store
) -> None:
    shutil.copytree(store.records_folder, other.records_folder)
    before = _tree(other.records_folder)
    assert _import(exported.path, other) is True
    assert _tree(other.records_folder) == before
    assert np.array_equal(_samples(other), _samples(store))


def test_pruned_weights_come_back(store: Store, exported: Exported) -> None:
    before = _samples(store)
    (holding,) = survey(store)
    assert free(store, holding, Wanted(weights=True)) > 0
    with pytest.raises(BenchbedError, match="has no checkpoint here"):
        trained(store, "tiny", "cpu")
    with pytest.raises(BenchbedError, match="are not here"):
        exportable(store, "tiny")
    assert _import(exported.path, store) is True
    assert np.array_equal(_samples(store), before)


def test_a_run_that_another_process_holds_is_refused(
    store: Store, exported: Exported, other: Store
) -> None:
    run = store.records()[0].id
    code = (
        "import sys\nfrom pathlib import Path\nfrom benchbed.runs.store import Store\n"
        "with Store(Path(sys.argv[1])).locked(sys.argv[2]):\n    print(1, flush=True)\n    input()"
    )
    words = [sys.executable, "-c", code, str(other.root), run]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(BenchbedError, match="Another process is at work"):
            _import(exported.path, other)
        holder.kill()
    assert _tree(other.root) == {}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_import_that_breaks_off_leaves_nothing(
    exported: Exported, other: Store, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(Store, "write_state", broken)
    with pytest.raises((BenchbedError, KeyboardInterrupt)) as caught:
        _import(exported.path, other)
    assert "No space left" in str(caught.value) or caught.type is KeyboardInterrupt
    assert _tree(other.root) == {}
    monkeypatch.undo()


# -- weights that do not fit ---------------------------------------------------------------------


def _with_weights(exported: Exported, content: bytes) -> Path:
    """The archive with other weights, every checksum right."""
    archive = read_archive(exported.path)
    members = {name: archive.read(name) for name in archive.manifest.members}
    path = exported.path.with_name("bad.zip")
    write_archive(path, archive.manifest, {**members, "weights.safetensors": content})
    return path


def _tensors(exported: Exported) -> dict[str, torch.Tensor]:
    return weights.from_bytes(read_archive(exported.path).read("weights.safetensors"))


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('this was executed')",)


BIAS = "generator.0.bias"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: {**t, BIAS: t[BIAS].double()}, "is torch.float64, not torch.float32"),
        (lambda t: {**t, BIAS: t[BIAS][:-1]}, r"has the shape 511, not 512"),
        (lambda t: {**t, BIAS: t[BIAS][None]}, r"has the shape 1 x 512, not 512"),
        (lambda t: {n: v for n, v in t.items() if n != BIAS}, "lack 'generator.0.bias'"),
        (lambda t: {**t, "generator.9.weight": t[BIAS].clone()}, "hold 'generator.9.weight'"),
        (lambda t: {**t, "evil": t[BIAS].clone()}, "hold 'evil'"),
        (lambda t: {**t, "huge": torch.zeros(2_000_000)}, "more than the method's networks need"),
    ],
)
def test_tensors_that_the_method_has_not(
    exported: Exported, other: Store, spoil: Callable[[Any], Any], words: str
) -> None:
    path = _with_weights(exported, weights.to_bytes(spoil(_tensors(exported))))
    with pytest.raises(BenchbedError, match=words):
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
def test_weights_that_are_no_safetensors(
    exported: Exported, other: Store, spoil: Callable[[bytes], bytes]
) -> None:
    content = read_archive(exported.path).read("weights.safetensors")
    with pytest.raises(BenchbedError, match="no safetensors file"):
        _import(_with_weights(exported, spoil(content)), other)
    assert not other.root.exists()


def test_a_shape_that_the_method_cannot_have(exported: Exported, other: Store) -> None:
    archive = read_archive(exported.path)
    members = {name: archive.read(name) for name in archive.manifest.members}
    data = archive.manifest.data.model_copy(update={"channels": 3})
    path = exported.path.with_name("bad.zip")
    write_archive(path, archive.manifest.model_copy(update={"data": data}), members)
    with pytest.raises(BenchbedError, match="has the shape"):
        _import(path, other)


# -- the method on this side ---------------------------------------------------------------------


def test_a_method_that_is_not_installed_is_named(
    exported: Exported, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHBED_PLUGINS", "classics")
    registry_module.registry.cache_clear()
    with pytest.raises(
        BenchbedError, match=r"'tiny-lsgan' of benchbed-example 3\.1.*not installed"
    ):
        _import(exported.path, other)
    assert not other.root.exists()


def test_another_version_of_the_plugin_is_said(exported: Exported, other: Store) -> None:
    archive = read_archive(exported.path)
    members = {name: archive.read(name) for name in archive.manifest.members}
    older: Manifest = archive.manifest.model_copy(update={"plugin": "benchbed-example 2.0"})
    path = exported.path.with_name("older.zip")
    write_archive(path, older, members)
    offer = offered(path)
    (note,) = offer.notes
    assert "made with benchbed-example 2.0, but tiny-lsgan is of benchbed-example 3.1 here" in note
    assert install(offer, other) is True
    assert offered(exported.path).notes == ()


def test_settings_that_the_method_has_not_are_refused(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(load(registry().spec(MethodSpec, "tiny-lsgan").settings)):  # type: ignore[misc]
        width: int = 4

        def model_dump(self, **_: Any) -> dict[str, Any]:
            return {**super().model_dump(), "width": 4}

    monkeypatch.setattr(installing, "load", lambda target: Other)
    with pytest.raises(BenchbedError, match="mean something else to tiny-lsgan"):
        offered(exported.path)


@pytest.mark.parametrize(
    "name", [name for name, spec in registry().specs(MethodSpec).items() if spec.trains]
)
def test_the_state_of_every_method_travels(name: str) -> None:
    """A build without memory has the tensors of a real one, and safetensors keeps their bits."""
    from benchbed.api.types import DataShape

    spec = registry().spec(MethodSpec, name)
    settings = method_settings(spec, "quick", {})
    spatial = (min(spec.sizes),) * min(spec.dimensions)
    shape = DataShape(3, spatial, mask_channels=int("mask" in spec.needs), classes=2)
    method = load(spec.implementation)(settings)
    method.data = shape
    method.build(shape)
    tensors = weights.flat(method.state())
    expected = weights.wanted(spec, settings, shape)
    content = weights.to_bytes(tensors)
    assert len(content) <= weights.largest(expected)
    found = weights.from_bytes(content)
    assert weights.misfit(expected, found) is None
    assert all(torch.equal(found[key], tensors[key]) for key in tensors)
    assert weights.to_bytes(found) == content


# -- what cannot be exported ---------------------------------------------------------------------


def test_what_cannot_be_exported_says_why(store: Store, tmp_path: Path) -> None:
    (record,) = store.records()
    store.write_record(record.model_copy(update={"state": "diverged", "message": "loss NaN"}))
    with pytest.raises(BenchbedError, match=r"diverged \(loss NaN\): it has no final weights"):
        exportable(store, "tiny")
    store.write_record(record)
    _unfinished(store)
    with pytest.raises(BenchbedError, match="is interrupted, though it has a record"):
        exportable(store, "tiny")


def test_weights_of_another_moment_than_the_record_are_not_exported(
    store: Store, tmp_path: Path
) -> None:
    (record,) = store.records()
    training = record.training.model_copy(update={"steps": 7})
    store.write_record(record.model_copy(update={"training": training}))
    with pytest.raises(BenchbedError, match="do not belong together"):
        export(exportable(store, "tiny"), tmp_path / "run.zip")
    assert not (tmp_path / "run.zip").exists()


def test_a_file_that_is_there_is_not_replaced(store: Store, tmp_path: Path) -> None:
    (tmp_path / "run.zip").write_text("precious")
    with pytest.raises(BenchbedError, match="is there already and is another file"):
        export(exportable(store, "tiny"), tmp_path / "run.zip")
    assert (tmp_path / "run.zip").read_text() == "precious"
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_state_that_is_no_tensor_is_named(store: Store) -> None:
    found = exportable(store, "tiny")
    state = load_checkpoint(found.checkpoint, "tiny-lsgan")["state"]
    state["modules"]["generator"]["_extra_state"] = [1, 2]
    with pytest.raises(BenchbedError, match=r"'generator\._extra_state' is a list"):
        weights.flat(state)


def test_tensors_that_share_memory_travel(store: Store) -> None:
    shared = torch.arange(6.0).view(2, 3)
    state = {"own": {}, "modules": {"a": {"x": shared, "y": shared.T, "z": shared[0]}}}
    found = weights.from_bytes(weights.to_bytes(weights.flat(state)))
    assert torch.equal(found["a.y"], shared.T)
    assert torch.equal(found["a.z"], shared[0])


def test_what_keeps_training_cases_is_found() -> None:
    tensors = {
        "masks.masks": torch.zeros(10, 1, 32, 32, dtype=torch.bool),
        "generator.0.weight": torch.zeros(4096),
        "generator.2.num_batches_tracked": torch.tensor(3),
    }
    assert weights.stored(tensors) == ["masks.masks"]


def test_a_run_of_real_images_is_not_called_drawings(store: Store, tmp_path: Path) -> None:
    """The card follows the record, and warns of what the pictures and weights may show."""
    from benchbed.runs.card import model_card

    found = exportable(store, "tiny")
    real = found.record.model_copy(update={"source": "real"})
    card = model_card(
        real, replace(found.method, title="A | B"), None, {},
        plugin="x 1", stored=["masks.masks"], pictures=["samples/nearest.png"],
    )  # fmt: skip
    assert "Trained on real medical images" in card
    assert "drawings" not in card
    assert "`masks.masks` keep values of the training cases" in card
    assert "The licence and the terms of the real data hold for those, too." in card
