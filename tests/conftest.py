"""Fixtures of all tests: a private cache, a third-party plugin, real data if available."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from forked import Forker

from benchbed.registry import lookup as registry_module
from benchbed.results.record import Record
from benchbed.utils.files import hash_json

HERE = Path(__file__).parent
REAL_DATA = os.environ.get("BENCHBED_DATA")

Run = Callable[..., subprocess.CompletedProcess[str]]
MakeRecord = Callable[..., Record]


@pytest.fixture(scope="session")
def third_party(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder into which pip installed the example plugin."""
    target = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
         "--target", str(target), str(HERE / "thirdparty")],
        check=True,
    )  # fmt: skip
    return target


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the session and all its workers, so that phantoms are rendered once."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return tmp_path_factory.mktemp("cache")
    # The base folder of a worker is inside that of the session.
    cache = tmp_path_factory.getbasetemp().parent / "cache"
    cache.mkdir(exist_ok=True)
    return cache


@pytest.fixture(autouse=True)
def private_places(
    shared_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Prevent tests from using the user's cache, data, weights or results."""
    monkeypatch.setenv("BENCHBED_CACHE", str(shared_cache))
    monkeypatch.setenv("BENCHBED_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("BENCHBED_DATA", raising=False)
    yield
    registry_module.get_registry.cache_clear()


@pytest.fixture
def with_plugin(third_party: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example plugin, installed for this process and its child processes."""
    monkeypatch.syspath_prepend(str(third_party))
    monkeypatch.setenv("PYTHONPATH", str(third_party))
    registry_module.get_registry.cache_clear()
    return third_party


@pytest.fixture
def real_data() -> Path:
    """The folder of real images; skips the test if there is none."""
    if not REAL_DATA or not Path(REAL_DATA).is_dir():
        pytest.skip("BENCHBED_DATA is not a folder of real images")
    return Path(REAL_DATA).resolve()


@pytest.fixture(scope="session")
def forker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forker]:
    """One forker for all tests: it starts in seconds, and each command in milliseconds."""
    shared = Forker(tmp_path_factory.mktemp("forker"))
    yield shared
    shared.close()


@pytest.fixture
def cli(forker: Forker, tmp_path: Path) -> Run:
    """Return a function that runs ``benchbed`` in a separate process in the test's folder."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        environment = {"COLUMNS": "200", **environment}
        return forker.start(*arguments, folder=tmp_path, **environment).wait_for_output()

    return run


LIBRARIES = "import typer, pydantic, yaml, rich.console"
LIBRARIES_SECONDS = 0.12
"""Import time of these libraries on an idle core."""


@pytest.fixture
def extra_seconds(tmp_path: Path) -> Callable[[str, float], float]:
    """Return a function that measures the CPU seconds of Python code beyond ``python -c pass``.

    It measures up to three times, until the result is within the limit. A busy or slow core takes
    longer than an idle one, so the result is divided by the slow-down of importing `LIBRARIES`.
    """

    def cpu_seconds(code: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=tmp_path, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    def measure(code: str, allowed: float) -> float:
        for _ in range(3):
            slowdown = max(1.0, (cpu_seconds(LIBRARIES) - cpu_seconds("pass")) / LIBRARIES_SECONDS)
            if (extra := (cpu_seconds(code) - cpu_seconds("pass")) / slowdown) < allowed:
                break
        return extra

    return measure


Sandbox = Callable[[Path], dict[str, str]]


@pytest.fixture(scope="session")
def sandbox(shared_cache: Path) -> Sandbox:
    """Return a function that creates an environment with all packages of this one.

    Its ``pip`` installs further packages into it alone, and uses no package index.
    """

    def make(folder: Path) -> dict[str, str]:
        venv.create(folder)
        inner = {"base": str(folder), "platbase": str(folder)}
        site = Path(sysconfig.get_path("purelib", vars=inner))
        outer = sysconfig.get_path("purelib")
        (site / "outer.pth").write_text(f"import site; site.addsitedir({outer!r})\n")
        binaries = folder / "bin"
        pip = "-m pip install --quiet --no-deps --no-build-isolation"
        for name, rest in (
            ("pip", f'shift; set -- {pip} "$@"'),
            ("benchbed", 'set -- -m benchbed "$@"'),
        ):
            (binaries / name).write_text(f'#!/bin/sh\n{rest}\nexec {binaries / "python"} "$@"\n')
            (binaries / name).chmod(0o755)
        environment = {
            k: v for k, v in os.environ.items() if not k.startswith(("BENCHBED_", "PYTHON"))
        }
        path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
        return {**environment, "PATH": path, "BENCHBED_CACHE": str(shared_cache), "COLUMNS": "200"}

    return make


@pytest.fixture(scope="session")
def make_record() -> MakeRecord:
    """Return `build_record`, which returns a record of the task `synthesis`."""
    return build_record


PROTOCOL = {
    "preset": "quick", "task": "synthesis", "dataset": "chest-xray", "source": "real",
    "fingerprint": "f1", "size": 64, "channels": 3, "framing": "center", "augment": "none",
    "kimg": 24.0, "seconds": None, "train_split": "train", "reference_split": "train",
    "samples": 100, "selection": "last", "version": 1,
}  # fmt: skip


def build_record(
    method: str = "dcgan", seed: int = 0, *, values: dict[str, float] | None = None, **changes: Any
) -> Record:
    """Return a consistent record.

    Args:
        method: Its method.
        seed: Its seed.
        values: The value of each metric; ignored for a diverged run.
        **changes: Other values of fields of the protocol or of the record.
    """
    protocol = {name: changes.pop(name, value) for name, value in PROTOCOL.items()}
    settings = changes.pop("settings", {"batch_size": 16})
    precision = changes.pop("precision", "fp32")
    state = changes.pop("state", "finished")
    values = {"swd": 0.1, "ms-ssim-realfake": 0.3} if values is None else values
    metrics = [
        {"metric": name, "value": value, "recipe": f"how {name} is computed", "n_real": 200,
         "n_fake": 100, "floor": 0.01, "n_floor": 100}
        for name, value in values.items()
    ]  # fmt: skip
    shared = {name: protocol[name] for name in ("dataset", "source", "fingerprint", "task")}
    identity = hash_json([method, settings, protocol, seed, precision], 8)
    content = {
        "id": f"{method}-{protocol['dataset']}-{protocol['size']}px-s{seed}-{identity}",
        "state": state, "method": method, "settings": settings, **shared, "cases": {"train": 9},
        "protocol": protocol, "protocol_hash": hash_json(protocol), "seed": seed,
        "precision": precision,
        "training": {"kimg": 24, "steps": 9, "seconds": 90, "images_per_second": 9,
                     "peak_memory_bytes": 2_000_000_000},
        "metrics": metrics if state == "finished" else [],
        "provenance": {
            "created": f"2026-01-{seed + 1:02d}T00:00:00+00:00",
            "command": f"benchbed run --method {method} --seed {seed}", "commit": "abc123",
            "dirty": True, "benchbed": "0.1.0", "plugins": {"classics": "benchbed 0.1.0"},
            "libraries": {"torch": "2.10.0"}, "python": "3.11", "system": "Linux",
            "processor": "A Processor", "cores": 2, "threads": 2, "memory_bytes": 8_000_000_000,
            "device": "cpu",
        },
    }  # fmt: skip
    return Record.model_validate({**content, **changes})
