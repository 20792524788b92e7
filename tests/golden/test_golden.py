"""Ids, hashes, JSON keys and numbers that a change of words and shape leaves as they are.

`frozen.json` holds what benchbed computed from the committed records before version 0.2. It was
written by ``python tests/golden/test_golden.py`` at commit 43873ab and is rewritten only when a
number is meant to change.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import io
import json
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
import typer

from benchbed.api.specs import DatasetSpec, MethodSpec, MetricSpec, TaskSpec
from benchbed.cli.main import app
from benchbed.config.paths import get_checkpoint_path
from benchbed.config.run_config import RunConfig
from benchbed.registry.lookup import get_registry
from benchbed.report.render import csv as csv_module
from benchbed.report.write import build_leaderboards
from benchbed.results.record import read_record, write_record
from benchbed.runs.plan import RunPlan
from benchbed.runs.planner import plan_run
from benchbed.sharing.archived_record import derive_plan, derive_run_hash
from benchbed.suites.spec import list_shipped_suites
from benchbed.utils.files import hash_json

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FROZEN = HERE / "frozen.json"
DIGITS = 9
RECORDS = sorted(
    [
        *ROOT.glob("results/records/*.json"),
        *ROOT.glob("results/precision/**/*.json"),
        *ROOT.glob("tests/historic/schema-*/records/*.json"),
    ]
)
SUITES = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.yaml"))


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def describe_records() -> dict[str, list[Any]]:
    """Map each record to its run hash, protocol hash, fingerprint and hashes of what is written."""
    found: dict[str, list[Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in RECORDS:
            record = read_record(path)
            written = Path(folder, path.name)
            write_record(written, record)
            found[str(path.relative_to(ROOT))] = [
                derive_run_hash(record),
                hash_json(record.protocol),
                record.fingerprint,
                hashlib.sha256(written.read_bytes()).hexdigest()[:16],
                _hash(derive_plan(record)),
            ]
    return found


def describe_numbers() -> dict[str, list[list[str]]]:
    """Map each leaderboard to its numeric cells, rounded, with the runs that they come from."""
    records = [read_record(path) for path in RECORDS if "results/records" in path.as_posix()]
    found: dict[str, list[list[str]]] = {}
    for board in build_leaderboards(records, ROOT / "benchmarks" / "papers"):
        texts = {board.name: csv_module.render_csv(board)}
        if board.comparisons:
            texts[f"{board.name}-comparison"] = csv_module.render_comparisons(board)
        for name, text in texts.items():
            rows = list(csv.reader(io.StringIO(text)))[1:]
            found[name] = sorted([cell for cell in map(_number, row) if cell] for row in rows)
    return found


def _number(cell: str) -> str:
    try:
        return f"{float(cell):.{DIGITS}g}"
    except ValueError:
        return ""


def describe_names() -> dict[str, list[str]]:
    """Collect the names that users type: entry points, commands, options, specs, suites."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    command = typer.main.get_command(app)
    options: list[str] = []

    def visit(each: Any, path: str) -> None:
        options.extend(
            f"{path} {word}"
            for parameter in each.params
            for word in (*parameter.opts, *parameter.secondary_opts)
            if word.startswith("-")
        )
        context = typer.Context(each)
        for name in each.list_commands(context) if hasattr(each, "list_commands") else ():
            visit(each.get_command(context, name), f"{path} {name}")

    visit(command, "benchbed")
    known = get_registry()
    return {
        "scripts": sorted(project["scripts"]),
        "plugins": sorted(f"{k}={v}" for k, v in project["entry-points"]["benchbed"].items()),
        "pytest": sorted(project["entry-points"]["pytest11"]),
        "options": sorted(options),
        "methods": sorted(known.get_specs(MethodSpec)),
        "datasets": sorted(known.get_specs(DatasetSpec)),
        "metrics": sorted(f"{s.name}: {s.recipe}" for s in known.get_specs(MetricSpec).values()),
        "tasks": sorted(known.get_specs(TaskSpec)),
        "suites": sorted(list_shipped_suites()),
    }


def _planned(method: str, dataset: str, task: str = "synthesis", **more: Any) -> RunPlan:
    settings = more.pop("settings", {})
    return plan_run(
        RunConfig(
            method=method, dataset=dataset, task=task, source="phantom", settings=settings, **more
        )
    )


def describe_plans() -> dict[str, Any]:
    """Plan runs of every kind on phantoms; map each to its id and what ``run.json`` would say."""
    plans = {
        "synthesis": _planned("dcgan", "fundus"),
        "standard": _planned("pggan", "fundus", preset="standard", seed=3),
        "settings": _planned(
            "skrgan", "drive", settings={"batch_size": 4}, size=32, kimg=0.5, samples=64
        ),
        "seconds": _planned("acgan", "brain-mri", seconds=60.0, augment="flip", precision="bf16"),
        "segmentation": _planned("unet", "drive", "segmentation"),
        "translation": _planned("pix2pix-3d", "hippocampus", "translation"),
        "augmentation": _planned(
            "unet", "drive", "augmentation", regime="mixed", generator="dual-gan", pairs=20
        ),
        "real share": _planned("unet", "drive", "augmentation", regime="real", real_share=0.5),
        "pseudo-labels": _planned(
            "anisotropic-wnet", "brats", "augmentation", regime="synthetic",
            generator="pix2pix-3d", generator_kimg=1.0, masks_from="adni",
            annotator="pix2pix-3d-seg", annotator_kimg=0.5,
        ),
    }  # fmt: skip
    return {name: [made.id, made.as_dict()] for name, made in plans.items()}


def describe_checkpoints() -> dict[str, Any]:
    """Map each committed checkpoint to its keys and the hash of its tensors."""
    found: dict[str, Any] = {}
    for folder in sorted(ROOT.glob("tests/historic/schema-*/runs/*")):
        content = torch.load(get_checkpoint_path(folder), weights_only=False, map_location="cpu")
        keys: list[str] = []
        hashed = hashlib.sha256()

        def walk(value: Any, path: str, keys: list[str] = keys, hashed: Any = hashed) -> None:
            if isinstance(value, dict):
                for name in value:
                    walk(value[name], f"{path}/{name}")
            elif isinstance(value, list | tuple):
                for number, each in enumerate(value):
                    walk(each, f"{path}/{number}")
            else:
                keys.append(path)
                if isinstance(value, torch.Tensor):
                    hashed.update(value.contiguous().cpu().numpy().tobytes())

        walk(content, "")
        found[str(folder.relative_to(ROOT))] = [_hash(sorted(keys)), len(keys), hashed.hexdigest()]
    return found


DESCRIBE = {
    "records": describe_records,
    "numbers": describe_numbers,
    "names": describe_names,
    "plans": describe_plans,
    "checkpoints": describe_checkpoints,
}


@pytest.fixture(scope="module")
def frozen() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(FROZEN.read_text(encoding="utf-8"))
    return content


def test_all_committed_records_are_covered(frozen: dict[str, Any]) -> None:
    assert len(frozen["records"]) >= 373
    assert set(frozen["records"]) <= {str(path.relative_to(ROOT)) for path in RECORDS}


def test_hashes_of_records_are_unchanged(frozen: dict[str, Any]) -> None:
    found = describe_records()
    assert {name: found[name] for name in frozen["records"]} == frozen["records"]


def test_hashes_agree_with_the_records() -> None:
    for name, (run, protocol, *_) in describe_records().items():
        content = json.loads((ROOT / name).read_text(encoding="utf-8"))
        assert content["id"].endswith(f"-{run}"), name
        assert content["protocol_hash"] == protocol, name


def test_numbers_of_leaderboards_are_unchanged(frozen: dict[str, Any]) -> None:
    found = describe_numbers()
    assert set(found) >= set(frozen["numbers"])
    for name, rows in frozen["numbers"].items():
        assert found[name] == rows, name


def test_names_that_users_type_are_there(frozen: dict[str, Any]) -> None:
    found = describe_names()
    for kind, names in frozen["names"].items():
        assert set(names) <= set(found[kind]), kind


def test_entry_points_name_functions_that_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for target in (*project["scripts"].values(), *project["entry-points"]["pytest11"].values()):
        path = ROOT / (target.partition(":")[0].replace(".", "/") + ".py")
        name = target.partition(":")[2]
        names = {n.name for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)}
        assert not name or name in names


def test_ids_of_plans_are_unchanged(frozen: dict[str, Any]) -> None:
    found = json.loads(json.dumps(describe_plans()))
    assert {name: made[0] for name, made in found.items()} == {
        name: made[0] for name, made in frozen["plans"].items()
    }
    assert found == frozen["plans"]


def test_keys_and_tensors_of_checkpoints_are_unchanged(frozen: dict[str, Any]) -> None:
    found = json.loads(json.dumps(describe_checkpoints()))
    assert found == frozen["checkpoints"]


if __name__ == "__main__":
    parts = [
        f'"{kind}": {{\n'
        + ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in found.items())
        + "\n}"
        for kind, found in ((kind, describe()) for kind, describe in DESCRIBE.items())
    ]
    FROZEN.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
    sys.stdout.write(f"{FROZEN}: {FROZEN.stat().st_size:,} bytes\n")
