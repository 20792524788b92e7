"""A results folder with all that the page can show, and names that try to break out of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchbed import paths
from benchbed.report.html.page import render
from benchbed.report.write import leaderboards
from benchbed.runs.record import Record
from benchbed.runs.showcase import publish
from benchbed.runs.store import Store

EVIL = '<img src=x onerror="window.hacked=1">\'\u202e</script><script>window.hacked=1</script>'
"""Markup, quotes, the end of a script and a mark that turns the direction of reading."""

VALUES = {"dcgan": 0.3, "skrgan": 0.1, "wgan": 0.2}


def make_record(method: str, seed: int = 0, **changes: Any) -> Record:
    """A record; `changes` replace fields of the record or, as ``protocol``, of its protocol."""
    protocol = {
        "preset": "quick", "task": "synthesis", "dataset": "chest-xray", "source": "real",
        "fingerprint": "f1", "size": 64, "channels": 3, "framing": "center", "augment": "none",
        "kimg": 24.0, "seconds": None, "train_split": "train", "reference_split": "train",
        "samples": 100, "selection": "last", "version": 1, **changes.pop("protocol", {}),
    }  # fmt: skip
    value = VALUES.get(method, 0.4) + seed / 100
    metrics = [
        {"metric": name, "value": value, "recipe": f"how {name} is computed", "n_real": 200,
         "n_fake": 100, "floor": 0.01, "n_floor": 100}
        for name in ("swd", "ms-ssim-realfake")
    ]  # fmt: skip
    content = {
        "id": f"{method}-{protocol['dataset']}-{protocol['source']}-s{seed}", "state": "finished",
        "method": method, "settings": {"batch_size": 16}, "dataset": protocol["dataset"],
        "source": protocol["source"], "fingerprint": protocol["fingerprint"],
        "cases": {"train": 9}, "task": "synthesis", "protocol": protocol,
        "protocol_hash": json.dumps(protocol)[-60:], "seed": seed, "precision": "fp32",
        "training": {"kimg": 24, "steps": 9, "seconds": 90, "images_per_second": 10 * value,
                     "peak_memory_bytes": 2_000_000_000},
        "metrics": metrics,
        "provenance": {
            "created": f"2026-01-0{seed + 1}T00:00:00+00:00",
            "command": f"benchbed run --method {method} --seed {seed}", "commit": "abc123",
            "dirty": True, "benchbed": "0.1.0", "plugins": {"classics": "benchbed 0.1.0"},
            "libraries": {"torch": "2.10.0"}, "python": "3.11", "system": "Linux",
            "processor": "A Processor", "cores": 2, "threads": 2, "memory_bytes": 8_000_000_000,
            "device": "cpu",
        },
    }  # fmt: skip
    return Record.model_validate({**content, **changes})


def _records() -> list[Record]:
    other = {"dataset": "brain-mri", "source": "phantom", "fingerprint": "f2", "kimg": 48.0}
    records = [make_record(method, seed) for method in VALUES for seed in (0, 1)]
    records += [
        make_record(m, 0, protocol=other, dataset="brain-mri", source="phantom")
        for m in ("dcgan", "skrgan")
    ]
    broken = make_record("wgan", 2, state="diverged", message=f"loss {EVIL}", metrics=[])
    evil = make_record(EVIL, 0, id="evil-run", settings={EVIL: EVIL, "rate": 1e999})
    noted = [value.model_copy(update={"note": EVIL, "recipe": EVIL}) for value in evil.metrics]
    made = evil.provenance.model_copy(update={"command": EVIL, "plugins": {EVIL: EVIL}})
    evil = evil.model_copy(update={"metrics": noted, "provenance": made, "skipped": [EVIL]})
    return [*records, broken, evil]


@pytest.fixture(scope="session")
def records() -> list[Record]:
    """Three methods on two data sets, a run that diverged and one that is a stranger's."""
    return _records()


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory, records: list[Record]) -> Path:
    """A results folder in which the newest run of one method has published its showcase."""
    root = tmp_path_factory.mktemp("results")
    store = Store(root)
    for record in records:
        store.write_record(record)
    for run in ("dcgan-chest-xray-real-s1", "evil-run"):
        samples = store.run_folder(run) / "samples"
        samples.mkdir(parents=True)
        for name in ("final", "nearest"):
            Image.fromarray(np.full((64, 128, 3), 90, np.uint8)).save(samples / f"{name}.png")
        quoted = EVIL.replace('"', '""')
        lines = [f'step,kimg,seconds,generator,"{quoted}"']
        lines += [f"{n},{n},{n},{1 / (n + 1)},{n}" for n in range(5)]
        (store.run_folder(run) / "history.csv").write_text("\n".join(lines) + "\n")
        publish(store, run, pytest.fail)
    return root


@pytest.fixture(scope="session")
def html(records: list[Record], results: Path) -> str:
    """The page of these records."""
    boards = leaderboards(records, paths.benchmarks() / "papers")
    return render(boards, records, results)


@pytest.fixture(scope="session")
def evil() -> str:
    """The name that tries to break out."""
    return EVIL
