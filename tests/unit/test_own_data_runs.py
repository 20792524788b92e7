"""Runs on a user's own data: commands with paths, records without, folders of one name."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchbed.cli import run_command
from benchbed.cli.show_command import collect_run_facts
from benchbed.config.run_config import RunConfig
from benchbed.errors import BenchbedError
from benchbed.report.model.build import build_frame
from benchbed.report.write import build_leaderboards
from benchbed.results.commands import describe_left_out_paths, format_command
from benchbed.results.record import Record, to_json_object
from benchbed.results.store import ResultStore
from benchbed.runs.plan import RunPlan
from benchbed.runs.planner import plan_run
from benchbed.sharing.export import find_exportable_run
from benchbed.sharing.model_card import render_model_card

NAME = "fundus photos"


def _write_images(folder: Path, seed: int, *, masks: bool = False) -> str:
    """Write 32 images, and masks if wanted; return the name of the dataset."""
    generator = np.random.default_rng(seed)
    for part in ("images", "masks") if masks else ("images",):
        (folder / part).mkdir(parents=True)
        for number in range(32):
            pixels = generator.integers(0, 2 if part == "masks" else 256, (16, 16), np.uint8)
            pixels = pixels * 255 if part == "masks" else pixels
            Image.fromarray(pixels).save(folder / part / f"{number}.png")
    return f"folder:{folder}"


@pytest.fixture
def name(tmp_path: Path) -> str:
    """Return a folder of images and masks with blanks in its path."""
    return _write_images(tmp_path / "my home" / NAME, 0, masks=True)


def _plan(method: str, dataset: str, **changes: Any) -> RunPlan:
    metrics = ("dice",) if method == "unet" else ("kl",)
    return plan_run(RunConfig(method=method, dataset=dataset, size=32, metrics=metrics, **changes))


def _run_words(command: str, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """Return the configuration that a command gives the shell."""
    found: list[RunConfig] = []
    monkeypatch.setattr(run_command, "_execute_plan", lambda config, *_, **__: found.append(config))
    result = CliRunner().invoke(run_command.app, shlex.split(command)[2:])
    assert result.exit_code == 0, result.output
    return found[0]


@pytest.mark.parametrize(
    "make_dataset",
    [
        lambda name, folder: name,
        lambda name, folder: _write_manifest(folder / "cases.csv", Path(name.partition(":")[2])),
    ],
)
def test_the_command_repeats_the_run_from_any_folder(
    make_dataset: Callable[[str, Path], str],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset = make_dataset(name, tmp_path)
    bad = Path(name.partition(":")[2]) / "images" / "0.png"
    bad.write_bytes(b"no image")
    monkeypatch.chdir(tmp_path)
    relative = dataset.replace(f"{tmp_path}/", "")
    plan = _plan("dcgan", relative, skip_bad=True)
    content = plan.as_dict()
    monkeypatch.chdir("/")
    config = _run_words(content["command"], monkeypatch)
    assert config.skip_bad
    assert plan_run(config).id == plan.id
    assert plan_run(RunConfig.from_plan(content)).id == plan.id


def _write_manifest(path: Path, folder: Path, classes: str = "") -> str:
    lines = [f"# classes: {classes}"] * bool(classes) + ["image,mask"]
    lines += [
        f"{folder / 'images' / n},{folder / 'masks' / n}" for n in map("{}.png".format, range(32))
    ]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")
    return f"manifest:{path}"


def test_the_command_has_the_data_root_of_real_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "a b"
    root.mkdir()
    generator = np.random.default_rng(0)
    arrays = {
        name: generator.integers(0, 2 if kind == "labels" else 256, shape, np.uint8)
        for split in ("train", "val", "test")
        for kind, shape in (("images", (8, 28, 28)), ("labels", (8, 1)))
        for name in (f"{split}_{kind}",)
    }
    np.savez(root / "pneumoniamnist.npz", **arrays)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCHBED_DATA", "a b")
    plan = _plan("dcgan", "pneumoniamnist")
    assert plan.collection.source == "real"
    assert str(tmp_path) not in plan.command
    command = plan.as_dict()["command"]
    monkeypatch.chdir("/")
    monkeypatch.delenv("BENCHBED_DATA")
    assert plan_run(_run_words(command, monkeypatch)).id == plan.id


def test_records_contain_no_paths(name: str, tmp_path: Path) -> None:
    other = _write_images(tmp_path / "other" / NAME, 1, masks=True)
    plan = _plan(
        "unet", name, task="augmentation", regime="mixed", generator="dual-gan",
        generator_dataset=other, pairs=4,
    )  # fmt: skip
    pairs = plan.pairs
    assert pairs is not None
    assert str(tmp_path) not in f"{plan.id}{plan.command}{pairs.model_dump_json()}{pairs.label}"
    assert plan.as_dict()["own_data"] == {"generator_dataset": other}
    assert plan_run(RunConfig.from_plan(plan.as_dict())).id == plan.id


def test_ids_do_not_depend_on_the_place(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy" / NAME
    copy.parent.mkdir()
    Path(name.partition(":")[2]).rename(copy)
    changes: dict[str, Any] = {
        "task": "augmentation", "regime": "mixed", "generator": "dual-gan", "pairs": 4,
    }  # fmt: skip
    first = _plan("unet", f"folder:{copy}", **changes)
    monkeypatch.chdir(copy.parent)
    second = _plan("unet", f"folder:{NAME}", **changes)
    assert first.id == second.id
    assert first.as_dict()["command"] == second.as_dict()["command"]


def test_folders_of_one_name_share_nothing(name: str, tmp_path: Path) -> None:
    other = _write_images(tmp_path / "other" / NAME, 1, masks=True)
    plans = [_plan("dcgan", name), _plan("dcgan", other)]
    assert plans[0].protocol.dataset == plans[1].protocol.dataset == f"folder:{NAME}"
    assert plans[0].id != plans[1].id
    assert plans[0].protocol.hash != plans[1].protocol.hash
    changes: dict[str, Any] = {
        "task": "augmentation", "regime": "mixed", "generator": "dual-gan", "pairs": 4,
    }  # fmt: skip
    upstream = [_plan("unet", name, generator_dataset=each, **changes) for each in (name, other)]
    assert upstream[0].id != upstream[1].id
    labels = {plan.pairs.label for plan in upstream if plan.pairs is not None}
    assert len(labels) == 2


def test_manifests_of_one_name_with_other_classes_share_nothing(name: str, tmp_path: Path) -> None:
    folder = Path(name.partition(":")[2])
    for number in range(32):
        pixels = np.arange(256, dtype=np.uint8).reshape(16, 16) % 3
        Image.fromarray(pixels).save(folder / "masks" / f"{number}.png")
    ids = {
        _plan("unet", _write_manifest(tmp_path / place / "cases.csv", folder, classes),
              task="segmentation").id
        for place, classes in (("a", "1=vessel, 2=disc"), ("b", "2=vessel, 1=disc"),
                               ("c", "1=vessel, 2=disc, 3=cup"))
    }  # fmt: skip
    assert len(ids) == 3


def test_tables_distinguish_folders_of_one_name(make_record: Callable[..., Record]) -> None:
    own = [
        make_record(id=f"run-{f}", dataset="folder:mine", fingerprint=f)
        for f in ("a" * 16, "b" * 16)
    ]
    single = make_record(id="run-c", dataset="folder:yours", fingerprint="c" * 16)
    named = [make_record(dataset="drive", fingerprint=f) for f in ("d" * 16, "e" * 16)]
    frame = build_frame([*own, single, *named])
    assert set(frame["dataset"]) == {
        "folder:mine [aaaaaa]", "folder:mine [bbbbbb]", "folder:yours", "drive",
    }  # fmt: skip
    boards = build_leaderboards(own, Path("no papers"))
    titles = [table.title for board in boards for table in board.tables]
    assert len(set(titles)) == len(titles) == 2


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    """Return a results folder with a blank in its path."""
    return ResultStore(tmp_path / "my results")


def _record_of(plan: RunPlan, make_record: Callable[..., Record]) -> Record:
    record = make_record(plan.method.name, id=plan.id, dataset=plan.protocol.dataset)
    provenance = record.provenance.model_copy(update={"command": plan.command})
    return record.model_copy(update={"provenance": provenance})


def test_show_prints_the_path_where_the_run_was_made(
    name: str, store: ResultStore, make_record: Callable[..., Record]
) -> None:
    plan = _plan("dcgan", name)
    store.write_record(_record_of(plan, make_record))
    facts = collect_run_facts(store, plan.id) or {}
    assert shlex.split(facts["command"])[-2:] == ["--results", str(store.root)]
    assert f"folder:{NAME}" in shlex.split(facts["command"])
    assert NAME in facts["paths"]
    store.write_state(plan.id, "finished", {"plan": plan.as_dict()})
    facts = collect_run_facts(store, plan.id) or {}
    assert name in shlex.split(facts["command"])
    assert shlex.split(facts["command"])[-2:] == ["--results", str(store.root)]
    assert "paths" not in facts


def test_shared_texts_say_that_the_path_is_left_out(
    name: str, tmp_path: Path, make_record: Callable[..., Record]
) -> None:
    plan = _plan("dcgan", name)
    record = _record_of(plan, make_record)
    assert NAME in describe_left_out_paths(record)
    assert describe_left_out_paths(make_record(dataset="drive")) == ""
    card = render_model_card(
        record, plan.method, None, {}, plugin="p 1", stored=[], pictures=[], history=None
    )
    assert describe_left_out_paths(record) in card
    assert str(tmp_path) not in card + json.dumps(to_json_object(record))


def test_hints_name_the_results_folder_unless_it_is_the_default(
    store: ResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["benchbed", "run", "--resume", "RUN"]
    assert shlex.split(format_command(store, *words[1:])) == [
        *words, "--results", str(store.root),
    ]  # fmt: skip
    monkeypatch.setenv("BENCHBED_RESULTS", str(store.root))
    assert shlex.split(format_command(store, *words[1:])) == words


@pytest.mark.parametrize("recorded", [False, True])
def test_an_unfinished_run_is_resumed_in_its_results_folder(
    recorded: bool, name: str, store: ResultStore, make_record: Callable[..., Record]
) -> None:
    plan = _plan("dcgan", name)
    store.write_state(plan.id, "interrupted", {"plan": plan.as_dict()})
    if recorded:
        store.write_record(_record_of(plan, make_record))
    with pytest.raises(BenchbedError) as caught:
        find_exportable_run(store, plan.id)
    assert shlex.join(["--results", str(store.root)]) in str(caught.value)
