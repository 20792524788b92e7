"""Specs of the metrics of generated images."""

from __future__ import annotations

import math
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

_CHANNEL_ORDER = "the term of each scale is averaged over pixels and channels, then multiplied"
"""Other packages multiply first and average channels last, which differs for colour images."""

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

COVERAGE_METRICS: dict[str, tuple[str, int | None]] = {
    "precision": ("share of samples inside the 5-nearest-neighbour ball of a real image", 1),
    "recall": ("share of real images inside the 5-nearest-neighbour ball of a sample", 1),
    "density": ("mean number of real 5-nearest-neighbour balls around a sample, over 5", None),
    "coverage": ("share of real 5-nearest-neighbour balls that hold a sample", 1),
}
"""Coverage metrics: name, definition, upper bound."""


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
            recipe=f"mean MS-SSIM of each sample and a seeded random real image; {_CHANNEL_ORDER}",
            bounds=(0, 1),
            paper=WANG,
        ),
        MetricSpec(
            name="ms-ssim-diversity",
            title="MS-SSIM (diversity)",
            direction="down",
            implementation="benchbed.metrics.ms_ssim:ms_ssim_diversity",
            recipe="mean MS-SSIM of disjoint, seeded pairs of samples; real images are not looked "
            f"at, and their own value is the floor; {_CHANNEL_ORDER}",
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
            recommended_samples=100,
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


def _list_distance_metrics() -> list[MetricSpec]:
    fid = MetricSpec(
        name="fid",
        title="FID",
        direction="down",
        implementation="benchbed.metrics.fid:fid",
        recipe="Frechet distance in fp64 of ",
        bounds=(0, None),
        paper=HEUSEL,
    )
    kid = MetricSpec(
        name="kid",
        title="KID",
        direction="down",
        implementation="benchbed.metrics.kid:kid",
        recipe="squared MMD without bias under the kernel (x.y/d + 1)^3, over all images, fp64, "
        "of ",
        recommended_samples=100,
        paper=BINKOWSKI,
    )
    fids = _build_feature_metrics(fid, "; no FID, and never beside one", random_paper=NAEEM)
    return [
        *(_recommend_full_rank(spec, d) for spec, d in zip(fids, (2048, 64), strict=True)),
        *_build_feature_metrics(kid, "; no KID, and never beside one"),
    ]


def _recommend_full_rank(spec: MetricSpec, dimension: int) -> MetricSpec:
    """Recommend more images than features have dimensions, or their covariance is singular."""
    return replace(
        spec,
        recommended_samples=dimension + 1,
        small_sample_effect=f"biased upwards, since its features have {dimension} dimensions",
    )


def _list_coverage_metrics(name: str) -> list[MetricSpec]:
    definition, high = COVERAGE_METRICS[name]
    spec = MetricSpec(
        name=name,
        title=name.capitalize(),
        direction="up",
        implementation="benchbed.metrics.prdc:prdc",
        parameters={"measure": name},
        recipe=f"{definition}, in ",
        bounds=(0, high),
        min_samples=6,
        paper=KYNKAANNIEMI if name in ("precision", "recall") else NAEEM,
    )
    return _build_feature_metrics(spec)


def _build_feature_metrics(
    spec: MetricSpec, note: str = "", random_paper: Paper | None = None
) -> list[MetricSpec]:
    """Build a metric in Inception features, and its fallback in features without weights.

    Args:
        spec: Both; the name of the features completes its recipe.
        note: End of the fallback's recipe.
        random_paper: Paper of the fallback, if it is another.
    """
    fallback = replace(
        spec,
        name=f"{spec.name}-random",
        title=f"{spec.title}-random",
        parameters={**spec.parameters, "extractor": "random"},
        recipe=f"{spec.recipe}{UNTRAINED_FEATURES}{note}",
        paper=random_paper or spec.paper,
    )
    inception = replace(
        spec,
        parameters={**spec.parameters, "extractor": "inception"},
        recipe=f"{spec.recipe}{INCEPTION_FEATURES}",
        weights_check="benchbed.metrics.fid:has_inception_weights",
        fallback_metric=fallback.name,
    )
    return [inception, fallback]


SLICES_PER_VOLUME = 8

SLICE_METRICS = ("fid", "fid-random", "kid", "kid-random")
"""Image metrics that are computed between slices."""

SLICE_RECIPE = (
    f"between axial slices, up to {SLICES_PER_VOLUME} evenly spaced in the central half, "
)

SEQUENCE_METRICS = ("kid", "kid-random")
"""Image metrics that are also computed for each sequence: KID is unbiased in few volumes."""

MAX_SEQUENCE = 4
"""Number of sequences that have their own metrics."""


def list_volume_metrics() -> list[MetricSpec]:
    """List distances between slices, of all and of single sequences, and memorisation."""
    pictures = {spec.name: spec for spec in list_image_metrics()}
    return [
        *(_build_slice_metric(pictures[name]) for name in SLICE_METRICS),
        *(
            _build_sequence_metric(pictures[name], number)
            for name in SEQUENCE_METRICS
            for number in range(1, MAX_SEQUENCE + 1)
        ),
        replace(
            pictures["memorisation"],
            name="memorisation-volumes",
            title="Memorisation (volumes)",
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
    return replace(
        spec,
        name=f"{spec.name}-slices",
        title=f"{spec.title} (slices)",
        implementation="benchbed.metrics.slices:average_over_sequences",
        parameters={"implementation": spec.implementation, **spec.parameters},
        recipe=f"{spec.recipe}; {SLICE_RECIPE}mean over sequences",
        recommended_samples=math.ceil(spec.recommended_samples / SLICES_PER_VOLUME),
        input_kind="volumes",
        fallback_metric=stand_in,
    )


def _build_sequence_metric(spec: MetricSpec, number: int) -> MetricSpec:
    """Derive the slice metric of the sequence `number`, counted from 1."""
    suffix, metric = f"slices-sequence-{number}", _build_slice_metric(spec)
    stand_in = None if spec.fallback_metric is None else f"{spec.fallback_metric}-{suffix}"
    return replace(
        metric,
        name=f"{spec.name}-{suffix}",
        title=f"{spec.title} (slices, sequence {number})",
        implementation="benchbed.metrics.slices:score_sequence",
        parameters={**metric.parameters, "sequence": number - 1},
        recipe=f"{spec.recipe}; {SLICE_RECIPE}sequence {number} of the dataset",
        min_channels=number,
        fallback_metric=stand_in,
    )
