"""What must not change while names and modules do: ids, hashes, keys, numbers and interfaces.

Everything is compared with frozen JSON files in this folder, which were written by

    python tests/golden/test_golden.py --write

(or `--write NAME ...` for some of `GOLDEN`). Write them again only when a number, a key or a name
is meant to change, and say so in the commit. Records that are added later do not matter here: the
leaderboards are those of the frozen records.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from typer.testing import CliRunner

from benchbed.api.method import Method
from benchbed.api.specs import DatasetSpec, MethodSpec, MetricSpec, TaskSpec
from benchbed.api.types import DataShape
from benchbed.cli.main import app
from benchbed.config.paths import find_benchmarks_folder, get_checkpoint_path
from benchbed.config.protocol import Protocol, resolve_preset
from benchbed.config.run_config import RunConfig
from benchbed.registry.lookup import get_registry, load_object
from benchbed.report.model.leaderboard import (
    BudgetFigure,
    Cell,
    Leaderboard,
    MethodComparison,
    Table,
)
from benchbed.report.write import build_leaderboards
from benchbed.results.lookup import find_config
from benchbed.results.record import Record, write_record
from benchbed.results.store import ResultStore
from benchbed.runs.build import load_trained_method
from benchbed.runs.execute import execute_run
from benchbed.runs.plan import RunPlan, resolve_method_settings
from benchbed.runs.planner import plan_run
from benchbed.sharing.archived_record import derive_run_hash
from benchbed.suites.plan import iter_run_configs, plan_suite_runs
from benchbed.suites.spec import list_shipped_suites, read_suite
from benchbed.training.checkpoint import load_checkpoint
from benchbed.utils.files import hash_json
from benchbed.utils.progress import NullReporter, TrainingProgress

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
HISTORIC = ROOT / "tests" / "historic" / "schema-1"
HISTORIC_RUN = "dcgan-drive-32px-s0-bdfedbac"
FOLDERS = {
    "main": ROOT / "results",
    "precision": ROOT / "results" / "precision",
    "historic": HISTORIC,
}
"""Results folders whose records are committed."""


# ---- Access to benchbed: everything below this section works with plain values only. ----


def read_records(folder: Path) -> list[Record]:
    return ResultStore(folder).load_records()


def hashes_of(record: Record) -> dict[str, str]:
    """Return what identifies a record, recomputed from its content."""
    return {
        "run": derive_run_hash(record),
        "protocol": Protocol(**record.protocol).hash,
        "stored_protocol": hash_json(record.protocol),
        "fingerprint": record.fingerprint,
    }


def stored_hashes_of(record: Record) -> dict[str, str]:
    """Return the same, as the record states it."""
    return {
        "run": record.id.split("-")[-1],
        "protocol": record.protocol_hash,
        "stored_protocol": record.protocol_hash,
        "fingerprint": record.protocol["fingerprint"],
    }


def written(record: Record, path: Path) -> Any:
    """Return the JSON that is written for a record."""
    write_record(path, record)
    return json.loads(path.read_text(encoding="utf-8"))


def recipes_in(records: Sequence[Record]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for record in records:
        for measured in record.metrics:
            found.setdefault(measured.metric, set()).add(measured.recipe)
    return {name: sorted(recipes) for name, recipes in sorted(found.items())}


def boards_of(records: list[Record]) -> dict[str, Any]:
    """Return the numbers of the leaderboards that `benchbed report` makes of records."""
    boards = build_leaderboards(records, find_benchmarks_folder() / "papers")
    return {board.name: numbers_of_board(board) for board in boards}


def numbers_of_board(board: Leaderboard) -> dict[str, Any]:
    # Verdicts are numbered in the order of their appearance: which cells share one is frozen,
    # its wording is not.
    verdicts: dict[str, int] = {}
    tables = [numbers_of_table(table, verdicts) for table in board.tables]
    return {
        "tables": sorted(tables, key=lambda t: (t["protocol"], t["precision"], sorted(t["rows"]))),
        "comparisons": [numbers_of_comparison(part) for part in board.comparisons],
        "budgets": [numbers_of_budgets(part) for part in board.budgets],
        "absent": len(board.missing_rows),
    }


def numbers_of_table(table: Table, verdicts: dict[str, int]) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for row in table.rows:
        # A row that has only the paper's values has no runs; its label begins with the method.
        key = " ".join(row.runs) or f"paper {sum(k.startswith('paper') for k in rows)}"
        cells = {name: numbers_of_cell(cell, verdicts) for name, cell in row.cells.items()}
        rows[key] = {
            "seeds": row.seeds,
            "diverged": row.diverged,
            "cells": {name: cell for name, cell in cells.items() if cell},
        }
    return {
        "protocol": table.protocol["protocol"],
        "precision": table.protocol["precision"],
        "metrics": [spec.name for spec in table.metrics],
        "seeds": table.seeds,
        "floors": {name: list(floor) for name, floor in table.baselines.items()},
        "rows": rows,
    }


def numbers_of_cell(cell: Cell, verdicts: dict[str, int]) -> dict[str, Any]:
    verdict = None
    if cell.verdict is not None:
        number = verdicts.setdefault(cell.verdict.word, len(verdicts))
        verdict = [number, len(cell.verdict.reasons)]
    found = {
        "mean": cell.mean,
        "sd": cell.sd,
        "interval": cell.interval,
        "seed_interval": cell.seed_interval,
        "n": len(cell.values),
        "of": cell.seed_count,
        "paper": cell.paper_value,
        "best": cell.is_best,
        "tied": cell.is_tied,
        "lost": sorted(cell.unusable_values),
        "verdict": verdict,
    }
    return {name: value for name, value in found.items() if value not in (None, False, [], 0)}


def numbers_of_comparison(comparison: MethodComparison) -> dict[str, Any]:
    return {
        "source": comparison.shared["source"],
        "size": comparison.shared["size"],
        "precision": comparison.shared["precision"],
        "datasets": comparison.datasets,
        "metrics": {
            part.metric.name: {
                "datasets": part.datasets,
                "friedman": part.friedman_p,
                "critical": part.critical_difference,
                "groups": [len(group) for group in part.groups],
                "ranks": [
                    [method_in(rank.label), rank.mean, rank.is_best, rank.is_tied]
                    for rank in part.ranks
                ],
                "pairs": [
                    [method_in(pair.first), method_in(pair.second), pair.count, pair.wins,
                     pair.losses, pair.difference, pair.interval, pair.p_value]
                    for pair in part.pairs
                ],
            }
            for part in comparison.metrics
        },
    }  # fmt: skip


def numbers_of_budgets(budgets: BudgetFigure) -> list[Any]:
    return [
        [panel.dataset, panel.metric.name, method_in(course.label), course.points]
        for panel in budgets.panels
        for course in panel.curves
    ]


def made_plan(**wanted: Any) -> RunPlan:
    return plan_run(RunConfig(**{"settings": {}, "source": "phantom", **wanted}))


def content_of_plan(made: RunPlan) -> dict[str, Any]:
    """Return what identifies a plan, and what is written of it."""
    return {
        "id": made.id,
        "protocol_hash": made.protocol.hash,
        "command": made.command,
        "run.json": made.as_dict(),
    }


def resumed_plan(made: RunPlan, folder: Path) -> str:
    """Return the id of the plan that `benchbed run --resume` makes of a run's folder."""
    store = ResultStore(folder)
    store.write_state(made.id, "interrupted", {"plan": made.as_dict(), "message": ""})
    _, config = find_config(store, made.id)
    return plan_run(config).id


def suite_plans(path: Path) -> list[str]:
    suite = read_suite(path)
    asked = list(iter_run_configs(suite, "quick", seeds=suite.seeds[:1], source="phantom"))
    return [member.plan.id for member in plan_suite_runs(asked, NullReporter())]


def method_settings_by_preset() -> dict[str, Any]:
    return {
        spec.name: {
            name: resolve_method_settings(spec, name, {}).model_dump(mode="json")
            for name in ("quick", "standard", "paper")
        }
        for spec in get_registry().get_specs(MethodSpec).values()
    }


def preset_values() -> dict[str, Any]:
    return {
        f"{name} {dimensions}-D": {
            "size": base.size,
            "kimg": base.kimg,
            "seconds": base.seconds,
            "samples": base.samples,
            "framing": base.framing,
        }
        for name in ("quick", "standard", "paper")
        for dimensions in (2, 3)
        for base in [resolve_preset(name, dimensions)]
    }


def registered() -> dict[str, Any]:
    known = get_registry()
    return {
        "methods": list(known.get_specs(MethodSpec)),
        "datasets": list(known.get_specs(DatasetSpec)),
        "metrics": list(known.get_specs(MetricSpec)),
        "tasks": list(known.get_specs(TaskSpec)),
        "suites": list(list_shipped_suites()),
        "plugins": [plugin.name for plugin in known.plugins],
    }


def registered_metrics() -> dict[str, Any]:
    return {
        spec.name: [spec.direction, spec.recipe]
        for spec in get_registry().get_specs(MetricSpec).values()
    }


def task_metrics() -> dict[str, Any]:
    return {
        spec.name: [list(spec.metrics), list(spec.volume_metrics), list(spec.regimes)]
        for spec in get_registry().get_specs(TaskSpec).values()
    }


def method_states() -> dict[str, Any]:
    """Return the names and shapes of all tensors of every method, built without memory."""
    found = {}
    for spec in get_registry().get_specs(MethodSpec).values():
        method: Method[Any] = load_object(spec.implementation)(
            resolve_method_settings(spec, "quick", {})
        )
        flat = 2 in spec.dimensions
        method.data = DataShape(
            channels=3 if flat else 4,
            spatial=(64, 64) if flat else (32, 32, 32),
            mask_channels=1 if "mask" in spec.required_inputs else 0,
            classes=2 if "label" in spec.required_inputs else 0,
        )
        with torch.device("meta"):
            method.build(method.data)
        found[spec.name] = tree_of(method.get_state())
    return found


def historic_checkpoint() -> Any:
    path = get_checkpoint_path(ResultStore(HISTORIC).get_run_folder(HISTORIC_RUN))
    return load_checkpoint(path, "dcgan")


def restored_state() -> Any:
    """Return the state of the historic run's method, after its weights were restored."""
    _, method = load_trained_method(ResultStore(HISTORIC), HISTORIC_RUN, "cpu")
    return method.get_state()


def repeated_run(folder: Path) -> tuple[Record, Any, Any, Any]:
    """Train the historic run again.

    Returns:
        Its record, its checkpoint, ``run.json``, and ``progress.json`` as it was while it trained.
    """
    (old,) = (record for record in read_records(HISTORIC) if record.id == HISTORIC_RUN)
    made = made_plan(
        method=old.method, dataset=old.dataset, settings=old.settings, size=32, kimg=0.02,
        samples=8, metrics=("swd", "kl"),
    )  # fmt: skip
    store = ResultStore(folder)
    place = store.get_run_folder(made.id)
    seen: list[Any] = []

    class Listener(NullReporter):
        def report_training(self, progress: TrainingProgress) -> None:
            del progress
            seen.append(json.loads((place / "progress.json").read_text()))

    outcome = execute_run(made, store, Listener())
    saved = load_checkpoint(get_checkpoint_path(place), "dcgan")
    return outcome.record, saved, json.loads((place / "run.json").read_text()), seen[-1]


# ---- The end of the section. ----


def canonical(value: Any) -> str:
    """Return a hash of a JSON value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def method_in(label: str) -> str:
    """Return the method that a label begins with; the rest of a label is wording."""
    return label.partition(" (")[0]


def tree_of(state: Any) -> Any:
    """Return the keys of a state, with shapes and types in place of its values."""
    if isinstance(state, Mapping):
        return {str(key): tree_of(value) for key, value in state.items()}
    if isinstance(state, torch.Tensor):
        kind = str(state.dtype).removeprefix("torch.")
        return f"{kind} {'x'.join(map(str, state.shape))}"
    if isinstance(state, list) and any(isinstance(part, Mapping) for part in state):
        return [tree_of(part) for part in state]
    return type(state).__name__


def tensors_in(state: Any, path: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(state, torch.Tensor):
        yield path, state
    elif isinstance(state, Mapping):
        for key, value in state.items():
            yield from tensors_in(value, f"{path}/{key}")
    elif isinstance(state, list | tuple):
        for number, value in enumerate(state):
            yield from tensors_in(value, f"{path}/{number}")


def hash_of_tensors(state: Any) -> str:
    found = hashlib.sha256()
    for path, tensor in sorted(tensors_in(state)):
        found.update(path.encode())
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def paths_of(value: Any, path: str = "") -> set[str]:
    """Return the paths of all keys in a JSON value; the entries of a list share theirs."""
    found: set[str] = set()
    if isinstance(value, Mapping):
        for key, part in value.items():
            found |= {f"{path}{key}", *paths_of(part, f"{path}{key}.")}
    elif isinstance(value, list):
        for part in value:
            found |= paths_of(part, path)
    return found


def added_to(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the keys that only the second of two JSON values has, with their values."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in after.items():
            if key in before:
                yield from added_to(before[key], value, f"{path}{key}.")
            else:
                yield f"{path}{key}", value
    elif isinstance(before, list) and isinstance(after, list):
        for one, other in zip(before, after, strict=False):
            yield from added_to(one, other, path)


def differences(frozen: Any, found: Any, path: str = "", *, more: bool = False) -> Iterator[str]:
    """Yield where two JSON values differ.

    Args:
        frozen: What it was.
        found: What it is.
        path: Where in the whole the values are.
        more: Whether `found` may have further keys, and further names in lists.
    """
    if isinstance(frozen, dict) and isinstance(found, dict):
        for key in frozen.keys() - found.keys():
            yield f"{path}/{key}: is missing"
        for key in found.keys() - frozen.keys():
            if not more:
                yield f"{path}/{key}: is new"
        for key in frozen.keys() & found.keys():
            yield from differences(frozen[key], found[key], f"{path}/{key}", more=more)
    elif isinstance(frozen, list) and isinstance(found, list):
        if more:
            yield from (f"{path}: {part!r} is missing" for part in frozen if part not in found)
            return
        if len(frozen) != len(found):
            yield f"{path}: {len(found)} entries, not {len(frozen)}"
        for number, both in enumerate(zip(frozen, found, strict=False)):
            yield from differences(*both, f"{path}/{number}")
    elif is_number(frozen) and is_number(found):
        if not math.isclose(frozen, found, rel_tol=1e-9, abs_tol=1e-12):
            yield f"{path}: {found!r}, not {frozen!r}"
    elif frozen != found or type(frozen) is not type(found):
        yield f"{path}: {found!r}, not {frozen!r}"


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, Mapping):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(part) for part in value]
    return value


def plain(value: Any) -> Any:
    """Return a value as JSON gives it back."""
    return json.loads(json.dumps(value))


def frozen(name: str) -> Any:
    return json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))


# ---- What is frozen: each function returns what its file holds. ----


def raw_records(folder: Path) -> dict[str, Any]:
    files = sorted((folder / "records").glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}


def records() -> dict[str, dict[str, Any]]:
    """Return by folder and id: hash of the run, of the protocol, fingerprint, hash of the file."""
    found: dict[str, dict[str, Any]] = {}
    for group, folder in FOLDERS.items():
        raw = raw_records(folder)
        found[group] = {}
        for record in read_records(folder):
            hashes = hashes_of(record)
            values = [hashes["run"], hashes["protocol"], hashes["fingerprint"]]
            found[group][record.id] = [*values, canonical(raw[record.id])]
    return found


def frozen_records(group: str) -> list[Record]:
    known = frozen("records")[group]
    return [record for record in read_records(FOLDERS[group]) if record.id in known]


FREE_NAMES = re.compile(
    r"^((settings|cases|provenance\.(plugins|libraries)|training\.(updates|parameters))\.).*"
)


@cache
def rewritten_records() -> tuple[tuple[Any, Any], ...]:
    """Return of each frozen record what is written once it was read, and what the file holds."""
    found: list[tuple[Any, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for group, place in FOLDERS.items():
            raw = raw_records(place)
            found += [
                (written(record, Path(folder) / "record.json"), raw[record.id])
                for record in frozen_records(group)
            ]
    return tuple(found)


def record_keys() -> dict[str, Any]:
    """Return the keys of records, and the values read for those that older records do not have."""
    keys: set[str] = set()
    added: dict[str, set[str]] = {}
    for content, raw in rewritten_records():
        # The names of settings, splits and so on are no keys of the schema.
        keys |= {FREE_NAMES.sub(r"\1*", path) for path in paths_of(content)}
        for path, value in added_to(raw, content):
            added.setdefault(path, set()).add(json.dumps(value))
    return {
        "keys": sorted(keys),
        "added": {path: sorted(values) for path, values in sorted(added.items())},
        "recipes": recipes_in([r for group in FOLDERS for r in frozen_records(group)]),
    }


def boards() -> dict[str, Any]:
    return rounded({group: boards_of(frozen_records(group)) for group in FOLDERS})


PLANS: Mapping[str, Mapping[str, Any]] = {
    "synthesis": {"method": "dcgan", "dataset": "drive"},
    "bf16": {"method": "dcgan", "dataset": "drive", "precision": "bf16"},
    "seed": {"method": "dcgan", "dataset": "drive", "seed": 7},
    "settings": {"method": "dcgan", "dataset": "drive", "settings": {"features": 8, "beta1": 0}},
    "size": {"method": "pggan", "dataset": "brain-mri", "size": 32, "samples": 50},
    "kimg": {"method": "wgan-gp", "dataset": "brain-mri", "kimg": 1.5, "augment": "flip"},
    "whole kimg": {"method": "wgan-gp", "dataset": "brain-mri", "kimg": 2.0},
    "time": {"method": "wgan", "dataset": "brain-mri", "seconds": 90.0},
    "metrics": {"method": "skrgan", "dataset": "drive", "metrics": ("swd", "kl")},
    "standard": {"method": "acgan", "dataset": "brain-mri", "preset": "standard"},
    "paper": {"method": "mi-gan", "dataset": "drive", "preset": "paper"},
    "segmentation": {"method": "unet", "dataset": "drive", "task": "segmentation"},
    "human": {"method": "human-expert", "dataset": "drive", "task": "segmentation"},
    "real": {"method": "unet", "dataset": "drive", "task": "augmentation", "regime": "real"},
    "real share": {
        "method": "unet", "dataset": "drive", "task": "augmentation", "regime": "real",
        "real_share": 0.25,
    },
    "synthetic": {
        "method": "unet", "dataset": "drive", "task": "augmentation", "regime": "synthetic",
        "generator": "dual-gan", "pairs": 50,
    },
    "mixed": {
        "method": "unet", "dataset": "drive", "task": "augmentation", "regime": "mixed",
        "generator": "dual-gan", "generator_kimg": 2, "real_share": 0.5, "precision": "bf16",
    },
    "finetuned": {
        "method": "mi-gan-seg", "dataset": "drive", "task": "augmentation", "regime": "finetuned",
        "generator": "skrgan", "generator_dataset": "stare", "kimg": 3, "pairs": 20,
    },
    "annotator": {
        "method": "dual-gan", "dataset": "messidor", "masks_from": "drive", "annotator": "unet",
    },
    "generator and annotator": {
        "method": "unet", "dataset": "drive", "task": "augmentation", "regime": "synthetic",
        "generator": "dual-gan", "generator_dataset": "messidor", "pairs": 20,
        "masks_from": "drive", "annotator": "unet", "annotator_kimg": 0.5,
    },
    "volumes": {"method": "pix2pix-3d", "dataset": "hippocampus", "task": "translation"},
    "volumes segmented": {
        "method": "anisotropic-wnet", "dataset": "hippocampus", "task": "segmentation",
    },
}  # fmt: skip

LONG_SUITES = {"shin-table1"}
"""Left out: rendering its phantoms takes seconds, and shin-table1-hippocampus is like it."""


def plans() -> dict[str, Any]:
    return {name: content_of_plan(made_plan(**wanted)) for name, wanted in PLANS.items()}


def suites() -> dict[str, Any]:
    known = {name: path for name, path in list_shipped_suites().items() if name not in LONG_SUITES}
    return {name: suite_plans(path) for name, path in known.items()}


def settings() -> dict[str, Any]:
    return {"methods": method_settings_by_preset(), "presets": preset_values()}


def states() -> dict[str, Any]:
    checkpoint = historic_checkpoint()
    return {
        "methods": method_states(),
        "historic": tree_of(checkpoint),
        "historic tensors": hash_of_tensors(checkpoint),
    }


def interface() -> dict[str, Any]:
    """Return the names that users and plugins write."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "scripts": sorted(project["scripts"]),
        "entry points": {name: sorted(of) for name, of in project["entry-points"].items()},
        "registry": registered(),
        "metrics": registered_metrics(),
        "tasks": task_metrics(),
        "commands": commands(),
        "json": json_keys(),
    }


def commands() -> dict[str, Any]:
    """Return by command its options, arguments and the choices that they allow."""
    top: Any = typer.main.get_command(app)
    found = {"": parameters_of(top)}
    with top.make_context("benchbed", ["list"], resilient_parsing=True) as context:
        for name in top.list_commands(context):
            _, command, _ = top.resolve_command(context, [name])
            found[name] = {**parameters_of(command), "choices": choices_of(name)}
            for word, part in getattr(command, "commands", {}).items():
                choices = choices_of(name, word)
                found[f"{name} {word}"] = {**parameters_of(part), "choices": choices}
    return found


def choices_of(*words: str) -> list[str]:
    """Return what the help of a command offers, such as ``"fp32|bf16"``."""
    answer = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "1000"})
    assert answer.exit_code == 0, answer.output
    return sorted(set(re.findall(r"[\w-]+(?:\|[\w-]+)+", answer.stdout)))


def parameters_of(command: Any) -> dict[str, Any]:
    return {
        " ".join(sorted([*each.opts, *each.secondary_opts])): {
            "kind": each.param_type_name,
            "flag": bool(getattr(each, "is_flag", False)),
            "many": bool(each.multiple if each.param_type_name == "option" else each.nargs == -1),
        }
        for each in command.params
    }


ASKED: Mapping[str, Sequence[str]] = {
    **{f"list {kind}": ("list", kind, "--json")
       for kind in ("methods", "datasets", "metrics", "tasks", "suites", "plugins")},
    "list runs": ("list", "runs", "--json", "--results", "HISTORIC"),
    "runs prune": ("runs", "prune", "--json", "--results", "HISTORIC"),
    "show method": ("show", "dcgan", "--json", "--size", "64"),
    "show dataset": ("show", "drive", "--json"),
    "show metric": ("show", "fid", "--json"),
    "show task": ("show", "augmentation", "--json"),
    "show run": ("show", HISTORIC_RUN, "--json", "--results", "HISTORIC"),
    "compare": ("compare", "dcgan-fundus-64px-s0-0fa801f8", "pggan-fundus-64px-s0-3da735a7",
                "--json", "--all", "--results", "PRECISION"),
    "suite": ("suite", "guibas-f1", "--source", "phantom", "--seed", "0", "--json"),
    "export": ("export", HISTORIC_RUN, "--json", "--results", "HISTORIC", "--out", "NEW/run.zip"),
    "import": ("import", "HISTORIC/run.zip", "--json", "--results", "NEW"),
}  # fmt: skip


def json_keys() -> dict[str, Any]:
    """Return the keys of what commands print for a script."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        places = {
            "HISTORIC": str(HISTORIC), "PRECISION": str(FOLDERS["precision"]), "NEW": folder,
        }  # fmt: skip
        for name, words in ASKED.items():
            line = list(words)
            for word, place in places.items():
                line = [part.replace(word, place) for part in line]
            answer = CliRunner().invoke(app, line, catch_exceptions=False)
            assert answer.exit_code == 0, f"{name}: {answer.output}"
            found[name] = sorted(paths_of(json.loads(answer.stdout)))
    return found


GOLDEN: Mapping[str, Callable[[], Any]] = {
    "records": records,
    "record_keys": record_keys,
    "leaderboards": boards,
    "plans": plans,
    "suites": suites,
    "settings": settings,
    "states": states,
    "interface": interface,
}
"""What is frozen, by file."""

MORE = {"records", "suites", "settings", "interface"}
"""Where something may be added: a new record, method, option or name breaks nothing."""


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: hundreds of records are written."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.mark.parametrize("name", GOLDEN)
def test_nothing_frozen_has_changed(name: str) -> None:
    found = list(differences(frozen(name), plain(GOLDEN[name]()), more=name in MORE))
    assert not found, "\n".join(sorted(found)[:20])


def test_records_agree_with_themselves() -> None:
    for folder in FOLDERS.values():
        for record in read_records(folder):
            assert hashes_of(record) == stored_hashes_of(record), record.id


def test_records_are_written_as_they_were_read() -> None:
    """Key for key; what older records do not have is in `record_keys.json`."""
    added = frozen("record_keys")["added"]
    for content, raw in rewritten_records():
        assert dict(added_to(raw, content)).keys() <= added.keys(), raw["id"]
        assert without(content, raw) == raw, raw["id"]


def without(content: Any, raw: Any) -> Any:
    """Return a JSON value without the keys that another one does not have."""
    if isinstance(content, dict) and isinstance(raw, dict):
        return {key: without(value, raw[key]) for key, value in content.items() if key in raw}
    if isinstance(content, list) and isinstance(raw, list) and len(content) == len(raw):
        return [without(*both) for both in zip(content, raw, strict=True)]
    return content


def test_suites_plan_runs_that_have_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Apart from the protocol's version, the ids of plans are those of committed records."""
    monkeypatch.setattr("benchbed.runs.planner.Protocol", partial(Protocol, version=1))
    planned = {run for ids in suites().values() for run in ids}
    assert len(planned & raw_records(FOLDERS["main"]).keys()) >= 38


@pytest.mark.parametrize("name", PLANS)
def test_a_run_is_resumed_as_the_run_that_it_was(name: str, tmp_path: Path) -> None:
    made = made_plan(**PLANS[name])
    assert resumed_plan(made, tmp_path) == frozen("plans")[name]["id"]


def test_the_historic_checkpoint_is_restored_bit_for_bit() -> None:
    saved, restored = historic_checkpoint()["state"], restored_state()
    assert not list(differences(plain(tree_of(saved)), plain(tree_of(restored))))
    assert hash_of_tensors(saved) == hash_of_tensors(restored)


def test_the_historic_run_trains_as_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same id, files, keys, recipes, and weights up to the rounding of other processors."""
    monkeypatch.setattr("benchbed.runs.planner.Protocol", partial(Protocol, version=1))
    record, saved, state, progress = repeated_run(tmp_path)
    old = HISTORIC / "runs" / HISTORIC_RUN
    new = tmp_path / "runs" / HISTORIC_RUN
    assert record.id == HISTORIC_RUN
    before_state = json.loads((old / "run.json").read_text())
    assert without(state, before_state) == before_state
    assert set(progress) == {"doing", "share", "images_per_second", "remaining"}
    columns = [
        next(csv.reader(place.open())) for place in (old / "history.csv", new / "history.csv")
    ]
    assert columns[0] == columns[1]
    before, after = (raw_records(place)[HISTORIC_RUN] for place in (HISTORIC, tmp_path))
    assert paths_of(before) - paths_of(after) == set()
    assert [m["recipe"] for m in before["metrics"]] == [m["recipe"] for m in after["metrics"]]
    weights, expected = (
        dict(tensors_in(c["state"]["modules"])) for c in (saved, historic_checkpoint())
    )
    assert weights.keys() == expected.keys()
    gaps = [(weights[name].double() - expected[name].double()).abs().mean() for name in weights]
    assert max(gaps) < 1e-3


# ---- Each comparison must be able to fail. ----


def spoilt(value: Any, path: Sequence[str]) -> Any:
    """Return a copy of a JSON value, with another value in one place."""
    if not path:
        if isinstance(value, bool) or value is None:
            return "spoilt"
        return value * (1 + 1e-6) if is_number(value) else "spoilt"
    if isinstance(value, list):
        place = int(path[0])
        return [*value[:place], spoilt(value[place], path[1:]), *value[place + 1 :]]
    return {**value, path[0]: spoilt(value[path[0]], path[1:])}


def value_paths(value: Any) -> Iterator[tuple[str, ...]]:
    """Yield the paths of all values that are neither lists nor mappings."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in items:
            yield from ((str(key), *rest) for rest in value_paths(part))
    elif value != 0:
        yield ()


@pytest.mark.parametrize("name", GOLDEN)
def test_every_changed_value_is_found(name: str) -> None:
    value = frozen(name)
    places = list(value_paths(value))
    assert places
    for place in places[:: max(1, len(places) // 5)]:
        changed = spoilt(value, place)
        assert list(differences(value, changed, more=name in MORE)), place


def test_a_missing_key_and_a_missing_name_are_found() -> None:
    assert list(differences({"a": 1, "b": 2}, {"a": 1}, more=True)) == ["/b: is missing"]
    assert list(differences({"a": 1}, {"a": 1, "b": 2})) == ["/b: is new"]
    assert list(differences(["a", "b"], ["a"], more=True)) == [": 'b' is missing"]
    assert list(differences([1, 2], [1])) == [": 1 entries, not 2"]


def write(names: Sequence[str]) -> None:
    """Write the frozen files."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["BENCHBED_CACHE"] = cache
        for name in names or GOLDEN:
            content = json.dumps(GOLDEN[name](), indent=None, separators=(",", ":"))
            # One line for each entry of the first two levels, so that a diff shows what changed.
            (HERE / f"{name}.json").write_text(by_lines(json.loads(content), 2) + "\n")


def by_lines(value: Any, levels: int) -> str:
    if levels and isinstance(value, dict) and value:
        parts = (f"{json.dumps(k)}: {by_lines(v, levels - 1)}" for k, v in value.items())
        return "{\n" + ",\n".join(parts) + "\n}"
    return json.dumps(value, separators=(",", ":"))


if __name__ == "__main__":
    assert sys.argv[1:2] == ["--write"], __doc__
    write(sys.argv[2:])
