"""Specs of the metrics of generated images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from benchbed.api.specs import MetricSpec, Paper

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


BINKOWSKI = Paper(
    key="binkowski2018-kid",
    authors="Binkowski, Sutherland, Arbel, Gretton",
    year=2018,
    title="Demystifying MMD GANs",
    venue="ICLR",
    url="https://arxiv.org/abs/1801.01401",
)


KYNKAANNIEMI = Paper(
    key="kynkaanniemi2019-precision-recall",
    authors="Kynkaanniemi, Karras, Laine, Lehtinen, Aila",
    year=2019,
    title="Improved precision and recall metric for assessing generative models",
    venue="NeurIPS",
    url="https://arxiv.org/abs/1904.06991",
)


MEEHAN = Paper(
    key="meehan2020-copying",
    authors="Meehan, Chaudhuri, Dasgupta",
    year=2020,
    title="A non-parametric test to detect data-copying in generative models",
    venue="AISTATS",
    url="https://arxiv.org/abs/2004.05675",
)


ODENA = Paper(
    key="odena2017-conditional",
    authors="Odena, Olah, Shlens",
    year=2017,
    title="Conditional image synthesis with auxiliary classifiers",
    venue="ICML",
    url="https://arxiv.org/abs/1610.09585",
)


INCEPTION_FEATURES = (
    "Inception pool3 features (2048-d, fp32, weights of 2015-12-05 as in pytorch-fid)"
)


UNTRAINED_FEATURES = "features of a seeded, untrained VGG16 (64-d, at 112 px)"


def list_image_metrics() -> list[MetricSpec]:
    """List every metric that compares generated images with real ones."""
    return [
        *_list_distance_metrics(),
        *(spec for name in COVERAGE_METRICS for spec in _list_coverage_metrics(name)),
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
            name="ms-ssim-diversity",
            title="MS-SSIM (diversity)",
            direction="down",
            implementation="benchbed.metrics.ms_ssim:ms_ssim_diversity",
            recipe="mean MS-SSIM of disjoint, seeded pairs of samples; real images are not looked "
            "at, and their own value is the floor",
            bounds=(0, 1),
            paper=ODENA,
        ),
        MetricSpec(
            name="memorisation",
            title="Memorisation",
            direction="none",
            implementation="benchbed.metrics.memorisation:memorisation",
            recipe="probability that a sample lies nearer to its nearest training image than a "
            "held-out real image does to its own (root mean square of pixels at 32 px, mirror "
            "images included, ties half); 0.5 as new images, 1 copies",
            bounds=(0, 1),
            min_samples=5,
            needs_held_out=True,
            paper=MEEHAN,
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


def _list_distance_metrics() -> Iterable[MetricSpec]:
    kernel = "squared MMD without bias under the kernel (x.y/d + 1)^3, over all images, fp64, of "
    return [
        MetricSpec(
            name="fid",
            title="FID",
            direction="down",
            implementation="benchbed.metrics.fid:fid",
            recipe=f"Frechet distance in fp64 of {INCEPTION_FEATURES}",
            bounds=(0, None),
            weights_check="benchbed.metrics.fid:has_inception_weights",
            fallback_metric="fid-random",
            paper=HEUSEL,
        ),
        MetricSpec(
            name="fid-random",
            title="FID-random",
            direction="down",
            implementation="benchbed.metrics.fid:fid_random",
            recipe=(
                f"Frechet distance in fp64 of {UNTRAINED_FEATURES}; no FID, and never beside one"
            ),
            bounds=(0, None),
            paper=NAEEM,
        ),
        MetricSpec(
            name="kid",
            title="KID",
            direction="down",
            implementation="benchbed.metrics.kid:kid",
            recipe=kernel + INCEPTION_FEATURES,
            weights_check="benchbed.metrics.fid:has_inception_weights",
            fallback_metric="kid-random",
            paper=BINKOWSKI,
        ),
        MetricSpec(
            name="kid-random",
            title="KID-random",
            direction="down",
            implementation="benchbed.metrics.kid:kid_random",
            recipe=f"{kernel}{UNTRAINED_FEATURES}; no KID, and never beside one",
            paper=BINKOWSKI,
        ),
    ]


COVERAGE_METRICS: dict[str, tuple[str, int | None]] = {
    "precision": ("share of samples inside the 5-nearest-neighbour ball of a real image", 1),
    "recall": ("share of real images inside the 5-nearest-neighbour ball of a sample", 1),
    "density": ("mean number of real 5-nearest-neighbour balls around a sample, over 5", None),
    "coverage": ("share of real 5-nearest-neighbour balls that hold a sample", 1),
}
"""Coverage metrics: name, definition, upper bound."""


def _list_coverage_metrics(name: str) -> Iterable[MetricSpec]:
    definition, high = COVERAGE_METRICS[name]
    paper = KYNKAANNIEMI if name in ("precision", "recall") else NAEEM
    return [
        MetricSpec(
            name=name,
            title=name.capitalize(),
            direction="up",
            implementation=f"benchbed.metrics.prdc:{name}",
            recipe=f"{definition}, in {INCEPTION_FEATURES}",
            bounds=(0, high),
            min_samples=6,
            weights_check="benchbed.metrics.fid:has_inception_weights",
            fallback_metric=f"{name}-random",
            paper=paper,
        ),
        MetricSpec(
            name=f"{name}-random",
            title=f"{name.capitalize()}-random",
            direction="up",
            implementation=f"benchbed.metrics.prdc:{name}_random",
            recipe=f"{definition}, in {UNTRAINED_FEATURES}",
            bounds=(0, high),
            min_samples=6,
            paper=paper,
        ),
    ]


SLICE_METRICS = ("fid", "fid-random", "kid", "kid-random")
"""Image metrics that are computed between slices."""


SLICE_RECIPE = (
    "between axial slices, up to 8 evenly spaced in the central half, mean over sequences"
)


def list_volume_metrics() -> list[MetricSpec]:
    """List distances between slices, and memorisation."""
    pictures = {spec.name: spec for spec in list_image_metrics()}
    return [
        *(_build_slice_metric(pictures[name]) for name in SLICE_METRICS),
        replace(
            pictures["memorisation"],
            name="memorisation-volumes",
            title="Memorisation (volumes)",
            implementation="benchbed.metrics.memorisation:memorisation_of_volumes",
            recipe="probability that a made volume lies nearer to its nearest training volume than "
            "a held-out real one does to its own (root mean square of area means at no more than "
            "16 x 32 x 32 voxels, mirrored volumes included, ties half); 0.5 as new volumes, 1 "
            "copies",
            input_kind="volumes",
        ),
    ]


def _build_slice_metric(spec: MetricSpec) -> MetricSpec:
    """Derive the slice metric from an image metric."""
    stand_in = None if spec.fallback_metric is None else f"{spec.fallback_metric}-slices"
    _, _, function = spec.implementation.partition(":")
    return replace(
        spec,
        name=f"{spec.name}-slices",
        title=f"{spec.title} (slices)",
        implementation=f"benchbed.metrics.slices:{function}_slices",
        recipe=f"{spec.recipe}; {SLICE_RECIPE}",
        input_kind="volumes",
        fallback_metric=stand_in,
    )
