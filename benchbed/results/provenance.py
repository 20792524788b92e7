"""Collect where, with what and from which code a result was computed."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import psutil
import torch

from benchbed import __version__
from benchbed.registry.lookup import get_registry
from benchbed.results.record import Provenance

LIBRARIES = ("torch", "torchvision", "lightning-fabric", "numpy", "scipy", "pytorch-fid", "pillow")


def collect_provenance(
    command: str, device: torch.device, devices: int = 1, sources: Mapping[str, str] | None = None
) -> Provenance:
    """Return facts about this process and machine; user, host and paths are not included."""
    commit, dirty = _find_commit()
    if changed := find_uncommitted_packages(sources or {}):
        dirty = True
    return Provenance(
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        commit=commit,
        has_local_changes=dirty,
        uncommitted=changed,
        benchbed=__version__,
        plugins={plugin.name: plugin.distribution for plugin in get_registry().plugins},
        libraries={name: _get_version(name) for name in LIBRARIES},
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        processor=find_processor(),
        instructions=torch.backends.cpu.get_cpu_capability(),
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        memory_bytes=psutil.virtual_memory().total,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        devices=devices,
        sources=dict(sources or {}),
    )


def _get_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _find_commit() -> tuple[str | None, bool | None]:
    """Return the commit of the running benchbed, and whether its files differ from it."""
    folder = Path(__file__).resolve().parents[2]
    commit = _run_git(folder, "rev-parse", "HEAD")
    if commit is None or not (folder / "pyproject.toml").exists():
        return None, None
    changes = _run_git(
        folder, "status", "--porcelain", "--", "benchbed", "plugins", "pyproject.toml"
    )
    return commit, bool(changes)


def find_uncommitted_packages(names: Iterable[str]) -> list[str]:
    """Return the packages whose files differ from the last commit of their git repository.

    Installed copies and packages outside a repository are left out: their version and the hash of
    their sources identify them.
    """
    return sorted(name for name in names if _has_uncommitted_files(name))


def _has_uncommitted_files(package: str) -> bool:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return False
    file = Path(spec.origin).resolve()
    # An environment can be inside a repository that does not ignore it.
    if {"site-packages", "dist-packages"}.intersection(file.parts):
        return False
    place = file.parent if spec.submodule_search_locations is not None else file
    return bool(_run_git(file.parent, "status", "--porcelain", "--", str(place)))


def _run_git(folder: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def find_processor() -> str:
    """Return the processor's model name, which `platform` does not provide on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
