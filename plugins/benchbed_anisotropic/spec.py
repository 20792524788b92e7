"""The anisotropic WNet, as declared to benchbed."""

from __future__ import annotations

from collections.abc import Iterable

from benchbed import Deviation, MethodSpec, Paper, hookimpl

ANISOTROPIC_WNET = MethodSpec(
    name="anisotropic-wnet",
    title="WNet (anisotropic, three views)",
    paper=Paper(
        key="wang2017-anisotropic",
        authors="Wang, Li, Ourselin, Vercauteren",
        year=2017,
        title="Automatic brain tumor segmentation using cascaded anisotropic convolutional neural "
        "networks",
        venue="BrainLes (MICCAI workshop)",
        url="https://arxiv.org/abs/1709.00382",
    ),
    implementation="benchbed_anisotropic.wnet:WNet",
    settings="benchbed_anisotropic.settings:WNetSettings",
    capabilities=frozenset({"segment"}),
    sizes=(32, 64, 128),
    dimensions=(3,),
    required_inputs=frozenset({"mask"}),
    presets={"quick": {"batch_size": 2, "features": 16}},
    equations=(
        ("Dice loss", "1 - mean_k 2 sum_v p_k y_k / (sum_v p_k^2 + sum_v y_k^2)"),
        ("fusion of views", "p = (p_axial + p_sagittal + p_coronal) / 3,   p_view by softmax"),
    ),
    deviations=(
        Deviation(
            paper="a cascade: WNet finds the whole tumour, TNet its core, ENet what enhances",
            implementation=(
                "WNet alone, with a softmax over the background and all classes of the mask"
            ),
            reason="Shin et al.'s table 1, where it is compared, scores the whole tumour; other "
            "data have other classes",
        ),
        Deviation(
            paper="z-scores over the voxels that are not 0, and noise N(0, 1) in those that are",
            implementation="images in [-1, 1], background -1",
            reason="what a method is shown is equal for all",
        ),
        Deviation(
            paper="patches of 19 x 144 x 144 give 11 x 144 x 144, for layers across slices have "
            "no padding",
            implementation="slabs of 19 whole slices give 11; at a volume's ends four empty "
            "slices are put "
            "before and behind",
            reason="every voxel is segmented; planes have 128 px at most",
        ),
        Deviation(
            paper="batches are drawn again until one has a voxel of tumour",
            implementation="every batch is taken",
            reason="asking would make the device wait",
        ),
        Deviation(
            paper="20,000 iterations for the axial network; 5,000 for each of the others, which "
            "begin with its weights",
            implementation="2/3, 1/6 and 1/6 of the budget; before the others have begun, the "
            "mean is over "
            "those that have",
            reason="the same proportions of every budget",
        ),
        Deviation(
            paper="the code normalises by the statistics of the batch at test time too",
            implementation="by running ones at test time",
            reason="a case's masks do not depend on the cases beside it",
        ),
        Deviation(
            paper="flips in the code, switched off; Shin et al. say that it has the usual changes",
            implementation="augment; rotations up to 10 degrees, translations up to 8 voxels, "
            "crops from 0.9 "
            "on, displacements up to about 6 voxels with a smoothness of 4, lengths at 128 px; "
            "each to half of the cases",
            reason="those of the method that it is compared with; --augment flip flips",
        ),
        Deviation(
            paper="32 channels, batch of 5",
            implementation="preset quick: 16, a factor of 2 narrower, and batch of 2",
            reason="minutes on two CPU cores",
        ),
    ),
)


@hookimpl
def benchbed_methods() -> Iterable[MethodSpec]:
    """The anisotropic WNet."""
    return [ANISOTROPIC_WNET]
