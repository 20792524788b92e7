"""The plugin that benchbed itself is: its metrics and tasks."""

from __future__ import annotations

from collections.abc import Iterable

from benchbed.api.specs import MetricSpec, Paper, TaskSpec
from benchbed.hookspecs import hookimpl

HEUSEL = Paper(
    key="heusel2017-fid",
    authors="Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter",
    year=2017,
    title="GANs trained by a two time-scale update rule converge to a local Nash equilibrium",
    venue="NeurIPS",
    url="https://arxiv.org/abs/1706.08500",
)
NAEEM = Paper(
    key="naeem2020-prdc",
    authors="Naeem, Oh, Uh, Choi, Yoo",
    year=2020,
    title="Reliable fidelity and diversity metrics for generative models",
    venue="ICML",
    url="https://arxiv.org/abs/2002.09797",
)
KARRAS = Paper(
    key="karras2018-growing",
    authors="Karras, Aila, Laine, Lehtinen",
    year=2018,
    title="Progressive growing of GANs for improved quality, stability, and variation",
    venue="ICLR",
    url="https://arxiv.org/abs/1710.10196",
)
WANG = Paper(
    key="wang2003-ms-ssim",
    authors="Wang, Simoncelli, Bovik",
    year=2003,
    title="Multiscale structural similarity for image quality assessment",
    venue="Asilomar Conference on Signals, Systems and Computers",
)


@hookimpl
def benchbed_metrics() -> Iterable[MetricSpec]:
    """The metrics of the task ``synthesis``."""
    return [
        MetricSpec(
            name="fid",
            title="FID",
            direction="down",
            implementation="benchbed.metrics.fid:fid",
            recipe="Frechet distance in fp64 of Inception pool3 features (2048-d, fp32, weights "
            "of 2015-12-05 as in pytorch-fid)",
            bounds=(0, None),
            weights="benchbed.metrics.fid:inception_there",
            stand_in="fid-random",
            paper=HEUSEL,
        ),
        MetricSpec(
            name="fid-random",
            title="FID-random",
            direction="down",
            implementation="benchbed.metrics.fid:fid_random",
            recipe="Frechet distance in fp64 of features of a seeded, untrained VGG16 (64-d, at "
            "112 px); no FID, and never beside one",
            bounds=(0, None),
            paper=NAEEM,
        ),
        MetricSpec(
            name="swd",
            title="SWD",
            direction="down",
            implementation="benchbed.metrics.swd:swd",
            recipe="sliced Wasserstein distance of 7x7 patches of a Laplacian pyramid down to "
            "16 px, mean over levels, not multiplied by 1000, equal counts",
            bounds=(0, None),
            min_samples=8,
            paper=KARRAS,
        ),
        MetricSpec(
            name="ms-ssim-realfake",
            title="MS-SSIM (real-fake)",
            direction="up",
            implementation="benchbed.metrics.ms_ssim:ms_ssim_realfake",
            recipe="mean MS-SSIM of each sample and a seeded random real image",
            bounds=(0, 1),
            paper=WANG,
        ),
        MetricSpec(
            name="kl",
            title="KL",
            direction="none",
            implementation="benchbed.metrics.histogram_kl:kl",
            recipe="Kullback-Leibler divergence, real to fake, of 256-bin luma histograms inside "
            "the field of view, one count added to each bin, natural logarithm",
            bounds=(0, None),
        ),
    ]


@hookimpl
def benchbed_tasks() -> Iterable[TaskSpec]:
    """The tasks."""
    return [
        TaskSpec(
            name="synthesis",
            title="are the samples like the real images?",
            implementation="benchbed.tasks.synthesis:Synthesis",
            abilities=frozenset({"sample"}),
            metrics=("fid", "swd", "ms-ssim-realfake", "kl"),
        )
    ]
