"""What all tests share: a private cache, a third party's plugin, real data where there are any."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchbed import registry as registry_module

HERE = Path(__file__).parent
REAL_DATA = os.environ.get("BENCHBED_DATA")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def third_party(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example plugin, installed by pip into a folder of its own, as a user would have it."""
    target = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
         "--target", str(target), str(HERE / "thirdparty")],
        check=True,
    )  # fmt: skip
    return target


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the session, so that a phantom is rendered once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def private_places(
    shared_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """No test reads or writes the user's cache, data, weights or results."""
    monkeypatch.setenv("BENCHBED_CACHE", str(shared_cache))
    monkeypatch.setenv("BENCHBED_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("BENCHBED_DATA", raising=False)
    yield
    registry_module.registry.cache_clear()


@pytest.fixture
def with_plugin(third_party: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example plugin, visible to this process and to those it starts."""
    monkeypatch.syspath_prepend(str(third_party))
    monkeypatch.setenv("PYTHONPATH", str(third_party))
    registry_module.registry.cache_clear()
    return third_party


@pytest.fixture
def real_data() -> Path:
    """The folder of real images; skips where there is none."""
    if not REAL_DATA or not Path(REAL_DATA).is_dir():
        pytest.skip("BENCHBED_DATA names no folder of real images")
    return Path(REAL_DATA).resolve()


@pytest.fixture
def cli(tmp_path: Path) -> Run:
    """Run ``benchbed`` as a user does, in a folder of its own."""

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "benchbed", *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "200", **environment},
            check=False,
        )

    return run


LIBRARIES = "import typer, pydantic, yaml, rich.console"
LIBRARIES_SECONDS = 0.12
"""What the libraries of every command take to load on an idle core."""


@pytest.fixture
def extra_seconds(tmp_path: Path) -> Callable[[str, float], float]:
    """How long Python code takes above ``python -c pass``, in processor seconds of a fair core.

    Tried up to three times, until it takes no longer than is allowed. Such a process computes and
    does not wait: on an idle machine these are the seconds that a user waits. Two processes on the
    two threads of one core make each other slower, and so does an old machine; what is measured is
    divided by how much longer the import of a few libraries takes than on an idle core.
    """

    def spent(code: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=tmp_path, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    def measure(code: str, allowed: float) -> float:
        for _ in range(3):
            slower = max(1.0, (spent(LIBRARIES) - spent("pass")) / LIBRARIES_SECONDS)
            if (extra := (spent(code) - spent("pass")) / slower) < allowed:
                break
        return extra

    return measure


Sandbox = Callable[[Path], dict[str, str]]


@pytest.fixture(scope="session")
def sandbox(shared_cache: Path) -> Sandbox:
    """Makes an environment that has all that is installed here, and takes more by ``pip install``.

    What is installed into it is seen by nobody else. Its ``pip`` asks no package index.
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
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("BENCHBED_", "PYTHON"))}
        path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
        return {**kept, "PATH": path, "BENCHBED_CACHE": str(shared_cache), "COLUMNS": "200"}

    return make
