"""Trains and scores; a stopped benchmark continues with the same command."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from itertools import product
from pathlib import Path

import torch

from benchbed.api.metric import ImageSet
from benchbed.api.specs import DatasetSpec
from benchbed.cli.output import ConsoleReporter
from benchbed.config.protocol import Precision
from benchbed.config.run_config import RunConfig
from benchbed.metrics.features.cache import FeatureCache
from benchbed.registry.lookup import get_registry
from benchbed.results.record import Record
from benchbed.results.store import ResultStore
from benchbed.runs.build import prepare_plan_data
from benchbed.runs.execute import execute_run
from benchbed.runs.plan import RunPlan
from benchbed.runs.planner import plan_run
from benchbed.tasks.scoring import score_sets
from benchbed.training.visualization.images import draw_image_grid, save_picture
from benchbed.utils.files import write_text

from .plain import train_and_sample
from .report import Point, draw_curves, render_markdown

COMMAND = "python -m benchmarks.quality"
METRICS = ("swd", "kid-random", "ms-ssim-diversity")
PLAIN = "plain script"
"""Name of the reference: a DCGAN without benchbed."""

SHOWN = 32
"""Number of samples of the reference in its picture."""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the options."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Compare the quality of methods after equal training time."
    )
    add = parser.add_argument
    add("--method", nargs="+", default=["fastgan", "dcgan", "wgan-gp", "acgan", "pggan", "skrgan"])
    add("--dataset", nargs="+", default=["chest-mini", "fundus"], help="Names of datasets.")
    add("--minutes", nargs="+", type=float, default=[1, 2, 4, 8], help="Training times.")
    add("--seed", nargs="+", type=int, default=[0], help="Random seeds.")
    add("--precision", default="fp32", choices=("fp32", "bf16"), help="Precision of the methods.")
    add("--out", type=Path, default=Path("results/quality"), help="Folder of the results.")
    return parser


def run_benchmark(options: argparse.Namespace) -> int:
    """Train and score what is not there yet, write the tables, and return the exit code."""
    store = ResultStore(options.out)
    points: list[Point] = []
    with ConsoleReporter() as reporter:
        for dataset, minutes, seed in product(options.dataset, options.minutes, options.seed):
            for method in options.method:
                reporter.report_message(f"{method} on {dataset}, {minutes:g} min, seed {seed}")
                plan = _plan(method, dataset, minutes, seed, options.precision)
                points.append(_describe(execute_run(plan, store, reporter).record, minutes))
            reporter.report_message(f"{PLAIN} on {dataset}, {minutes:g} min, seed {seed}")
            plan = _plan(options.method[0], dataset, minutes, seed, "fp32")
            points.append(_measure_plain(plan, minutes, seed, options.out, reporter))
    write_text(options.out / "quality.md", render_markdown(points))
    draw_curves(points, options.out / "quality.png")
    print(f"Written: {options.out / 'quality.md'} and quality.png.")
    return 0


def _plan(method: str, dataset: str, minutes: float, seed: int, precision: Precision) -> RunPlan:
    # Everybody has the images that are installed with a plugin, and the phantoms.
    is_installed = bool(get_registry().get_spec(DatasetSpec, dataset).package)
    return plan_run(
        RunConfig(
            method=method,
            dataset=dataset,
            source="real" if is_installed else "phantom",
            seconds=60 * minutes,
            seed=seed,
            precision=precision,
            metrics=METRICS,
        )
    )


def _describe(record: Record, minutes: float) -> Point:
    return Point(
        method=record.method,
        dataset=record.dataset,
        minutes=minutes,
        seed=record.seed,
        kimg=record.training.kimg,
        values={m.metric: m.value for m in record.metrics},
        baselines={m.metric: m.baseline for m in record.metrics},
    )


def _measure_plain(
    plan: RunPlan, minutes: float, seed: int, out: Path, reporter: ConsoleReporter
) -> Point:
    """Train the reference on the images of a run, and score it as the run is scored."""
    dataset = plan.protocol.dataset
    path = out / "plain" / f"{dataset}-{minutes:g}min-s{seed}.json"
    if path.exists():
        return Point(**json.loads(path.read_text(encoding="utf-8")))
    split = prepare_plan_data(plan, reporter).get_split(plan.protocol.train_split)
    real = ImageSet(split.images, split.arrays.get("fov"))
    samples, shown = train_and_sample(split.images, 60 * minutes, plan.protocol.samples, seed)
    features = FeatureCache(torch.device("cpu"), reporter.report_progress)
    values = score_sets(plan.metrics, real, ImageSet(samples), features, seed=seed)
    point = Point(
        method=PLAIN,
        dataset=dataset,
        minutes=minutes,
        seed=seed,
        kimg=shown / 1000,
        values={v.metric: v.value for v in values},
        baselines={v.metric: v.baseline for v in values},
    )
    save_picture(path.with_suffix(".png"), draw_image_grid(samples[:SHOWN], 8))
    write_text(path, json.dumps(asdict(point), indent=1))
    return point
