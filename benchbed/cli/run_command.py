"""``benchbed run``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from benchbed.cli.examples import examples
from benchbed.cli.options import complete_datasets, complete_methods, complete_metrics

if TYPE_CHECKING:
    from benchbed.cli.console import ConsoleReporter
    from benchbed.runs.plan import Plan
    from benchbed.runs.request import Request
    from benchbed.runs.runner import Outcome
    from benchbed.runs.store import Store

app = typer.Typer(rich_markup_mode=None, add_completion=False)

Preset = Literal["quick", "standard", "paper"]

EPILOG = (
    examples(
        "run --method {method} --dataset {dataset}",
        "run --method {method} --dataset {dataset} --time 10m --seed 1",
        "run --method {method} --dataset folder:my/pictures --size 128 --set batch_size=16",
        "run --resume RUN",
    )
    + """

A run that was stopped goes on when the same command is given again. Exit code: 0 finished, 1
broken, 2 wrong input, 3 diverged, 130 stopped."""
)


@app.command(epilog=EPILOG)
def run(
    method: Annotated[
        str | None, typer.Option(help="Name of the method.", autocompletion=complete_methods)
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Name of the data set, folder:PATH or nifti:PATH.",
            autocompletion=complete_datasets,
        ),
    ] = None,
    task: Annotated[str, typer.Option(help="How the method is judged.")] = "synthesis",
    preset: Annotated[Preset, typer.Option(help="Size, budget and counts.")] = "quick",
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the method, as name=value.")
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="YAML file of settings; --set goes before it.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything.")] = 0,
    source: Annotated[
        Literal["auto", "real", "phantom"],
        typer.Option(help="Real images where they lie, else the phantom; or one of them."),
    ] = "auto",
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of the real data; else $BENCHBED_DATA.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Size of the images in pixels.")] = None,
    kimg: Annotated[float | None, typer.Option(help="Budget in thousands of images.")] = None,
    time: Annotated[str | None, typer.Option(help="Budget in time, such as 10m.")] = None,
    samples: Annotated[int | None, typer.Option(help="Number of samples to score.")] = None,
    augment: Annotated[
        Literal["none", "flip"] | None, typer.Option(help="What is done to training images.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Metric to report.", autocompletion=complete_metrics),
    ] = None,
    regime: Annotated[
        Literal["real", "synthetic", "mixed", "finetuned"] | None,
        typer.Option(help="What a segmentation network is trained on."),
    ] = None,
    generator: Annotated[
        str | None,
        typer.Option(help="Method that makes synthetic pairs.", autocompletion=complete_methods),
    ] = None,
    generator_dataset: Annotated[
        str | None, typer.Option(help="What the generator is trained on, if not --dataset.")
    ] = None,
    generator_kimg: Annotated[
        float | None, typer.Option(help="The generator's budget, if not the preset's.")
    ] = None,
    pairs: Annotated[int | None, typer.Option(help="Number of synthetic pairs.")] = None,
    real_share: Annotated[
        float | None, typer.Option(help="Share of the real cases that a regime uses, such as 0.1.")
    ] = None,
    masks_from: Annotated[
        str | None, typer.Option(help="Data set with masks, where the data set has none.")
    ] = None,
    annotator: Annotated[
        str | None,
        typer.Option(
            help="Method that learns those masks and draws the missing ones.",
            autocompletion=complete_methods,
        ),
    ] = None,
    annotator_kimg: Annotated[
        float | None, typer.Option(help="The annotator's budget, if not the preset's.")
    ] = None,
    precision: Annotated[Literal["fp32", "bf16"], typer.Option(help="Precision.")] = "fp32",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    devices: Annotated[
        int, typer.Option(min=1, help="Devices that share each batch, a process for each.")
    ] = 1,
    results: Annotated[
        Path | None, typer.Option(help="Results folder; else $BENCHBED_RESULTS, else results.")
    ] = None,
    resume: Annotated[str | None, typer.Option(help="Go on with this run.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Start anew, whatever is there.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for another process that is at work on this run.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out images that do not decode.")
    ] = False,
    checkpoint_every: Annotated[str, typer.Option(help="Time between checkpoints.")] = "60s",
    logger: Annotated[
        Literal["tensorboard"] | None, typer.Option(help="Tell this too, beside history.csv.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record.")] = False,
) -> None:
    """Train a method on a data set, score it, and leave one record."""
    from benchbed import paths
    from benchbed.cli.options import seconds
    from benchbed.errors import BenchbedError
    from benchbed.runs.request import Request
    from benchbed.runs.store import Store
    from benchbed.settings import assignments, read_file
    from benchbed.training.board import check_logger

    check_logger(logger)
    options = {
        "checkpoint_seconds": seconds(checkpoint_every, "--checkpoint-every"),
        "logger": logger,
    }
    store = Store(paths.results(results))
    if resume is not None:
        if method or dataset or changes or settings:
            raise BenchbedError("--resume takes the whole run as it was; give nothing else of it.")
        request = _request_of(store, resume, data_root)
    else:
        if not method or not dataset:
            raise BenchbedError(
                "A run needs --method and --dataset. See `benchbed list methods` and "
                "`benchbed list datasets`."
            )
        request = Request(
            method=method,
            dataset=dataset,
            task=task,
            preset=preset,
            settings={**(read_file(settings) if settings else {}), **assignments(changes or ())},
            seed=seed,
            source=source,
            data_root=data_root,
            size=size,
            kimg=kimg,
            seconds=None if time is None else seconds(time, "--time"),
            samples=samples,
            augment=augment,
            metrics=tuple(metric or ()),
            precision=precision,
            skip_bad=skip_bad,
            regime=regime,
            generator=generator,
            generator_dataset=generator_dataset,
            generator_kimg=generator_kimg,
            pairs=pairs,
            real_share=real_share,
            masks_from=masks_from,
            annotator=annotator,
            annotator_kimg=annotator_kimg,
        )
    patience = math.inf if wait else 0.0
    how = {"device": device, "devices": devices, "force": force, "patience": patience}
    _carry_out(request, store, options, how, resume=resume, as_json=as_json)


def _request_of(store: Store, run: str, data_root: Path | None) -> Request:
    """The request that made a run."""
    from benchbed.runs.lookup import find_plan
    from benchbed.runs.request import Request

    _, made = find_plan(store, run)
    protocol = made["protocol"]
    root = Path(made["root"]) if made["root"] else None
    mixed = made.get("pairs") or {}
    lent = made.get("masks") or {}
    return Request(
        method=made["method"],
        dataset=made["dataset"],
        task=made["task"],
        preset=protocol["preset"],
        settings=made["settings"],
        seed=made["seed"],
        source=protocol["source"],
        data_root=data_root or root,
        size=protocol["size"],
        kimg=protocol["kimg"],
        seconds=protocol["seconds"],
        samples=protocol["samples"],
        augment=protocol["augment"],
        metrics=tuple(made["metrics"]),
        precision=made["precision"],
        skip_bad=made["skip_bad"],
        regime=mixed.get("regime"),
        generator=mixed.get("generator"),
        generator_dataset=mixed.get("dataset"),
        generator_kimg=mixed.get("kimg"),
        pairs=mixed.get("count"),
        real_share=mixed.get("real_share"),
        masks_from=lent.get("dataset"),
        annotator=lent.get("annotator"),
        annotator_kimg=lent.get("kimg"),
    )


def _carry_out(
    request: Request,
    store: Store,
    options: Mapping[str, Any],
    how: Mapping[str, Any],
    *,
    resume: str | None,
    as_json: bool,
) -> None:
    from benchbed import paths
    from benchbed.cli.console import ConsoleReporter
    from benchbed.errors import BenchbedError
    from benchbed.runs.plan import plan

    with ConsoleReporter() as reporter:
        planned = plan(request, reporter)
        if resume is not None and not planned.id.startswith(resume):
            raise BenchbedError(
                f"The run {resume} cannot go on: its data or its method's settings have changed "
                f"since (it would be {planned.id} now). Start it anew with benchbed run."
            )
        paths.writable(store.root)
        outcome = _guarded(planned, store, reporter, options, how)
    _tell(outcome, store, reporter, as_json)


def _guarded(
    planned: Plan,
    store: Store,
    reporter: ConsoleReporter,
    options: Mapping[str, Any],
    how: Mapping[str, Any],
) -> Outcome:
    # torch takes seconds to import; everything a user could have got wrong is known by now.
    from benchbed.runs.runner import RunFailed, carry_out
    from benchbed.training.loop import Interrupted, Options

    reporter.say(f"Run {planned.id}: {planned.method.title}, {planned.protocol.budget}.")
    folder = store.run_folder(planned.id)
    try:
        return carry_out(planned, store, reporter, options=Options(**options), **how)
    except Interrupted as error:
        reporter.say(f"Stopped. Go on with: benchbed run --resume {planned.id}")
        raise typer.Exit(130) from error
    except RunFailed as error:
        reporter.say(f"The run broke: {error}. The traceback is in {folder / 'log.txt'}.")
        raise typer.Exit(1) from error


def _tell(outcome: Outcome, store: Store, reporter: ConsoleReporter, as_json: bool) -> None:
    from benchbed.cli.console import duration, print_rows
    from benchbed.cli.values import value_rows

    record = outcome.record
    path = store.record_path(record.id)
    if not outcome.fresh:
        reporter.say(f"This run was done before ({path}); --force computes it anew.")
    if as_json:
        typer.echo(record.model_dump_json(indent=2))
    elif record.state == "finished":
        print_rows(value_rows(record.metrics), empty="No metric was asked for.")
    if record.state == "diverged":
        reporter.say(f"The run diverged: {record.message}. That is recorded as its result.")
    reporter.say(
        f"{record.training.kimg:.1f} kimg in {duration(record.training.seconds)} "
        f"({record.training.images_per_second:.0f} images/s). Record: {path}"
    )
    if outcome.fresh:
        reporter.say("Next: benchbed report")
    if record.state == "diverged":
        raise typer.Exit(3)
