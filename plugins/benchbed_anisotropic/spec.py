"""Method spec of the anisotropic WNet."""

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
            paper="a cascade: WNet for the whole tumour, TNet for its core, ENet for the enhancing "
            "part",
            implementation="WNet only, with a softmax over the background and all mask classes",
            reason="table 1 of Shin et al. compares the whole tumour; other datasets have other "
            "classes",
        ),
        Deviation(
            paper="z-scores over non-zero voxels, and noise N(0, 1) elsewhere",
            implementation="images in [-1, 1], background -1",
            reason="all methods get the same input",
        ),
        Deviation(
            paper="patches of 19 x 144 x 144 give 11 x 144 x 144, because layers across slices are "
            "unpadded",
            implementation="slabs of 19 whole slices give 11; volumes are padded with four empty "
            "slices at each end",
            reason="every voxel is segmented; planes have at most 128 px",
        ),
        Deviation(
            paper="batches without tumour voxels are redrawn",
            implementation="every batch is used",
            reason="the check would force a device synchronisation",
        ),
        Deviation(
            paper="20,000 iterations for the axial network; 5,000 for each of the others, which "
            "start from its weights",
            implementation="2/3, 1/6 and 1/6 of the budget; probabilities are averaged over the "
            "networks whose training has started",
            reason="the same proportions at every budget",
        ),
        Deviation(
            paper="the code uses batch statistics at test time too",
            implementation="running statistics at test time",
            reason="the prediction for a case does not depend on the other cases of its batch",
        ),
        Deviation(
            paper="flips in the code, disabled; Shin et al. report the usual augmentation",
            implementation="augment: rotations up to 10 degrees, translations up to 8 voxels, "
            "crops down to 0.9, displacements up to about 6 voxels with a smoothness of 4, lengths "
            "at 128 px; each applied to half of the cases",
            reason="the augmentation of the method it is compared with; --augment flip adds flips",
        ),
        Deviation(
            paper="32 channels, batch of 5",
            implementation="preset quick: 16 channels, batch of 2",
            reason="minutes on two CPU cores",
        ),
    ),
)


@hookimpl
def benchbed_methods() -> Iterable[MethodSpec]:
    """Return the anisotropic WNet."""
    return [ANISOTROPIC_WNET]
