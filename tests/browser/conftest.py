"""A results folder with all content of the page, and names that attempt HTML injection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchbed.config import paths
from benchbed.report.render.html.page import render_page
from benchbed.report.write import build_leaderboards
from benchbed.results.record import ImportOrigin, Record
from benchbed.results.showcase import write_showcase
from benchbed.results.store import ResultStore

EVIL = '<img src=x onerror="window.hacked=1">\'\u202e</script><script>window.hacked=1</script>'
"""Markup, quotes, the end of a script and a right-to-left override."""

VALUES = {"dcgan": 0.3, "skrgan": 0.1, "wgan": 0.2}


Make = Callable[..., Record]


def _with_values(make_record: Make) -> Make:
    """Return a function that makes records with short names and values that differ by method."""

    def make(method: str, seed: int = 0, *, source: str = "real", **changes: Any) -> Record:
        value = VALUES.get(method, 0.4) + seed / 100
        dataset = changes.get("dataset", "chest-xray")
        defaults = {
            "id": f"{method}-{dataset}-{source}-s{seed}",
            "training": {"kimg": 24, "steps": 9, "seconds": 90, "images_per_second": 10 * value,
                         "peak_memory_bytes": 2_000_000_000},
        }  # fmt: skip
        values = {"swd": value, "ms-ssim-realfake": value}
        return make_record(method, seed, values=values, source=source, **{**defaults, **changes})

    return make


@pytest.fixture(scope="session")
def records(make_record: Make) -> list[Record]:
    """Three methods on two datasets; some diverged, imported or malicious."""
    make = _with_values(make_record)
    records = [make(method, seed) for method in VALUES for seed in (0, 1)]
    origin = {"archive": f"{EVIL}.zip", "sha256": "0123456789abcdef" * 4, "at": "2026-02-01"}
    records[2] = records[2].model_copy(update={"imported": ImportOrigin.model_validate(origin)})
    other = {"dataset": "brain-mri", "source": "phantom", "fingerprint": "f2", "kimg": 48.0}
    records += [make(method, **other) for method in ("dcgan", "skrgan")]
    broken = make("wgan", 2, state="diverged", message=f"loss {EVIL}")
    evil = make(EVIL, id="evil-run", settings={EVIL: EVIL, "rate": 1e999})
    metrics = [value.model_copy(update={"note": EVIL, "recipe": EVIL}) for value in evil.metrics]
    provenance = evil.provenance.model_copy(update={"command": EVIL, "plugins": {EVIL: EVIL}})
    evil = evil.model_copy(update={"metrics": metrics, "provenance": provenance, "skipped": [EVIL]})
    return [*records, broken, evil]


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory, records: list[Record]) -> Path:
    """A results folder with the showcase of the newest run of one method."""
    root = tmp_path_factory.mktemp("results")
    store = ResultStore(root)
    for record in records:
        store.write_record(record)
    for run in ("dcgan-chest-xray-real-s1", "evil-run"):
        samples = store.get_run_folder(run) / "samples"
        samples.mkdir(parents=True)
        for name in ("final", "nearest"):
            Image.fromarray(np.full((64, 128, 3), 90, np.uint8)).save(samples / f"{name}.png")
        quoted = EVIL.replace('"', '""')
        lines = [f'step,kimg,seconds,generator,"{quoted}"']
        lines += [f"{n},{n},{n},{1 / (n + 1)},{n}" for n in range(5)]
        (store.get_run_folder(run) / "history.csv").write_text("\n".join(lines) + "\n")
        write_showcase(store, run, pytest.fail)
    return root


@pytest.fixture(scope="session")
def html(records: list[Record], results: Path) -> str:
    """The HTML page of these records."""
    boards = build_leaderboards(records, paths.find_benchmarks_folder() / "papers")
    return render_page(boards, records, results)


@pytest.fixture(scope="session")
def evil() -> str:
    """The name that attempts HTML injection."""
    return EVIL
