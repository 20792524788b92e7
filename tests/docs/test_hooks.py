"""Every hook is told in the guide, with its exact signature, and does what it is for."""

from __future__ import annotations

import inspect
import json
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from benchbed.registry import hooks

ROOT = Path(__file__).parents[2]
HOOKS = sorted(name for name in vars(hooks) if name.startswith("benchbed_"))


@pytest.mark.parametrize("hook", HOOKS)
def test_the_guide_tells_its_exact_signature(hook: str) -> None:
    signature = f"def {hook}{inspect.signature(getattr(hooks, hook))}: ..."
    plain = signature.replace("'", "")
    assert plain in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def record(
    third_party: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The record of a run in which a third party's plugin does everything that hooks are for."""
    folder = tmp_path_factory.mktemp("hooks")
    environment = {"PYTHONPATH": str(third_party), "BENCHBED_CACHE": str(shared_cache)}
    words = (
        "run", "--method", "tiny-lsgan", "--dataset", "discs", "--task", "glance", "--size", "16",
        "--kimg", "0.1", "--json",
    )  # fmt: skip
    answer = _benchbed(words, folder, environment)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def _benchbed(
    words: Iterable[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    import os
    import sys

    return subprocess.run(
        [sys.executable, "-m", "benchbed", *words],
        capture_output=True, text=True, cwd=folder, env={**os.environ, **environment}, check=False,
    )  # fmt: skip


BEHAVIOUR: dict[str, Callable[[dict[str, Any]], bool]] = {
    "benchbed_methods": lambda r: r["method"] == "tiny-lsgan" and r["training"]["steps"] > 0,
    "benchbed_datasets": lambda r: (
        r["dataset"] == "discs" and r["cases"] == {"train": 24, "test": 8}
    ),
    "benchbed_metrics": lambda r: [m["metric"] for m in r["metrics"]] == ["brightness-gap"],
    "benchbed_tasks": lambda r: r["task"] == "glance" and r["metrics"][0]["n_fake"] == 1,
}
"""By hook, what shows in the record that what was offered through it was used."""


@pytest.mark.parametrize("hook", HOOKS)
def test_what_a_hook_offers_is_used(hook: str, record: dict[str, Any]) -> None:
    assert BEHAVIOUR[hook](record)
